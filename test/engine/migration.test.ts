import * as v from "valibot";
import { describe, expect, test } from "vitest";
import { type JsonObject, createSyncActor, defineEvent, upsert } from "../../src/index.ts";
import { failing, hold } from "../support/faulty-storage.ts";
import { type Lab, createLab } from "../support/lab.ts";
import {
  crowd,
  leaves,
  migrated,
  openPeople,
  people,
  personAt,
  readyPeople,
  reword,
  saved,
  seed,
  segmentsOf,
  versionsOf,
  worded,
} from "../support/versions.ts";

/** Without what was told twice. */
const each = (all: readonly unknown[]): readonly unknown[] =>
  all.filter((value, at) => JSON.stringify(value) !== JSON.stringify(all[at - 1]));

describe("rows of an older version", () => {
  test("are shown as migrate makes them at once, and are written anew in the background", async () => {
    const lab = createLab();
    await seed(lab, 3000);
    const tab = await readyPeople(lab, 2);
    expect(people(tab)).toEqual(crowd(2, 3000));
    const before = { done: 0, total: 3001 };
    expect(tab.sync.status).toMatchObject({ phase: "ready", migration: before });
    const follower = await readyPeople(lab, 2);
    const seen: unknown[] = [tab.sync.status.migration];
    tab.sync.subscribe(({ context }) => seen.push(context.migration));
    const heard: unknown[] = [follower.sync.status.migration];
    follower.sync.subscribe(({ context }) => heard.push(context.migration));
    await migrated(lab, tab);
    // Twenty segments with each fold; that of the notes is among the first.
    const steps = [before, { done: 1901, total: 3001 }, null];
    expect(each(seen)).toEqual(steps);
    expect(each(heard)).toEqual(steps);
    expect(await versionsOf(lab)).toEqual([2]);
    const fresh = await readyPeople(lab, 2);
    expect(people(fresh)).toEqual(crowd(2, 3000));
    expect(fresh.sync.tables.notes.toArray()).toEqual([{ id: "n", text: "Milk" }]);
    expect(fresh.sync.status.migration).toBeNull();
  });

  test.each(["before", "after"] as const)(
    "G6 are all there, each once, when the tab dies %s any storage operation of the migration",
    { timeout: 60_000 },
    async (when) => {
      const rows = crowd(3, 2999).with(1, { id: "p00001", age: 5, ...worded(3, "Ann Lee") });
      let operations = 0;
      for (let at = 1, last = false; !last; at += 1) {
        const lab = createLab({ seed: at });
        await seed(lab, 3000);
        // Logged by the old version, and not decided.
        const old = await readyPeople(lab, 1);
        await old.sync.commit([saved(1, "p00001", "Ann Lee", 5), leaves("p02999")]).durable;
        old.kill();
        const tab = openPeople(lab, 3);
        operations = 0;
        for (const kind of ["open", "read", "claim", "lead", "quarantine"] as const) {
          tab.disk.always(kind, async (run) => {
            operations += 1;
            if (operations !== at) return await run();
            if (when === "after") await run();
            tab.kill();
            return await new Promise(() => undefined);
          });
        }
        await lab.pass(7000);
        last = operations < at;
        tab.kill();
        const next = await readyPeople(lab, 3);
        expect(people(next)).toEqual(rows);
        await migrated(lab, next);
        await lab.pass(5000);
        expect(await versionsOf(lab)).toEqual([3]);
        const stored = (await segmentsOf(lab)).flatMap(({ ids }) => ids);
        expect(stored.toSorted()).toEqual(["n", ...rows.map(({ id }) => id)]);
        expect(people(await readyPeople(lab, 3))).toEqual(rows);
      }
      // Opened, read, raised, read again; led, read; decided; folded twice.
      expect(operations).toBeGreaterThan(8);
    },
  );
});

/** 300 people of version 1, and what version 2 makes of the seventh. */
async function openWith(lab: Lab, change: (row: JsonObject) => unknown) {
  await seed(lab, 300);
  const migrate = (table: string, row: JsonObject): JsonObject => {
    if (table !== "people") return row;
    if (row["id"] === "p00007") return change(row) as JsonObject;
    const { name, ...rest } = row;
    return { ...rest, ...worded(2, name as string) };
  };
  return { migrate, tab: await readyPeople(lab, 2, { migrate }) };
}

describe("a row of which migrate", () => {
  const others = crowd(2, 300).toSpliced(7, 1);
  let unsteady = 0;

  test.each<readonly [string, (row: JsonObject) => unknown, RegExp]>([
    [
      "throws",
      () => {
        throw new Error("no");
      },
      /^Expected migrate to return, got "Error: no"/,
    ],
    ["makes an invalid one", (row) => ({ ...row, ...worded(2, "A B"), age: "old" }), /^age: /],
    ["makes nothing", () => undefined, /./],
    [
      "makes one with another id",
      () => ({ ...personAt(2, 7), id: "p00008" }),
      /^Expected migrate to keep the id "p00007", got "p00008"/,
    ],
    ["changes what it is given", (row) => Object.assign(row, { age: 1 }), /TypeError/],
    [
      "makes another one each time",
      () => ({ ...personAt(2, 7), age: (unsteady += 1) }),
      /^Expected migrate to be pure, got two results/,
    ],
  ])(
    "G8 %s waits in quarantine as it was stored, and the others are there",
    async (_, change, reason) => {
      const lab = createLab();
      const { tab, migrate } = await openWith(lab, change);
      expect(people(tab)).toEqual(others);
      const entry = {
        id: "row/people/p00007",
        raw: personAt(1, 7),
        reason: expect.stringMatching(reason),
        schema: 1,
      };
      expect(tab.sync.quarantine.list()).toMatchObject([entry]);
      await migrated(lab, tab);
      expect(await versionsOf(lab)).toEqual([2]);
      const fresh = await readyPeople(lab, 2, { migrate });
      expect(people(fresh)).toEqual(others);
      expect(fresh.sync.quarantine.list()).toMatchObject([entry]);
    },
  );

  test("makes null is deleted, and its id is free", async () => {
    const lab = createLab();
    const { tab, migrate } = await openWith(lab, () => null);
    expect(people(tab)).toEqual(others);
    expect(tab.sync.status.quarantined).toBe(0);
    await migrated(lab, tab);
    expect((await segmentsOf(lab)).flatMap(({ ids }) => ids)).toHaveLength(300);
    await tab.sync.commit(saved(2, "p00007", "Ann Lee")).durable;
    await lab.pass(5000);
    expect(people(tab)).toHaveLength(300);
    expect(people(await readyPeople(lab, 2, { migrate }))).toEqual(people(tab));
  });
});

describe("segments", () => {
  test("of two older versions are told apart, and go to the newest in one step", async () => {
    const lab = createLab();
    await seed(lab, 3000);
    const second = await readyPeople(lab, 2);
    // It writes the first twenty anew, and dies before the rest.
    let folds = 0;
    second.disk.always("lead", async (run) => {
      folds += 1;
      if (folds > 1) second.kill();
      return await run();
    });
    await lab.pass(5000);
    expect(await versionsOf(lab)).toEqual([2, 1]);
    const from = new Map<number, number>();
    const migrate = (table: string, row: JsonObject, version: number): JsonObject => {
      from.set(version, (from.get(version) ?? 0) + 1);
      return table === "people" ? reword(3, row, version) : row;
    };
    const third = await readyPeople(lab, 3, { migrate });
    expect(people(third)).toEqual(crowd(3, 3000));
    // Twice each, as it has to be pure.
    expect(Array.from(from)).toEqual([
      [2, 2 * 1901],
      [1, 2 * 1100],
    ]);
    await migrated(lab, third);
    expect(await versionsOf(lab)).toEqual([3]);
    expect(people(await readyPeople(lab, 3))).toEqual(crowd(3, 3000));
  });

  test("that do not say their version are of the one that meta had before it was raised first", async () => {
    const lab = createLab();
    await seed(lab, 300, {});
    await lab.put("meta", "schema", 2);
    const versions: number[] = [];
    const migrate = (table: string, row: JsonObject, from: number): JsonObject => {
      versions.push(from);
      return table === "people" ? reword(3, row, 1) : row;
    };
    // It raises the version, and dies before it writes anything.
    const third = await readyPeople(lab, 3, { migrate });
    third.kill();
    const again = await readyPeople(lab, 3, { migrate });
    expect(people(again)).toEqual(crowd(3, 300));
    expect(new Set(versions)).toEqual(new Set([2, 1]));
    expect(versions.filter((version) => version === 1)).toHaveLength(4);
    await migrated(lab, again);
    expect(await versionsOf(lab)).toEqual([3]);
  });

  test("keep their version where the app has no migrate, and their rows are as they were stored", async () => {
    const lab = createLab();
    await seed(lab, 300);
    const tables = { people: v.looseObject({ id: v.string() }) };
    const open = async (version: number) => {
      const page = lab.openTab({ name: "elsewhere" });
      const sync = createSyncActor({
        name: "todos",
        schema: { version },
        tables,
        events: { saved: defineEvent({ schema: v.object({ id: v.string() }) }) },
        materializers: { saved: (row) => [upsert("people", row)] },
        environment: page.environment,
      });
      await sync.ready;
      return { sync };
    };
    const tab = await open(2);
    expect(people(tab)).toEqual(crowd(1, 300));
    expect(tab.sync.status.migration).toBeNull();
    await tab.sync.commit({ name: "saved", payload: { id: "p00150" } }).durable;
    await lab.pass(7000);
    // Of the three only the one that was touched.
    const tags = (await segmentsOf(lab)).map(({ schema }) => schema);
    expect([tags.length, tags.filter((tag) => tag === 2).length]).toEqual([4, 1]);
    expect(people(await open(2))).toEqual(people(tab));
  });

  test("are written anew between commits, which need not wait", async () => {
    const lab = createLab();
    await seed(lab, 3000);
    const tab = await readyPeople(lab, 2);
    const fold = hold();
    await lab.pass(1500);
    tab.disk.next("lead", fold.fault);
    await lab.pass(1000);
    await fold.reached;
    await tab.sync.commit(saved(2, "p00002", "Ann Lee")).durable;
    fold.release();
    await migrated(lab, tab);
    await lab.pass(5000);
    const rows = crowd(2, 3000).with(2, { id: "p00002", age: 1, ...worded(2, "Ann Lee") });
    expect(people(tab)).toEqual(rows);
    expect(people(await readyPeople(lab, 2))).toEqual(rows);
  });
});

/** An old leader decided, and could not fold. */
async function decided(lab: Lab): Promise<void> {
  const old = await readyPeople(lab, 1);
  await lab.pass(3000);
  old.disk.next("lead", (run) => run());
  old.disk.always("lead", failing("quota"));
  await old.sync.commit([saved(1, "a", "Ann Lee"), saved(1, "b", "Bob May")]).durable;
  await lab.pass(2500);
  const kinds = Array.from((await lab.log()).values(), (record) => record?.kind);
  expect(kinds).toEqual(["commit", "base"]);
  old.kill();
}

const withoutAnn = (_: string, row: JsonObject, from: number): JsonObject => {
  if (row["id"] === "a") throw new Error("no");
  return reword(2, row, from);
};

describe("a base record of an older version", () => {
  test("G6 has its rows migrated, now and when they are folded", async () => {
    const lab = createLab();
    await decided(lab);
    const tab = await readyPeople(lab, 3);
    const rows = [
      { id: "a", age: 1, label: "Lee, Ann" },
      { id: "b", age: 1, label: "May, Bob" },
    ];
    expect(people(tab)).toEqual(rows);
    await lab.pass(6000);
    expect((await lab.contents())["log"]).toEqual([]);
    expect(people(await readyPeople(lab, 3))).toEqual(rows);
  });

  test("G8 has a row that migrate throws for in quarantine", async () => {
    const lab = createLab();
    await decided(lab);
    const tab = await readyPeople(lab, 2, { migrate: withoutAnn });
    const rows = [{ id: "b", age: 1, first: "Bob", last: "May" }];
    const entry = { id: "row/people/a", raw: { id: "a", name: "Ann Lee", age: 1 }, schema: 1 };
    expect(people(tab)).toEqual(rows);
    await lab.pass(6000);
    const fresh = await readyPeople(lab, 2, { migrate: withoutAnn });
    for (const it of [tab, fresh]) {
      expect(people(it)).toEqual(rows);
      expect(it.sync.quarantine.list()).toMatchObject([entry]);
    }
  });
});
