/** What tabs tell each other is a hint: it can be lost, late, doubled, or said by one who does not lead any more. */
import { expect, it } from "vitest";
import { hold } from "../support/faulty-storage.ts";
import { added, createLab, renamed, scope, shown, slid } from "../support/lab.ts";

it("G7 an old record that arrives again brings nothing back, whatever its kind", async () => {
  const lab = createLab();
  const leader = await lab.ready();
  await lab.pass(3000);
  const other = await lab.ready();
  const said: unknown[] = [];
  const listen = lab.channels.drop(({ message }) => {
    said.push(message);
    return false;
  });
  await leader.sync.commit(added("t1", "old")).durable;
  await lab.pass(5000);
  listen();
  const kinds = said.map((message) => (message as { record?: { kind: string } }).record?.kind);
  expect(kinds).toEqual(expect.arrayContaining(["commit", "base"]));
  await other.sync.commit(renamed("t1", "new")).durable;
  await lab.pass(5000);
  const rows = shown(other);
  expect(rows.todos[0]?.text).toBe("new");
  for (const message of said) lab.channels.send(scope, message);
  await lab.settle();
  for (const tab of [leader, other]) {
    expect(shown(tab)).toEqual(rows);
    expect(tab.sync.status).toMatchObject({ behind: 0, pending: 0, fault: null });
  }
});

it("a follower that missed a message learns by the heartbeat alone how long the log is", async () => {
  const lab = createLab();
  const leader = await lab.ready();
  await lab.pass(3000);
  const follower = await lab.ready();
  lab.channels.drop(({ message }) => (message as { kind: string }).kind === "changed");
  await leader.sync.commit(added("t1")).durable;
  await lab.settle();
  expect(shown(follower).todos).toEqual([]);
  await lab.pass(2500);
  expect(shown(leader).todos.map(({ id }) => id)).toEqual(["t1"]);
  expect(shown(follower)).toEqual(shown(leader));
});

it("G1 G13 a commit that came between the leader's decision and its record is missed by nobody", async () => {
  const lab = createLab();
  const leader = await lab.ready();
  await lab.pass(3000);
  const other = await lab.ready();
  await leader.sync.commit(added("t1")).durable;
  const held = hold();
  leader.disk.next("lead", held.fault);
  await lab.pass(2500);
  await held.reached;
  // The leader hears of it late: the place that it thought its record would have is this one's.
  const deaf = lab.channels.drop(({ to }) => to === leader.channel);
  await other.sync.commit([renamed("t1", "Bread"), added("t2")]).durable;
  held.release();
  await lab.settle();
  deaf();
  const rows = [
    { id: "t1", text: "Bread", done: false },
    { id: "t2", text: "Milk", done: false },
  ];
  for (const tab of [leader, other]) expect(shown(tab).todos).toEqual(rows);
  await lab.pass(10_000);
  expect((await lab.contents())["log"]).toEqual([]);
  for (const tab of [leader, other, await lab.ready()]) expect(shown(tab).todos).toEqual(rows);
});

it("a tab that loads while another one commits shows that commit", async () => {
  const lab = createLab();
  const writer = await lab.ready({ ports: { locks: null } });
  await writer.sync.commit(added("t1")).durable;
  const tab = lab.openTab({ ports: { locks: null } });
  const held = hold("after");
  tab.disk.next("read", held.fault);
  await held.reached;
  // It has read, and does not know yet what it has read.
  await writer.sync.commit(added("t2")).durable;
  await lab.settle();
  held.release();
  await tab.sync.ready;
  await lab.settle();
  expect(shown(tab)).toEqual(shown(writer));
});

it("G6 G13 an event whose place another tab takes while the leader decides it is decided with that one", async () => {
  const lab = createLab();
  const leader = await lab.ready();
  await lab.pass(3000);
  const other = await lab.ready();
  const first = leader.sync.commit(slid(1));
  await first.durable;
  const held = hold();
  leader.disk.next("lead", held.fault);
  await lab.pass(2500);
  await held.reached;
  const superseded: unknown[] = [];
  lab.channels.drop(({ message, to }) => {
    const { record } = message as { record?: { kind: string; superseded?: unknown[] } };
    if (to === other.channel && record?.kind === "base") superseded.push(record.superseded ?? []);
    return false;
  });
  const second = other.sync.commit(slid(2));
  await second.durable;
  // The receipt of the earlier one says by now that its place was taken: no record may say otherwise.
  await lab.settle();
  held.release();
  await lab.pass(10_000);
  const statuses = await Promise.all(
    [first, second].map(async ({ settled }) => (await settled).map(({ status }) => status)),
  );
  expect(statuses).toEqual([["superseded"], ["accepted"]]);
  expect(superseded).toEqual([first.events.map(({ id }) => id)]);
  for (const tab of [leader, other, await lab.ready()])
    expect(shown(tab).settings).toEqual([{ id: "slider", value: 2 }]);
});

it("a page that comes back shows what was said meanwhile, also where nobody leads", async () => {
  const lab = createLab();
  const writer = await lab.ready({ ports: { locks: null } });
  const tab = await lab.ready({ ports: { locks: null } });
  tab.lifecycle.emit("pagehide");
  await writer.sync.commit(added("t1")).durable;
  await lab.settle();
  expect(shown(tab).todos).toEqual([]);
  tab.lifecycle.emit("pageshow");
  await lab.settle();
  expect(shown(tab)).toEqual(shown(writer));
});
