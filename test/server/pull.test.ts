import { expect, test } from "vitest";
import { memory } from "../../src/server/index.ts";
import { call, createWriter, request, serve } from "./app.ts";

async function filled(count: number) {
  const storage = memory();
  const server = serve({ storage });
  const { add, push } = createWriter();
  const list = Array.from({ length: count }, (_, index) => add(`i${index}`));
  await push(server, "one", list);
  return { server, storage, add, push };
}

test("gives pages that follow each other, and the same ones again", async () => {
  const { server } = await filled(5);
  const ids: string[] = [];
  let cursor: string | null = null;
  for (let more = true; more;) {
    const query: string = cursor === null ? "" : `&cursor=${cursor}`;
    const { body } = await call(server, `one/pull?limit=2${query}`);
    expect((await call(server, `one/pull?limit=2${query}`)).body).toEqual(body);
    expect(body.from).toBe(cursor);
    ids.push(...body.entries.map(({ payload }: { payload: { id: string } }) => payload.id));
    ({ cursor, more } = body as { cursor: string; more: boolean });
  }
  expect(ids).toEqual(["i0", "i1", "i2", "i3", "i4"]);
  const end = await call(server, `one/pull?cursor=${cursor}`);
  expect(end.body).toMatchObject({ cursor, pos: 5, entries: [], more: false });
});

test("sends a reader back to the start who followed another log", async () => {
  const { server } = await filled(2);
  const { body } = await call(server, "one/pull");
  const empty = serve();
  const reset = async (space: string, query: string) =>
    (await call(empty, `${space}/pull?${query}`)).body.error;
  expect(await reset("one", `cursor=${body.cursor}`)).toMatchObject({ reason: "diverged" });
  expect(await reset("two", `cursor=${body.cursor}`)).toMatchObject({ reason: "scope" });
  expect(await reset("one", `cursor=abc`)).toMatchObject({ code: "reset_required" });
  expect(await reset("one", `cursor=a%20b`)).toMatchObject({ code: "bad_request" });
  expect(await reset("one", `limit=0`)).toMatchObject({ code: "bad_request" });
  expect(await reset("one", `seen=${body.cursor}`)).toMatchObject({ reason: "diverged" });
});

test("finds that a log went another way, also at a position that it has", async () => {
  const { server } = await filled(2);
  const { body } = await call(server, "one/pull");
  const other = serve();
  const { add, push } = createWriter("client-bb");
  await push(other, "one", [add("a"), add("b"), add("c")]);
  expect(await call(other, `one/pull?cursor=${body.cursor}`)).toMatchObject({
    status: 409,
    body: { error: { code: "reset_required", reason: "diverged" } },
  });
  const faulty = serve({}, ["no-hash"]);
  const again = createWriter("client-bb");
  await push(faulty, "one", [again.add("a"), again.add("b"), again.add("c")]);
  expect((await call(faulty, `one/pull?cursor=${body.cursor}`)).status).toBe(200);
});

test("gives whole milliseconds, whatever the clock gives", async () => {
  const clock = { now: () => 1000.7, setTimeout: () => 0, clearTimeout: () => undefined };
  const server = serve({ clock });
  const { add, push } = createWriter("client-aa");
  await push(server, "one", [add("a")]);
  expect((await call(server, "one/pull")).body).toMatchObject({ entries: [{ ts: 1000 }] });
  expect((await call(server, "info")).body).toMatchObject({ now: 1000 });
});

test("keeps a reader who has all waiting until something is pushed", async () => {
  const { server, add, push } = await filled(1);
  const { body } = await call(server, "one/pull");
  const waiting = call(server, `one/pull?cursor=${body.cursor}&wait=30`);
  await push(server, "one", [add("z")]);
  expect((await waiting).body).toMatchObject({ pos: 2, entries: [{ payload: { id: "z" } }] });
});

test("answers a waiting reader with an empty page when time is up, and when the server goes", async () => {
  const timers: (() => void)[] = [];
  const clock = {
    now: () => (timers.length === 0 ? 0 : 60_000),
    setTimeout: (fn: () => void) => timers.push(fn),
    clearTimeout: () => undefined,
  };
  const server = serve({ clock });
  const waiting = call(server, "one/pull?wait=30");
  while (timers.length === 0) await Promise.resolve();
  timers[0]?.();
  expect((await waiting).body).toMatchObject({ pos: 0, entries: [] });

  const other = serve();
  const last = other.fetch(request("one/pull?wait=30"));
  await other.drain();
  expect((await last).status).toBe(200);
  expect((await call(other, "one/pull")).status).toBe(503);
});

test("tells a reader at once what was pushed between the look and the wait", async () => {
  const inner = memory();
  const { add, push } = createWriter();
  let looks = 0;
  let waits = 0;
  const server = serve({
    storage: {
      ...inner,
      async read(...args: Parameters<typeof inner.read>) {
        const found = await inner.read(...args);
        looks += 1;
        if (looks === 1) await push(server, "one", [add("a")]);
        return found;
      },
    },
    clock: {
      now: () => 0,
      setTimeout: (fn, ms) => {
        // Not that of the body of a push.
        if (ms !== 20_000) return;
        waits += 1;
        fn();
      },
      clearTimeout: () => undefined,
    },
  });
  const { body } = await call(server, "one/pull?wait=20");
  expect([body.pos, looks, waits]).toEqual([1, 2, 0]);
});
