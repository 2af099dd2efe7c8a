/**
 * IndexedDB in memory, for several tabs: what memory-storage.ts does, but each operation is started, takes effect at a later
 * moment, all of it at once, and is told at a later one still. Between these anything may happen: operations of other tabs,
 * a freeze, a crash, a connection that is closed by force.
 *
 * As in browsers: the operations of one connection take effect in their order; an `append`, and no other, was committed when
 * it was asked for, and needs its page no more; a deletion waits until all connections are closed, and an `open` for the
 * deletion.
 */
import { type MemoryDatabase, connect, createMemoryStorage } from "../services/memory-storage.ts";
import {
  type Connection,
  type ConnectionEvents,
  type ReadRequest,
  StorageFailure,
  type StoragePort,
  type Unreadable,
} from "../services/ports.ts";
import {
  type Fault,
  type Faults,
  type Operation,
  createFaults,
  failing,
  wrapOperations,
} from "./faults.ts";
import { type Draw } from "./scheduler.ts";
import { type Mailbox, type Schedule, type VirtualTab, createMailbox } from "./virtual-tab.ts";

/** The storage as one tab has it. */
export interface VirtualStorageTab
  extends StoragePort, VirtualTab, Pick<Faults, "next" | "always"> {
  /** Closes its connections by force. What is under way is lost: it may or may not be stored, and may never be told. */
  closeConnections(): void;
  /** What it asks of an open database does not get there, until the returned function is called: then in order. */
  stall(): () => void;
  /** The page goes away as pages do: unlike after a crash, what was committed will be stored. */
  leave(): void;
}

export interface VirtualDisk {
  openTab(schedule?: Schedule): VirtualStorageTab;
  /** What is stored, by the name of the database. */
  readonly databases: ReadonlyMap<string, MemoryDatabase>;
  /** Faults that any tab may meet. */
  readonly faults: Faults;
  /** From now on there is no space, or space again: writes that do not only delete abort with `quota`. */
  setFull(full: boolean): void;
  /** Deletes the database as another page would: connections are asked to close, and it waits for them. */
  destroy(name: string): Promise<void>;
  /** As when a person clears site data: all connections are closed by force, and all data is gone. */
  clear(): void;
}

/** One operation that has not taken effect yet. */
interface Waiting {
  readonly link: Link;
  readonly operation: Operation;
  apply(): void;
  fail(failure: StorageFailure): void;
}

interface Link {
  readonly name: string;
  /** Asks it to close, for a deletion. */
  ask(): void;
  breakOff(): void;
  die(crash: boolean): void;
}

const readings: ReadonlySet<Operation> = new Set<Operation>(["read"]);
export const isReading = (operation: Operation): boolean => readings.has(operation);
export const isWriting = (operation: Operation): boolean =>
  operation !== "open" && !isReading(operation);

/** Whether a write asks for no space. */
function onlyDeletes(operation: Operation, [first]: readonly unknown[]): boolean {
  if (operation === "evict") return true;
  if (operation === "quarantine") return (first as readonly unknown[]).length === 0;
  if (operation !== "lead") return false;
  const { append, puts = [] } = first as { append?: unknown; puts?: readonly unknown[] };
  return append === undefined && puts.length === 0;
}

const never = (): Promise<never> => new Promise(() => undefined);

const atOnce: Fault = (run) => run();

const lost = (): StorageFailure =>
  new StorageFailure("lost", "Expected the connection to stay open, got a forced close");

const call = (on: Connection, operation: Operation, args: readonly unknown[]): Promise<unknown> =>
  (on as unknown as Record<string, (...all: readonly unknown[]) => Promise<unknown>>)[operation]?.(
    ...args,
  ) ?? Promise.reject(new Error(`Expected a connection that can ${operation}, got none`));

const noEvents: ConnectionEvents = { blocked() {}, closed() {} };

/** The data as it is now, for who reads it later. */
const forkOf = ({ stores, position, silent }: MemoryDatabase): MemoryDatabase => ({
  ...(silent === undefined ? {} : { silent: new Map(silent) }),
  stores: Object.fromEntries(
    Object.entries(stores).map(([store, entries]) => [store, new Map(entries)]),
  ) as MemoryDatabase["stores"],
  position,
  connections: new Set(),
});

/**
 * The page asks for segments when it was told `meta`, and gets each in a turn of its own, all of them from the moment when
 * the reading began.
 */
async function readIn(
  mailbox: Mailbox,
  request: ReadRequest,
  { stores, silent = new Map(), ...fork }: MemoryDatabase,
): Promise<unknown> {
  const turns: (() => void)[] = [];
  const reason = "never answered";
  const unreadable: Unreadable[] = [];
  for (const [store, key] of silent.values()) {
    if (store === "segments" || (store === "log" && (key as number) <= request.after)) continue;
    if (stores[store].delete(JSON.stringify(key))) unreadable.push({ store, key, reason });
  }
  let answers = request.each === true || unreadable.length === 0;
  const result = await connect({ stores, ...fork }, noEvents).read({
    ...request,
    each: request.each === true,
    segments: (meta, stored) => request.segments(meta, stored),
    onSegment(key, value) {
      const isSilent = silent.has(JSON.stringify(["segments", key]));
      answers &&= request.each === true || !isSilent;
      turns.push(() =>
        isSilent ? request.onSegment(key, undefined, reason) : request.onSegment(key, value),
      );
    },
  });
  if (!answers) return await never();
  for (const turn of turns)
    await new Promise<void>((resolve, reject) => {
      mailbox.hand(() => {
        try {
          turn();
          resolve();
        } catch (error) {
          reject(error);
        }
      }, "segment");
    });
  return { ...result, unreadable };
}

/** A page's copy of what it asks for: it may change the original before this takes effect. */
function keepArguments(args: readonly unknown[]): readonly unknown[] {
  try {
    return structuredClone(args);
  } catch {
    // Not cloneable: refused when it takes effect. A request with callbacks has nothing to copy.
    return args;
  }
}

/** Creates an empty disk. `schedule` decides when each thing happens; default: a microtask. `draw`: what is left open. */
export const createVirtualDisk = ({
  schedule: common = queueMicrotask,
  draw = () => 0,
}: { readonly schedule?: Schedule; readonly draw?: Draw } = {}): VirtualDisk => {
  const databases = new Map<string, MemoryDatabase>();
  const memory = createMemoryStorage(databases);
  const links = new Set<Link>();
  const anyTab = createFaults();
  let deletions: { readonly name: string; readonly done: () => void }[] = [];
  const openings = new Map<string, (() => void)[]>();
  let full = false;

  const isUsed = ({ name }: { readonly name: string }): boolean =>
    [...links].some((link) => link.name === name);

  /** Goes on with what waits for connections to be closed. */
  function proceed(): void {
    const ready = deletions.filter((it) => !isUsed(it));
    deletions = deletions.filter(isUsed);
    for (const { name, done } of ready) {
      databases.delete(name);
      done();
      for (const open of openings.get(name)?.splice(0) ?? []) open();
    }
  }

  function destroy(name: string, schedule = common): Promise<void> {
    return new Promise((resolve) => {
      deletions.push({ name, done: () => schedule(resolve, "deletion told") });
      for (const link of links) if (link.name === name) link.ask();
      schedule(proceed, "deletion");
    });
  }

  function openTab(schedule: Schedule = common): VirtualStorageTab {
    const mailbox = createMailbox(schedule);
    const faults = createFaults();
    const own = new Set<Link>();
    /** In the order in which the page asked, over all its connections: its requests take one way. */
    let waiting: Waiting[] = [];
    const thawing: (() => void)[] = [];
    let stalls = 0;
    const stalled: (() => void)[] = [];

    /** Takes out what waits for a connection, all or some of it. */
    function withdraw(of: Link, which: (it: Waiting) => boolean = () => true): readonly Waiting[] {
      const isGone = (it: Waiting): boolean => it.link === of && which(it);
      const gone = waiting.filter(isGone);
      waiting = waiting.filter((it) => !isGone(it));
      return gone;
    }

    function next(): void {
      const [first] = waiting;
      if (first === undefined) return;
      if (stalls > 0) {
        stalled.push(() => schedule(next, first.operation));
        return;
      }
      if (first.operation !== "append" && mailbox.frozen()) {
        // It was told nothing: what it asks for is still to be asked.
        thawing.push(() => schedule(next, first.operation));
        return;
      }
      waiting.shift();
      first.apply();
    }

    const faultFor = (operation: Operation): Fault | undefined =>
      faults.meet(operation) ?? anyTab.meet(operation);

    /** Settles for the page, when its event loop comes to it. */
    function tell<T>(
      outcome: Promise<T>,
      what: string,
      resolve: (value: T) => void,
      reject: (error: unknown) => void,
      isLost: () => boolean = () => false,
    ): void {
      const hand = (settle: () => void, how: string): void =>
        mailbox.hand(() => {
          // What the connection was closed over: told all the same, lost, or never told.
          const luck = isLost() ? draw(3) : 0;
          if (luck === 0) settle();
          else if (luck === 1) reject(lost());
        }, `${what} ${how}`);
      outcome.then(
        (value) => hand(() => resolve(value), "told"),
        (error: unknown) => hand(() => reject(error), "failed"),
      );
    }

    function join(name: string, events: ConnectionEvents, inner: Connection): Connection {
      const database = databases.get(name) as MemoryDatabase;
      /** `closing`: takes no more operations, those under way go on. */
      let state: "open" | "closing" | "broken" = "open";
      /** Reads that took effect, and need their page to go on. */
      const pending = new Set<(failure: StorageFailure) => void>();

      const link: Link = {
        name,
        ask: () =>
          mailbox.hand(() => {
            if (state !== "open") return;
            close();
            events.closed("deleted");
          }, "versionchange"),
        breakOff() {
          if (state === "broken") return;
          const asked = state === "closing";
          state = "broken";
          leave();
          // Some that were under way never get an answer.
          for (const it of withdraw(link)) if (draw(2) === 0) it.fail(lost());
          for (const fail of pending) if (draw(2) === 0) fail(lost());
          pending.clear();
          if (!asked) mailbox.hand(() => events.closed("forced"), "forced close");
        },
        die(crash) {
          // What was committed is on its way; after a crash it may not arrive.
          withdraw(link, ({ operation }) => operation !== "append" || (crash && draw(2) === 0));
          pending.clear();
          if (state === "open") close();
          else end();
        },
      };
      function leave(): void {
        links.delete(link);
        own.delete(link);
        inner.close();
        proceed();
      }
      const end = (): void => {
        if (state === "closing" && !waiting.some((it) => it.link === link)) leave();
      };
      function close(): void {
        if (state !== "open") return;
        state = "closing";
        end();
      }
      links.add(link);
      own.add(link);
      // A deletion that came while this waited to be opened.
      if (deletions.some((deletion) => deletion.name === name)) link.ask();

      /** What a write does is done at once, and what is told of it later. */
      function write(
        operation: Operation,
        args: readonly unknown[],
        run: () => Promise<unknown>,
      ): Promise<unknown> {
        const fault = faultFor(operation);
        if (fault !== undefined) return fault(run, events);
        if (full && !onlyDeletes(operation, args)) return failing("quota")(run, events);
        return run();
      }

      function perform(operation: Operation, given: readonly unknown[]): Promise<unknown> {
        if (mailbox.dead()) return never();
        const args = isReading(operation) ? given : keepArguments(given);
        return new Promise((resolve, reject) => {
          const fail = (failure: StorageFailure): void =>
            mailbox.hand(() => reject(failure), `${operation} failed`);
          if (state !== "open") {
            fail(lost());
            return;
          }
          const takeEffect = (): void => {
            if (!isReading(operation)) {
              const outcome = write(operation, args, () => call(inner, operation, args));
              tell(outcome, operation, resolve, reject, () => state === "broken");
              return;
            }
            const snapshot = forkOf(database);
            const fault = faultFor(operation);
            pending.add(fail);
            mailbox.hand(() => {
              if (!pending.has(fail)) return;
              const outcome = (fault ?? atOnce)(
                () => readIn(mailbox, args[0] as ReadRequest, snapshot),
                events,
              );
              pending.delete(fail);
              tell(outcome, operation, resolve, reject, () => state === "broken");
            }, "meta");
          };
          const apply = (): void => {
            takeEffect();
            end();
          };
          waiting.push({ link, operation, apply, fail });
          schedule(next, operation);
        });
      }

      return wrapOperations(inner, perform, {
        letGo() {
          const aborted = new StorageFailure("aborted", "Expected the page to go on, got a freeze");
          for (const it of withdraw(link, ({ operation }) => operation !== "append"))
            it.fail(aborted);
          for (const fail of pending) fail(aborted);
          pending.clear();
          end();
        },
        close,
      });
    }

    function open(name: string, events: ConnectionEvents): Promise<Connection> {
      return new Promise((resolve, reject) => {
        const attempt = (): void => {
          if (mailbox.dead()) return;
          if (deletions.some((deletion) => deletion.name === name)) {
            openings.set(name, [...(openings.get(name) ?? []), () => schedule(attempt, "open")]);
            return;
          }
          const told: ConnectionEvents = {
            blocked: () => mailbox.hand(() => events.blocked(), "blocked"),
            closed: events.closed,
          };
          const run = async (): Promise<Connection> =>
            // The page may be gone by now.
            mailbox.dead() ? never() : join(name, told, await memory.open(name, noEvents));
          const fault = faultFor("open");
          const outcome = fault === undefined ? run() : (fault(run, told) as Promise<Connection>);
          tell(outcome, "open", resolve, reject);
        };
        schedule(attempt, "open");
      });
    }

    function die(crash: boolean): void {
      mailbox.die();
      for (const link of own) link.die(crash);
    }

    return {
      open,
      persist: () => new Promise((resolve) => mailbox.hand(() => resolve(true), "persisted")),
      destroy: (name) => destroy(name, (task, what) => mailbox.hand(task, what)),
      next: (which, fault) => faults.next(which, fault),
      always: (which, fault) => faults.always(which, fault),
      closeConnections() {
        for (const link of own) link.breakOff();
      },
      freeze: mailbox.freeze,
      thaw() {
        mailbox.thaw();
        for (const go of thawing.splice(0)) go();
      },
      die: () => die(true),
      leave: () => die(false),
      stall() {
        stalls += 1;
        let over = false;
        return () => {
          if (over) return;
          over = true;
          stalls -= 1;
          if (stalls === 0) for (const go of stalled.splice(0)) go();
        };
      },
    };
  }

  return {
    openTab,
    databases,
    faults: anyTab,
    setFull(value) {
      full = value;
    },
    destroy,
    clear() {
      for (const link of links) link.breakOff();
      databases.clear();
      proceed();
    },
  };
};
