/** A leader that folds while a push is on its way, and is killed at each step of it. */
import { describe, expect, test } from "vitest";
import { add, createSyncWorld, logOf, shown } from "./world.ts";

/** Folded already: a. In the log of the device: b and c decided, d sent and its answer on the way, e waiting. */
async function begin() {
  const place = createSyncWorld({ seed: 3 });
  const { world, openTab } = place;
  const device = world.createDevice();
  const leader = openTab(device);
  await world.run(leader.sync.ready);
  await world.run(add(leader, "a").settled);
  await world.pass(10_000);
  const follower = openTab(device);
  await world.run(follower.sync.ready);
  await world.run(Promise.all([add(leader, "b").settled, add(follower, "c").settled]));
  const late = world.network.delay("push");
  const durable: string[] = [];
  for (const [tab, id] of [
    [leader, "d"],
    [follower, "e"],
  ] as const)
    add(tab, id).durable.then(
      () => durable.push(id),
      () => undefined,
    );
  return { ...place, device, leader, follower, late, durable };
}

type Place = Awaited<ReturnType<typeof begin>>;
const floorOf = ({ device }: Place): unknown => device.disk.get("meta", "floor");

/** Tasks until the fold is on disk. */
const { at, total } = await (async () => {
  const place = await begin();
  const before = floorOf(place);
  let tasks = 0;
  let folded = 0;
  place.world.watch(() => {
    tasks += 1;
    if (folded === 0 && floorOf(place) !== before) folded = tasks;
  });
  await place.world.pass(5000);
  return { at: folded, total: tasks };
})();

describe("G5 a leader with a server", () => {
  test("folds while a push is on its way", () => {
    expect(at).toBeGreaterThan(0);
    expect(total).toBeGreaterThan(at);
  });

  test.each(Array.from({ length: at + 6 }, (_, index) => index + 1))(
    "that is killed after task %i, while it folds, costs no event and doubles none",
    async (task) => {
      const place = await begin();
      const { world, leader, follower, late, storage, openTab, durable } = place;
      let tasks = 0;
      world.watch(() => {
        tasks += 1;
        if (tasks === task) leader.kill();
      });
      await world.pass(5000);
      expect(leader.state).toBe("gone");
      late();
      await world.pass(30_000);
      const fresh = openTab(place.device);
      await world.run(fresh.sync.ready);
      await world.pass(3000);
      const log = await logOf(storage);
      const items = log.map(({ payload }) => (payload as { readonly id: string }).id);
      expect(new Set(items).size).toBe(items.length);
      // What was stored when its tab died is kept, whether the tab knew or not.
      expect(items).toEqual(expect.arrayContaining(["a", "b", "c", ...durable]));
      for (const tab of [follower, fresh]) {
        expect(shown(tab)).toEqual(items.toSorted().map((id) => `${id}:${id}`));
        const { status, quarantine } = tab.sync;
        expect(status).toMatchObject({ sync: "live", pending: 0, rejected: 0, fault: null });
        expect(quarantine.list()).toEqual([]);
      }
    },
  );
});
