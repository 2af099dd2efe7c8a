/** How long a device waits, and that it waits at all: whatever a server says, and whatever the clock does meanwhile. */
import { describe, expect, test } from "vitest";
import { createSyncActor } from "../../src/index.ts";
import { afterFailure, initial } from "../../src/machines/progress.ts";
import { encodeLiveEvent } from "../../src/protocol/index.ts";
import { serverView } from "../support/server-view.ts";
import { add, app, createSyncWorld, logOf, serverTables, shown } from "./world.ts";

type Json = Record<string, unknown>;
const ofPart = (request: Request, part: string): boolean =>
  new URL(request.url).pathname.split("/").includes(part);

test("a server that says that there is more, and gives nothing, is asked again later", async () => {
  const { world, server, openTab } = createSyncWorld();
  let pulls = 0;
  world.network.serve(async (request) => {
    const response = await server.fetch(request);
    if (!ofPart(request, "pull")) return response;
    pulls += 1;
    return Response.json({ ...((await response.json()) as Json), more: pulls < 100 });
  });
  const tab = openTab(world.createDevice());
  await world.run(tab.sync.ready);
  await world.pass(10_000);
  expect(pulls).toBeLessThan(30);
  expect(tab.sync.status).toMatchObject({ sync: "backoff", phase: "ready" });
  pulls = 100;
  await world.pass(70_000);
  expect(tab.sync.status.sync).toBe("live");
});

test("a snapshot whose pages go round in a circle is not read for ever", async () => {
  const { world, server, openTab } = createSyncWorld({
    server: { ...serverTables, limits: { pageEntries: 5, pageBytes: 2000 } },
  });
  const tab = openTab(world.createDevice());
  await world.run(tab.sync.ready);
  for (let id = 10; id < 40; id += 1) add(tab, `${id}`);
  await world.pass(5000);
  await server.compact("me");
  let pages = 0;
  world.network.serve(async (request) => {
    const response = await server.fetch(request);
    if (!ofPart(request, "snapshot")) return response;
    pages += 1;
    if (pages > 100) return response;
    return Response.json({ ...((await response.json()) as Json), next: "1" });
  });
  const other = openTab(world.createDevice());
  await world.run(other.sync.ready);
  await world.pass(10_000);
  expect(pages).toBeLessThan(30);
  pages = 100;
  await world.pass(400_000);
  expect(shown(other)).toEqual(shown(tab));
  expect(other.sync.status.sync).toBe("live");
});

test("a wait that a server asks for is a day at most", () => {
  const heard = {
    tag: "refused",
    status: 429,
    error: { code: "rate_limited", retryAfter: 2 ** 52 },
    known: true,
  } as const;
  const { delay, floor } = afterFailure({ ...initial, heard }, serverView());
  expect([delay, floor]).toEqual([86_400_000, 86_400_000]);
});

test("a clock that is set back by a year while a device waits does not make the wait longer", async () => {
  const { world, server } = createSyncWorld();
  const { environment } = world.createDevice().openPage();
  let shift = 0;
  const now = (): number => environment.clock.now() + shift;
  const sync = createSyncActor({
    ...app,
    server: { url: "/sync/me", auth: () => "token" },
    environment: { ...environment, clock: { ...environment.clock, now } },
  });
  await world.run(sync.ready);
  await world.pass(3000);
  let isFull = true;
  world.network.serve(async (request) => {
    if (!isFull || !ofPart(request, "push")) return await server.fetch(request);
    isFull = false;
    const error = { code: "rate_limited", retryAfter: 5000 };
    return Response.json({ error }, { status: 429 });
  });
  const receipt = sync.commit({ name: "added", payload: { id: "a", text: "a" } });
  await world.pass(1000);
  expect(sync.status.sync).toBe("backoff");
  shift = -365 * 24 * 3600_000;
  await world.pass(10_000);
  expect(await receipt.settled).toMatchObject([{ status: "accepted" }]);
});

describe("a stream that is let through, and ends soon, is not opened round and round", () => {
  const bye = { event: "bye", data: { reason: "overload", retryAfter: 0 } } as const;
  test.each([
    ["with a word of goodbye at once", 0, bye],
    ["cut by a proxy after 3 s", 3000, undefined],
    ["cut by a proxy after 9 s", 9000, undefined],
  ] as const)("%s", async (_, ms, last) => {
    const { world, server, openTab } = createSyncWorld();
    const hello = { event: "hello", data: { epoch: "e", head: 0, heartbeat: 20_000 } } as const;
    let asked = 0;
    world.network.serve((request) => {
      asked += 1;
      if (!ofPart(request, "live")) return server.fetch(request);
      const body = new ReadableStream<string>({
        start(stream) {
          stream.enqueue(
            encodeLiveEvent(hello) + (last === undefined ? "" : encodeLiveEvent(last)),
          );
          world.clock.setTimeout(() => {
            if (!request.signal.aborted) stream.close();
          }, ms);
        },
      }).pipeThrough(new TextEncoderStream());
      return new Response(body, { headers: { "content-type": "text/event-stream" } });
    });
    const tab = openTab(world.createDevice());
    await world.run(tab.sync.ready);
    await world.pass(60_000);
    asked = 0;
    await world.pass(300_000);
    expect(tab.sync.status).toMatchObject({ fault: null });
    // A stream every 30 s, with a pull before it and one after it.
    expect(asked).toBeLessThan(60);
  });
});

test("G13 nothing depends on the server's clock, which goes back with each request", async () => {
  const place = createSyncWorld();
  const { world, openTab, storage } = place;
  let time = world.now();
  place.serve(storage, { clock: { ...world.clock, now: () => (time -= 60_000) } });
  const device = world.createDevice();
  const tabs = [openTab(device), openTab(device), openTab(world.createDevice())];
  await world.run(Promise.all(tabs.map(({ sync }) => sync.ready)));
  for (let at = 0; at < 4; at += 1)
    for (const [of, tab] of tabs.entries()) {
      const id = `${at % 3}`;
      const receipt = tab.sync.commit([
        { name: "added", payload: { id, text: "" } },
        { name: "renamed", payload: { id, text: `${at} ${of}` } },
      ]);
      expect(await world.run(receipt.settled)).toMatchObject([
        { status: "accepted" },
        { status: "accepted" },
      ]);
    }
  await world.pass(5000);
  const log = await logOf(storage);
  const times = log.map(({ ts }) => ts);
  expect(times).toEqual(times.toSorted((a, b) => b - a));
  expect(new Set(times).size).toBeGreaterThan(5);
  for (const tab of tabs) {
    expect(shown(tab)).toEqual(["0:3 2", "1:1 2", "2:2 2"]);
    expect(tab.sync.status).toMatchObject({ sync: "live", pending: 0, fault: null });
  }
});

test("who was stopped asks nothing any more, neither the server nor the app, whatever was under way", async () => {
  for (const what of ["token", "push", "live", "pull"]) {
    const place = createSyncWorld();
    const { world, server, openTab } = place;
    let asked = 0;
    let isHung = what === "token";
    const auth = (): string | Promise<string> => {
      asked += 1;
      return isHung ? new Promise(() => undefined) : "token";
    };
    world.network.serve((request) => {
      asked += 1;
      return server.fetch(request);
    });
    const tab = openTab(world.createDevice(), { auth });
    await world.run(tab.sync.ready);
    await world.pass(3000);
    const end = what === "token" ? undefined : world.network.always("answerHung", what);
    if (what === "live") world.network.cut();
    add(tab, "a");
    await world.pass(100);
    await world.run(tab.sync.stop());
    end?.();
    isHung = false;
    asked = 0;
    await world.pass(600_000);
    expect({ what, asked, streams: server.streams }).toEqual({ what, asked: 0, streams: 0 });
  }
});
