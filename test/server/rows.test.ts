import { expect, test } from "vitest";
import { memory } from "../../src/server/index.ts";
import { call, createWriter, events, materializers, serve, tables } from "./app.ts";

test("tells what an event means for the rows, where readers get actions", async () => {
  const server = serve({ tables, materializers, deliver: "actions" });
  const { add, next, push } = createWriter();
  await push(server, "one", [
    add("a"),
    next("item.inc", { id: "a" }),
    next("item.delete", { id: "a" }),
  ]);
  const { body } = await call(server, "one/pull");
  expect(body.entries).toMatchObject([
    { actions: [{ type: "upsert", tableName: "item", value: { id: "a", title: "a", n: 0 } }] },
    { actions: [{ type: "upsert", tableName: "item", value: { id: "a", title: "a", n: 1 } }] },
    { actions: [{ type: "delete", tableName: "item", value: { id: "a" } }] },
  ]);
  expect(body.entries[0]).not.toHaveProperty("payload");
});

test("G3 rejects a commit that does not apply to the rows, as a whole", async () => {
  const server = serve({ tables, materializers, deliver: "both" });
  const { add, next, push } = createWriter();
  const tx = { tx: "commit-01" };
  const bad = await push(server, "one", [add("a", tx), next("item.inc", { id: "b" }, tx)]);
  expect(bad.body).toMatchObject({
    head: 0,
    results: [{ error: { code: "conflict" } }, { error: { code: "conflict" } }],
  });
  const { body } = await push(server, "one", [next("item.inc", { id: "a" }), add("a")]);
  expect(body.results).toMatchObject([{ status: "rejected" }, { status: "accepted", pos: 1 }]);
});

test("lets rules look at the rows, also of what another server has written meanwhile", async () => {
  const storage = memory();
  const options = { storage, events, tables, materializers };
  const plain = serve(options);
  const server = serve({
    ...options,
    authorize: async ({ event, read }) => {
      const row = await read("item", event.payload.id);
      if (event.name === "item.create") return true;
      return row === undefined ? { code: "conflict", message: "gone" } : true;
    },
  });
  const { add, next, push } = createWriter();
  const inc = () => next("item.inc", { id: "a" });
  const early = await push(server, "one", [inc()]);
  expect(early.body.results).toMatchObject([{ status: "rejected", error: { message: "gone" } }]);
  await push(plain, "one", [add("a")]);
  expect((await push(server, "one", [inc()])).body.results).toMatchObject([{ status: "accepted" }]);
  await push(plain, "one", [next("item.delete", { id: "a" })]);
  expect((await push(server, "one", [inc()])).body.results).toMatchObject([{ status: "rejected" }]);
});
