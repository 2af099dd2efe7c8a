import { describe, expect, it } from "vitest";
import { failing, hold, hungAndNotStored } from "../support/faulty-storage.ts";
import {
  type Lab,
  added,
  createLab,
  removed,
  renamed,
  scope,
  shown,
  slid,
  stateOf,
  toggled,
} from "../support/lab.ts";

/** A lab whose first tab leads, and has nothing left to do. */
async function led(lab: Lab) {
  const leader = await lab.ready();
  await lab.pass(3000);
  expect(leader.sync.status.role).toBe("leader");
  return leader;
}

const meta = async (lab: Lab, key: string): Promise<unknown> =>
  (await lab.contents())["meta"]?.find(([name]) => name === key)?.[1];

describe("handoff", () => {
  it("passes to the next tab when the leader stops", async () => {
    const lab = createLab();
    const leader = await led(lab);
    const next = await lab.ready();
    await lab.pass(2500);
    expect(next.sync.status.role).toBe("follower");
    await leader.sync.commit(added("t1")).durable;
    await leader.sync.stop();
    await lab.settle();
    expect(next.sync.status.role).toBe("leader");
    expect(await meta(lab, "term")).toBe(2);
    expect(shown(next).todos.map((row) => row.id)).toEqual(["t1"]);
  });

  it("passes on when the leader dies, and the next one decides and folds what it left", async () => {
    const lab = createLab();
    const leader = await led(lab);
    const next = await lab.ready();
    await leader.sync.commit([added("t1"), added("t2")]).durable;
    await leader.sync.commit(removed("t1")).durable;
    leader.kill();
    await lab.pass(5000);
    expect(next.sync.status.role).toBe("leader");
    const { log, segments } = await lab.contents();
    expect(log).toEqual([]);
    expect(segments?.length).toBe(1);
    expect(shown(next).todos.map((row) => row.id)).toEqual(["t2"]);
    expect(shown(await lab.ready())).toEqual(shown(next));
  });

  it("recovers from disk what the next leader never heard of", async () => {
    const lab = createLab();
    const leader = await led(lab);
    const next = await lab.ready();
    const hear = lab.channels.drop(() => true);
    await leader.sync.commit(added("t1")).durable;
    await lab.pass(5000);
    await leader.sync.commit(added("t2")).durable;
    expect(shown(next).todos).toEqual([]);
    leader.kill();
    await lab.settle();
    hear();
    await lab.pass(5000);
    expect(next.sync.status.role).toBe("leader");
    expect(shown(next).todos.map((row) => row.id)).toEqual(["t1", "t2"]);
    expect(shown(await lab.ready())).toEqual(shown(next));
  });

  it("G11 a frozen leader is replaced while another tab is visible", async () => {
    const lab = createLab();
    const leader = await led(lab);
    const next = await lab.ready();
    // Without a word: the lock stays held.
    leader.locks.freeze();
    leader.channel.freeze();
    const heart = lab.channels.drop(({ from }) => from === leader.channel);
    await lab.pass(16_000);
    expect(next.sync.status.role).toBe("leader");
    heart();
    leader.locks.thaw();
    leader.channel.thaw();
    await lab.pass(5000);
    expect([leader, next].map((tab) => tab.sync.status.role)).toEqual(["follower", "leader"]);
  });

  it("a leader whose page leaves lets go at once, and queues again when it returns", async () => {
    const lab = createLab();
    const leader = await led(lab);
    const next = await lab.ready();
    leader.freeze();
    await lab.settle();
    expect(next.sync.status.role).toBe("leader");
    await next.sync.commit(added("t1")).durable;
    leader.resume();
    await lab.pass(3000);
    expect(leader.sync.status.role).toBe("follower");
    expect(shown(leader)).toEqual(shown(next));
    await next.sync.stop();
    await lab.pass(1000);
    expect(leader.sync.status.role).toBe("leader");
  });

  it("a leader that cannot write goes on when storage lets it", async () => {
    const lab = createLab();
    const leader = await led(lab);
    leader.disk.next("lead", failing("lost"));
    leader.disk.next("claim", failing("aborted"));
    leader.disk.next("read", failing("aborted"));
    await leader.sync.commit(added("t1")).durable;
    await lab.pass(20_000);
    expect(leader.sync.status.role).toBe("leader");
    expect((await lab.contents())["log"]).toEqual([]);
  });

  it("a leader whose write is never answered fences again", async () => {
    const lab = createLab();
    const leader = await led(lab);
    leader.disk.next("lead", hungAndNotStored);
    await leader.sync.commit(added("t1")).durable;
    await lab.pass(60_000);
    expect(leader.sync.status.role).toBe("leader");
    expect((await lab.contents())["log"]).toEqual([]);
    expect(await meta(lab, "term")).toBe(2);
  });

  it("a commit that arrives while the leader folds is decided and folded too", async () => {
    const lab = createLab();
    const leader = await led(lab);
    const held = hold();
    await leader.sync.commit(added("t1")).durable;
    leader.disk.next("lead", (run) => run());
    leader.disk.next("lead", held.fault);
    await lab.pass(2500);
    await held.reached;
    const receipt = leader.sync.commit(slid(5));
    await receipt.durable;
    held.release();
    await lab.pass(5000);
    expect(await stateOf(receipt.settled)).toBe("resolved");
    expect((await lab.contents())["log"]).toEqual([]);
    expect(shown(await lab.ready())).toEqual(shown(leader));
  });
});

describe("G10 one leader writes", () => {
  for (const step of ["decides", "folds"] as const) {
    it(`G10 a stale leader that ${step} is refused, and demotes itself`, async () => {
      const lab = createLab();
      const stale = await led(lab);
      await stale.sync.commit(added("t1")).durable;
      const held = hold();
      if (step === "folds") stale.disk.next("lead", (run) => run());
      stale.disk.next("lead", held.fault);
      await lab.pass(2500);
      await held.reached;
      // The lock is taken, and the stale leader is not told.
      stale.locks.freeze();
      const other = await lab.ready();
      lab.locks.steal(scope)();
      await lab.pass(5000);
      expect(other.sync.status.role).toBe("leader");
      const before = await lab.contents();
      held.release();
      await lab.settle();
      expect(await lab.contents()).toEqual(before);
      expect(stale.sync.status.role).not.toBe("leader");
      stale.locks.thaw();
      await other.sync.commit(toggled("t1")).durable;
      await lab.pass(5000);
      expect(other.sync.status.role).toBe("leader");
      expect(shown(stale)).toEqual(shown(other));
      expect(shown(await lab.ready())).toEqual(shown(other));
    });
  }

  it("G10 a fold that was planned under an earlier term is not written under a later one", async () => {
    let pausing: Promise<void> | undefined;
    const lab = createLab();
    const clock = { ...lab.clock, pause: () => pausing ?? Promise.resolve() };
    const stale = await lab.ready({ ports: { clock } });
    await lab.pass(3000);
    const other = await lab.ready();
    await stale.sync.commit(added("t1")).durable;
    const held = hold();
    pausing = held.fault(() => Promise.resolve(), {} as never) as Promise<void>;
    await lab.pass(2500);
    // It plans. Meanwhile it leaves and comes back, and the other one has led, decided and folded.
    stale.freeze();
    await lab.settle();
    await other.sync.commit(renamed("t1", "Bread")).durable;
    await lab.pass(5000);
    expect((await lab.contents())["log"]).toEqual([]);
    await other.sync.stop();
    stale.resume();
    await lab.settle();
    pausing = undefined;
    held.release();
    await lab.pass(10_000);
    expect(stale.sync.status.role).toBe("leader");
    expect(shown(stale).todos[0]?.text).toBe("Bread");
    expect(shown(await lab.ready())).toEqual(shown(stale));
  });

  it("G10 a demoted leader shows no sign of leading", async () => {
    const lab = createLab();
    const old = await led(lab);
    const next = await lab.ready();
    old.locks.freeze();
    const release = lab.locks.steal(scope);
    old.locks.thaw();
    await lab.settle();
    const sent: unknown[] = [];
    lab.channels.drop(({ from, message }) => {
      if (from === old.channel) sent.push((message as { kind: string }).kind);
      return false;
    });
    // A poke, as a tab sends one that looks for a leader.
    const third = await lab.ready();
    await lab.settle();
    await old.sync.stop();
    expect(sent).not.toContain("heartbeat");
    expect(sent).not.toContain("bye");
    release();
    await lab.settle();
    expect([next, third].filter((tab) => tab.sync.status.role === "leader").length).toBe(1);
  });
});

describe("catch-up", () => {
  it("a tab that missed every message shows all rows in log order after one more commit", async () => {
    const lab = createLab();
    const tabs = [await led(lab), await lab.ready(), await lab.ready()];
    const hear = lab.channels.drop(() => true);
    for (const [at, tab] of tabs.entries()) {
      await tab.sync.commit(added("shared", `by ${at}`)).durable;
      await tab.sync.commit(renamed("shared", `renamed by ${at}`)).durable;
      await tab.sync.commit(added(`own${at}`)).durable;
    }
    await lab.settle();
    hear();
    await tabs[0]?.sync.commit(added("last")).durable;
    await lab.settle();
    const fresh = await lab.ready();
    expect(shown(fresh).todos.length).toBe(5);
    for (const tab of tabs) expect(shown(tab)).toEqual(shown(fresh));
  });

  it("a tab that missed a message learns of it by the leader's heartbeat", async () => {
    const lab = createLab();
    const leader = await led(lab);
    const follower = await lab.ready();
    const hear = lab.channels.drop(() => true);
    await leader.sync.commit(added("t1")).durable;
    await lab.settle();
    hear();
    expect(shown(follower).todos).toEqual([]);
    await lab.pass(2500);
    expect(shown(follower)).toEqual(shown(leader));
    expect(follower.sync.status.behind).toBe(0);
  });

  it("the leader finds the record of a tab that died before it told of it", async () => {
    const lab = createLab();
    const leader = await led(lab);
    const doomed = await lab.ready();
    lab.channels.drop(({ from }) => from === doomed.channel);
    await doomed.sync.commit(added("t1")).durable;
    doomed.kill();
    await lab.pass(12_000);
    expect(shown(leader).todos.map((row) => row.id)).toEqual(["t1"]);
  });

  it("a frozen tab catches up when the log it missed was folded", async () => {
    const lab = createLab();
    const leader = await led(lab);
    const sleeper = await lab.ready();
    await leader.sync.commit([added("gone"), added("t1")]).durable;
    await lab.pass(5000);
    sleeper.freeze();
    await sleeper.sync.commit(renamed("t1", "Bread")).durable;
    await leader.sync.commit([removed("gone"), added("t2")]).durable;
    await lab.pass(5000);
    await leader.sync.commit(toggled("t2")).durable;
    await lab.pass(5000);
    expect((await lab.contents())["log"]).toEqual([]);
    sleeper.resume();
    await lab.pass(100);
    expect(shown(sleeper)).toEqual(shown(leader));
    expect(shown(sleeper).todos).toEqual([
      { id: "t1", text: "Bread", done: false },
      { id: "t2", text: "Milk", done: true },
    ]);
    expect(sleeper.sync.status.pending).toBe(0);
  });

  it("a page back from the back/forward cache shows what happened meanwhile", async () => {
    const lab = createLab();
    const leader = await led(lab);
    const tab = await lab.ready();
    tab.lifecycle.emit("pagehide");
    await leader.sync.commit(added("t1")).durable;
    tab.lifecycle.emit("pageshow");
    await lab.settle();
    expect(shown(tab)).toEqual(shown(leader));
  });

  it("a commit that was made while memory catches up keeps its place", async () => {
    const lab = createLab();
    const a = await led(lab);
    const b = await lab.ready();
    const held = hold("after");
    const hear = lab.channels.drop(() => true);
    await a.sync.commit(added("t1", "first")).durable;
    await lab.settle();
    hear();
    b.disk.next("read", held.fault);
    await a.sync.commit(added("t2")).durable;
    await held.reached;
    // The read has happened; these come before its result.
    const mine = b.sync.commit([renamed("t1", "b"), added("t3")]);
    await mine.durable;
    await a.sync.commit(renamed("t2", "a")).durable;
    await lab.settle();
    held.release();
    await lab.settle();
    const fresh = await lab.ready();
    expect(shown(fresh).todos.map((row) => row.id)).toEqual(["t1", "t2", "t3"]);
    expect(shown(b)).toEqual(shown(fresh));
    expect(shown(a)).toEqual(shown(fresh));
  });

  it("a new tab misses nothing that is committed while it loads", async () => {
    for (const when of ["before", "after"] as const) {
      const lab = createLab();
      const a = await led(lab);
      await a.sync.commit(added("t1")).durable;
      const tab = lab.openTab();
      const held = hold(when);
      tab.disk.next("read", held.fault);
      await held.reached;
      await a.sync.commit(added("t2")).durable;
      held.release();
      await tab.sync.ready;
      await lab.settle();
      expect(shown(tab)).toEqual(shown(a));
    }
  });

  it("a look at the log that finds nothing is one read", async () => {
    const lab = createLab();
    const writer = await lab.ready({ ports: { locks: null } });
    for (const id of ["t1", "t2", "t3"]) await writer.sync.commit(added(id)).durable;
    // It has read the log, and was not told of it record by record.
    const tab = await lab.ready({ ports: { locks: null } });
    const before = tab.disk.calls.length;
    tab.lifecycle.emit("pageshow");
    await lab.pass(20_000);
    expect(tab.disk.calls.slice(before)).toEqual(["read"]);
    await writer.sync.commit(added("t4")).durable;
    await lab.settle();
    expect(shown(tab)).toEqual(shown(writer));
  });

  it("a new tab misses nothing that is committed while it loads where nobody leads", async () => {
    const lab = createLab();
    const a = await lab.ready({ ports: { locks: null } });
    await a.sync.commit(added("t1")).durable;
    const tab = lab.openTab({ ports: { locks: null } });
    const held = hold("after");
    tab.disk.next("read", held.fault);
    await held.reached;
    await a.sync.commit(added("t2")).durable;
    await lab.settle();
    held.release();
    await tab.sync.ready;
    await lab.settle();
    expect(shown(tab)).toEqual(shown(a));
  });

  it("an old read that ends late changes nothing", async () => {
    const lab = createLab();
    const a = await led(lab);
    const b = await lab.ready();
    const held = hold("after");
    b.disk.next("read", held.fault);
    const hear = lab.channels.drop(() => true);
    await a.sync.commit(added("t1")).durable;
    await lab.settle();
    hear();
    await a.sync.commit(added("t2")).durable;
    await held.reached;
    b.disk.close("forced");
    await lab.pass(1000);
    await a.sync.commit(removed("t1")).durable;
    await lab.pass(100);
    held.release();
    await lab.settle();
    expect(shown(b)).toEqual(shown(a));
    expect(b.sync.status).toMatchObject({ phase: "ready", behind: 0 });
  });

  it("a read that is never answered is begun again", async () => {
    const lab = createLab();
    const a = await led(lab);
    const b = await lab.ready();
    b.disk.next("read", hungAndNotStored);
    const hear = lab.channels.drop(() => true);
    await a.sync.commit(added("t1")).durable;
    await lab.settle();
    hear();
    await a.sync.commit(added("t2")).durable;
    await lab.pass(70_000);
    expect(shown(b)).toEqual(shown(a));
  });
});
