import { expect, it } from "vitest";
import { type Fault, hold } from "../support/faulty-storage.ts";
import {
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

const through: Fault = (run) => run();

it("G4 a follower writes its commits itself, while the leader does nothing for it", async () => {
  const lab = createLab();
  const leader = await lab.ready();
  await lab.pass(3000);
  const follower = await lab.ready();
  expect([leader, follower].map((tab) => tab.sync.status.role)).toEqual(["leader", "follower"]);
  lab.channels.drop(() => true);
  const receipt = follower.sync.commit(added("t1"));
  await lab.settle();
  expect(await stateOf(receipt.durable)).toBe("resolved");
  expect((await lab.loggedEvents()).map(({ id }) => id)).toEqual([receipt.events[0]?.id]);
  expect(leader.disk.calls).not.toContain("append");
});

it("a tab opens one connection, whatever it does with it", async () => {
  const lab = createLab();
  const tab = await lab.ready();
  const other = await lab.ready();
  for (let at = 0; at < 10; at += 1) {
    await tab.sync.commit(added(`t${at}`)).durable;
    await other.sync.commit(toggled(`t${at}`)).durable;
  }
  const hear = lab.channels.drop(() => true);
  await other.sync.commit(slid(1)).durable;
  hear();
  await lab.pass(20_000);
  expect(shown(tab)).toEqual(shown(other));
  expect((await lab.contents())["log"]).toEqual([]);
  for (const { disk } of [tab, other])
    expect(disk.calls.filter((call) => call === "open")).toHaveLength(1);
});

it.each(["pagehide", "freeze"] as const)(
  "a page that leaves by %s writes at once what waits behind a write in flight",
  async (event) => {
    const lab = createLab();
    const tab = await lab.ready();
    const held = hold();
    tab.disk.next("append", held.fault);
    tab.sync.commit(added("t1"));
    await held.reached;
    tab.sync.commit(added("t2"));
    tab.lifecycle.emit(event);
    await lab.settle();
    expect((await lab.loggedEvents()).map(({ payload }) => payload)).toEqual([added("t2").payload]);
    tab.kill();
    expect(shown(await lab.ready()).todos.map(({ id }) => id)).toEqual(["t2"]);
  },
);

it("G11 a leader that goes into the back/forward cache lets go of the lock at once", async () => {
  const lab = createLab();
  const leader = await lab.ready();
  await lab.pass(3000);
  const next = await lab.ready();
  leader.lifecycle.emit("pagehide");
  await lab.settle();
  expect([leader, next].map((tab) => tab.sync.status.role)).toEqual(["candidate", "leader"]);
  // The first message at an open channel would evict the page.
  let delivered = 0;
  lab.channels.drop(({ to }) => {
    if (to === leader.channel) delivered += 1;
    return false;
  });
  await next.sync.commit(added("t1")).durable;
  await lab.pass(5000);
  expect(delivered).toBe(0);
  leader.lifecycle.emit("pageshow");
  await lab.pass(3000);
  expect([leader, next].map((tab) => tab.sync.status.role)).toEqual(["follower", "leader"]);
});

it("G1 a fold leaves a commit in the log that came between the decision and its record", async () => {
  const lab = createLab();
  const leader = await lab.ready();
  await lab.pass(3000);
  const other = await lab.ready();
  await leader.sync.commit(added("t1")).durable;
  const held = hold();
  leader.disk.next("lead", held.fault);
  await lab.pass(2500);
  await held.reached;
  await other.sync.commit([added("t2"), renamed("t1", "Bread")]).durable;
  held.release();
  await lab.settle();
  // It has decided the first and folded it. The second is undecided, and now nobody has it in memory.
  const records = Array.from((await lab.log()).values(), (record) => record?.kind);
  expect(records).toEqual(["commit"]);
  const rows = shown(other);
  leader.kill();
  other.kill();
  const fresh = await lab.ready();
  expect(shown(fresh)).toEqual(rows);
  await lab.pass(5000);
  expect((await lab.contents())["log"]).toEqual([]);
  expect(shown(await lab.ready())).toEqual(rows);
});

it.each([0, 1, 2, 3])(
  "G6 a leader that dies after %i of its writes leaves all rows to the next tab",
  async (writes) => {
    const lab = createLab();
    const leader = await lab.ready();
    const ids = Array.from({ length: 30 }, (_, at) => `t${at}`);
    await leader.sync.commit(ids.map((id) => added(id))).durable;
    await lab.pass(5000);
    await leader.sync.commit([removed("t1"), renamed("t2", "Bread"), added("new")]).durable;
    await leader.sync.commit(slid(7)).durable;
    const rows = shown(leader);
    for (let count = 0; count < writes; count += 1) leader.disk.next("lead", through);
    leader.disk.next("lead", () => {
      leader.kill();
      return new Promise(() => undefined);
    });
    await lab.pass(5000);
    leader.kill();
    const next = await lab.ready();
    expect(shown(next)).toEqual(rows);
    expect(next.sync.status.quarantined).toBe(0);
    await lab.pass(5000);
    expect((await lab.contents())["log"]).toEqual([]);
    for (const tab of [next, await lab.ready()]) expect(shown(tab)).toEqual(rows);
  },
);

it("G7 a dedupe key stays taken when all that is left of it is what a fold wrote", async () => {
  const lab = createLab();
  const first = await lab.ready();
  await first.sync.commit(invited("a@b.c")).durable;
  await lab.pass(5000);
  await first.sync.stop();
  expect((await lab.contents())["log"]).toEqual([]);
  for (let round = 0; round < 2; round += 1) {
    const fresh = await lab.ready();
    const { settled } = fresh.sync.commit(invited("a@b.c"));
    expect((await settled).map(({ status }) => status)).toEqual(["duplicate"]);
    expect(shown(fresh).todos).toHaveLength(1);
    await lab.pass(5000);
    await fresh.sync.stop();
  }
});
