/** Versions of an app that drop a table, and bring it back. */
import { describe, expect, it } from "vitest";
import * as v from "valibot";
import { type JsonObject, createSyncActor, defineEvent, upsert } from "../../src/index.ts";
import { failing } from "../support/faulty-storage.ts";
import { type Lab, added, createLab, removed, renamed, slid } from "../support/lab.ts";
import { openTodos } from "../support/todos.ts";

/** Rows in segments, and later ones that are decided and not folded yet. */
async function leaveUnfolded(lab: Lab): Promise<void> {
  const tab = await lab.ready();
  await tab.sync.commit([added("t1"), added("t2"), slid(1)]).durable;
  await lab.pass(3000);
  expect((await lab.contents())["log"]).toEqual([]);
  await tab.sync.commit([removed("t1"), renamed("t2", "Bread"), added("t3"), slid(9)]).durable;
  tab.disk.next("lead", (run) => run());
  tab.disk.next("lead", failing("aborted"));
  await lab.pass(2100);
  tab.kill();
  const kinds = Array.from((await lab.log()).values(), (record) => record?.kind);
  expect(kinds).toEqual(["commit", "base"]);
}

/** A version without todos. */
const openWithoutTodos = (lab: Lab) => {
  const { environment } = lab.openTab({ name: "elsewhere" });
  return createSyncActor({
    name: "todos",
    schema: { version: 2 },
    tables: { settings: v.object({ id: v.string(), value: v.number() }) },
    events: { sliderMoved: defineEvent({ schema: v.object({ value: v.number() }) }) },
    materializers: { sliderMoved: ({ value }) => [upsert("settings", { id: "slider", value })] },
    environment,
  });
};

/** The same, of the same schema: nobody is outdated. */
const openSettings = (lab: Lab) => {
  const { environment } = lab.openTab({ name: "elsewhere" });
  return createSyncActor({
    name: "todos",
    tables: { settings: v.object({ id: v.string(), value: v.number() }) },
    events: { sliderMoved: defineEvent({ schema: v.object({ value: v.number() }) }) },
    materializers: { sliderMoved: ({ value }) => [upsert("settings", { id: "slider", value })] },
    environment,
  });
};

const migrate = (table: string, row: JsonObject, from: number): JsonObject => {
  const { text } = row;
  return table === "todos" && typeof text === "string" && from < 3
    ? { ...row, text: `${text}!` }
    : row;
};

/** A version that has them again. */
const openAgain = (lab: Lab) => {
  const { environment } = lab.openTab({ name: "elsewhere" });
  return openTodos({ environment, schema: { version: 3, migrate } });
};

describe("a table that is dropped", () => {
  it("does not keep the log from being folded, and has its latest rows when it comes back", async () => {
    const lab = createLab();
    await leaveUnfolded(lab);
    const without = openWithoutTodos(lab);
    await without.ready;
    await lab.pass(5000);
    expect(without.tables.settings.toArray()).toEqual([{ id: "slider", value: 9 }]);
    expect((await lab.contents())["log"]).toEqual([]);
    const carried = (await lab.meta("carried")) as readonly (readonly unknown[])[];
    expect(carried.map(([table, id, row]) => [table, id, row === null])).toEqual([
      ["todos", "t1", true],
      ["todos", "t2", false],
      ["todos", "t3", false],
    ]);
    // More of them are carried on by each fold.
    await without.commit({ name: "sliderMoved", payload: { value: 10 } }).durable;
    await lab.pass(5000);
    expect((await lab.contents())["log"]).toEqual([]);
    expect(await lab.meta("carried")).toEqual(carried);
    await without.stop();

    // First they are carried, then in segments, and migrated once.
    for (let round = 0; round < 3; round += 1) {
      const sync = openAgain(lab);
      await sync.ready;
      const rows = [
        { id: "t2", text: "Bread!", done: false },
        { id: "t3", text: "Milk!", done: false },
      ];
      expect(sync.tables.todos.toArray()).toEqual(rows);
      expect(sync.tables.settings.get("slider")).toEqual({ id: "slider", value: 10 });
      await lab.pass(3000);
      await sync.commit(slid(10)).durable;
      await lab.pass(6000);
      expect(await lab.meta("carried")).toEqual([]);
      expect((await lab.contents())["log"]).toEqual([]);
      expect(sync.tables.todos.toArray()).toEqual(rows);
      expect(sync.status.quarantined).toBe(0);
      await sync.stop();
    }
  });

  it("gives back what a fold carried to older tabs that know the table", async () => {
    const lab = createLab();
    await leaveUnfolded(lab);
    const without = openSettings(lab);
    await without.ready;
    const knows = await lab.ready();
    await lab.pass(5000);
    expect(without.status.role).toBe("leader");
    expect((await lab.contents())["log"]).toEqual([]);
    const rows = [
      { id: "t2", text: "Bread", done: false },
      { id: "t3", text: "Milk", done: false },
    ];
    expect(knows.sync.tables.todos.toArray()).toEqual(rows);
    expect((await lab.ready()).sync.tables.todos.toArray()).toEqual(rows);
    await without.stop();
    await lab.pass(3000);
    await knows.sync.commit(slid(10)).durable;
    await lab.pass(5000);
    expect(await lab.meta("carried")).toEqual([]);
    expect((await lab.ready()).sync.tables.todos.toArray()).toEqual(rows);
    await knows.sync.commit(renamed("t3", "Oat milk")).durable;
    await lab.pass(5000);
    expect((await lab.ready()).sync.tables.todos.toArray()).toEqual([
      rows[0],
      { ...rows[1], text: "Oat milk" },
    ]);
  });

  it("G6 G13 is given back rows from quarantine only where it has none, also when a fold carried them", async () => {
    const lab = createLab();
    const first = await lab.ready();
    await first.sync.commit([added("t1"), added("t2")]).durable;
    await lab.pass(3000);
    await first.sync.commit([removed("t2"), added("t3")]).durable;
    first.disk.next("lead", (run) => run());
    first.disk.next("lead", failing("aborted"));
    await lab.pass(2100);
    first.kill();
    // All of them were there when somebody gave them back, or had just been removed: t2, and t9 that never was.
    const rows = ["t1", "t2", "t3", "t9"].map((id) => [
      "todos",
      id,
      { id, text: "of old", done: true },
      0,
    ]);
    const dismissal = { kind: "dismiss", schema: 1, from: "quarantine", ids: ["segment/todos/7"] };
    for (const n of [1, 2])
      await lab.put("log", undefined, { ...dismissal, tab: "other", n, rows });
    const knows = await lab.ready({ ports: { locks: null } });
    const shownBefore = knows.sync.tables.todos.toArray();
    expect(shownBefore.map(({ id, text }) => `${id} ${text}`)).toEqual([
      "t1 Milk",
      "t2 of old",
      "t3 Milk",
      "t9 of old",
    ]);
    const without = openSettings(lab);
    await without.ready;
    await lab.pass(5000);
    expect((await lab.contents())["log"]).toEqual([]);
    await without.stop();
    const fresh = await lab.ready();
    expect(fresh.sync.tables.todos.toArray()).toEqual(shownBefore);
    await fresh.sync.commit(removed("t9")).durable;
    await lab.pass(10_000);
    expect(await lab.meta("carried")).toEqual([]);
    for (const tab of [knows, fresh, await lab.ready()])
      expect(tab.sync.tables.todos.toArray()).toEqual(shownBefore.slice(0, 3));
  });

  it("puts carried rows that are not valid any more into quarantine", async () => {
    const lab = createLab();
    const first = await lab.ready();
    await first.sync.commit(added("t1")).durable;
    await lab.pass(3000);
    await first.sync.stop();
    await lab.put("meta", "carried", [["todos", "t9", { id: "t9", text: 5 }, 1, 1]]);
    const { sync } = await lab.ready();
    expect(sync.quarantine.list()).toMatchObject([{ id: "row/todos/t9", raw: { text: 5 } }]);
    expect(sync.tables.todos.toArray().map(({ id }) => id)).toEqual(["t1"]);
  });
});
