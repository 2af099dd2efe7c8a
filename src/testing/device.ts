/**
 * A whole device in memory: its disk, its locks, its network, and the tabs on it; and a world of several. The same seed gives
 * the same run (see `course.ts`).
 */
import { type SyncActor, type SyncConfig } from "../api.ts";
import { type EventDefinitions, type TableSchemas } from "../model/definition.ts";
import { type MemoryDatabase } from "../services/memory-storage.ts";
import { type ClockPort, type RandomPort } from "../services/ports.ts";
import { createSyncActor } from "../sync-actor.ts";
import { type Course, createCourse } from "./course.ts";
import { type Disk, createDisk } from "./disk.ts";
import { type FaultKind, faultOf } from "./fault-kinds.ts";
import { type Operation } from "./faults.ts";
import { type Journal, createJournal } from "./journal.ts";
import { type DevicePage, createPage } from "./page.ts";
import { createDraw } from "./scheduler.ts";
import { createSeededRandom } from "./seeded-random.ts";
import { type Delivery, createVirtualChannels } from "./virtual-channel.ts";
import { createVirtualClock } from "./virtual-clock.ts";
import { createVirtualLocks } from "./virtual-locks.ts";
import { type Handler, type VirtualNetwork, createVirtualNetwork } from "./virtual-network.ts";
import { createVirtualDisk, isReading, isWriting } from "./virtual-storage.ts";

/** What a device is made with. */
export interface DeviceOptions {
  /** Any number. Default 1. */
  readonly seed?: number;
  /** A device without Web Locks, as a page has that was not loaded securely. Default false. */
  readonly noLocks?: boolean;
  /** When its time begins: ms since the epoch. Default: the first of January 2026. */
  readonly now?: number;
  /** What answers its requests, as `createSyncServer({…}).fetch` does. Default: nothing. */
  readonly server?: Handler;
}

/** Several devices with one time, one order of things and one network, made by `createWorld`. */
export interface World extends Course {
  /** A device more: its own disk, locks and tabs. */
  createDevice(options?: Pick<DeviceOptions, "noLocks">): Device;
  /** All that were created. */
  readonly devices: readonly Device[];
  readonly network: VirtualNetwork;
  /** For a server: the time of this world. */
  readonly clock: ClockPort;
  /** For a server: chance from the seed. */
  readonly random: RandomPort;
}

/** A page with an engine. */
export interface DeviceTab<T extends TableSchemas, E extends EventDefinitions> extends DevicePage {
  readonly sync: SyncActor<T, E>;
}

/** A device in memory, made by `createDevice`. */
export interface Device extends Course {
  /** Opens a page, and starts an engine in it. */
  openTab<const T extends TableSchemas, const E extends EventDefinitions>(
    config: Omit<SyncConfig<T, E>, "environment">,
  ): DeviceTab<T, E>;
  /** Opens a page without an engine: give its `environment` to whatever makes your app's. */
  openPage(): DevicePage;
  /** All tabs that `openTab` opened, those that are gone as well. */
  readonly tabs: readonly DeviceTab<TableSchemas, EventDefinitions>[];

  /** What is stored, past the engine. */
  readonly disk: Disk;
  /** The next write of any tab fails like this, or the next one that is this operation of the storage port. */
  failNextWrite(kind: FaultKind, operation?: Operation): void;
  /** The next read of any tab fails like this. */
  failNextRead(kind: FaultKind): void;
  /** The next opening of a database fails like this. */
  failNextOpen(kind: FaultKind): void;
  /** No space from now on, or again: writes abort with `quota`, but those that only delete. */
  quota(full: boolean): void;
  /** No database can be opened from now on, or again. Connections that are open stay. */
  unavailable(unavailable: boolean): void;
  /** Databases that are opened from now on are `blocked`, until the returned function is called. */
  blockOpen(): () => void;
  /** Closes connections by force: of all tabs. What is under way may or may not be stored. */
  closeConnection(): void;
  /** Another page of the origin deletes the database: of that name, or all. Connections are asked to close first. */
  deleteDatabase(name?: string): void;
  /** A person clears the site's data: all connections are closed by force, and all data is gone, while the tabs live. */
  clearSiteData(): void;
  /** Loses messages between tabs, until the returned function is called. */
  dropMessages(which?: (delivery: Delivery) => boolean): () => void;
  /** Holds messages back, until the returned function is called: then they all go on. */
  delayMessages(which?: (delivery: Delivery) => boolean): () => void;
  /** Hands messages over twice, until the returned function is called. */
  duplicateMessages(which?: (delivery: Delivery) => boolean): () => void;
  /** Lets a message arrive in the tabs of this scope that cannot be decoded. */
  sendBroken(scope: string): void;
  /** Its network, which it shares with other devices of its world. */
  readonly network: VirtualNetwork;
  /** All its pages go offline or online, and those that are opened later are so as well. */
  setOnline(online: boolean): void;
  /** A stranger takes the locks that tabs hold or wait for, and keeps them until the returned function is called. */
  stealLock(): () => void;

  /** @internal The disk itself. */
  readonly databases: ReadonlyMap<string, MemoryDatabase>;
  /** @internal All that its log ever said. */
  journal(): Journal;
}

/** All messages. */
const every = (): boolean => true;

/**
 * Creates a device without tabs and without data.
 *
 * @example
 * import { createDevice } from "sssync/testing";
 *
 * const device = createDevice({ seed: 7 });
 * const tab = device.openTab({ name: "todos", tables: {}, events: {}, materializers: {} });
 * await device.run(tab.sync.ready);
 * tab.kill();
 */
export function createDevice({ server, noLocks = false, ...options }: DeviceOptions = {}): Device {
  const world = createWorld(options);
  world.network.serve(server);
  return world.createDevice({ noLocks });
}

/**
 * Creates a world without devices. Give it a server with `network.serve`.
 *
 * @example
 * import { createWorld } from "sssync/testing";
 *
 * const world = createWorld({ seed: 7 });
 * const [phone, laptop] = [world.createDevice(), world.createDevice()];
 * world.network.serve(() => Response.json({ error: { code: "unavailable" } }, { status: 503 }));
 */
export function createWorld({
  seed = 1,
  now = Date.UTC(2026, 0),
}: Pick<DeviceOptions, "seed" | "now"> = {}): World {
  const draw = createDraw(createSeededRandom(seed));
  const { course, schedule, join } = createCourse(draw, now);
  const network = createVirtualNetwork({ schedule, draw });
  const clock = createVirtualClock({ now });
  join({
    name: "server",
    runs: () => true,
    nextTimer: () => clock.next(),
    fireTimer: () => void clock.fire(),
    skipTo: (time) => clock.skipTo(time),
  });
  let pages = 0;
  const devices: Device[] = [];
  return {
    ...course,
    devices,
    network,
    clock,
    random: createSeededRandom(seed + 0.5),
    createDevice({ noLocks = false } = {}) {
      const prefix = devices.length === 0 ? "" : `device ${devices.length + 1} `;
      const device = deviceIn({
        course,
        schedule,
        join,
        network,
        noLocks,
        nameOf: (count) => `${prefix}tab ${count}`,
        random: () => createSeededRandom(seed + (pages += 1) / 2 ** 16),
      });
      devices.push(device);
      return device;
    },
  };
}

interface Surroundings extends ReturnType<typeof createCourse> {
  readonly network: VirtualNetwork;
  readonly noLocks: boolean;
  nameOf(count: number): string;
  random(): RandomPort;
}

function deviceIn({ course, schedule, join, network, noLocks, nameOf, random }: Surroundings) {
  const { draw } = course;
  const pages: DevicePage[] = [];
  const tabs: DeviceTab<TableSchemas, EventDefinitions>[] = [];
  const lockNames = new Set<string>();
  const storage = createVirtualDisk({ schedule, draw });
  const locks = createVirtualLocks({ schedule });
  const channels = createVirtualChannels({ schedule });
  const journal = createJournal(storage.databases);
  course.watch(() => journal.note());
  let openable: (() => void) | undefined;
  let isOnline = true;

  // A message, and somebody who asks for a lock that a cached page holds, evict it.
  channels.drop(({ to }) => pages.some((page) => page.evict({ channel: to })));

  function openPage(): DevicePage {
    const page = createPage({
      name: nameOf(pages.length + 1),
      schedule,
      random: random(),
      now: course.now(),
      storage,
      locks: noLocks ? null : locks,
      channels,
      network,
      asks: (name) => lockNames.add(name),
      queried: (name) => {
        for (const other of pages) other.evict({ lock: name });
      },
    });
    pages.push(page);
    page.setOnline(isOnline);
    join({ ...page, runs: () => page.state === "running" });
    return page;
  }

  const device: Device = {
    ...course,
    openPage,
    openTab(config) {
      const page = openPage();
      const sync = createSyncActor({ ...config, environment: page.environment } as never);
      const tab = Object.assign(page, { sync });
      tabs.push(tab);
      return tab as never;
    },
    tabs,
    databases: storage.databases,
    journal: journal.read,
    disk: createDisk(storage.databases),
    failNextWrite: (kind, operation) =>
      storage.faults.next(operation ?? isWriting, faultOf(kind, draw)),
    failNextRead: (kind) => storage.faults.next(isReading, faultOf(kind, draw)),
    failNextOpen: (kind) => storage.faults.next("open", faultOf(kind, draw)),
    quota: (full) => storage.setFull(full),
    unavailable(isSo) {
      openable?.();
      openable = isSo ? storage.faults.always("open", faultOf("unavailable", draw)) : undefined;
    },
    blockOpen() {
      let release: (() => void) | undefined;
      const released = new Promise<void>((resolve) => {
        release = resolve;
      });
      const end = storage.faults.always("open", async (run, events) => {
        events.blocked();
        await released;
        return run();
      });
      return () => {
        end();
        release?.();
      };
    },
    closeConnection() {
      for (const page of pages) page.closeConnection();
    },
    deleteDatabase(name) {
      const names = name === undefined ? Array.from(storage.databases.keys()) : [name];
      for (const it of names) void storage.destroy(it);
    },
    clearSiteData: () => storage.clear(),
    dropMessages: (which = every) => channels.drop(which),
    delayMessages: (which = every) => channels.delay(which),
    duplicateMessages: (which = every) => channels.duplicate(which),
    sendBroken: (scope) => channels.sendBroken(scope),
    network,
    setOnline(online) {
      isOnline = online;
      for (const page of pages) page.setOnline(online);
    },
    stealLock() {
      const giveBack = Array.from(lockNames, (name) => locks.steal(name));
      return () => {
        for (const give of giveBack) give();
      };
    },
  };
  return device;
}
