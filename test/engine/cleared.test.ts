import { describe, expect, it, vi } from "vitest";
import { failing, hold } from "../support/faulty-storage.ts";
import {
  type Lab,
  type Tab,
  added,
  createLab,
  invited,
  renamed,
  scope,
  shown,
  slid,
  stateOf,
  toggled,
} from "../support/lab.ts";
import { type StoragePort } from "../../src/services/ports.ts";
import { openShop, sold, stocked } from "../support/shop.ts";

// A shared machine may be slow; nothing here waits for time.
vi.setConfig({ testTimeout: 30_000 });

/** As a browser clears site data: connections are closed by force, then everything is gone. */
async function clear(lab: Lab, tabs: readonly Tab[]): Promise<void> {
  for (const tab of tabs) tab.disk.close("forced");
  await lab.base.destroy(scope);
}

const ids = ({ sync }: Pick<Tab, "sync">): string[] =>
  sync.tables.todos.toArray().map(({ id }) => id);
const reason = "It was cleared while the app was open.";

function hear({ sync }: Pick<Tab, "sync">) {
  const told: { rows: number; kept: number; reason: string }[] = [];
  sync.on("lost", ({ rows, kept, reason: why }) => told.push({ rows, kept, reason: why }));
  return told;
}

describe("data that is cleared while tabs live", () => {
  it("what is decided is gone in every tab, and that is told; what comes then is stored", async () => {
    const lab = createLab();
    const a = await lab.ready();
    const b = await lab.ready();
    await a.sync.commit([added("t1"), added("t2")]).settled;
    await lab.pass(5000);
    await a.sync.commit(added("t3")).settled;
    await lab.settle();
    const told = [hear(a), hear(b)];
    const faults: string[] = [];
    a.sync.on("fault", ({ fault }) => faults.push(fault.code));
    await clear(lab, [a, b]);
    await lab.pass(5000);
    expect(told).toEqual([[{ rows: 3, kept: 0, reason }], [{ rows: 3, kept: 0, reason }]]);
    expect(faults.at(-1)).toBe("data_lost");
    for (const { sync } of [a, b]) {
      expect(sync.tables.todos.size).toBe(0);
      expect(sync.status).toMatchObject({
        phase: "ready",
        pending: 0,
        fault: { code: "data_lost" },
      });
    }
    await b.sync.commit(added("t4")).durable;
    await a.sync.commit(toggled("t4")).settled;
    await lab.pass(5000);
    const fresh = await lab.ready();
    expect(shown(fresh).todos).toEqual([{ id: "t4", text: "Milk", done: true }]);
    for (const tab of [a, b]) expect(shown(tab)).toEqual(shown(fresh));
    expect(fresh.sync.status.fault).toBeNull();
    expect((await lab.contents())["log"]).toEqual([]);
  });

  it("G13 rows that were only in the old base are gone, whatever the segments of the new data are called", async () => {
    const lab = createLab();
    const a = await lab.ready({ ports: { locks: null } });
    const b = await lab.ready();
    await a.sync.commit([added("old"), added("both", "old")]).settled;
    await lab.pass(5000);
    // The new data is there, folded, with the very marks of the old one, before this tab looks.
    const held = hold();
    a.disk.always("open", held.fault);
    await clear(lab, [a, b]);
    await lab.pass(2000);
    await held.reached;
    await b.sync.commit([added("new"), added("both", "new")]).settled;
    await lab.pass(12_000);
    expect((await lab.contents())["log"]).toEqual([]);
    const told = hear(a);
    held.release();
    await lab.pass(40_000);
    expect(shown(a).todos.map(({ id, text }) => `${id} ${text}`)).toEqual(["both new", "new Milk"]);
    expect(shown(a)).toEqual(shown(b));
    expect(told).toEqual([{ rows: 1, kept: 0, reason }]);
    // Nor do they come back with a fold.
    await a.sync.commit(added("later")).durable;
    await lab.pass(10_000);
    expect(ids(await lab.ready())).toEqual(["both", "later", "new"]);
  });

  it("G1 G7 what was logged and undecided, in flight and queued is stored again, once and in order", async () => {
    const lab = createLab();
    // Nobody leads: the last step of the slider stays undecided.
    const tab = await lab.ready({ ports: { locks: null } });
    const first = tab.sync.commit([added("t1"), slid(1)]);
    await first.durable;
    const logged = tab.sync.commit(slid(2));
    await logged.durable;
    expect(await stateOf(logged.settled)).toBe("pending");
    const held = hold();
    tab.disk.next("append", held.fault);
    const flying = tab.sync.commit(added("t2"));
    await held.reached;
    const queued = tab.sync.commit(added("t3"));
    const told = hear(tab);
    await clear(lab, [tab]);
    held.release();
    await lab.pass(5000);
    expect(told).toEqual([{ rows: 1, kept: 3, reason }]);
    const events = (await lab.loggedEvents()).map(({ id }) => id);
    expect(events).toEqual(
      [logged, flying, queued].flatMap(({ events: made }) => made.map(({ id }) => id)),
    );
    const records = Array.from((await lab.log()).values(), (record) => record?.n);
    expect(records).toEqual([2, 3, 4]);
    for (const { durable } of [first, logged, flying, queued])
      expect(await stateOf(durable)).toBe("resolved");
    expect((await logged.settled).map(({ status }) => status)).toEqual(["accepted"]);
    expect(shown(tab)).toEqual({
      todos: [
        { id: "t2", text: "Milk", done: false },
        { id: "t3", text: "Milk", done: false },
      ],
      settings: [{ id: "slider", value: 2 }],
    });
    expect(shown(await lab.ready())).toEqual(shown(tab));
  });

  it("G7 a commit whose write was never answered is in the new data once, also when the answer comes late", async () => {
    const lab = createLab();
    const tab = await lab.ready();
    const late = hold("after");
    tab.disk.next("append", late.fault);
    const receipt = tab.sync.commit(added("t1"));
    await late.reached;
    const other = await lab.ready();
    await clear(lab, [tab, other]);
    await lab.pass(1000);
    await other.sync.commit(added("t2")).durable;
    late.release();
    await lab.pass(10_000);
    expect(await stateOf(receipt.durable)).toBe("resolved");
    const fresh = await lab.ready();
    expect(ids(fresh)).toEqual(["t1", "t2"]);
    for (const one of [tab, other]) expect(shown(one)).toEqual(shown(fresh));
  });

  it("G5 what was decided before its write was answered is not written again", async () => {
    const lab = createLab();
    const tab = await lab.ready();
    await lab.pass(3000);
    const other = await lab.ready();
    const late = hold("after");
    tab.disk.next("append", late.fault);
    const receipt = tab.sync.commit(added("t1"));
    await late.reached;
    // The log tells it first.
    await other.sync.commit(added("t2")).durable;
    await lab.pass(1000);
    expect(await stateOf(receipt.settled)).toBe("resolved");
    await clear(lab, [tab, other]);
    await lab.pass(10_000);
    late.release();
    await lab.pass(10_000);
    expect(ids(tab)).toEqual([]);
    expect(ids(await lab.ready())).toEqual([]);
    await tab.sync.commit(added("t3")).durable;
    expect(tab.sync.status).toMatchObject({ phase: "ready", pending: 0 });
  });

  it("G7 data that is called another and holds this tab's records still takes none of them twice", async () => {
    const lab = createLab();
    const tab = await lab.ready({ ports: { locks: null } });
    await tab.sync.commit([added("t1"), slid(1)]).durable;
    const last = tab.sync.commit(slid(2));
    await last.durable;
    const told = hear(tab);
    const before = await lab.loggedEvents();
    // As when a tab that knew nothing of it has rebuilt a damaged `meta`.
    await lab.put("meta", "incarnation", "another");
    tab.lifecycle.emit("visible");
    await lab.pass(3000);
    expect(told).toEqual([]);
    expect(tab.sync.status.fault).toBe(null);
    expect(await lab.loggedEvents()).toEqual(before);
    expect(ids(tab)).toEqual(["t1"]);
    expect(tab.sync.tables.settings.get("slider")?.value).toBe(2);
    await tab.sync.commit(added("t2")).settled;
    expect((await last.settled).map(({ status }) => status)).toEqual(["accepted"]);
    expect(shown(await lab.ready())).toEqual(shown(tab));
  });

  it("G6 a leader's write in the old data that is answered late moves nothing in the new", async () => {
    const lab = createLab();
    const tab = await lab.ready();
    await lab.pass(3000);
    await tab.sync.commit(added("old")).settled;
    const late = hold("after");
    tab.disk.next("lead", late.fault);
    await lab.pass(2500);
    await late.reached;
    await clear(lab, [tab]);
    await lab.pass(500);
    await tab.sync.commit(added("new")).settled;
    // It was told position 2, and that is the next one here as well.
    late.release();
    await lab.settle();
    expect(ids(tab)).toEqual(["new"]);
    await lab.pass(10_000);
    expect(ids(tab)).toEqual(["new"]);
    expect(shown(await lab.ready())).toEqual(shown(tab));
  });

  it("G13 several tabs begin anew at once: one makes the database, and all come to the same rows", async () => {
    const lab = createLab();
    const tabs = [await lab.ready(), await lab.ready(), await lab.ready()];
    await tabs[0]?.sync.commit(added("t0")).settled;
    const late = tabs.map((tab) => {
      const held = hold();
      tab.disk.next("initialise", held.fault);
      return held;
    });
    const held = tabs.map((tab, at) => {
      const one = hold();
      tab.disk.next("append", one.fault);
      tab.sync.commit(added(`mine${at}`));
      return one;
    });
    await Promise.all(held.map(({ reached }) => reached));
    await clear(lab, tabs);
    for (const one of held) one.release();
    // All have found it empty.
    await lab.pass(1000);
    await Promise.all(late.map(({ reached }) => reached));
    for (const one of late) one.release();
    await lab.pass(20_000);
    const fresh = await lab.ready();
    expect(ids(fresh)).toEqual(["mine0", "mine1", "mine2"]);
    for (const tab of tabs) {
      expect(shown(tab)).toEqual(shown(fresh));
      expect(tab.sync.status).toMatchObject({ phase: "ready", pending: 0 });
    }
    expect(tabs.filter(({ sync }) => sync.status.role === "leader").length).toBe(1);
  });

  it("G13 a tab that was frozen meanwhile starts over when it thaws", async () => {
    const lab = createLab();
    const a = await lab.ready();
    const b = await lab.ready();
    await a.sync.commit(added("t1")).settled;
    await lab.settle();
    const open = hold();
    b.disk.always("open", open.fault);
    b.freeze();
    await clear(lab, [a, b]);
    await lab.pass(5000);
    for (let at = 0; at < 5; at += 1) await a.sync.commit(added(`new${at}`)).durable;
    await lab.pass(5000);
    const told = hear(b);
    b.resume();
    b.sync.commit(added("thawed"));
    open.release();
    await lab.pass(50_000);
    expect(told).toEqual([{ rows: 1, kept: 1, reason }]);
    expect(ids(b)).toEqual(["new0", "new1", "new2", "new3", "new4", "thawed"]);
    expect(shown(a)).toEqual(shown(b));
    expect(shown(await lab.ready())).toEqual(shown(b));
  });

  it("G13 cleared again while it starts over: it starts over again", async () => {
    for (const operation of ["open", "read", "initialise", "ensure", "claim"] as const) {
      for (const when of ["before", "after"] as const) {
        const lab = createLab();
        const tab = await lab.ready();
        await lab.pass(3000);
        await tab.sync.commit(added("t1")).settled;
        await lab.pass(5000);
        const flying = hold();
        tab.disk.next("append", flying.fault);
        const receipt = tab.sync.commit(added("t2"));
        await flying.reached;
        const held = hold(when);
        tab.disk.next(operation, held.fault);
        await clear(lab, [tab]);
        flying.release();
        await lab.pass(200);
        await held.reached;
        await clear(lab, [tab]);
        held.release();
        await lab.pass(20_000);
        expect([operation, when, await stateOf(receipt.settled)]).toEqual([
          operation,
          when,
          "resolved",
        ]);
        // What was decided by what was cleared then is gone with it.
        const fresh = await lab.ready();
        expect([[], ["t2"]]).toContainEqual(ids(fresh));
        expect([operation, when, shown(tab)]).toEqual([operation, when, shown(fresh)]);
        expect(tab.sync.status).toMatchObject({ phase: "ready", pending: 0, role: "leader" });
      }
    }
  });

  it("taken dedupe keys and quarantined bytes go with the old data", async () => {
    const lab = createLab();
    const tab = await lab.ready();
    await tab.sync.commit(invited("a@example.org")).settled;
    await lab.pass(5000);
    await lab.put("quarantine", "row/todos/x", { raw: 1, reason: "bad", at: 1 });
    const other = await lab.ready();
    expect(other.sync.quarantine.size).toBe(1);
    await clear(lab, [tab, other]);
    await lab.pass(5000);
    expect(other.sync.quarantine.size).toBe(0);
    const again = other.sync.commit(invited("a@example.org"));
    expect((await again.settled).map(({ status }) => status)).toEqual(["accepted"]);
  });

  it("a rejected event goes with the old data, and so does the wish to discard it", async () => {
    const lab = createLab();
    const shops = [openShop(lab), openShop(lab)] as const;
    const [{ sync: first }, { sync: second }] = shops;
    await Promise.all([first.ready, second.ready]);
    await first.commit(stocked("it", 1)).durable;
    await lab.settle();
    const held = hold();
    shops[0].disk.next("append", held.fault);
    first.commit(sold("it"));
    await second.commit(sold("it")).durable;
    held.release();
    await lab.pass(20_000);
    expect(second.rejected.size).toBe(1);
    const [refused] = second.rejected.list();
    const discarding = second.rejected.discard(refused?.event.id ?? "");
    for (const { disk } of shops) disk.close("forced");
    await lab.base.destroy(scope);
    await lab.pass(20_000);
    expect(second.rejected.size).toBe(0);
    await discarding;
  });

  it("G12 a message about other data has the disk read, and is counted", async () => {
    const lab = createLab();
    const tab = await lab.ready();
    await lab.pass(1000);
    const reads = () => tab.disk.calls.filter((call) => call === "read").length;
    const before = reads();
    const head = { p: 1, incarnation: "another", tab: "other", schema: 1 };
    lab.channels.send(scope, { ...head, kind: "changed", position: 9 });
    await lab.settle();
    expect(reads()).toBe(before + 1);
    expect(tab.sync.status).toMatchObject({ ignored: 1, behind: 0, fault: null });
  });

  it("stores that are empty under an open connection are other data as well", async () => {
    const lab = createLab();
    const tab = await lab.ready();
    await lab.pass(3000);
    await tab.sync.commit(added("t1")).settled;
    const told = hear(tab);
    await lab.raw(
      (database) =>
        new Promise<void>((resolve) => {
          const tx = database.transaction(Array.from(database.objectStoreNames), "readwrite");
          for (const name of tx.objectStoreNames) tx.objectStore(name).clear();
          tx.oncomplete = () => resolve();
        }),
    );
    tab.lifecycle.emit("visible");
    await lab.pass(3000);
    expect(told).toEqual([{ rows: 1, kept: 0, reason }]);
    await tab.sync.commit(added("t2")).settled;
    await lab.pass(5000);
    expect(tab.sync.status.role).toBe("leader");
    expect(ids(await lab.ready())).toEqual(["t2"]);
  });

  it("data that the browser threw away as damaged is told at the first load", async () => {
    const lab = createLab();
    const storage: StoragePort = {
      ...lab.base,
      open(name, events) {
        events.thrownAway?.();
        return lab.base.open(name, events);
      },
    };
    const { sync } = lab.openTab({ ports: { storage } });
    const told = hear({ sync });
    await sync.ready;
    expect(told).toEqual([
      { rows: 0, kept: 0, reason: "The browser found its storage damaged, and threw it away." },
    ]);
    expect(sync.status).toMatchObject({ phase: "ready", fault: { code: "data_lost" } });
  });
});

/** Clears the data around one operation of one tab, while two tabs go on committing. */
const around = ["append", "lead", "claim", "read", "ensure"] as const;
const places = around.flatMap((operation) => [
  [operation, "before"] as const,
  [operation, "after"] as const,
]);
describe.each(places)("G6 G13 cleared around one %s, %s it happens", (operation, when) => {
  it.each([1, 2, 3, 4])(
    "all tabs agree, and what is undecided then is stored once (no. %i)",
    async (nth) => {
      const lab = createLab({ seed: nth });
      const a = await lab.ready();
      const b = await lab.ready();
      const decided = new Map<string, number>();
      const receipts: ReturnType<typeof a.sync.commit>[] = [];
      const count = (decisions: readonly { readonly id: string }[]): void => {
        for (const { id } of decisions) decided.set(id, (decided.get(id) ?? 0) + 1);
      };
      const commit = (tab: Tab, event: Parameters<typeof a.sync.commit>[0]): void => {
        const receipt = tab.sync.commit(event);
        receipts.push(receipt);
        receipt.settled.then(count, () => undefined);
      };
      for (let at = 0; at < 3; at += 1) commit(at === 1 ? b : a, added(`old${at}`));
      await lab.pass(3000);
      let cleared = 0;
      let met = 0;
      const heal = a.disk.always(operation, async (run) => {
        met += 1;
        if (met !== nth) return await run();
        if (when === "before") {
          await clear(lab, [a, b]);
          cleared += 1;
          return await run();
        }
        const result = await run();
        await clear(lab, [a, b]);
        cleared += 1;
        return result;
      });
      if (operation === "ensure") a.disk.always("append", failing("aborted"));
      for (let at = 0; at < 8; at += 1) {
        commit(a, added(`a${at}`));
        commit(b, at % 3 === 0 ? slid(at) : added(`b${at}`));
        commit(a, renamed(`b${at}`, "Bread"));
        if (at % 2 === 0) await lab.settle();
        if (operation === "claim") {
          lab.locks.steal(scope)();
          await lab.settle();
        }
        if (operation === "read") a.lifecycle.emit("visible");
        await lab.pass(2500);
      }
      heal();
      await lab.pass(60_000);
      expect(cleared).toBe(1);
      commit(a, added("last-a"));
      commit(b, added("last-b"));
      await lab.pass(10_000);
      const fresh = await lab.ready();
      for (const tab of [a, b]) {
        expect(shown(tab)).toEqual(shown(fresh));
        expect(tab.sync.status).toMatchObject({ phase: "ready", pending: 0 });
      }
      for (const receipt of receipts) {
        expect(await stateOf(receipt.durable)).toBe("resolved");
        for (const { id } of receipt.events) expect(decided.get(id)).toBe(1);
      }
      expect(ids(fresh)).toEqual(expect.arrayContaining(["last-a", "last-b"]));
      expect((await lab.contents())["log"]).toEqual([]);
      expect((await lab.contents())["quarantine"]).toEqual([]);
    },
  );
});
