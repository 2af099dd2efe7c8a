/** One page of a virtual device: its ports, and what a browser and a person can do to it. */
import { type Environment, type LifecycleEvent, type RandomPort } from "../services/ports.ts";
import { type FaultKind, faultOf } from "./fault-kinds.ts";
import { type Operation } from "./faults.ts";
import { createDraw } from "./scheduler.ts";
import { type VirtualChannels, type VirtualChannelTab } from "./virtual-channel.ts";
import { createVirtualClock } from "./virtual-clock.ts";
import { createVirtualLifecycle } from "./virtual-lifecycle.ts";
import { type VirtualNetwork } from "./virtual-network.ts";
import { type VirtualLocks } from "./virtual-locks.ts";
import { type VirtualDisk, isReading, isWriting } from "./virtual-storage.ts";
import { type Schedule, type VirtualTab, createMailbox } from "./virtual-tab.ts";

/** One page, as a test has it in hand. What it cannot do in its state (thaw when it runs, …) does nothing. */
export interface DevicePage {
  readonly name: string;
  readonly environment: Environment;
  /** `cached`: in the back/forward cache. `gone`: closed, crashed, or evicted from the cache. */
  readonly state: "running" | "frozen" | "cached" | "gone";
  /** The browser stops its code: it is told `freeze` first. What it holds it keeps. */
  freeze(): void;
  /** Ends a freeze: it is told `resume`, and what waited is handed over. */
  thaw(): void;
  hide(): void;
  show(): void;
  /** The page crashes: it is told nothing, and what it had under way may or may not be stored. */
  kill(): void;
  /** The person closes the page: it is told `pagehide`, and is gone. */
  close(): void;
  /**
   * The person goes to another page, and this one is kept: it is told `pagehide`, and stopped. A lock that it did not
   * release it keeps, as in Chromium; a message, or somebody who asks about that lock, throws the page out of the cache.
   */
  bfcache(): void;
  /** The person comes back. False: the page was thrown out of the cache, and has to be loaded anew. */
  restore(): boolean;
  /** The device goes offline or online, for this page: it is told, and nothing it asks for arrives. */
  setOnline(online: boolean): void;
  /** Its next write fails like this, or the next one that is this operation of the storage port (`append`, `lead`, …). */
  failNextWrite(kind: FaultKind, operation?: Operation): void;
  /** Its next read fails like this. */
  failNextRead(kind: FaultKind): void;
  /** Its next opening of a database fails like this. */
  failNextOpen(kind: FaultKind): void;
  /** What it asks of its database does not get there, until the returned function is called: then all of it, in order. */
  stall(): () => void;
  /** Its connection is closed by force. */
  closeConnection(): void;

  /** @internal */
  nextTimer(): number | null;
  /** @internal */
  fireTimer(): void;
  /** @internal */
  skipTo(time: number): void;
  /** @internal Throws it out of the cache if it is there with this in its hands. Tells whether it did. */
  evict(by: { readonly channel: VirtualChannelTab } | { readonly lock: string }): boolean;
}

/** What a page is made with. */
export interface PageOptions {
  readonly name: string;
  readonly schedule: Schedule;
  readonly random: RandomPort;
  readonly now: number;
  readonly storage: VirtualDisk;
  readonly locks: VirtualLocks | null;
  readonly channels: VirtualChannels;
  readonly network: VirtualNetwork;
  /** It asks for the lock. */
  asks(lock: string): void;
  /** It asks about the lock. */
  queried(lock: string): void;
}

/** Opens a page that runs, is visible and online. */
export function createPage(options: PageOptions): DevicePage {
  const { name } = options;
  const draw = createDraw(options.random);
  const schedule: Schedule = (task, what) => options.schedule(task, `${name}: ${what ?? "task"}`);
  const tasks = createMailbox(schedule);
  const lifecycle = createVirtualLifecycle();
  const storage = options.storage.openTab(schedule);
  const locks = options.locks?.openTab(schedule);
  const channel = options.channels.openTab(schedule);
  const network = options.network.openTab(schedule);
  const clock = createVirtualClock({
    now: options.now,
    pause: () => new Promise((resolve) => tasks.hand(resolve, "pause")),
  });
  const parts: readonly VirtualTab[] = [
    tasks,
    storage,
    channel,
    network,
    ...(locks === undefined ? [] : [locks]),
  ];
  /** Locks that it asked for and did not release. */
  const wanted = new Map<string, number>();
  let state: DevicePage["state"] = "running";
  let isOnline = true;

  function tell(...events: readonly LifecycleEvent[]): void {
    for (const event of events) lifecycle.emit(event);
  }
  function stop(into: "frozen" | "cached"): void {
    state = into;
    for (const part of parts) part.freeze();
  }
  function go(...events: readonly LifecycleEvent[]): void {
    state = "running";
    for (const part of parts) part.thaw();
    tell(...events);
    tellOnline();
  }
  /** What happened to the network while it did not run, it hears when it does. */
  function tellOnline(): void {
    if (state !== "running" || lifecycle.online() === isOnline) return;
    network.setOnline(isOnline);
    tell(isOnline ? "online" : "offline");
  }
  function die(): void {
    state = "gone";
    for (const part of parts) part.die();
  }

  const environment: Environment = {
    storage,
    channel,
    lifecycle,
    network,
    clock,
    random: options.random,
    locks:
      locks === undefined
        ? null
        : {
            request(lock, handlers, how) {
              options.asks(lock);
              wanted.set(lock, (wanted.get(lock) ?? 0) + 1);
              let released = false;
              const release = locks.request(lock, handlers, how);
              return () => {
                if (!released) wanted.set(lock, (wanted.get(lock) ?? 0) - 1);
                released = true;
                release();
              };
            },
            query(lock) {
              options.queried(lock);
              return locks.query(lock);
            },
          },
  };

  return {
    name,
    environment,
    get state() {
      return state;
    },
    freeze() {
      if (state !== "running") return;
      tell("freeze");
      stop("frozen");
    },
    thaw() {
      if (state === "frozen") go("resume");
    },
    hide() {
      if (state === "running" && lifecycle.visible()) tell("hidden");
    },
    show() {
      if (state === "running" && !lifecycle.visible()) tell("visible");
    },
    kill() {
      if (state !== "gone") die();
    },
    close() {
      if (state === "gone") return;
      if (state === "running") tell("pagehide");
      storage.leave();
      die();
    },
    bfcache() {
      if (state !== "running") return;
      tell("pagehide", "hidden");
      stop("cached");
    },
    restore() {
      if (state !== "cached") return state === "running";
      go("pageshow", "visible");
      return true;
    },
    setOnline(online) {
      isOnline = online;
      tellOnline();
    },
    failNextWrite: (kind, operation) => storage.next(operation ?? isWriting, faultOf(kind, draw)),
    failNextRead: (kind) => storage.next(isReading, faultOf(kind, draw)),
    failNextOpen: (kind) => storage.next("open", faultOf(kind, draw)),
    stall: () => storage.stall(),
    closeConnection: () => storage.closeConnections(),
    nextTimer: () => clock.next(),
    fireTimer: () => void clock.fire(),
    skipTo: (time) => clock.skipTo(time),
    evict(by) {
      const holds = "channel" in by ? by.channel === channel : (wanted.get(by.lock) ?? 0) > 0;
      if (state !== "cached" || !holds) return false;
      die();
      return true;
    },
  };
}
