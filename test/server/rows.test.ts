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

/** Only what is there may be counted up, and only once. */
const careful = (more: Parameters<typeof serve>[0] = {}) => {
  const seen: (number | undefined)[] = [];
  const server = serve({
    tables,
    materializers,
    ...more,
    authorize: async ({ event, read }) => {
      if (event.name === "item.create") return true;
      const row = await read("item", event.payload.id);
      seen.push(row?.n);
      return row?.n === 0 || { code: "conflict" };
    },
  });
  return { server, seen };
};

test.each(["events", "actions", "both"] as const)(
  "lets rules see the entries before in the same push, of commits before and of the own one (%s)",
  async (deliver) => {
    const { server, seen } = careful({ deliver });
    const { add, next, push } = createWriter();
    const inc = (id: string, more = {}) => next("item.inc", { id }, more);
    const [tx, other] = [{ tx: "commit-01" }, { tx: "commit-02" }];
    const { body } = await push(server, "one", [
      add("a"),
      inc("a"),
      inc("a"),
      add("b", tx),
      inc("b", tx),
      // The second time is refused, and with it the first: nothing of it is seen later.
      add("c", other),
      inc("c", other),
      inc("c", other),
      inc("c"),
      inc("b"),
    ]);
    const statuses = body.results.map(({ status }: { status: string }) => status);
    expect(statuses.join()).toBe(
      `accepted,accepted,rejected,accepted,accepted${",rejected".repeat(5)}`,
    );
    expect(seen).toEqual([0, 1, 0, 0, 1, undefined, 1]);
    expect((await push(server, "one", [add("c"), inc("c")])).body.results).toMatchObject([
      { status: "accepted" },
      { status: "accepted" },
    ]);
    expect((await push(server, "one", [inc("a"), inc("c")])).body.results).toMatchObject([
      { status: "rejected" },
      { status: "rejected" },
    ]);
    expect(seen.slice(7)).toEqual([0, 1, 1]);
  },
);

test("G7 tells a duplicate from what does not apply, also when nothing of the push is new", async () => {
  const server = serve({ tables, materializers, deliver: "actions" });
  const [one, other] = [createWriter("client-aa"), createWriter("client-bb")];
  await one.push(server, "one", [one.next("item.once", { id: "a", key: "k" })]);
  const { body } = await other.push(server, "one", [
    other.next("item.once", { id: "b", key: "k" }),
  ]);
  expect(body.results).toMatchObject([{ status: "duplicate" }]);
});
