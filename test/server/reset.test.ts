import { expect, test } from "vitest";
import { memory } from "../../src/server/index.ts";
import { call, createWriter, events, materializers, serve, tables } from "./app.ts";

const rows = { events, tables, materializers };

test("gives new readers a snapshot and what came after it, and sends those back who are behind", async () => {
  const server = serve(rows);
  const { add, next, push } = createWriter();
  await push(server, "one", [add("a"), add("b"), next("item.inc", { id: "b" })]);
  const { body: old } = await call(server, "one/pull?limit=1");
  const { body: current } = await call(server, "one/pull");
  await push(server, "one", [next("item.delete", { id: "a" })]);
  await server.compact("one", { logDays: 0 });
  const { body: snapshot } = await call(server, "one/pull");
  expect(snapshot).toMatchObject({ mode: "snapshot", from: null, pos: 4, head: 4, next: null });
  expect(snapshot.data).toEqual({ item: [{ id: "b", title: "b", n: 1 }] });
  await push(server, "one", [add("c")]);
  const tail = await call(server, `one/pull?cursor=${snapshot.cursor}`);
  expect(tail.body).toMatchObject({ mode: "log", entries: [{ pos: 5 }] });
  for (const { cursor } of [old, current]) {
    expect(await call(server, `one/pull?cursor=${cursor}`)).toMatchObject({
      status: 409,
      body: { error: { code: "reset_required", reason: "expired" } },
    });
  }
});

test("gives a snapshot in pages of one position, which stay until the one after the next", async () => {
  const server = serve({ ...rows, limits: { pageEntries: 2 } });
  const { add, push } = createWriter();
  await push(
    server,
    "one",
    ["a", "b", "c", "d", "e"].map((id) => add(id)),
  );
  await server.compact("one");
  const first = (await call(server, "one/pull")).body;
  await push(server, "one", [add("f")]);
  await server.compact("one");
  const ids: string[] = [];
  const read = (page: { data: { item?: { id: string }[] } }) =>
    ids.push(...(page.data.item ?? []).map(({ id }) => id));
  read(first);
  let { next } = first as { next: string | null };
  while (next !== null) {
    const { status, headers, body } = await call(
      server,
      `one/snapshot/${first.snapshot}?page=${next}`,
    );
    expect([status, body.pos, body.cursor]).toEqual([200, 5, first.cursor]);
    expect(headers.get("Cache-Control")).toContain("immutable");
    read(body);
    ({ next } = body as { next: string | null });
  }
  expect(ids).toEqual(["a", "b", "c", "d", "e"]);
  await push(server, "one", [add("g")]);
  await server.compact("one");
  expect((await call(server, `one/snapshot/${first.snapshot}?page=1`)).status).toBe(410);
});

test("G5 knows what was decided after its entry is gone", async () => {
  const server = serve(rows);
  const { add, push } = createWriter();
  const list = [add("a")];
  await push(server, "one", list);
  await server.compact("one", { logDays: 0 });
  expect((await push(server, "one", list)).body.results).toMatchObject([{ pos: 1 }]);
  const faulty = serve(rows, ["ids-die-with-log"]);
  const other = createWriter();
  const event = other.add("a");
  await other.push(faulty, "one", [event]);
  await faulty.compact("one", { logDays: 0 });
  expect((await other.push(faulty, "one", [event])).body.results).toMatchObject([{ pos: 2 }]);
});

test("makes rows from the newest snapshot where it knows none", async () => {
  const storage = memory();
  const before = serve({ ...rows, storage });
  const { add, next, push } = createWriter();
  await push(before, "one", [add("a")]);
  await before.compact("one", { logDays: 0 });
  const after = serve({ ...rows, storage, deliver: "both" });
  await push(after, "one", [next("item.inc", { id: "a" })]);
  const { body } = await call(after, "one/pull");
  expect(body).toMatchObject({ mode: "snapshot", pos: 1 });
  const tail = await call(after, `one/pull?cursor=${body.cursor}`);
  expect(tail.body.entries).toMatchObject([
    { actions: [{ type: "upsert", value: { id: "a", n: 1 } }] },
  ]);
});

test("takes snapshots from the app's own tables", async () => {
  const data = { item: [{ id: "own" }] };
  const server = serve({ snapshot: () => data });
  const { add, push } = createWriter();
  await push(server, "one", [add("a")]);
  await server.compact("one", { logDays: 0 });
  expect((await call(server, "one/pull")).body).toMatchObject({ mode: "snapshot", pos: 1, data });
});

test("drops nothing where nobody can make a snapshot", async () => {
  const server = serve();
  const { add, push } = createWriter();
  await push(server, "one", [add("a")]);
  await server.compact("one", { logDays: 0 });
  expect((await call(server, "one/pull")).body).toMatchObject({ mode: "log", pos: 1 });
});

test("throws a log away when it is told to, and every reader starts anew", async () => {
  const server = serve();
  const { add, push } = createWriter();
  const list = [add("a")];
  await push(server, "one", list);
  const { body } = await call(server, "one/pull");
  await server.newEpoch("one");
  expect((await call(server, `one/pull?cursor=${body.cursor}`)).body.error.reason).toBe("epoch");
  await push(server, "one", [...list, add("b")]);
  const fresh = await call(server, "one/pull");
  expect(fresh.body.entries).toMatchObject([{ pos: 2, payload: { id: "b" } }]);
});

test("appends events of the server's own, once for each id", async () => {
  const server = serve({ authorize: () => ({ code: "forbidden" }) });
  const event = { name: "item.create", payload: { id: "a", title: "A" }, id: "nightly-1" };
  const twice = [
    await server.append("one", [event], { as: "cron" }),
    await server.append("one", [event]),
  ];
  expect(twice).toMatchObject([[{ status: "accepted", pos: 1 }], [{ status: "accepted", pos: 1 }]]);
  const { body } = await call(server, "one/pull");
  expect(body.entries).toMatchObject([{ id: "nightly-1", by: "cron" }]);
  expect(body.entries[0]).not.toHaveProperty("client");
  const bad = server.append("one", [{ name: "item.create", payload: {} }]);
  await expect(bad).rejects.toMatchObject({ code: "invalid_payload" });
});
