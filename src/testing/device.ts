/**
 * A whole device in memory: its disk, its locks, its time, and the tabs on it. Nothing happens unless the test says so, and
 * what could happen in several orders happens in one that is drawn from the seed: the same seed gives the same run.
 *
 * Of real time it uses none but a turn of the event loop after each task, in which promises go on.
 */
import { type SyncActor, type SyncConfig } from "../api.ts";
import { type EventDefinitions, type TableSchemas } from "../model/definition.ts";
import { type MemoryDatabase } from "../services/memory-storage.ts";
import { createSyncActor } from "../sync-actor.ts";
import { type Disk, createDisk } from "./disk.ts";
import { type FaultKind, faultOf } from "./fault-kinds.ts";
import { type Operation } from "./faults.ts";
import { type DevicePage, createPage } from "./page.ts";
import { type Draw, createBag, createDraw, nextTask } from "./scheduler.ts";
import { createSeededRandom } from "./seeded-random.ts";
import { type Delivery, createVirtualChannels } from "./virtual-channel.ts";
import { createVirtualLocks } from "./virtual-locks.ts";
import { createVirtualDisk, isReading, isWriting } from "./virtual-storage.ts";

/** What a device is made with. */
export interface DeviceOptions {
  /** Any number. Default 1. */
  readonly seed?: number;
  /** A device without Web Locks, as a page has that was not loaded securely. Default false. */
  readonly noLocks?: boolean;
  /** When its time begins: ms since the epoch. Default: the first of January 2026. */
  readonly now?: number;
}

/** A page with an engine. */
export interface DeviceTab<T extends TableSchemas, E extends EventDefinitions> extends DevicePage {
  readonly sync: SyncActor<T, E>;
}

/** A device in memory, made by `createDevice`. */
export interface Device {
  /** Opens a page, and starts an engine in it. */
  openTab<const T extends TableSchemas, const E extends EventDefinitions>(
    config: Omit<SyncConfig<T, E>, "environment">,
  ): DeviceTab<T, E>;
  /** Opens a page without an engine: give its `environment` to whatever makes your app's. */
  openPage(): DevicePage;

  /** ms since the epoch, by the device's clock. */
  now(): number;
  /** Whole numbers from the device's seed, for a test's own choices: `draw(6)` gives 0 to 5. */
  readonly draw: Draw;
  /** Runs one of the tasks that wait, drawn by the seed. False: none waits, but perhaps for time. */
  step(): Promise<boolean>;
  /** Runs until nothing is left that needs no time to pass. */
  settle(): Promise<void>;
  /** Lets `ms` pass, timer by timer, and settles after each. The timers of a frozen page wait until it thaws. */
  pass(ms: number): Promise<void>;
  /** Settles until the promise settles, letting time pass (at most ten minutes) when nothing else goes on. */
  run<R>(promise: Promise<R>): Promise<R>;
  /** What ran so far, in order. */
  readonly trace: readonly string[];
  /** Calls back after each task, with its name: the place for what must always hold. The returned function ends it. */
  watch(listener: (what: string) => void): () => void;

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
  /** A stranger takes the locks that tabs hold or wait for, and keeps them until the returned function is called. */
  stealLock(): () => void;

  /** @internal The disk itself. */
  readonly databases: ReadonlyMap<string, MemoryDatabase>;
}

/** More tasks than any test needs: something goes round in circles. */
const mostTasks = 1_000_000;

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
export function createDevice({
  seed = 1,
  noLocks = false,
  now = Date.UTC(2026, 0),
}: DeviceOptions = {}): Device {
  const random = createSeededRandom(seed);
  const draw = createDraw(random);
  const bag = createBag();
  const trace: string[] = [];
  const pages: DevicePage[] = [];
  const listeners = new Set<(what: string) => void>();
  const lockNames = new Set<string>();
  let time = now;

  const add = (task: () => void, what = "task"): void => bag.add(task, what);
  const storage = createVirtualDisk({ schedule: add, draw });
  const locks = createVirtualLocks({ schedule: add });
  const channels = createVirtualChannels({ schedule: add });
  let openable: (() => void) | undefined;

  // A message, and somebody who asks for a lock that a cached page holds, evict it.
  channels.drop(({ to }) => pages.some((page) => page.evict({ channel: to })));

  const awake = (): readonly DevicePage[] => pages.filter(({ state }) => state === "running");

  async function runOne(): Promise<boolean> {
    const due = awake().filter((page) => (page.nextTimer() ?? Infinity) <= time);
    const count = bag.size() + due.length;
    if (count === 0) return false;
    const at = draw(count);
    const page = due[at - bag.size()];
    const { run, what } =
      page === undefined
        ? bag.take(at)
        : { run: () => page.fireTimer(), what: `${page.name}: timer` };
    trace.push(what);
    run();
    await nextTask();
    for (const listener of listeners) listener(what);
    return true;
  }

  async function settle(): Promise<void> {
    await nextTask();
    for (let tasks = 0; await runOne(); tasks += 1)
      if (tasks > mostTasks)
        throw new Error(`Expected the device to come to rest, got ${tasks} tasks`);
  }

  /** Goes on to the next timer, at most to `end`. False: there is none before. */
  function advance(end: number): boolean {
    const timers = awake().map((page) => page.nextTimer() ?? Infinity);
    const next = Math.min(...timers, Infinity);
    setTime(Math.max(time, Math.min(next, end)));
    return next <= end;
  }

  function setTime(to: number): void {
    time = to;
    for (const page of pages) page.skipTo(time);
  }

  async function pass(ms: number): Promise<void> {
    const end = time + ms;
    do await settle();
    while (advance(end));
    await settle();
  }

  function openPage(): DevicePage {
    const page = createPage({
      name: `tab ${pages.length + 1}`,
      schedule: add,
      random: createSeededRandom(seed + (pages.length + 1) / 2 ** 16),
      now: time,
      storage,
      locks: noLocks ? null : locks,
      channels,
      asks: (name) => lockNames.add(name),
      queried: (name) => {
        for (const other of pages) other.evict({ lock: name });
      },
    });
    pages.push(page);
    return page;
  }

  return {
    openPage,
    openTab(config) {
      const page = openPage();
      const sync = createSyncActor({ ...config, environment: page.environment } as never);
      return Object.assign(page, { sync }) as never;
    },
    now: () => time,
    draw,
    async step() {
      await nextTask();
      return await runOne();
    },
    settle,
    pass,
    async run(promise) {
      const state = { settled: false };
      const outcome = promise.finally(() => {
        state.settled = true;
      });
      outcome.catch(() => undefined);
      const end = time + 600_000;
      do await settle();
      while (!state.settled && advance(end));
      if (!state.settled)
        throw new Error(
          "Expected the promise to settle within ten minutes of the device, got none",
        );
      return await outcome;
    },
    trace,
    watch(listener) {
      const own = (what: string): void => listener(what);
      listeners.add(own);
      return () => {
        listeners.delete(own);
      };
    },
    databases: storage.databases,
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
    stealLock() {
      const giveBack = Array.from(lockNames, (name) => locks.steal(name));
      return () => {
        for (const give of giveBack) give();
      };
    },
  };
}
