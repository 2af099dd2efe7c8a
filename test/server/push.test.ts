import { expect, test } from "vitest";
import { call, createWriter, serve } from "./app.ts";

const statuses = (body: { results: { status: string }[] }) => body.results.map((it) => it.status);

test("accepts events in their order, and gives them to readers", async () => {
  const server = serve();
  const { add, push } = createWriter();
  const list = [add("a"), add("b")];
  const { status, body } = await push(server, "one", list);
  expect(status).toBe(200);
  expect(body).toEqual({
    epoch: expect.any(String) as string,
    head: 2,
    results: [
      { id: list[0]?.id, status: "accepted", pos: 1 },
      { id: list[1]?.id, status: "accepted", pos: 2 },
    ],
  });
  const page = await call(server, "one/pull");
  expect(page.body).toMatchObject({ mode: "log", from: null, pos: 2, head: 2, more: false });
  expect(page.body.entries).toMatchObject([
    { pos: 1, id: list[0]?.id, client: "client-aa", seq: 1, name: "item.create", by: "ann" },
    { pos: 2, payload: { id: "b", title: "b" }, at: 1002 },
  ]);
  expect(server.errors).toEqual([]);
});

test("G5 answers a batch that comes again with the same decisions, and appends nothing", async () => {
  const server = serve();
  const { add, next, push } = createWriter();
  const list = [add("a"), next("item.what", {}), add("b")];
  const first = await push(server, "one", list);
  expect(statuses(first.body)).toEqual(["accepted", "rejected", "accepted"]);
  expect((await push(server, "one", list)).body).toEqual(first.body);
  expect((await push(server, "one", [...list.slice(1), add("c")])).body).toMatchObject({ head: 3 });
});

test("stops before a gap between numbers, and says which number comes next", async () => {
  const server = serve();
  const { add, push } = createWriter();
  const [a, b, c, d] = [add("a"), add("b"), add("c"), add("d")];
  const late = await push(server, "one", [b]);
  expect(late).toMatchObject({
    status: 409,
    body: { results: [], stopped: { code: "sequence_gap", expected: 1 } },
  });
  const middle = await push(server, "one", [a, b, d]);
  expect(middle).toMatchObject({
    status: 409,
    body: { head: 2, stopped: { code: "sequence_gap", expected: 3 } },
  });
  expect((await push(server, "one", [c, d])).body).toMatchObject({ head: 4 });
});

test("stops before another event with a used number", async () => {
  const server = serve();
  const [one, copy] = [createWriter(), createWriter()];
  await one.push(server, "one", [one.add("a")]);
  const other = { ...copy.add("b"), id: "another-event" };
  expect(await copy.push(server, "one", [other])).toMatchObject({
    status: 409,
    body: { head: 1, results: [], stopped: { code: "client_conflict" } },
  });
});

test("knows an event under another client's number", async () => {
  const server = serve();
  const one = createWriter();
  const event = one.add("a");
  await one.push(server, "one", [event]);
  const rotated = createWriter("client-bb");
  const { body } = await rotated.push(server, "one", [event, { ...rotated.add("b"), seq: 2 }]);
  expect(body.results).toMatchObject([{ pos: 1 }, { pos: 2 }]);
});

test("G3 accepts the events of one commit together, or none of them", async () => {
  const server = serve();
  const { add, next, push } = createWriter();
  const tx = { tx: "commit-01" };
  const bad = await push(server, "one", [add("a"), add("b", tx), next("item.create", {}, tx)]);
  expect(bad.body).toMatchObject({
    head: 1,
    results: [
      { status: "accepted" },
      { status: "rejected", error: { code: "tx_aborted" } },
      { status: "rejected", error: { code: "invalid", path: "$.id" } },
    ],
  });
  const other = { tx: "commit-02" };
  await push(server, "one", [add("c", other), add("d", other), add("e")]);
  const { body } = await call(server, "one/pull?limit=2");
  // A commit is on one page, even if that is longer for it.
  expect(body.entries.map((it: { tx?: string }) => it.tx)).toEqual([
    undefined,
    "commit-02",
    "commit-02",
  ]);
});

test("lets the first event with a dedupe key count, whatever key the client names", async () => {
  const server = serve();
  const { next, push } = createWriter();
  const once = (key: string, more?: object) => next("item.once", { id: key, key }, more);
  const first = once("k");
  const { body } = await push(server, "one", [first, once("k", { key: "other" }), once("l")]);
  expect(statuses(body)).toEqual(["accepted", "duplicate", "accepted"]);
  expect(body.results[1]).toMatchObject({ of: first.id });
  const later = await push(server, "one", [once("l")]);
  expect(statuses(later.body)).toEqual(["duplicate"]);
});

test("keeps no dedupe key of a commit that was rejected", async () => {
  const server = serve();
  const { next, push } = createWriter();
  const once = (more?: object) => next("item.once", { id: "k", key: "k" }, more);
  const tx = { tx: "commit-01" };
  await push(server, "one", [once(tx), next("item.create", {}, tx)]);
  expect(statuses((await push(server, "one", [once()])).body)).toEqual(["accepted"]);
});

test("checks older payloads after their upcast, and passes them on as they were sent", async () => {
  const server = serve();
  const { next, push } = createWriter();
  const sent = next("item.named", { id: "a", title: "A" }, { v: 1 });
  const bad = next("item.named", { id: "a" }, { v: 1 });
  const { body } = await push(server, "one", [sent, bad]);
  expect(statuses(body)).toEqual(["accepted", "rejected"]);
  const page = await call(server, "one/pull");
  expect(page.body.entries).toMatchObject([{ v: 1, payload: { id: "a", title: "A" } }]);
});

test("decides nothing about an event of newer code, and keeps what came before it", async () => {
  const server = serve({ schema: { min: 1, max: 2 } });
  const { add, next, push } = createWriter();
  const newer = next("item.named", {}, { v: 3 });
  const alone = await push(server, "one", [newer]);
  expect(alone).toMatchObject({
    status: 409,
    body: { error: { code: "schema_unsupported", supported: { max: 2 } } },
  });
  const second = createWriter("client-bb");
  const { status, body } = await second.push(server, "one", [
    second.add("a"),
    { ...newer, seq: 2 },
  ]);
  expect(status).toBe(200);
  expect(body).toMatchObject({ head: 1, stopped: { code: "schema_unsupported" } });
  expect(add("b").seq).toBe(2);
});

test("takes no decision from a hook that throws: what came before it stays, the rest is asked again", async () => {
  let broken = true;
  const server = serve({
    authorize: ({ event }) => {
      if (broken && event.payload.id === "b") throw new Error("no database");
      return event.payload.id === "c" ? { code: "app", data: { why: ["c"] } } : true;
    },
  });
  const { add, push } = createWriter();
  const list = [add("a"), add("b"), add("c")];
  expect(await push(server, "one", list)).toMatchObject({
    status: 200,
    body: { head: 1, stopped: { code: "unavailable" } },
  });
  expect(await push(server, "one", list.slice(1))).toMatchObject({
    status: 503,
    body: { error: { code: "unavailable" } },
  });
  expect(server.errors).toHaveLength(2);
  broken = false;
  const { body } = await push(server, "one", list);
  expect(statuses(body)).toEqual(["accepted", "accepted", "rejected"]);
  expect(body.results[2].error).toEqual({ code: "app", data: { why: ["c"] } });
});

test("binds a client to the first principal that used it", async () => {
  const server = serve();
  const { add, push } = createWriter();
  await push(server, "one", [add("a")]);
  const thief = createWriter("client-aa", { token: "eve" });
  expect(await thief.push(server, "one", [{ ...thief.add("b"), seq: 2 }])).toMatchObject({
    status: 403,
    body: { error: { code: "forbidden" } },
  });
});
