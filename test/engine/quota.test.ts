import { describe, expect, it } from "vitest";
import { type Fault, failing, hold, lostButStored } from "../support/faulty-storage.ts";
import { type Tab, added, createLab, removed, shown, stateOf } from "../support/lab.ts";

/** No space for commits until the returned function is called. */
function fill({ disk }: Tab): () => void {
  const ends = [disk.always("append", failing("quota")), disk.always("ensure", failing("quota"))];
  return () => ends.forEach((end) => end());
}

const count = ({ disk }: Tab, operation: string): number =>
  disk.calls.filter((call) => call === operation).length;

describe("a device that is full", () => {
  it("G2 makes space of cached queries, never of the outbox, and the app hears nothing", async () => {
    const lab = createLab();
    const tab = await lab.ready({ ports: { locks: null } });
    await tab.sync.commit(added("t1")).durable;
    await lab.put("queries", "q1", { big: true });
    await lab.put("queries", "q2", { big: true });
    const before = await lab.contents();
    const faults: string[] = [];
    tab.sync.on("fault", ({ fault }) => faults.push(fault.code));
    const heal = fill(tab);
    tab.disk.next("evict", (run) => {
      heal();
      return run();
    });
    await tab.sync.commit(added("t2")).durable;
    const after = await lab.contents();
    expect(after["queries"]).toEqual([]);
    expect(after["log"]?.slice(0, 1)).toEqual(before["log"]);
    expect([after["meta"], after["segments"]]).toEqual([before["meta"], before["segments"]]);
    expect(faults).toEqual([]);
    expect(tab.sync.status).toMatchObject({ phase: "ready", storage: "open", fault: null });
  });

  it.each([
    ["time passes", () => undefined],
    ["the page comes back", ({ lifecycle }: Tab) => lifecycle.emit("visible")],
    [
      "the app asks for it",
      ({ sync }: Tab) => void sync.outbox.retry(sync.outbox.list()[0]?.id ?? ""),
    ],
  ])("G2 keeps commits in order, and stores them when there is space and %s", async (name, act) => {
    const lab = createLab();
    const tab = await lab.ready();
    const heal = fill(tab);
    const receipts = [tab.sync.commit(added("t1"))];
    await lab.pass(4000);
    receipts.push(tab.sync.commit(removed("t1")), tab.sync.commit(added("t1", "Bread")));
    await lab.pass(30_000);
    expect(tab.sync.status).toMatchObject({ storage: "full", phase: "degraded", pending: 3 });
    expect(tab.sync.status.fault?.code).toBe("storage_full");
    expect(count(tab, "evict")).toBeLessThan(10);
    heal();
    act(tab);
    await lab.pass(name === "time passes" ? 5000 : 0);
    expect(await Promise.all(receipts.map(({ durable }) => stateOf(durable)))).toEqual(
      receipts.map(() => "resolved"),
    );
    expect(tab.sync.status).toMatchObject({ phase: "ready", storage: "open", fault: null });
    expect(shown(await lab.ready()).todos).toEqual([{ id: "t1", text: "Bread", done: false }]);
  });

  it("G2 rejects what there is no space for where that is asked, until a write succeeds", async () => {
    const lab = createLab();
    const tab = await lab.ready({ whenFull: "reject" });
    await tab.sync.commit(added("t0")).durable;
    const heal = fill(tab);
    const first = tab.sync.commit([added("t1"), removed("t0")]);
    await lab.settle();
    expect(await stateOf(first.durable)).toBe("storage_full");
    expect(await stateOf(first.settled)).toBe("storage_full");
    expect(shown(tab).todos.map(({ id }) => id)).toEqual(["t0"]);
    expect(tab.sync.status).toMatchObject({ storage: "full", phase: "degraded", pending: 0 });
    const second = tab.sync.commit(added("t2"));
    await lab.pass(60_000);
    expect(await stateOf(second.durable)).toBe("storage_full");
    expect(tab.sync.status.fault?.code).toBe("storage_full");
    heal();
    await lab.pass(60_000);
    expect(tab.sync.status.storage).toBe("full");
    const third = tab.sync.commit(added("t3"));
    await lab.settle();
    expect(await stateOf(third.durable)).toBe("resolved");
    expect(tab.sync.status).toMatchObject({ phase: "ready", storage: "open", fault: null });
    expect(shown(tab).todos.map(({ id }) => id)).toEqual(["t0", "t3"]);
    expect(shown(await lab.ready())).toEqual(shown(tab));
  });

  it("G2 does not reject a commit that may be stored", async () => {
    const lab = createLab();
    const tab = await lab.ready({ whenFull: "reject" });
    tab.disk.next("append", failing("quota"));
    const rejected = tab.sync.commit(added("t1"));
    await lab.settle();
    tab.disk.next("append", lostButStored);
    const kept = tab.sync.commit(added("t2"));
    await lab.pass(1000);
    expect(await stateOf(rejected.durable)).toBe("storage_full");
    expect(await stateOf(kept.durable)).toBe("resolved");
    expect(tab.sync.status).toMatchObject({ phase: "ready", fault: null });
    expect(shown(await lab.ready())).toEqual(shown(tab));
  });

  it("G2 rejects one of several that are under way, and looks for the others", async () => {
    const lab = createLab();
    const tab = await lab.ready({ whenFull: "reject" });
    const held = hold();
    tab.disk.next("append", async (run, events) => {
      await held.fault(() => Promise.resolve(), events);
      return await failing("quota")(run, events);
    });
    const first = tab.sync.commit(added("t1"));
    await held.reached;
    tab.disk.next("append", lostButStored);
    const second = tab.sync.commit(added("t2"));
    tab.lifecycle.emit("pagehide");
    held.release();
    await lab.pass(6000);
    expect(await stateOf(first.durable)).toBe("storage_full");
    expect(await stateOf(second.durable)).toBe("resolved");
    expect(shown(await lab.ready())).toEqual(shown(tab));
  });

  it.each(["keep", "reject"] as const)(
    "G2 is told as full until something is stored, whatever else goes wrong (%s)",
    async (whenFull) => {
      const lab = createLab();
      const tab = await lab.ready({ whenFull });
      const heal = fill(tab);
      tab.sync.commit(added("t1"));
      await lab.settle();
      const full = { storage: "full", phase: "degraded", fault: { code: "storage_full" } };
      expect(tab.sync.status).toMatchObject(full);
      heal();
      const ends = [
        tab.disk.always("append", failing("aborted")),
        tab.disk.always("ensure", failing("aborted")),
      ];
      tab.sync.commit(added("t2"));
      await lab.pass(6000);
      expect(tab.sync.status).toMatchObject(full);
      const held = hold();
      tab.disk.next("open", held.fault);
      tab.disk.close("forced");
      await lab.pass(1000);
      expect(tab.sync.status).toMatchObject(full);
      expect(tab.sync.getSnapshot().value).toBe("disconnected");
      held.release();
      await lab.pass(2000);
      expect(tab.sync.status).toMatchObject(full);
      expect(tab.sync.getSnapshot().value).toBe("degraded");
      for (const end of ends) end();
      await lab.pass(20_000);
      expect(tab.sync.status).toMatchObject({ phase: "ready", storage: "open", fault: null });
      expect(tab.sync.getSnapshot().value).toBe("running");
      const ids = whenFull === "keep" ? ["t1", "t2"] : ["t2"];
      expect(shown(await lab.ready()).todos.map(({ id }) => id)).toEqual(ids);
    },
  );

  it("stops with commits that were rejected, or that wait", async () => {
    for (const whenFull of ["keep", "reject"] as const) {
      const lab = createLab();
      const tab = await lab.ready({ whenFull });
      fill(tab);
      const receipt = tab.sync.commit(added("t1"));
      await lab.settle();
      const stopping = tab.sync.stop();
      await lab.pass(6000);
      await stopping;
      expect(await stateOf(receipt.durable)).toBe(whenFull === "keep" ? "stopped" : "storage_full");
    }
  });

  it("G5 a leader that has no space to decide or fold waits, and commits go on", async () => {
    for (const nth of [1, 2]) {
      const lab = createLab();
      const tab = await lab.ready();
      await lab.pass(3000);
      if (nth === 2) tab.disk.next("lead", (run) => run());
      const end = { heal: (): void => undefined };
      tab.disk.next("lead", (run, events) => {
        end.heal = tab.disk.always("lead", failing("quota"));
        return failing("quota")(run, events);
      });
      const before = tab.disk.calls.length;
      await tab.sync.commit(added("t1")).durable;
      await lab.pass(5000);
      await tab.sync.commit(added("t2")).durable;
      await lab.pass(120_000);
      // No term is claimed, and nothing is read again but what a leader looks at anyway.
      const since = tab.disk.calls.slice(before).filter((call) => call !== "read");
      expect(since.filter((call) => call !== "lead")).toEqual(["append", "append"]);
      expect(since.length).toBeLessThan(10);
      expect(tab.sync.status).toMatchObject({ role: "leader", phase: "ready", fault: null });
      end.heal();
      await lab.pass(40_000);
      expect((await lab.contents())["log"]).toEqual([]);
      expect(shown(await lab.ready())).toEqual(shown(tab));
    }
  });

  it("G8 G9 damage that there is no space to keep stays where it is, and the rest loads", async () => {
    const lab = createLab();
    const writer = await lab.ready();
    await writer.sync.commit(added("t1")).durable;
    await writer.sync.stop();
    await lab.put("log", undefined, "junk");
    const before = await lab.contents();
    const tab = lab.openTab();
    const heal = tab.disk.always("quarantine", failing("quota"));
    await lab.pass(1000);
    await tab.sync.ready;
    expect(tab.sync.status.quarantined).toBe(1);
    await lab.pass(60_000);
    expect((await lab.contents())["log"]).toEqual(before["log"]);
    expect((await lab.contents())["quarantine"]).toEqual([]);
    heal();
    await lab.pass(60_000);
    expect((await lab.contents())["quarantine"]?.length).toBe(1);
    expect(shown(tab).todos.map(({ id }) => id)).toEqual(["t1"]);
  });
});

/** As Chromium on LevelDB: nobody is told why, and each write costs the connection. */
const disconnecting =
  (tab: Tab): Fault =>
  (run, events) => {
    setImmediate(() => tab.disk.close("forced"));
    return failing("lost")(run, events);
  };

describe("a disk that is full", () => {
  it.each(["keep", "reject"] as const)(
    "G2 is told as full where it closes the connection right after it said so (%s)",
    async (whenFull) => {
      const lab = createLab();
      const tab = await lab.ready({ whenFull });
      const heal = fill(tab);
      // As Chromium does on SQLite.
      const stay = tab.disk.always("evict", (run, events) => {
        tab.disk.close("forced");
        return failing("lost")(run, events);
      });
      const { durable } = tab.sync.commit(added("t1"));
      await lab.pass(20_000);
      expect(tab.sync.status).toMatchObject({ storage: "full", fault: { code: "storage_full" } });
      const kept = whenFull === "keep";
      expect(shown(tab)["todos"]).toHaveLength(kept ? 1 : 0);
      expect(await stateOf(durable)).toBe(kept ? "pending" : "storage_full");
      heal();
      stay();
      const { durable: later } = tab.sync.commit(added("t2"));
      await lab.pass(20_000);
      expect(await stateOf(later)).toBe("resolved");
      expect(await stateOf(durable)).toBe(kept ? "resolved" : "storage_full");
      expect(tab.sync.status).toMatchObject({ phase: "ready", storage: "open", fault: null });
    },
  );

  it("G2 is told as full after one reopen, and commits flow when there is space", async () => {
    const lab = createLab();
    const tab = await lab.ready();
    const faults: string[] = [];
    tab.sync.on("fault", ({ fault }) => faults.push(fault.code));
    const heal = [
      tab.disk.always("append", disconnecting(tab)),
      tab.disk.always("ensure", disconnecting(tab)),
    ];
    const receipt = tab.sync.commit(added("t1"));
    await lab.pass(60_000);
    expect(tab.sync.status).toMatchObject({ storage: "full", phase: "degraded" });
    // Once it is known to be full, it is said without a break.
    expect(faults.indexOf("storage_full")).toBe(faults.length - 1);
    expect(count(tab, "open")).toBeLessThan(20);
    for (const end of heal) end();
    await lab.pass(20_000);
    expect(await stateOf(receipt.durable)).toBe("resolved");
    expect(tab.sync.status).toMatchObject({ phase: "ready", storage: "open", fault: null });
    expect(shown(await lab.ready())).toEqual(shown(tab));
  });
});
