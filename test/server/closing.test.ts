/** Peers and hooks that are slow, and a server that is about to go. */
import { expect, test } from "vitest";
import { createWriter, request, serve } from "./app.ts";

/** A push whose body never ends. */
const slow = (): Request =>
  new Request("http://server/sync/one/push", {
    method: "POST",
    headers: {
      "Sssync-Protocol": "1",
      Authorization: "Bearer ann",
      "Content-Type": "application/json",
    },
    body: new ReadableStream({ start: (it) => it.enqueue(new TextEncoder().encode("{")) }),
    duplex: "half",
  } as RequestInit);

const told = async (response: Promise<Response>) => {
  const { status, body } = await response.then(async (it) => ({
    status: it.status,
    body: (await it.json()) as { error: { code: string } },
  }));
  return [status, body.error.code];
};

test("goes without waiting for who sends slowly: those are asked to come again", async () => {
  const server = serve();
  const sent = server.fetch(slow());
  await server.drain();
  expect(await told(sent)).toEqual([503, "unavailable"]);
  // Also for who comes while it is found out who that is.
  let enter: ((principal: { id: string }) => void) | undefined;
  const asking = serve({ authenticate: () => new Promise((resolve) => (enter = resolve)) });
  const late = asking.fetch(slow());
  const drained = asking.drain();
  enter?.({ id: "ann" });
  await drained;
  expect(await told(late)).toEqual([503, "unavailable"]);
});

test("waits for a body as long as a client does, and no longer", async () => {
  const timers: (() => void)[] = [];
  const clock = {
    now: () => 0,
    setTimeout: (fn: () => void) => timers.push(fn),
    clearTimeout: () => undefined,
  };
  const server = serve({ clock });
  const sent = server.fetch(slow());
  await expect.poll(() => timers).toHaveLength(1);
  timers[0]?.();
  expect(await told(sent)).toEqual([504, "timeout"]);
  expect(server.errors).toEqual([]);
});

test("a hook has all of its time, however long it was not its turn to write", async () => {
  let time = 0;
  const timers = new Set<{ readonly fn: () => void; readonly at: number }>();
  const clock = {
    now: () => time,
    setTimeout(fn: () => void, ms: number) {
      const timer = { fn, at: time + ms };
      timers.add(timer);
      return timer;
    },
    clearTimeout: (timer: unknown) => timers.delete(timer as never),
  };
  const hooks: (() => void)[] = [];
  const server = serve({ clock, apply: () => new Promise((resolve) => hooks.push(resolve)) });
  const [first, second] = [createWriter("client-aa"), createWriter("client-bb")];
  const hung = first.push(server, "one", [first.add("a")]);
  await expect.poll(() => hooks).toHaveLength(1);
  const waited = second.push(server, "one", [second.add("b")]);
  const due = (): void => {
    for (const timer of timers) if (timer.at <= time && timers.delete(timer)) timer.fn();
  };
  // Until it waits for its turn.
  for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
  time = 30_000;
  due();
  expect((await hung).status).toBe(504);
  await expect.poll(() => hooks).toHaveLength(2);
  due();
  hooks[1]?.();
  const { status, body } = await waited;
  expect([status, body.results[0].status]).toEqual([200, "accepted"]);
});

test("opens no stream any more when it is about to go", async () => {
  let enter: ((principal: { id: string }) => void) | undefined;
  const server = serve({ authenticate: () => new Promise((resolve) => (enter = resolve)) });
  const late = server.fetch(request("one/live"));
  const drained = server.drain();
  enter?.({ id: "ann" });
  expect(await told(late)).toEqual([503, "unavailable"]);
  await drained;
  await server.drain();
});

test("lets more readers wait than Node.js takes for a leak", async () => {
  const warnings: Error[] = [];
  const warn = (warning: Error): unknown => warnings.push(warning);
  process.on("warning", warn);
  const server = serve();
  const waiting = Array.from({ length: 20 }, () => server.fetch(request("one/pull?wait=30")));
  const { add, push } = createWriter();
  await push(server, "one", [add("a")]);
  await Promise.all(waiting);
  await new Promise(setImmediate);
  process.off("warning", warn);
  expect(warnings).toEqual([]);
});
