/** What the app's own functions give, and cannot be passed on: in the log it would hold up every reader for good. */
import * as v from "valibot";
import { expect, test } from "vitest";
import { create, defineEvent } from "../../src/index.ts";
import { decodePullResponse, parseJson } from "../../src/protocol/index.ts";
import { answerLimits } from "../../src/protocol/json.ts";
import { createSyncServer, memory } from "../../src/server/index.ts";
import { call, createWriter, request, serve } from "./app.ts";

const half = "\ud83d";
const deep = JSON.parse(`${"[".repeat(70)}${"]".repeat(70)}`) as unknown;
const item = { name: "item.create", payload: { id: "a", title: "a" } };

test.each([
  ["a space", "a/b", item, {}],
  ["an author", "one", item, { as: 5 as never }],
  ["a short id", "one", { ...item, id: "inv-7" }, {}],
  ["an id with other characters", "one", { ...item, id: "invoice:2026-11" }, {}],
  ["a time", "one", { ...item, at: 1.5 }, {}],
  ["text", "one", { ...item, payload: { id: "a", title: half } }, {}],
])("G12 appends nothing that no reader could read: %s", async (_, space, event, options) => {
  const server = serve();
  const appended = server.append(space, [item, event], options);
  await expect(appended).rejects.toMatchObject({
    code: event === item ? "config" : "invalid_payload",
  });
  expect((await call(server, "one/pull")).body).toMatchObject({ mode: "log", head: 0 });
});

test.each([{}, { id: 5 }, { id: "" }, { id: "a".repeat(257) }, { id: half }, "ann"])(
  "G12 lets nobody in whose id cannot stand in the log: %j",
  async (principal) => {
    const server = serve({ authenticate: () => principal as never });
    const { add, push } = createWriter();
    const { status, body } = await push(server, "one", [add("a")]);
    expect([status, body.error.code]).toEqual([503, "unavailable"]);
    expect(server.errors).toMatchObject([{ where: "authenticate" }]);
  },
);

test("takes undefined for nobody, as a map gives it", async () => {
  const server = serve({ authenticate: () => new Map().get("token") as never });
  expect(await call(server, "one/pull")).toMatchObject({ status: 401 });
  expect(server.errors).toEqual([]);
});

const circle: { itself?: unknown } = {};
circle.itself = circle;

test.each([
  { data: 1n },
  { data: deep },
  { data: circle },
  { data: JSON.parse(`{"__proto__":1}`) as unknown },
  { message: new Error("no") },
])("G12 takes no refusal for one that no client could read: %o", async (refusal) => {
  const server = serve({ authorize: () => ({ code: "app", ...refusal }) as never });
  const { add, push } = createWriter();
  const event = add("a");
  expect(await push(server, "one", [event])).toMatchObject({ status: 503 });
  expect(server.errors).toMatchObject([{ where: "authorize" }]);
  // Nothing is remembered of it.
  expect(await push(server, "one", [event])).toMatchObject({ status: 503 });
});

test("remembers a refusal as it was sent, whatever the app does with its data later", async () => {
  const data = { at: new Date(0), left: 1 };
  const server = serve({ authorize: () => ({ code: "app", message: half, data }) });
  const { add, push } = createWriter();
  const event = add("a");
  const first = await push(server, "one", [event]);
  const sent = { code: "app", message: half, data: { at: "1970-01-01T00:00:00.000Z", left: 1 } };
  expect(first.body.results).toMatchObject([{ error: sent }]);
  data.left = 2;
  expect((await push(server, "one", [event])).body).toEqual(first.body);
});

test.each([
  undefined,
  {},
  { data: null },
  { data: { item: [{ title: "a" }] } },
  { data: [], tags: [5] },
  { data: { item: [{ id: "a", n: 1n }] } },
])("G12 answers no query with what no client could read: %o", async (answer) => {
  const server = serve();
  const query = server.query(() => answer as never);
  const response = await query(request("items"), "one");
  expect(response.status).toBe(503);
  expect(server.errors).toMatchObject([{ where: "query" }]);
});

test.each([{ item: [{ id: "a", deep }] }, { item: [{ title: "a" }] }, undefined])(
  "G12 makes no snapshot of what no client could read, and drops nothing: %o",
  async (rows) => {
    const server = serve({ snapshot: () => rows as never });
    const { add, push } = createWriter();
    await push(server, "one", [add("a")]);
    await expect(server.compact("one", { logDays: 0 })).rejects.toMatchObject({
      where: "snapshot",
    });
    expect((await call(server, "one/pull")).body.entries).toHaveLength(1);
  },
);

test("gives rows that a materializer made of half a character, which clients read", async () => {
  const events = {
    "item.create": defineEvent({ schema: v.object({ id: v.string(), title: v.string() }) }),
  };
  const server = createSyncServer({
    storage: memory(),
    events,
    tables: { item: v.object({ id: v.string(), initial: v.string() }) },
    materializers: {
      "item.create": ({ id, title }) => [create("item", { id, initial: title.slice(0, 1) })],
    },
    deliver: "actions",
    authenticate: () => ({ id: "ann" }),
    authorizeSpace: () => true,
  });
  const writer = createWriter();
  const event = writer.next("item.create", { id: "a", title: "😀" });
  await writer.push(server, "one", [event]);
  const pulled = async (): Promise<unknown> => {
    const text = await (await server.fetch(request("one/pull"))).text();
    const parsed = parseJson(text, answerLimits);
    return "value" in parsed ? decodePullResponse(parsed.value) : parsed;
  };
  const value = { id: "a", initial: half };
  expect(await pulled()).toMatchObject({ value: { entries: [{ actions: [{ value }] }] } });
  await server.compact("one", { logDays: 0 });
  expect(await pulled()).toMatchObject({ value: { data: { item: [value] } } });
});
