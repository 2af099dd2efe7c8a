/** What the device has on disk about the server is damaged, while some of it is on its way. */
import { describe, expect, test } from "vitest";
import { type StoredRemote } from "../../src/model/remote.ts";
import { type Device } from "../../src/testing/index.ts";
import { add, createSyncWorld, logOf, shown } from "./world.ts";

/**
 * A device at rest that has, folded into `meta.remote`: rows of the server, an event that the server took in and whose answer
 * was lost, and a slider that was sent and that a later one may not take the place of.
 */
async function begin() {
  const place = createSyncWorld();
  const { world, openTab } = place;
  const device = world.createDevice();
  const tab = openTab(device);
  await world.run(tab.sync.ready);
  await world.run(Promise.all(["a", "b", "c"].map((id) => add(tab, id).settled)));
  await world.pass(10_000);
  const end = world.network.always("answerLost", ({ url }) => !url.pathname.endsWith("live"));
  add(tab, "sent");
  await world.pass(2000);
  const slide = (value: number) => tab.sync.commit({ name: "moved", payload: { value } });
  slide(1);
  await world.pass(20_000);
  const remote = device.disk.get("meta", "remote") as StoredRemote;
  expect(remote).toMatchObject({ pos: 3, numbers: [expect.anything(), expect.anything()] });
  await world.run(tab.sync.stop());
  end();
  return { ...place, device, remote };
}

const wrong: Record<keyof StoredRemote, unknown> = {
  client: "short",
  next: 1.5,
  cursor: "no cursor",
  pos: -1,
  epoch: 7,
  numbers: [["x"]],
  acked: [["x"]],
  decided: [7],
  attempt: -1,
  notBefore: "1",
};
/** Nobody can see that it is. */
const untrue: Partial<StoredRemote> = {
  client: "somebody",
  next: 1,
  cursor: "AAAA",
  pos: 2,
  epoch: "another",
  numbers: [],
};

type Damage = (remote: StoredRemote) => unknown;
const putting =
  (key: string, value: unknown): Damage =>
  (remote) => ({ ...remote, [key]: value });
const without =
  (key: string): Damage =>
  (remote) =>
    Object.fromEntries(Object.entries(remote).filter(([name]) => name !== key));

const seen: (readonly [what: string, damage: Damage])[] = [
  ["all of it is gone", () => undefined],
  ["it is no object", () => "remote"],
  ["it is empty", () => ({})],
  ...Object.entries(wrong).flatMap(([key, value]) => [
    [`${key} is missing`, without(key)] as const,
    [`${key} is wrong`, putting(key, value)] as const,
  ]),
];
const unseen = Object.entries(untrue).map(
  ([key, value]) => [`${key} is another one`, putting(key, value)] as const,
);

/** Checks that all devices have everything once, and tells what is in quarantine. */
async function quarantinedAfter(damage: Damage): Promise<readonly string[]> {
  const { world, openTab, device, remote, storage } = await begin();
  const damaged = damage(remote);
  if (damaged === undefined) device.disk.remove("meta", "remote");
  else device.disk.put("meta", "remote", damaged);
  const tab = openTab(device);
  await world.run(tab.sync.ready);
  tab.sync.commit({ name: "moved", payload: { value: 2 } });
  add(tab, "later");
  await world.pass(15_000);
  expect(tab.sync.status).toMatchObject({ sync: "live", pending: 0, rejected: 0, fault: null });
  const other = openTab(world.createDevice());
  await world.run(other.sync.ready);
  await world.pass(3000);
  for (const it of [tab, other]) {
    expect(shown(it)).toEqual(["a", "b", "c", "later", "sent"].map((id) => `${id}:${id}`));
    expect(it.sync.tables.settings.get("slider")).toEqual({ id: "slider", value: 2 });
  }
  const log = await logOf(storage);
  expect(new Set(log.map(({ id }) => id)).size).toBe(log.length);
  expect(log.filter(({ name }) => name === "added")).toHaveLength(5);
  return tab.sync.quarantine.list().map(({ id }) => id);
}

describe("G5 G8 of what is known of the server", () => {
  test.each(seen)("%s: nothing is lost or doubled, and the app is told", async (_, damage) => {
    expect(await quarantinedAfter(damage)).toEqual(["meta/remote"]);
  });
  test.each(unseen)("%s: nothing is lost or doubled", async (_, damage) => {
    expect(await quarantinedAfter(damage)).toEqual([]);
  });
});

/** How many records were ever put in the log, folded or not. */
const recordsOf = ({ databases }: Device): number => databases.get("sssync/list/")?.position ?? 0;

describe("G8 G13 a device whose log begins with damage", () => {
  const logs: readonly (readonly [
    what: string,
    ids: readonly string[],
    left: readonly string[],
  ])[] = [
    ["has nothing", [], []],
    ["comes to nothing", ["a"], []],
    ["comes to nothing on its first page", ["a", "b"], ["b:b"]],
    ["comes to rows on its first page", ["b", "a", "c"], ["b:b", "c:c"]],
  ];
  test.each(logs)("follows a server whose log %s, and is at rest then", async (_, ids, left) => {
    const { world, openTab } = createSyncWorld({ server: { limits: { pageEntries: 2 } } });
    const other = openTab(world.createDevice());
    await world.run(other.sync.ready);
    for (const id of ids) {
      await world.run(add(other, id).settled);
      if (id !== "a") continue;
      await world.run(other.sync.commit({ name: "removed", payload: { id } }).settled);
    }
    const device = world.createDevice();
    device.setOnline(false);
    const before = openTab(device);
    await world.run(before.sync.ready);
    before.kill();
    device.disk.put("log", recordsOf(device) + 1, {
      kind: "commit",
      tab: "other",
      n: 1,
      schema: 1,
    });
    device.setOnline(true);
    const tab = openTab(device);
    await world.run(tab.sync.ready);
    await world.pass(30_000);
    expect(tab.sync.quarantine.list().map(({ id }) => id)).toEqual(["log/1"]);
    expect(shown(tab)).toEqual(left);
    expect(tab.sync.status).toMatchObject({ sync: "live", pending: 0, fault: null });
    const records = recordsOf(device);
    await world.pass(600_000);
    expect(recordsOf(device)).toBe(records);
    await world.run(add(other, "d").settled);
    await world.run(add(tab, "e").settled);
    await world.pass(5000);
    expect(shown(tab)).toEqual([...left, "d:d", "e:e"]);
    expect(shown(other)).toEqual(shown(tab));
  });
});

/** Puts it behind all that is in the log. */
const putInLog = (device: Device, record: unknown): void =>
  device.disk.put("log", recordsOf(device) + 1, record);

const strange: (readonly [what: string, over: object, quarantined: number])[] = [
  ["an id", { id: "2", name: "gone" }, 2],
  ["a name", { name: "no name" }, 7],
  ["a transaction", { tx: "2" }, 4],
];
test.each(strange)(
  "G5 G8 commits with %s that no server takes wait in quarantine, and all others are sent",
  async (_, over, quarantined) => {
    const { world, openTab, storage } = createSyncWorld();
    const device = world.createDevice();
    const before = openTab(device);
    await world.run(before.sync.ready);
    await world.run(add(before, "first").settled);
    await world.run(before.sync.stop());
    // The server would call the first one bad; after the second one in a row it is not asked any more.
    for (const n of [1, 2, 3]) {
      const events = ["a", "b"].map((id) => {
        const payload = { id: `${n}${id}`, text: "" };
        const event = { id: `strange-${n}-${id}`, name: "added", v: 1, at: 0, payload };
        return Object.assign(event, { tx: `strange-${n}` }, over);
      });
      putInLog(device, { kind: "commit", tab: "stranger", n, schema: 1, events });
    }
    // What was sent is not known any more: whatever is in the log may have been.
    putInLog(device, { kind: "commit" });
    const tab = openTab(device);
    await world.run(tab.sync.ready);
    add(tab, "later");
    await world.pass(20_000);
    expect(tab.sync.status).toMatchObject({ sync: "live", pending: 0, quarantined });
    const log = await logOf(storage);
    expect(log.map(({ payload }) => payload)).toEqual(
      ["first", "later"].map((id) => ({ id, text: id })),
    );
  },
);
