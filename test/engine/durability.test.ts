import { describe, expect, it } from "vitest";
import {
  failing,
  hold,
  hungAndNotStored,
  hungButStored,
  lostAndNotStored,
  lostButStored,
} from "../support/faulty-storage.ts";
import {
  added,
  createLab,
  removed,
  renamed,
  scope,
  shown,
  stateOf,
  toggled,
  until,
} from "../support/lab.ts";

const milk = { id: "t1", text: "Milk", done: false };

describe("G1 durable", () => {
  it("G1 durable resolves only after the storage's append resolved", async () => {
    const lab = createLab();
    const tab = await lab.ready();
    const held = hold("after");
    tab.disk.next("append", held.fault);
    const receipt = tab.sync.commit(added("t1"));
    await held.reached;
    await lab.settle();
    expect(await stateOf(receipt.durable)).toBe("pending");
    expect(await stateOf(receipt.settled)).toBe("pending");
    expect(tab.sync.status.pending).toBe(1);
    held.release();
    await receipt.durable;
    expect(await receipt.settled).toEqual([{ id: receipt.events[0]?.id, status: "accepted" }]);
    expect(tab.sync.status.pending).toBe(0);
  });

  it("G1 a fresh tab sees a commit whose tab was killed as soon as it was durable", async () => {
    const lab = createLab();
    const tab = await lab.ready();
    await tab.sync.commit(added("t1")).durable;
    tab.kill();
    const fresh = await lab.ready();
    expect(shown(fresh).todos).toEqual([milk]);
  });

  it("G1 every commit that was durable when its tab died is there, once", async () => {
    const lab = createLab();
    const tab = await lab.ready();
    const durable: string[] = [];
    for (let at = 0; at < 50; at += 1) {
      const id = `t${at}`;
      tab.sync.commit(added(id)).durable.then(
        () => durable.push(id),
        () => undefined,
      );
      if (at % 7 === 0) await lab.settle();
    }
    tab.kill();
    const fresh = await lab.ready();
    const ids = shown(fresh).todos.map((todo) => todo.id);
    expect(durable.length).toBeGreaterThan(40);
    expect(ids).toEqual(expect.arrayContaining(durable));
  });

  it("G1 many commits at once go into one record, those that come meanwhile into the next", async () => {
    const lab = createLab();
    const tab = await lab.ready();
    const held = hold();
    tab.disk.next("append", held.fault);
    const receipts = Array.from({ length: 10 }, (_, at) => tab.sync.commit(added(`a${at}`)));
    await held.reached;
    receipts.push(...Array.from({ length: 10 }, (_, at) => tab.sync.commit(added(`b${at}`))));
    held.release();
    await Promise.all(receipts.map((receipt) => receipt.durable));
    const records = Array.from((await lab.log()).values());
    const counts = records.map((record) => (record?.kind === "commit" ? record.events.length : 0));
    expect(counts).toEqual([10, 10]);
  });
});

describe("G2 a failed write", () => {
  it("G2 an aborted write stays pending, is told, and is tried again", async () => {
    const lab = createLab();
    const tab = await lab.ready();
    tab.disk.next("append", failing("aborted"));
    const heal = tab.disk.always("ensure", failing("aborted"));
    const faults: string[] = [];
    tab.sync.on("fault", ({ fault }) => faults.push(fault.code));
    const receipt = tab.sync.commit(added("t1"));
    await lab.settle();
    expect(await stateOf(receipt.durable)).toBe("pending");
    expect(tab.sync.status).toMatchObject({ phase: "degraded", pending: 1 });
    expect(tab.sync.status.fault?.code).toBe("write_delayed");
    await lab.pass(20_000);
    expect(await stateOf(receipt.durable)).toBe("pending");
    expect(shown(tab).todos).toEqual([milk]);
    heal();
    await lab.pass(20_000);
    expect(await stateOf(receipt.durable)).toBe("resolved");
    expect(await stateOf(receipt.settled)).toBe("resolved");
    expect(tab.sync.status).toMatchObject({ phase: "ready", fault: null, pending: 0 });
    expect(faults).toEqual(["write_delayed"]);
    expect(shown(await lab.ready()).todos).toEqual([milk]);
  });

  it("G2 a refused write is rolled back, and later own commits are replayed without it", async () => {
    const lab = createLab();
    const tab = await lab.ready();
    await tab.sync.commit(added("t0")).durable;
    const held = hold();
    tab.disk.next("append", async (run, events) => {
      await held.fault(() => Promise.resolve(), events);
      return await failing("refused")(run, events);
    });
    const refused = tab.sync.commit([added("t1"), renamed("t0", "Bread")]);
    await held.reached;
    const later = tab.sync.commit(toggled("t0"));
    const changes: unknown[] = [];
    tab.sync.tables.todos.subscribe((change) => changes.push(change));
    held.release();
    await expect(refused.durable).rejects.toMatchObject({ code: "storage_failed" });
    await expect(refused.settled).rejects.toMatchObject({ code: "storage_failed" });
    await later.durable;
    const rows = [{ id: "t0", text: "Milk", done: true }];
    expect(shown(tab).todos).toEqual(rows);
    expect(changes.length).toBe(1);
    expect(tab.sync.status).toMatchObject({ pending: 0, fault: null, phase: "ready" });
    expect(shown(await lab.ready()).todos).toEqual(rows);
  });

  it("G2 a value that storage can never take is refused by real storage", async () => {
    const lab = createLab();
    const tab = await lab.ready();
    tab.disk.next("append", async (run, events) => failing("lost")(run, events));
    tab.disk.next("ensure", failing("refused"));
    const receipt = tab.sync.commit(added("t1"));
    await lab.pass(1000);
    expect(await stateOf(receipt.durable)).toBe("storage_failed");
    expect(shown(tab).todos).toEqual([]);
    await tab.sync.commit(added("t2")).durable;
    expect(shown(await lab.ready()).todos.map((row) => row.id)).toEqual(["t2"]);
  });

  for (const [name, fault, wait] of [
    ["lost, but stored", lostButStored, 0],
    ["lost and not stored", lostAndNotStored, 0],
    ["never told, but stored", hungButStored, 5000],
    ["never told and not stored", hungAndNotStored, 5000],
  ] as const) {
    it(`G2 an outcome that is ${name} is looked up, and the record is there once`, async () => {
      const lab = createLab();
      // Without locks nobody leads: the log stays as the tab wrote it.
      const tab = await lab.ready({ ports: { locks: null } });
      await tab.sync.commit(added("t1")).durable;
      tab.disk.next("append", fault);
      const receipt = tab.sync.commit(toggled("t1"));
      await lab.settle();
      const waited =
        wait > 0 ? await lab.pass(wait - 1).then(() => stateOf(receipt.durable)) : "pending";
      expect(waited).toBe("pending");
      await lab.pass(2000);
      expect(await stateOf(receipt.durable)).toBe("resolved");
      expect(await stateOf(receipt.settled)).toBe("resolved");
      expect(tab.disk.calls.filter((call) => call === "ensure").length).toBe(1);
      await tab.sync.commit(added("t2")).durable;
      const names = (await lab.loggedEvents()).map((event) => event.name);
      expect(names).toEqual(["todoAdded", "todoToggled", "todoAdded"]);
      expect(shown(await lab.ready())).toEqual(shown(tab));
      expect(shown(tab).todos[0]).toEqual({ ...milk, done: true });
      expect(tab.sync.status).toMatchObject({ phase: "ready", storage: "open", fault: null });
    });
  }

  it("G2 an unknown outcome that was folded meanwhile is not added again", async () => {
    const lab = createLab();
    const leader = await lab.ready();
    await lab.pass(3000);
    expect(leader.sync.status.role).toBe("leader");
    const tab = await lab.ready();
    await tab.sync.commit(added("t1")).durable;
    tab.disk.next("append", hungButStored);
    const receipt = tab.sync.commit(toggled("t1"));
    await lab.settle();
    // The leader learns of it, decides it and folds it before the tab asks; the tab hears nothing.
    const deaf = lab.channels.drop(({ to }) => to === tab.channel);
    leader.lifecycle.emit("pageshow");
    await lab.pass(4000);
    expect((await lab.contents())["log"]).toEqual([]);
    expect(await stateOf(receipt.durable)).toBe("pending");
    deaf();
    await lab.pass(4000);
    expect(await stateOf(receipt.durable)).toBe("resolved");
    expect(await stateOf(receipt.settled)).toBe("resolved");
    expect(shown(tab).todos).toEqual([{ ...milk, done: true }]);
    expect(shown(leader)).toEqual(shown(tab));
    expect(shown(await lab.ready())).toEqual(shown(tab));
  });

  it("G2 without space commits wait, are said to be in this tab only, and flow again", async () => {
    const lab = createLab();
    const tab = await lab.ready();
    const heal = tab.disk.always("append", failing("quota"));
    const healToo = tab.disk.always("ensure", failing("quota"));
    const first = tab.sync.commit(added("t1"));
    await lab.settle();
    const second = tab.sync.commit(added("t2"));
    await lab.pass(30_000);
    expect(tab.sync.status).toMatchObject({ phase: "degraded", storage: "full", pending: 2 });
    expect(tab.sync.status.fault?.code).toBe("storage_full");
    expect(await stateOf(first.durable)).toBe("pending");
    heal();
    healToo();
    await lab.pass(6000);
    expect(await stateOf(first.durable)).toBe("resolved");
    expect(await stateOf(second.durable)).toBe("resolved");
    expect(tab.sync.status).toMatchObject({ phase: "ready", storage: "open", fault: null });
    expect(shown(await lab.ready())).toEqual(shown(tab));
  });

  it("G2 a connection closed by force in the middle of a write loses nothing", async () => {
    const lab = createLab();
    const tab = await lab.ready();
    const held = hold();
    tab.disk.next("append", held.fault);
    const receipt = tab.sync.commit(added("t1"));
    await held.reached;
    tab.disk.close("forced");
    expect(tab.sync.status.fault?.code).toBe("storage_lost");
    const later = tab.sync.commit(added("t2"));
    await lab.pass(1000);
    expect(await stateOf(receipt.durable)).toBe("resolved");
    expect(await stateOf(later.durable)).toBe("resolved");
    // What was held dies with its connection.
    held.release();
    await lab.pass(1000);
    expect(shown(await lab.ready())).toEqual(shown(tab));
    expect(tab.sync.status).toMatchObject({ phase: "ready", storage: "open", fault: null });
  });

  it("G2 receipts never cause unhandled rejections", async () => {
    const unhandled: unknown[] = [];
    const note = (reason: unknown): number => unhandled.push(reason);
    process.on("unhandledRejection", note);
    try {
      const lab = createLab();
      const tab = await lab.ready();
      tab.disk.next("append", failing("refused"));
      const refused = tab.sync.commit(added("t1"));
      await lab.settle();
      tab.disk.always("append", hungAndNotStored);
      const stopped = tab.sync.commit(added("t2"));
      const looked = tab.sync.commit(added("t3"));
      void looked.durable;
      void looked.settled;
      const stopping = tab.sync.stop();
      await lab.pass(6000);
      await stopping;
      expect(await stateOf(refused.durable)).toBe("storage_failed");
      expect(await stateOf(stopped.durable)).toBe("stopped");
      expect(await stateOf(stopped.settled)).toBe("stopped");
      const never = lab.openTab();
      await never.sync.stop();
      await lab.settle();
      expect(unhandled).toEqual([]);
    } finally {
      process.off("unhandledRejection", note);
    }
  });
});

describe("G3 one commit", () => {
  it("G3 is all of its events or none: one invalid event, and nothing happened", async () => {
    const lab = createLab();
    const tab = await lab.ready();
    await tab.sync.commit(added("t0")).durable;
    const before = { rows: shown(tab), disk: await lab.contents(), status: tab.sync.status };
    for (const wrong of [
      { name: "todoAdded", payload: { id: "t2" } },
      { name: "nope", payload: {} },
      { name: "todoAdded", payload: { id: "", text: "no id" } },
    ]) {
      expect(() => tab.sync.commit([added("t1"), toggled("t0"), wrong as never])).toThrow(
        "Expected",
      );
    }
    await lab.settle();
    expect(shown(tab)).toEqual(before.rows);
    expect(tab.sync.status).toBe(before.status);
    expect(await lab.contents()).toEqual(before.disk);
  });

  it("G3 is one unit in other tabs and after a reload", async () => {
    const lab = createLab();
    const a = await lab.ready();
    const b = await lab.ready();
    const seen: number[] = [];
    b.sync.tables.todos.subscribe(() => seen.push(b.sync.tables.todos.size));
    await a.sync.commit([added("t1"), added("t2"), removed("t1"), added("t3")]).durable;
    await until(() => expect(shown(b)).toEqual(shown(a)));
    expect(seen).toEqual([2]);
    expect(shown(await lab.ready())).toEqual(shown(a));
  });
});

describe("G4 every tab writes its own", () => {
  it("G4 a follower's commit is durable while the leader is dead", async () => {
    const lab = createLab();
    const leader = await lab.ready();
    await lab.pass(3000);
    const follower = await lab.ready();
    leader.disk.die();
    leader.channel.die();
    // The lock is still held: nobody leads.
    await follower.sync.commit(added("t1")).settled;
    expect(follower.sync.status).toMatchObject({ pending: 0, fault: null, phase: "ready" });
    expect(shown(await lab.ready()).todos).toEqual([milk]);
  });

  it("G4 a follower's commit is durable while the leader is frozen", async () => {
    const lab = createLab();
    const leader = await lab.ready();
    await lab.pass(3000);
    const follower = await lab.ready();
    leader.locks.freeze();
    leader.channel.freeze();
    await follower.sync.commit(added("t1")).settled;
    leader.locks.thaw();
    leader.channel.thaw();
    await until(() => expect(shown(leader)).toEqual(shown(follower)));
  });

  it("G4 without locks and without a channel commits are durable", async () => {
    const lab = createLab();
    const tab = await lab.ready({ ports: { locks: null, channel: null } });
    await tab.sync.commit(added("t1")).settled;
    await lab.pass(30_000);
    expect(tab.sync.status).toMatchObject({ phase: "ready", fault: null, role: "leader" });
    expect(shown(await lab.ready()).todos).toEqual([milk]);
    expect(scope).toBe("sssync/todos/");
  });
});
