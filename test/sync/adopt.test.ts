/** A device that had data before it had a server, while its tabs go on writing, and one of them dies. */
import { describe, expect, test } from "vitest";
import { type ListTab, add, createSyncWorld, logOf, openLocal, shown } from "./world.ts";

interface Rows {
  readonly items: readonly { readonly id: string; readonly text: string }[];
}
const server = {
  adopt: ({ items }: Rows) => items.map((payload) => ({ name: "added", payload })),
};

/** Folded: a. In the log: b. Two tabs that have just been opened with a server. */
async function begin(seed: number, own = server) {
  const place = createSyncWorld({ seed });
  const { world, openTab } = place;
  const device = world.createDevice();
  const local = openLocal(device);
  await world.run(local.sync.ready);
  add(local, "a");
  await world.pass(10_000);
  await world.run(add(local, "b").durable);
  local.kill();
  return { ...place, device, tabs: [openTab(device, own), openTab(device, own)] };
}

type Place = Awaited<ReturnType<typeof begin>>;

/** Does something after a task; tells how many tasks there were until the device had adopted its data. */
async function adoptWith({ world, device, tabs }: Place, task: number, act: () => void) {
  let tasks = 0;
  let adopted = 0;
  const isAdopted = (): boolean =>
    (device.disk.contents()?.log ?? []).some(
      ([, record]) => (record as { authority?: string }).authority === "server",
    );
  const end = world.watch(() => {
    tasks += 1;
    if (tasks === task) act();
    if (adopted === 0 && isAdopted()) adopted = tasks;
  });
  await world.pass(15_000);
  end();
  expect(tabs.some(({ sync }) => sync.status.sync === "live")).toBe(true);
  return adopted;
}

async function expectAll({ world, openTab, storage, device }: Place, items: readonly string[]) {
  await world.pass(15_000);
  const tabs = [openTab(device, server), openTab(world.createDevice())];
  await world.run(Promise.all(tabs.map(({ sync }) => sync.ready)));
  await world.pass(5000);
  for (const { sync } of tabs)
    expect(sync.status).toMatchObject({ sync: "live", pending: 0, rejected: 0, fault: null });
  for (const tab of tabs) expect(shown(tab)).toEqual(items.map((id) => `${id}:${id}`));
  const log = await logOf(storage);
  expect(log.map(({ payload }) => (payload as { id: string }).id).toSorted()).toEqual(items);
}

const commit = ({ sync }: ListTab, id: string): void =>
  void sync.commit({ name: "added", payload: { id, text: id } });

const seed = 2;
const last = await adoptWith(await begin(seed), 0, () => undefined);

describe("G5 G13 a device that adopts its data", () => {
  test.each([1, 2, 3, 4, 5, 6, 7, 8])(
    "while both of its tabs commit sends each commit once (seed %i)",
    async (own) => {
      let tabs: readonly ListTab[] | undefined;
      const place = await begin(own, {
        adopt(rows: Rows) {
          if (tabs === undefined) throw new Error("Not yet");
          for (const [at, tab] of tabs.entries()) commit(tab, `x${at}`);
          tabs = [];
          return server.adopt(rows);
        },
      });
      await place.world.pass(1000);
      // Nobody hears of the other's commit before it is too late.
      const hear = place.device.delayMessages();
      ({ tabs } = place);
      await place.world.pass(20_000);
      hear();
      await expect(expectAll(place, ["a", "b", "x0", "x1"])).resolves.toBeUndefined();
    },
  );

  test.each(Array.from({ length: last + 4 }, (_, at) => at + 1).filter((at) => at % 2 === 0))(
    "and whose leader is killed after task %i sends all of it once",
    async (task) => {
      const place = await begin(seed);
      await adoptWith(place, task, () => {
        place.tabs.find(({ sync }) => sync.status.role === "leader")?.kill();
      });
      await expect(expectAll(place, ["a", "b"])).resolves.toBeUndefined();
    },
  );
});
