import * as v from "valibot";
import { expect, it, vi } from "vitest";
import {
  type SyncError,
  create,
  createSyncActor,
  defineEvent,
  update,
  upsert,
} from "../../src/index.ts";
import { createSeededRandom } from "../../src/testing/seeded-random.ts";
import {
  failing,
  hungAndNotStored,
  hungButStored,
  lostAndNotStored,
  lostButStored,
} from "../support/faulty-storage.ts";
import {
  type Lab,
  type Tab,
  added,
  createLab,
  invited,
  removed,
  renamed,
  scope,
  shown,
  slid,
  toggled,
} from "../support/lab.ts";

// A shared machine may be slow; nothing here waits for time.
vi.setConfig({ testTimeout: 30_000 });

interface Told {
  readonly id: string;
  readonly status: string;
}

/** A random history on several tabs. Gives the tabs that live, and what was decided of each event. */
async function live(lab: Lab, seed: number, steps: number, faulty: boolean) {
  const random = createSeededRandom(seed);
  const below = (most: number): number => {
    const [a = 0, b = 0] = random.bytes(2);
    return (a * 256 + b) % most;
  };
  const durable: string[] = [];
  const refused: string[] = [];
  const told: Told[] = [];
  let marks = 0;
  const tabs: Tab[] = [await lab.ready(), await lab.ready()];
  const id = (): string => `t${below(12)}`;
  const event = () =>
    [
      () => added(id(), `text ${below(9)}`),
      () => added(id(), `text ${below(9)}`),
      () => toggled(id()),
      () => renamed(id(), `name ${below(9)}`),
      () => removed(id()),
      () => slid(below(100)),
      () => slid(below(100)),
      () => invited(`p${below(4)}@example.org`),
    ][below(8)]?.() ?? toggled("t0");

  const commit = (tab: Tab): void => {
    // Its row is nobody else's: it is there for ever if it is durable, and not at all if it was refused.
    marks += 1;
    const mark = `mark${String(marks).padStart(4, "0")}`;
    const roll = below(4);
    const marked = roll === 0 ? [event(), added(mark), event()] : [added(mark)];
    const receipt = tab.sync.commit(roll < 2 ? marked : [event()]);
    if (roll < 2)
      receipt.durable.then(
        () => durable.push(mark),
        (error: SyncError) => error.code === "storage_failed" && refused.push(mark),
      );
    receipt.settled.then(
      (decisions) => told.push(...decisions),
      () => undefined,
    );
  };
  const faults = [lostButStored, lostAndNotStored, hungButStored, hungAndNotStored];

  for (let step = 0; step < steps; step += 1) {
    const tab = tabs[below(tabs.length)] as Tab;
    const roll = below(faulty ? 24 : 12);
    if (roll < 8) for (let count = below(4); count >= 0; count -= 1) commit(tab);
    else if (roll === 8) await lab.settle();
    else if (roll === 9) await lab.pass(below(6000));
    else if (roll === 10 && tabs.length < 4) tabs.push(await lab.ready());
    else if (roll === 11 && tabs.length > 1) {
      tabs.splice(tabs.indexOf(tab), 1);
      const stopping = tab.sync.stop();
      await lab.pass(6000);
      await stopping;
    } else if (roll === 12 && tabs.length > 1) {
      tabs.splice(tabs.indexOf(tab), 1);
      tab.kill();
    } else if (roll < 16) {
      const hear = lab.channels.drop(() => true);
      commit(tab);
      await lab.settle();
      hear();
    } else if (roll < 18) tab.disk.next("append", faults[below(4)] ?? lostButStored);
    else if (roll === 18) tab.disk.next("append", failing(below(2) === 0 ? "refused" : "quota"));
    else if (roll === 19) tab.disk.next("lead", faults[below(4)] ?? lostButStored);
    else if (roll === 20) {
      tab.freeze();
      commit(tab);
      await lab.pass(below(20_000));
      tab.resume();
    } else if (roll === 21) tab.disk.close("forced");
    else if (roll === 22) {
      lab.locks.steal(scope)();
      await lab.settle();
    } else await lab.pass(below(3000));
  }
  await lab.pass(90_000);
  return { tabs, durable, refused, told };
}

it.each(Array.from({ length: 8 }, (_, at) => at + 1))(
  "G6 after a random history a fresh tab shows exactly what the others show (seed %i)",
  async (seed) => {
    const lab = createLab({ seed });
    const { tabs } = await live(lab, seed, 60, false);
    const fresh = await lab.ready();
    for (const tab of tabs) expect(shown(tab)).toEqual(shown(fresh));
    for (const tab of tabs)
      expect(tab.sync.status).toMatchObject({ phase: "ready", fault: null, pending: 0 });
    expect((await lab.contents())["log"]).toEqual([]);
  },
);

it.each(Array.from({ length: 12 }, (_, at) => at + 101))(
  "G6 G13 after a random history with faults too, and nothing durable is lost (seed %i)",
  async (seed) => {
    const lab = createLab({ seed });
    const { tabs, durable, refused, told } = await live(lab, seed, 60, true);
    const fresh = await lab.ready();
    const { todos } = fresh.sync.tables;
    expect(durable.filter((id) => !todos.has(id))).toEqual([]);
    expect(refused.filter((id) => todos.has(id))).toEqual([]);
    expect(durable.length).toBeGreaterThan(5);
    for (const tab of tabs) expect(shown(tab)).toEqual(shown(fresh));
    for (const tab of tabs)
      expect(tab.sync.status).toMatchObject({ phase: "ready", fault: null, pending: 0 });
    // One decision per event, for ever.
    const decided = told.map((decision) => decision.id);
    expect(new Set(decided).size).toBe(decided.length);
    const leaders = tabs.filter((tab) => tab.sync.status.role === "leader");
    expect(leaders.length).toBe(1);
  },
);

it("G7 the same record that arrives again changes nothing", async () => {
  const lab = createLab();
  const a = await lab.ready();
  const b = await lab.ready();
  const messages: unknown[] = [];
  lab.channels.drop(({ message }) => {
    messages.push(message);
    return false;
  });
  await a.sync.commit(added("t1")).durable;
  await a.sync.commit(toggled("t1")).durable;
  await b.sync.commit(toggled("t1")).durable;
  await a.sync.commit([toggled("t1"), invited("x@y.z")]).durable;
  await lab.pass(3000);
  const before = shown(a);
  const copies = [...messages];
  for (let round = 0; round < 3; round += 1)
    for (const message of copies.toReversed()) lab.channels.send(scope, message);
  await lab.settle();
  expect(shown(a)).toEqual(before);
  expect(shown(b)).toEqual(before);
  expect(shown(await lab.ready())).toEqual(before);
});

it("G7 messages that all arrive twice, and late, change nothing", async () => {
  const lab = createLab();
  const tabs = [await lab.ready(), await lab.ready(), await lab.ready()];
  const late: unknown[] = [];
  lab.channels.drop(({ message }) => {
    late.push(message);
    return late.length % 3 === 0;
  });
  for (let at = 0; at < 30; at += 1) {
    const tab = tabs[at % 3] as Tab;
    tab.sync.commit(at % 4 === 0 ? added(`t${at % 8}`) : toggled(`t${at % 8}`));
    if (at % 2 === 0) await lab.settle();
    for (const message of late.splice(0, 5)) lab.channels.send(scope, message);
  }
  await lab.pass(10_000);
  const fresh = await lab.ready();
  for (const tab of tabs) expect(shown(tab)).toEqual(shown(fresh));
});

it("G7 a record that is in the log twice counts once", async () => {
  const lab = createLab();
  const writer = await lab.ready({ ports: { locks: null } });
  await writer.sync.commit(added("t1")).durable;
  await writer.sync.commit(toggled("t1")).durable;
  await writer.sync.stop();
  const { log = [] } = await lab.contents();
  await lab.put("log", undefined, log[1]?.[1]);
  const tab = await lab.ready();
  expect(shown(tab).todos).toEqual([{ id: "t1", text: "Milk", done: true }]);
  await lab.pass(5000);
  expect(shown(await lab.ready())).toEqual(shown(tab));
});

it("G3 G13 a commit that conflicts on replay has no effect as a whole, and is on record", async () => {
  const lab = createLab();
  const tables = {
    stock: v.object({ id: v.string(), left: v.pipe(v.number(), v.minValue(0)) }),
    orders: v.object({ id: v.string() }),
  };
  const open = () =>
    createSyncActor({
      name: "stock",
      tables,
      events: {
        filled: defineEvent({ schema: v.object({ left: v.number() }) }),
        ordered: defineEvent({ schema: v.object({ id: v.string() }) }),
      },
      materializers: {
        filled: ({ left }) => [upsert("stock", { id: "it", left })],
        ordered: ({ id }, { tables: { stock } }) => [
          create("orders", { id }),
          update("stock", { id: "it", left: (stock.get("it")?.left ?? 0) - 1 }),
        ],
      },
      environment: lab.openTab().environment,
    });
  const a = open();
  const b = open();
  await Promise.all([a.ready, b.ready]);
  await a.commit({ name: "filled", payload: { left: 1 } }).settled;
  await lab.settle();
  const first = a.commit({ name: "ordered", payload: { id: "a" } });
  const second = b.commit({ name: "ordered", payload: { id: "b" } });
  const decided = await Promise.all([first.settled, second.settled]);
  const results = decided.map(([decision]) => decision?.status);
  expect(new Set(results)).toEqual(new Set(["accepted", "rejected"]));
  await lab.pass(5000);
  const winner = results[0] === "accepted" ? "a" : "b";
  const c = open();
  await c.ready;
  for (const sync of [a, b, c]) {
    expect(sync.tables.orders.toArray()).toEqual([{ id: winner }]);
    expect(sync.tables.stock.toArray()).toEqual([{ id: "it", left: 0 }]);
    expect(sync.rejected.list().map(({ code, event }) => [code, event.payload])).toEqual([
      ["conflict", { id: winner === "a" ? "b" : "a" }],
    ]);
    expect(sync.status.rejected).toBe(1);
  }
  // It can be tried again when there is something left, and is off the record then: in every tab.
  await b.commit({ name: "filled", payload: { left: 5 } }).durable;
  const [refused] = b.rejected.list();
  await b.rejected.retry(refused?.event.id ?? "");
  await lab.pass(5000);
  for (const sync of [a, b, c]) {
    expect(sync.tables.orders.size).toBe(2);
    expect([sync.rejected.size, sync.status.rejected]).toEqual([0, 0]);
  }
});

it("G14 the same seed and the same steps give the same bytes and the same rows", async () => {
  const run = async () => {
    const lab = createLab({ seed: 5 });
    const { tabs, told } = await live(lab, 5, 50, true);
    return { disk: await lab.contents(), rows: tabs.map((tab) => shown(tab)), told };
  };
  const first = await run();
  const second = await run();
  expect(second.rows).toEqual(first.rows);
  expect(second.told).toEqual(first.told);
  expect(second.disk).toEqual(first.disk);
  const lab = createLab({ seed: 6 });
  await live(lab, 5, 50, true);
  expect(await lab.contents()).not.toEqual(first.disk);
});
