import { describe, expect, test } from "vitest";
import { type ListTab, type SyncWorld, add, createSyncWorld, logOf, shown } from "./world.ts";

/** A person writes in two tabs of one device and on another device, while the tab that leads the first one is about to die. */
async function begin(seed: number) {
  const place = createSyncWorld({ seed });
  const { world, openTab } = place;
  const [phone, laptop] = [world.createDevice(), world.createDevice()];
  const leader = openTab(phone);
  await world.run(leader.sync.ready);
  await world.pass(3000);
  const [follower, other] = [openTab(phone), openTab(laptop)];
  await world.run(Promise.all([follower.sync.ready, other.sync.ready]));
  await world.pass(3000);
  expect(leader.sync.status).toMatchObject({ role: "leader", sync: "live" });
  const durable: string[] = [];
  const commit = (tab: ListTab, id: string): void => {
    const receipt = add(tab, id);
    void receipt.durable.then(
      () => durable.push(id),
      () => undefined,
    );
  };
  commit(leader, "a");
  commit(follower, "b");
  commit(other, "c");
  return { ...place, phone, leader, follower, other, durable };
}

const isDone = ({ sync }: ListTab): boolean =>
  sync.status.role === "leader" && sync.status.sync === "live" && sync.outbox.size === 0;

/** Every durable event took effect once, and was decided once; everybody shows the same. */
async function expectWhole(
  { world, storage }: SyncWorld,
  tabs: readonly ListTab[],
  durable: readonly string[],
) {
  for (let tries = 0; tries < 60 && !tabs.every(isDone); tries += 1) await world.pass(2000);
  await world.pass(2000);
  const rows = shown(tabs[0] as ListTab);
  for (const tab of tabs) {
    expect(shown(tab)).toEqual(rows);
    expect(tab.sync.status).toMatchObject({ sync: "live", pending: 0, rejected: 0, fault: null });
    expect(tab.sync.outbox.size).toBe(0);
  }
  const log = await logOf(storage);
  const ids = log.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  const items = log.map(({ payload }) => (payload as { readonly id: string }).id);
  expect(new Set(items).size).toBe(items.length);
  expect(items.toSorted().map((id) => `${id}:${id}`)).toEqual(rows);
  expect(items).toEqual(expect.arrayContaining([...durable]));
}

const seed = 5;
const trace = await (async () => {
  const { world } = await begin(seed);
  const from = world.trace.length;
  await world.pass(3000);
  return world.trace.slice(from);
})();
/** Until the server's heartbeats are all that goes on. */
const last = trace.findLastIndex((what) => /lead|append|POST|pull/.test(what));
const steps = Array.from({ length: last + 2 }, (_, at) => at);

const cases = steps.map((at) => [at, trace[at - 1] ?? "nothing"] as const);
async function hit(how: "kill" | "freeze", at: number): Promise<void> {
  const place = await begin(seed);
  for (let step = 0; step < at; step += 1) await place.world.step();
  place.leader[how]();
  await expectWhole(place, [place.follower, place.other], place.durable);
}

describe("G5 a leader that", () => {
  test.each(cases)("is killed after step %i (%s) costs no event, and doubles none", async (at) => {
    await expect(hit("kill", at)).resolves.toBeUndefined();
  });

  test.each(cases.filter(([at]) => at % 4 === 0))(
    "is frozen after step %i (%s) costs no event, and doubles none",
    async (at) => {
      await expect(hit("freeze", at)).resolves.toBeUndefined();
    },
  );
});
