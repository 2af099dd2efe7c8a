import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { failing } from "../support/faulty-storage.ts";
import { createLosingStorage } from "../support/losing-storage.ts";
import {
  type Lab,
  added,
  createLab,
  invited,
  removed,
  renamed,
  shown,
  slid,
  stateOf,
  toggled,
} from "../support/lab.ts";

const idsOf = (tab: Parameters<typeof shown>[0]): string[] => shown(tab).todos.map(({ id }) => id);
const quarantined = (tab: Awaited<ReturnType<Lab["ready"]>>): string[] =>
  tab.sync.quarantine.list().map(({ id }) => id);

interface Segment {
  v: number;
  ids: unknown[];
  columns: [string, unknown[]][];
  pos: unknown;
}

/** Leaves todos behind whose segment is another one. */
async function damaged(lab: Lab, change: (segment: Segment) => unknown): Promise<void> {
  const writer = await lab.ready();
  await writer.sync.commit([added("t1"), added("t2"), added("t3"), slid(4)]).durable;
  await lab.pass(5000);
  await writer.sync.stop();
  const { segments = [] } = await lab.contents();
  const [key, value] = segments.find(([at]) => String(at).startsWith("todos")) ?? [];
  await lab.put("segments", key as IDBValidKey, change(structuredClone(value) as Segment));
}

describe("a record that cannot be read", () => {
  it("G8 hides no other one, and is told", async () => {
    const disk = createLosingStorage();
    const lab = createLab({ wrap: disk.wrap });
    const writer = await lab.ready({ ports: { locks: null } });
    for (const id of ["t1", "t2", "t3"]) await writer.sync.commit(added(id)).durable;
    await writer.sync.stop();
    disk.lose("log", 2);
    const tab = lab.openTab();
    await lab.pass(2000);
    expect(await stateOf(tab.sync.ready)).toBe("resolved");
    expect(idsOf(tab)).toEqual(["t1", "t3"]);
    expect(tab.sync.quarantine.list()).toMatchObject([
      { id: "log/2", raw: null, reason: "NotReadableError: gone" },
    ]);
    await lab.pass(60_000);
    expect(tab.sync.status).toMatchObject({ role: "leader", phase: "ready" });
    // It leads, and what comes is stored.
    await tab.sync.commit(added("t4")).settled;
    await lab.pass(5000);
    const fresh = lab.openTab();
    await lab.pass(2000);
    expect(idsOf(fresh)).toEqual(["t1", "t3", "t4"]);
  });

  it.each(["rejected", "quarantine"] as const)(
    "G8 of the store %s keeps no row from being shown",
    async (store) => {
      const disk = createLosingStorage();
      const lab = createLab({ wrap: disk.wrap });
      const writer = await lab.ready();
      await writer.sync.commit(added("t1")).durable;
      await lab.pass(5000);
      await writer.sync.stop();
      await lab.put(store, "x", "junk");
      disk.lose(store, "x");
      const tab = lab.openTab();
      await lab.pass(2000);
      expect(idsOf(tab)).toEqual(["t1"]);
      expect(quarantined(tab)).toEqual([store === "rejected" ? "rejected/x" : "x"]);
    },
  );

  it("G8 of meta is made anew", async () => {
    const disk = createLosingStorage();
    const lab = createLab({ wrap: disk.wrap });
    const writer = await lab.ready();
    await writer.sync.commit([added("t1"), invited("ann@example.org")]).durable;
    await lab.pass(5000);
    const before = shown(writer);
    await writer.sync.stop();
    disk.lose("meta", "keys");
    disk.lose("meta", "manifest");
    const tab = lab.openTab();
    await lab.pass(2000);
    expect(shown(tab)).toEqual(before);
    expect(tab.sync.quarantine.list()).toMatchObject([
      { id: "meta/keys", raw: null, reason: "NotReadableError: gone" },
      { id: "meta/manifest", raw: null },
    ]);
  });

  it("G9 a segment that cannot be read stays where it is until its rows are written anew", async () => {
    const disk = createLosingStorage();
    const lab = createLab({ wrap: disk.wrap });
    const writer = await lab.ready();
    await writer.sync.commit([added("t1"), slid(1)]).durable;
    await lab.pass(5000);
    await writer.sync.stop();
    disk.lose("segments", ["todos", 1]);
    const tab = await lab.ready();
    expect(quarantined(tab)).toEqual(["segment/todos/1"]);
    await tab.sync.commit(slid(2)).durable;
    await lab.pass(5000);
    const { segments = [] } = await lab.contents();
    expect(segments.map(([key]) => String(key))).toEqual(["settings,2", "todos,1"]);
  });

  it("G9 a segment that cannot be read keeps its bytes when its range is written anew, for the day it can", async () => {
    const disk = createLosingStorage();
    const lab = createLab({ wrap: disk.wrap });
    const writer = await lab.ready();
    await writer.sync.commit([added("t1"), added("t3")]).durable;
    await lab.pass(5000);
    await writer.sync.stop();
    disk.lose("segments", ["todos", 1]);
    const leader = await lab.ready();
    const follower = await lab.ready();
    for (const id of ["t2", "t4"]) {
      await leader.sync.commit(added(id)).durable;
      await lab.pass(5000);
    }
    const { segments = [] } = await lab.contents();
    expect(segments.map(([key]) => String(key))).toEqual(["todos,1", "todos,3"]);
    for (const tab of [leader, follower, await lab.ready()]) {
      expect(idsOf(tab)).toEqual(["t2", "t4"]);
      expect(quarantined(tab)).toEqual(["segment/todos/1"]);
      await tab.sync.stop();
    }
    disk.find("segments", ["todos", 1]);
    const tab = await lab.ready();
    expect(idsOf(tab)).toEqual(["t2", "t4"]);
    expect(tab.sync.quarantine.list()).toMatchObject([
      { id: "segment/todos/1", raw: { ids: ["t1", "t3"] } },
    ]);
    await tab.sync.commit(added("t5")).durable;
    await lab.pass(5000);
    const fresh = await lab.ready();
    expect(idsOf(fresh)).toEqual(["t2", "t4", "t5"]);
    expect(fresh.sync.quarantine.list()).toMatchObject([{ raw: { ids: ["t1", "t3"] } }]);
  });
});

describe("a damaged segment", () => {
  it.each<readonly [string, readonly string[], readonly string[], (segment: Segment) => unknown]>([
    ["whose version is another", ["t1", "t2", "t3"], [], (was) => ({ ...was, v: 9 })],
    ["without positions", ["t1", "t2", "t3"], [], (was) => ({ ...was, pos: "junk" })],
    [
      "with a position that is none",
      ["t1", "t2", "t3"],
      [],
      (was) => ({ ...was, pos: [1, "x", 2] }),
    ],
    ["with an id that is none", ["t1", "t3"], [], (was) => ({ ...was, ids: ["t1", 7, "t3"] })],
    ["with an id twice", ["t1", "t3"], [], (was) => ({ ...was, ids: ["t1", "t1", "t3"] })],
    ["in another order", ["t1", "t2", "t3"], [], (was) => ({ ...was, ids: ["t3", "t1", "t2"] })],
    [
      "with a column that is too short",
      [],
      ["t1", "t2", "t3"],
      (was) => ({
        ...was,
        columns: was.columns.map(([name, of]) => [name, of.slice(name.length - 3)]),
      }),
    ],
  ])("G8 %s keeps the rows that can be read", async (_, kept, bad, change) => {
    const lab = createLab();
    let raw: unknown;
    await damaged(lab, (segment) => (raw = change(segment)));
    const tab = await lab.ready();
    expect(idsOf(tab)).toEqual(kept);
    expect(shown(tab).settings).toEqual([{ id: "slider", value: 4 }]);
    expect(quarantined(tab).toSorted()).toEqual([
      ...bad.map((id) => `row/todos/${id}`),
      "segment/todos/1",
    ]);
    const entry = tab.sync.quarantine.list().find(({ id }) => id.startsWith("segment"));
    expect(entry?.raw).toEqual(raw);
    // The next fold writes what was saved: its bytes are in quarantine.
    await tab.sync.commit(slid(9)).durable;
    await lab.pass(5000);
    const fresh = await lab.ready();
    expect(shown(fresh)).toEqual(shown(tab));
    const { segments = [], quarantine = [] } = await lab.contents();
    expect(segments.map(([key]) => String(key))).not.toContain("todos,1");
    expect(quarantine.find(([key]) => key === "segment/todos/1")?.[1]).toMatchObject({ raw });
    await lab.pass(20_000);
    expect(shown(tab)).toEqual(shown(fresh));
  });

  it("G8 with ids of another's range takes no row of the other away", async () => {
    const lab = createLab();
    const ids = Array.from({ length: 1500 }, (_, at) => `t${1000 + at}`);
    const writer = await lab.ready();
    await writer.sync.commit(ids.map((id) => added(id, id))).durable;
    await lab.pass(5000);
    const before = shown(writer);
    await writer.sync.stop();
    const { segments = [] } = await lab.contents();
    const value = structuredClone(segments[1]?.[1]) as Segment;
    value.ids[0] = "t1500";
    await lab.put("segments", segments[1]?.[0] as IDBValidKey, value);
    const tab = await lab.ready();
    expect(tab.sync.tables.todos.size).toBe(1499);
    expect(quarantined(tab)).toEqual(["segment/todos/2"]);
    await tab.sync.commit(added("t2500")).settled;
    await lab.pass(5000);
    const fresh = await lab.ready();
    const want = before.todos.filter(({ id }) => id !== "t2000");
    expect(shown(fresh).todos).toEqual([...want, { id: "t2500", text: "Milk", done: false }]);
  });
});

describe("damaged meta", () => {
  const keys = [
    "format",
    "schema",
    "term",
    "incarnation",
    "authority",
    "client",
    "floor",
    "settled",
    "writers",
    "manifest",
    "keys",
  ];

  it("G8 is rebuilt, whichever entries and whatever the history: the rows are the same", async () => {
    const step = fc.oneof(
      fc.nat(9).map((n) => added(`t${n}`)),
      fc.nat(9).map((n) => toggled(`t${n}`)),
      fc.nat(9).map((n) => removed(`t${n}`)),
      fc.nat(9).map((n) => renamed(`t${n}`, `text ${n}`)),
      fc.nat(9).map((n) => slid(n)),
      fc.constantFrom("rest" as const, "decided" as const),
    );
    const junk = fc.constantFrom<unknown>(undefined, null, "junk", -1, 1.5, [], {}, new Map(), [
      [1],
    ]);
    const damage = fc.uniqueArray(fc.tuple(fc.constantFrom(...keys), junk), {
      selector: ([key]) => key,
      minLength: 1,
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), damage, async (steps, broken) => {
        const lab = createLab();
        const writer = await lab.ready();
        for (const next of steps) {
          if (next === "decided") {
            // What is decided is in the log still: the fold fails.
            writer.disk.next("lead", (run) => run());
            writer.disk.next("lead", failing("aborted"));
          }
          if (typeof next === "string") await lab.pass(next === "rest" ? 5000 : 2500);
          else await writer.sync.commit(next).durable;
        }
        const before = shown(writer);
        writer.kill();
        await lab.pass(1000);
        for (const [key, value] of broken) {
          if (value === undefined) await lab.remove("meta", key);
          else await lab.put("meta", key, value);
        }
        const tab = await lab.ready();
        expect(shown(tab)).toEqual(before);
        expect(quarantined(tab).filter((id) => !id.startsWith("meta/"))).toEqual([]);
        await tab.sync.commit(added("more")).settled;
        await lab.pass(15_000);
        expect(tab.sync.status).toMatchObject({ phase: "ready", role: "leader" });
        expect((await lab.contents())["log"]).toEqual([]);
        const fresh = await lab.ready();
        expect(shown(fresh)).toEqual(shown(tab));
        expect(quarantined(fresh).filter((id) => !id.startsWith("meta/"))).toEqual([]);
      }),
      { numRuns: 40, seed: 3 },
    );
  }, 60_000);

  it("G9 goes to quarantine as it was, and what is sound stays", async () => {
    const lab = createLab();
    const writer = await lab.ready();
    await writer.sync.commit(added("t1")).durable;
    await lab.pass(5000);
    await writer.sync.stop();
    const incarnation = await lab.meta("incarnation");
    await lab.put("meta", "manifest", { todos: "junk" });
    await lab.remove("meta", "term");
    const tab = await lab.ready();
    expect(tab.sync.quarantine.list()).toMatchObject([
      { id: "meta/manifest", raw: { todos: "junk" } },
      { id: "meta/term", raw: null },
    ]);
    expect(await lab.meta("incarnation")).toBe(incarnation);
    expect(tab.sync.status).toMatchObject({ phase: "ready", quarantined: 2 });
  });

  it("G10 gets a term that no leader before had: a late write is refused", async () => {
    const lab = createLab();
    const leader = await lab.ready();
    await leader.sync.commit(added("t1")).durable;
    await lab.pass(5000);
    await leader.sync.commit(added("t2")).durable;
    await lab.put("meta", "term", "junk");
    const other = await lab.ready();
    await lab.pass(30_000);
    expect(await lab.meta("term")).toBeGreaterThanOrEqual(1_700_000_000_000);
    await leader.sync.commit(added("t3")).settled;
    await lab.pass(10_000);
    expect(shown(other)).toEqual(shown(leader));
    expect(shown(await lab.ready())).toEqual(shown(leader));
  });

  it("G10 gets a term above that of a leader who is alive, also when the clock went back since", async () => {
    const lab = createLab();
    const far = 10 * lab.clock.now();
    const first = await lab.ready();
    await first.sync.stop();
    await lab.put("meta", "term", far);
    const leader = await lab.ready();
    leader.disk.next("lead", (run) => run());
    leader.disk.next("lead", failing("quota"));
    await leader.sync.commit(added("t1")).durable;
    await lab.pass(5000);
    const bases = Array.from((await lab.log()).values()).filter(
      (record) => record?.kind === "base",
    );
    expect(bases).toMatchObject([{ term: far + 1 }]);
    await lab.put("meta", "term", "junk");
    await lab.ready({ ports: { locks: null } });
    expect(await lab.meta("term")).toBeGreaterThan(far + 1);
  });

  it("G9 segments that the manifest forgot are found, and nothing is written over them", async () => {
    const lab = createLab();
    const writer = await lab.ready();
    await writer.sync.commit([added("t1"), added("t2")]).durable;
    await lab.pass(5000);
    const before = shown(writer);
    await writer.sync.stop();
    await lab.put("meta", "manifest", {});
    const tab = await lab.ready();
    expect(shown(tab)).toEqual(before);
    expect(quarantined(tab)).toEqual(["meta/manifest"]);
  });

  it("a floor that is too high hides no base record", async () => {
    const lab = createLab();
    const writer = await lab.ready();
    writer.disk.next("lead", (run) => run());
    writer.disk.next("lead", failing("aborted"));
    await writer.sync.commit([added("t1"), added("t2")]).durable;
    await lab.pass(2500);
    const before = shown(writer);
    writer.kill();
    await lab.pass(1000);
    await lab.put("meta", "floor", 1000);
    const tab = await lab.ready();
    expect(shown(tab)).toEqual(before);
  });
});
