/** What is committed anew where a server decides: it has its effect once, on every screen as well. */
import { expect, test } from "vitest";
import { type Device } from "../../src/testing/index.ts";
import { type ListTab, type SyncWorld, add, createSyncWorld, logOf, shown } from "./world.ts";

const strange = { id: "strange", name: "gone", v: 1, at: 0, payload: {} };
const entry = "event/strange";

const mend = (tab: ListTab, id: string): Promise<void> =>
  tab.sync.quarantine.retry(entry, () => ({ name: "added", payload: { id, text: id } }));
const listed = ({ sync }: ListTab): string[] => sync.quarantine.list().map(({ id }) => id);

/** A tab, and an event on record that nobody understands. */
async function withStranger({ world, openTab }: SyncWorld) {
  const device = world.createDevice();
  const tab = openTab(device);
  await world.run(tab.sync.ready);
  await world.run(add(tab, "a").settled);
  const { log } = device.disk.contents() ?? { log: [] };
  const record = { kind: "commit", tab: "other", n: 1, schema: 1, events: [strange] };
  device.disk.put("log", Number(log.at(-1)?.[0]) + 1, record);
  await world.run(add(tab, "b").settled);
  await world.pass(5000);
  expect(listed(tab)).toEqual([entry]);
  return { device, tab };
}

/** A tab mends the event, and dies before it takes it off the list; by then others have it decided by the server. */
async function mendAndDie({ world, openTab }: SyncWorld, device: Device, others: ListTab) {
  const tab = openTab(device);
  await world.run(tab.sync.ready);
  tab.failNextWrite("hungButStored", "append");
  mend(tab, "first").catch(() => undefined);
  await world.settle();
  tab.kill();
  await world.run(add(others, "c").settled);
}

/** What is mended once more, with another mind, changes nothing: now, and when the server has said so. */
async function expectOnce(it: SyncWorld, device: Device, tab: ListTab) {
  const all = ["a:a", "b:b", "c:c", "first:first"];
  expect(listed(tab)).toEqual([entry]);
  expect(shown(tab)).toEqual(all);
  device.setOnline(false);
  await it.world.run(mend(tab, "second"));
  expect([shown(tab), listed(tab)]).toEqual([all, []]);
  device.setOnline(true);
  await it.world.pass(5000);
  const fresh = it.openTab(device);
  await it.world.run(fresh.sync.ready);
  for (const each of [tab, fresh]) {
    expect([shown(each), listed(each)]).toEqual([all, []]);
    expect(each.sync.status).toMatchObject({ pending: 0, rejected: 0, fault: null });
  }
  expect((await logOf(it.storage)).filter(({ id }) => id === "strange-r1")).toHaveLength(1);
}

test("G5 G7 what a tab mended that crashed halfway is not shown twice when another mends it, offline as well", async () => {
  const it = createSyncWorld();
  const { device, tab } = await withStranger(it);
  await mendAndDie(it, device, tab);
  expect(device.disk.contents()?.log).not.toEqual([]);
  await expectOnce(it, device, tab);
});

test("G5 G7 nor by a tab that comes when all of it is decided and folded", async () => {
  const it = createSyncWorld();
  const { device, tab } = await withStranger(it);
  await mendAndDie(it, device, tab);
  await it.world.pass(15_000);
  expect(device.disk.contents()?.log).toEqual([]);
  await it.world.run(tab.sync.stop());
  const next = it.openTab(device);
  await it.world.run(next.sync.ready);
  await expectOnce(it, device, next);
});

test("G5 G7 nor by a tab that has not heard of the other, and writes when the server has decided", async () => {
  const it = createSyncWorld();
  const { device, tab } = await withStranger(it);
  const slow = it.openTab(device);
  await it.world.run(slow.sync.ready);
  const proceed = slow.stall();
  const late = mend(slow, "second");
  expect(shown(slow)).toEqual(["a:a", "b:b", "second:second"]);
  await it.world.run(mend(tab, "first"));
  await it.world.run(add(tab, "c").settled);
  await it.world.pass(2000);
  expect(shown(slow)).toEqual(["a:a", "b:b", "c:c", "first:first"]);
  proceed();
  await it.world.run(late);
  await it.world.pass(5000);
  for (const each of [tab, slow]) expect(shown(each)).toEqual(["a:a", "b:b", "c:c", "first:first"]);
});
