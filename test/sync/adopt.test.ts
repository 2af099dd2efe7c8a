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
      for (const { hide, show } of place.tabs) [hide, show].forEach((turn) => turn());
      await place.world.pass(20_000);
      expect(tabs).toEqual([]);
      hear();
      await expect(expectAll(place, ["a", "b", "x0", "x1"])).resolves.toBeUndefined();
    },
  );

  test.each(Array.from({ length: 7 }, (_, at) => last - at))(
    "whose other tab changes a row after task %i changes it on the server as well",
    async (task) => {
      const place = await begin(seed);
      await adoptWith(place, task, () => {
        const other = place.tabs.find(({ sync }) => sync.status.role !== "leader");
        other?.sync.commit({ name: "renamed", payload: { id: "a", text: "new" } });
      });
      const there = place.openTab(place.world.createDevice());
      await place.world.pass(15_000);
      for (const tab of [...place.tabs, there]) expect(shown(tab)).toEqual(["a:new", "b:b"]);
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

function fail(why: string): never {
  throw new Error(why);
}

/** A device with rows of its own, and a tab with a server that comes to them. */
async function openWith(rows: number, adopt: (rows: Rows) => unknown, local = false) {
  const place = createSyncWorld();
  const { world, openTab } = place;
  const device = world.createDevice();
  const before = openLocal(device);
  await world.run(before.sync.ready);
  for (let id = 0; id < rows; id += 1) add(before, `${id}`);
  await world.pass(5000);
  if (!local) before.kill();
  const tab = openTab(device, { adopt });
  await world.run(tab.sync.ready);
  await world.pass(5000);
  return { ...place, device, before, tab };
}

describe("an `adopt` that gives no events", () => {
  const failing: readonly (readonly [string, (rows: Rows) => unknown])[] = [
    ["throws", () => fail("no idea")],
    ["gives a promise", async (rows) => server.adopt(rows)],
    ["gives nothing", () => undefined],
    ["gives an object", () => ({})],
    ["gives an unknown event", () => [{ name: "unheard", payload: {} }]],
    ["gives an invalid payload", () => [{ name: "added", payload: { id: 1 } }]],
  ];
  test.each(failing)("%s: every row stays, and the app is told why", async (_, adopt) => {
    let isMended = false;
    const { world, tab, storage } = await openWith(2, (rows) =>
      isMended ? server.adopt(rows) : adopt(rows),
    );
    await world.pass(60_000);
    expect(shown(tab)).toEqual(["0:0", "1:1"]);
    expect(tab.sync.status).toMatchObject({
      phase: "ready",
      storage: "open",
      sync: "incompatible",
      fault: {
        code: "adoption_required",
        message: expect.stringMatching(/Nothing is sent\. \w*Error/),
      },
    });
    isMended = true;
    tab.hide();
    tab.show();
    await world.pass(5000);
    expect(tab.sync.status).toMatchObject({ sync: "live", pending: 0, fault: null });
    expect(await logOf(storage)).toHaveLength(2);
  });
});

test("G13 nobody sees less while a device adopts its data, in any tab", async () => {
  let mayAdopt = false;
  const adopt = (rows: Rows): unknown => (mayAdopt ? server.adopt(rows) : fail("not yet"));
  const { world, device, tab, openTab } = await openWith(3, adopt);
  const other = openTab(device, { adopt });
  await world.run(other.sync.ready);
  const seen: number[] = [];
  for (const { sync } of [tab, other]) {
    sync.tables.items.subscribe(() => seen.push(sync.tables.items.size));
    sync.on("noop", () => seen.push(-1));
  }
  mayAdopt = true;
  await world.pass(60_000);
  expect(tab.sync.status).toMatchObject({ sync: "live", fault: null });
  expect(seen).toEqual([]);
});

test("G5 G13 1,200 rows are adopted where the server has rows of others already, also of the same ids", async () => {
  let mayAdopt = false;
  const adopt = (rows: Rows): unknown => (mayAdopt ? server.adopt(rows) : fail("not yet"));
  const { world, tab, openTab, storage } = await openWith(1200, adopt);
  const other = openTab(world.createDevice());
  await world.run(other.sync.ready);
  add(other, "1", "theirs");
  await world.run(add(other, "z").settled);
  mayAdopt = true;
  await world.pass(5000);
  tab.hide();
  tab.show();
  await world.pass(60_000);
  expect(tab.sync.status).toMatchObject({ sync: "live", fault: null });
  expect(tab.sync.outbox.size).toBe(0);
  const { rows } = await storage.read("me", { after: 0, limit: 2000, size: 1e9 });
  expect(rows).toHaveLength(1202);
  expect(shown(tab)).toHaveLength(1201);
  expect(shown(tab)).toContain("1:theirs");
  expect(shown(other)).toEqual(shown(tab));
});

test("G5 commits of a tab without a server, in flight while another one adopts, are sent once", async () => {
  let late: ListTab | undefined;
  const { world, tab, before, device, storage } = await openWith(
    2,
    (rows) => {
      // Behind the last word on what the device decided.
      if (late !== undefined) commit(late, "x");
      late = undefined;
      return server.adopt(rows);
    },
    true,
  );
  // It leads: nothing is sent while it does.
  expect(before.sync.status.role).toBe("leader");
  expect(tab.sync.status).toMatchObject({ role: "follower", sync: "off" });
  late = before;
  device.stealLock()();
  await world.pass(60_000);
  expect(tab.sync.status).toMatchObject({ role: "leader", sync: "live", fault: null });
  commit(before, "y");
  await world.pass(5000);
  expect(shown(before)).toEqual(["0:0", "1:1", "x:x", "y:y"]);
  expect(shown(tab)).toEqual(shown(before));
  expect(before.sync.outbox.size).toBe(0);
  expect(await logOf(storage)).toHaveLength(4);
});

test("G5 G13 what a device decided is gone with its data, where a tab with a server makes new data first", async () => {
  const { world, openTab } = createSyncWorld();
  const device = world.createDevice();
  const before = openLocal(device);
  await world.run(before.sync.ready);
  // In the log, and not folded.
  await world.run(add(before, "a").settled);
  const proceed = before.stall();
  device.clearSiteData();
  const tab = openTab(device);
  await world.run(tab.sync.ready);
  proceed();
  await world.pass(5000);
  add(before, "b");
  await world.pass(5000);
  expect([shown(before), shown(tab)]).toEqual([["b:b"], ["b:b"]]);
  expect(before.sync.outbox.list()).toMatchObject([{ payload: { id: "b" } }]);
});
