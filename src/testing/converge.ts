/** The end of a test with several tabs or devices: faults stop, time passes, and all must have come to one thing. */
import { type SyncConfig, type TableReaders } from "../api.ts";
import { type EventDefinitions, type TableSchemas } from "../model/definition.ts";
import { sameJson } from "../model/json.ts";
import { type Envelope } from "../model/log.ts";
import { type EventOf } from "../server/options.ts";
import { type AppServer } from "./app-server.ts";
import { type Device, type DeviceTab, type World } from "./device.ts";
import { impurityOf } from "./purity.ts";

/** What all have come to. */
export interface Converged<T extends TableSchemas, E extends EventDefinitions> {
  readonly tables: TableReaders<T>;
  /** The events that count, in the order in which they do: not those that were rejected, superseded or duplicates. */
  readonly events: readonly EventOf<E>[];
}

type AnyTab = DeviceTab<TableSchemas, EventDefinitions>;

/** Enough for whatever is tried again: a token that was refused waits for five minutes. */
const longest = 15 * 60_000;
/** When nothing is left to do, those who ask for news have asked once more. */
const lastNews = 70_000;
const slice = 5000;

const isAlive = (tab: AnyTab): boolean =>
  tab.state !== "gone" && tab.sync.status.phase !== "stopped";

const tabsOf = (device: Device): readonly AnyTab[] => device.tabs.filter(isAlive);

function isQuiet({ sync: { status } }: AnyTab): boolean {
  const isSettled = ["off", "idle", "live"].includes(status.sync);
  return status.phase === "ready" && status.pending === 0 && status.behind === 0 && isSettled;
}

/** Where two tabs differ, in words. */
function difference(one: AnyTab, other: AnyTab): string | undefined {
  for (const [name, table] of Object.entries(one.sync.tables)) {
    const there = other.sync.tables[name];
    const ids = new Set([...table.toArray(), ...(there?.toArray() ?? [])].map(({ id }) => id));
    for (const id of ids) {
      const [a, b] = [table.get(id), there?.get(id)];
      if (!sameJson(a, b))
        return `${name}/${id} as ${textOf(a)} in ${one.name} and ${textOf(b)} in ${other.name}`;
    }
  }
  return undefined;
}

const textOf = (row: object | undefined): string =>
  row === undefined ? "nothing" : JSON.stringify(row);

function fail(expected: string, got: string): never {
  throw new Error(`Expected ${expected}, got ${got}`);
}

const tell = ({ name, sync: { status } }: AnyTab): string =>
  `${name} ${status.phase}, ${status.sync}, ${status.pending} pending` +
  (status.fault === null ? "" : ` (${status.fault.message})`);

/** Each event that is on a device's disk has one decision. */
function expectDecided(device: Device, accepted: readonly string[], fresh: AnyTab): void {
  const { events, rejected, superseded, duplicates } = device.journal();
  const listed = new Set(fresh.sync.rejected.list().map(({ event }) => event.id));
  for (const { id, name } of events) {
    const times = accepted.filter((it) => it === id).length;
    const decisions = [
      ...Array<string>(times).fill("accepted"),
      ...(rejected.has(id) ? ["rejected"] : []),
      ...(superseded.has(id) ? ["superseded"] : []),
      ...(duplicates.has(id) ? ["duplicate"] : []),
    ];
    if (decisions.length !== 1)
      fail(`one decision for ${name} ${id}`, decisions.join(" and ") || "none");
    if (listed.has(id) !== rejected.has(id))
      fail(
        `${name} ${id}, which is ${decisions[0]}, ${rejected.has(id) ? "" : "not "}to be listed as rejected`,
        fresh.name,
      );
  }
}

/** With no server the device accepts in the order of its log. The first event of a dedupe key counts. */
function acceptedBy(device: Device, definitions: EventDefinitions): readonly Envelope[] {
  const { events, rejected, superseded } = device.journal();
  const taken = new Set<string>();
  return events.filter(({ id, name, payload }) => {
    if (rejected.has(id) || superseded.has(id)) return false;
    const key = definitions[name]?.dedupe?.(payload);
    if (key === undefined) return true;
    const isFirst = !taken.has(`${name} ${key}`);
    taken.add(`${name} ${key}`);
    return isFirst;
  });
}

/**
 * Lets all pages of a world run and be online, passes time until nothing is left to do, opens a fresh tab on each device, and
 * compares: all tabs of a device show the same rows, and of all devices when there is a server, which is given. Each event on
 * a disk has one decision. Gives the rows, and the events that count. Faults that last are the test's to end, before.
 *
 * Throws where this does not hold, where a materializer of what `checkPurity` gave is not pure, and where a rule of the server
 * threw.
 *
 * @example
 * import { converge, createWorld } from "sssync/testing";
 *
 * const app = { name: "todos", tables: {}, events: {}, materializers: {} };
 * const world = createWorld({ seed: 7 });
 * world.createDevice().openTab(app);
 * const { tables, events } = await converge(world, app);
 */
export async function converge<const T extends TableSchemas, const E extends EventDefinitions>(
  world: World,
  config: Omit<SyncConfig<T, E>, "environment">,
  server?: AppServer,
): Promise<Converged<T, E>> {
  const open = (device: Device): AnyTab => device.openTab(config);
  const everyTab = (): readonly AnyTab[] => world.devices.flatMap(tabsOf);
  function expectSound(): void {
    const trouble = impurityOf(config) ?? server?.errors[0];
    if (trouble !== undefined) throw new Error(trouble);
  }
  expectSound();
  if (world.devices.length === 0) fail("a world with devices", "none");
  for (const device of world.devices) {
    device.setOnline(true);
    for (const tab of tabsOf(device)) {
      tab.thaw();
      tab.restore();
      tab.show();
      tab.setOnline(true);
    }
    // What tabs left behind that are gone is for somebody to send.
    if (tabsOf(device).length === 0) open(device);
  }

  const differs = (): string | undefined => {
    const groups = server === undefined ? world.devices.map(tabsOf) : [everyTab()];
    for (const [first, ...others] of groups)
      for (const other of others) {
        const found = difference(first as AnyTab, other);
        if (found !== undefined) return found;
      }
    return undefined;
  };
  async function wait(most: number, isOver: () => boolean): Promise<void> {
    for (let passed = 0; passed < most && !isOver(); passed += slice) await world.pass(slice);
  }
  const isOver = (): boolean => everyTab().every(isQuiet);

  await world.pass(1000);
  await wait(longest, isOver);
  // What a rule threw is why nothing goes on.
  expectSound();
  if (!isOver()) fail("nothing to be left to do when faults stop", everyTab().map(tell).join("; "));
  await wait(lastNews, () => differs() === undefined);
  const fresh = world.devices.map(open);
  await world.run(Promise.all(fresh.map(({ sync }) => sync.ready)));
  await wait(lastNews, () => differs() === undefined && isOver());

  const found = differs();
  if (found !== undefined) fail("all tabs to show the same rows when faults stop", found);
  expectSound();
  world.devices.forEach((device, at) => {
    const newest = fresh[at] as AnyTab;
    const { quarantined } = newest.sync.status;
    if (quarantined > 0)
      fail("nothing in quarantine", `${quarantined}: ${newest.sync.quarantine.list()[0]?.reason}`);
    if (server !== undefined) expectDecided(device, server.accepted, newest);
  });
  const events =
    server === undefined
      ? world.devices.flatMap((device) => acceptedBy(device, config.events))
      : acceptedOf(world, server);
  return {
    tables: fresh[0]?.sync.tables as unknown as TableReaders<T>,
    events: events as unknown as readonly EventOf<E>[],
  };
}

/** What the server accepted, as the devices committed it. */
function acceptedOf({ devices }: World, { accepted }: AppServer): readonly Envelope[] {
  const all = new Map(
    devices.flatMap((it) => it.journal().events.map((event) => [event.id, event])),
  );
  return accepted.flatMap((id) => all.get(id) ?? []);
}
