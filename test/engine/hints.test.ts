/** What tabs tell each other is a hint: it can be lost, late, doubled, or said by one who does not lead any more. */
import { expect, it } from "vitest";
import { hold } from "../support/faulty-storage.ts";
import { added, createLab, renamed, scope, shown } from "../support/lab.ts";

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
  const kinds = said.map((it) => (it as { record?: { kind: string } }).record?.kind);
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
