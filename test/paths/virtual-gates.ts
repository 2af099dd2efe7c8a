/** Gates in front of a page's ports: what goes through waits, fails, or is seen, as a test says. */
import {
  type Connection,
  type ConnectionEvents,
  type Environment,
  type LockHandlers,
} from "../../src/services/ports.ts";
import { type FaultKind, faultOf } from "../../src/testing/fault-kinds.ts";
import { type Operation, wrapOperations } from "../../src/testing/faults.ts";
import { type DiskStimuli, type LockStimuli } from "./stimuli.ts";

type Go = (how: FaultKind | undefined) => void;

/** An operation that waits. */
interface Waiting {
  /** At which place it was asked for, of its kind. */
  readonly no: number;
  readonly go: Go;
  /** Does what it does now. */
  take(): void;
}

const refused = (): DOMException => new DOMException("Refused", "SecurityError");

export type Gates = ReturnType<typeof createGates>;

export function createGates() {
  const held = new Set<Operation>();
  const heldNext = new Set<Operation>();
  const waiting = new Map<Operation, Waiting[]>();
  const counts = new Map<Operation, number>();
  const failing = new Map<Operation, FaultKind>();
  const broken = new Set<Operation>();
  const connections = new Map<Connection, ConnectionEvents>();
  let asked: Operation[] = [];
  let running = 0;
  let blocked: Go[] | undefined;
  let closeBroken = false;

  let lockHeld = false;
  let lockBroken = false;
  let hushed: (() => void)[] | undefined;
  let pending: { readonly handlers: LockHandlers; readonly leave: () => void } | undefined;
  let brokenTimer: number | undefined;
  let nowBroken = false;

  const queueOf = (operation: Operation): Waiting[] => {
    if (!waiting.has(operation)) waiting.set(operation, []);
    return waiting.get(operation) ?? [];
  };

  function perform<T>(
    operation: Operation,
    run: () => Promise<T>,
    events: ConnectionEvents,
  ): Promise<T> {
    asked.push(operation);
    if (broken.delete(operation)) throw new Error(`Broken: ${operation}`);
    return gated(operation, run, events);
  }
  async function gated<T>(
    operation: Operation,
    run: () => Promise<T>,
    events: ConnectionEvents,
  ): Promise<T> {
    let how = failing.get(operation);
    failing.delete(operation);
    const no = (counts.get(operation) ?? 0) + 1;
    counts.set(operation, no);
    let taken: Promise<T> | undefined;
    const once = (): Promise<T> => (taken ??= counted(run));
    const take = (): void => void once().catch(() => undefined);
    if (heldNext.delete(operation) || held.has(operation))
      how =
        (await new Promise<FaultKind | undefined>((go) => {
          queueOf(operation).push({ no, go, take });
        })) ?? how;
    if (operation === "open" && blocked !== undefined) {
      const queue = blocked;
      events.blocked();
      how = (await new Promise<FaultKind | undefined>((go) => queue.push(go))) ?? how;
    }
    if (how === undefined) return await once();
    return (await faultOf(how, () => 0)(once, events)) as T;
  }

  async function counted<T>(run: () => Promise<T>): Promise<T> {
    running += 1;
    try {
      return await run();
    } finally {
      running -= 1;
    }
  }
  /** All connections are closed from outside. */
  async function cut(reason: "forced" | "upgraded"): Promise<void> {
    for (const [connection, events] of Array.from(connections)) {
      connection.close();
      events.closed(reason);
    }
    await Promise.resolve();
  }

  function wrap(inner: Connection, events: ConnectionEvents): Connection {
    const connection = wrapOperations(
      inner,
      (operation, _, run) => perform(operation, run, events),
      {
        letGo: () => inner.letGo(),
        close() {
          connections.delete(connection);
          inner.close();
          const throws = closeBroken;
          closeBroken = false;
          if (throws) throw new Error("Broken: close");
        },
      },
    );
    connections.set(connection, events);
    return connection;
  }

  async function answer(operation: Operation, how?: FaultKind): Promise<void> {
    for (const { go } of queueOf(operation).splice(0)) go(how);
    await Promise.resolve();
  }

  const disk: Omit<DiskStimuli, "remove" | "putQuery" | "full"> = {
    async hold(operation) {
      held.add(operation);
      await Promise.resolve();
    },
    async holdNext(operation) {
      heldNext.add(operation);
      await Promise.resolve();
    },
    async release(operation, how) {
      heldNext.delete(operation);
      held.delete(operation);
      await answer(operation, how);
    },
    answer,
    async answerFirst(operation, how) {
      queueOf(operation).shift()?.go(how);
      await Promise.resolve();
    },
    async answerNo(operation, no, how) {
      const queue = queueOf(operation);
      const at = queue.findIndex((it) => it.no === no);
      if (at === -1) throw new Error(`Expected ${operation} number ${no} to wait, got none`);
      for (const { go } of queue.splice(at, 1)) go(how);
      await Promise.resolve();
    },
    async answerLast(operation) {
      queueOf(operation).pop()?.go(undefined);
      await Promise.resolve();
    },
    async take(operation) {
      for (const { take } of queueOf(operation)) take();
      await Promise.resolve();
    },
    async breakClose() {
      closeBroken = true;
      await Promise.resolve();
    },
    async failNext(operation, how) {
      failing.set(operation, how);
      await Promise.resolve();
    },
    async breakNext(operation) {
      broken.add(operation);
      await Promise.resolve();
    },
    upgrade: () => cut("upgraded"),
    close: () => cut("forced"),
    async block() {
      blocked ??= [];
      await Promise.resolve();
    },
    async unblock(how) {
      for (const go of blocked ?? []) go(how);
      blocked = undefined;
      await Promise.resolve();
    },
  };

  /** Tells the page something about its locks, now or when it is no longer hushed. */
  const hand = (news: () => void): void => {
    if (hushed === undefined) news();
    else hushed.push(news);
  };
  async function tell(): Promise<void> {
    const all = hushed ?? [];
    hushed = undefined;
    for (const it of all) it();
    await Promise.resolve();
  }
  const lock: Pick<LockStimuli, "hush" | "tell" | "refuse" | "breakNext"> = {
    async hush() {
      hushed ??= [];
      await Promise.resolve();
    },
    tell,
    async refuse() {
      const mine = pending;
      if (mine === undefined) throw new Error("Expected a request for the lock, got none");
      mine.leave();
      mine.handlers.failed(refused());
      await Promise.resolve();
    },
    async breakNext() {
      lockBroken = true;
      await Promise.resolve();
    },
  };
  function mayThrow(): void {
    const throws = lockBroken;
    lockBroken = false;
    if (throws) throw refused();
  }

  return {
    disk,
    lock,
    /** Another page. */
    begin(): void {
      connections.clear();
      lockHeld = false;
      pending = undefined;
    },
    async breakNow(): Promise<void> {
      nowBroken = true;
      await Promise.resolve();
    },
    async breakTimer(ms: number): Promise<void> {
      brokenTimer = ms;
      await Promise.resolve();
    },
    holds: () => lockHeld,
    queues: () => pending !== undefined,
    /** Operations that are under way: not those that wait here. */
    running: () => running,
    connections: () => connections.size,
    /** Operations that were asked for since the last call. */
    asked(): readonly Operation[] {
      const all = asked;
      asked = [];
      return all;
    },
    /** Nothing is held or broken any more. */
    async mend(): Promise<void> {
      held.clear();
      heldNext.clear();
      failing.clear();
      broken.clear();
      for (const operation of waiting.keys()) await answer(operation);
      await disk.unblock();
      await tell();
    },

    around(environment: Environment): Environment {
      const { storage, locks, clock } = environment;
      return {
        ...environment,
        storage: storage && {
          ...storage,
          open: (name, events) =>
            perform("open", async () => wrap(await storage.open(name, events), events), events),
        },
        locks: locks && {
          request(name, handlers, how) {
            mayThrow();
            let over = false;
            const own: LockHandlers = {
              granted: () =>
                hand(() => {
                  if (over) return;
                  lockHeld = true;
                  pending = undefined;
                  handlers.granted();
                }),
              lost: () =>
                hand(() => {
                  if (over) return;
                  over = true;
                  lockHeld = false;
                  handlers.lost();
                }),
              failed: (error) => hand(() => handlers.failed(error)),
            };
            const release = locks.request(name, own, how);
            const leave = (): void => {
              if (!over && pending?.handlers !== handlers) lockHeld = false;
              if (pending?.handlers === handlers) pending = undefined;
              over = true;
              release();
            };
            pending = { handlers, leave };
            return leave;
          },
          query(name) {
            mayThrow();
            return locks.query(name);
          },
        },
        clock: {
          ...clock,
          now() {
            const throws = nowBroken;
            nowBroken = false;
            if (throws) throw new Error("Broken: now");
            return clock.now();
          },
          setTimeout(fn, ms) {
            if (ms !== brokenTimer) return clock.setTimeout(fn, ms);
            brokenTimer = undefined;
            throw new Error(`Broken: a timer of ${ms} ms`);
          },
        },
      };
    },
  };
}
