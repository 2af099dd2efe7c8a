/**
 * The queue between `commit()` and the disk: which commits wait, which are in flight as one record, and what their
 * receipts promise. Decides nothing: the commit machine says when something is written, acknowledged or rolled back.
 */
import { SyncError } from "./errors.ts";
import { type CommitRecord, type DismissRecord, type Envelope } from "./model/log.ts";
import { type Decision, type Entry } from "./model/entry.ts";

/** A promise that is made only when somebody asks for it: most receipts are not looked at, and none rejects unhandled. */
interface Deferred<T> {
  promise(): Promise<T>;
  resolve(value: T): void;
  reject(error: SyncError): void;
}

function createDeferred<T>(): Deferred<T> {
  let outcome: { readonly value: T } | { readonly error: SyncError } | undefined;
  let promise: Promise<T> | undefined;
  let settlers: { resolve(value: T): void; reject(error: SyncError): void } | undefined;
  return {
    promise() {
      if (promise === undefined) {
        promise = new Promise<T>((resolve, reject) => {
          if (outcome === undefined) settlers = { resolve, reject };
          else if ("error" in outcome) reject(outcome.error);
          else resolve(outcome.value);
        });
        promise.catch(() => undefined);
      }
      return promise;
    },
    resolve(value) {
      outcome ??= { value };
      settlers?.resolve(value);
    },
    reject(error) {
      outcome ??= { error };
      settlers?.reject(error);
    },
  };
}

/** What `commit` returns. */
export interface Receipt {
  /** The stored events: id, name, version, parsed payload, time. */
  readonly events: readonly Envelope[];
  /** Resolves when the events survive the crash of any tab and of the browser; rejects when they are certainly not stored. */
  readonly durable: Promise<void>;
  /** Resolves with one decision per event; rejects when `durable` does. */
  readonly settled: Promise<readonly Decision[]>;
}

interface Item {
  readonly entry: Entry;
  readonly durable: Deferred<void>;
  readonly settled: Deferred<readonly Decision[]>;
  /** The commit whose place this one took before it was written, and so on: they become durable with it, as superseded. */
  replaces: Item | undefined;
}

interface Dismissal {
  readonly dismiss: Pick<DismissRecord, "from" | "ids" | "rows">;
  readonly done: Deferred<void>;
}

export interface Group {
  readonly n: number;
  readonly record: CommitRecord | DismissRecord;
  readonly items: readonly Item[];
  readonly dismissal: Dismissal | undefined;
}

const stopped = (): SyncError =>
  new SyncError("stopped", "Expected the engine to run until the commit was durable, got stop()");

/** The commits that an item replaced. Each is let go of, so that a receipt that is kept keeps no others. */
function* takeReplaced(item: Item): Generator<Item> {
  for (let old = item.replaces; old !== undefined;) {
    item.replaces = undefined;
    yield old;
    const next: Item | undefined = old.replaces;
    old.replaces = undefined;
    old = next;
  }
}

/** The item is durable, and so is that it took the places of others. */
function keepItem(item: Item): void {
  item.durable.resolve();
  for (const old of takeReplaced(item)) {
    old.durable.resolve();
    old.settled.resolve(old.entry.unit.map(({ id }) => ({ id, status: "superseded" })));
  }
}

export function createPipeline(tab: string, schema: number) {
  let queue: (Item | Dismissal)[] = [];
  let flight: Group[] = [];
  let counter = 0;
  let events = 0;
  let open = false;
  /** After `stop` nothing is written any more. */
  let ended = false;
  /** Commits of this tab that have no decision yet, in the order of their commits. */
  const undecided = new Map<Entry, Item>();

  function forget(item: Item): void {
    if (undecided.delete(item.entry)) events -= item.entry.unit.length;
  }

  function fail(item: Item, error: SyncError): void {
    item.durable.reject(error);
    item.settled.reject(error);
    for (const old of takeReplaced(item)) {
      old.durable.reject(error);
      old.settled.reject(error);
    }
    forget(item);
  }

  function commitGroup(n: number, items: readonly Item[]): Group {
    const all: Envelope[] = [];
    for (const { entry } of items) {
      entry.n = n;
      for (const event of entry.unit) all.push(event);
    }
    const record: CommitRecord = { kind: "commit", tab, n, schema, events: all };
    return { n, record, items, dismissal: undefined };
  }

  return {
    // What the commit machine asks.
    hasQueued: () => queue.length > 0,
    hasInFlight: () => flight.length > 0,
    isInFlight: (n: number) => flight.some((group) => group.n === n),
    isLastInFlight: (n: number) => flight.length === 1 && flight[0]?.n === n,
    isOpen: () => open,
    setOpen(value: boolean): void {
      open = value;
    },

    /** Events of this tab without a decision. */
    undecidedEvents: () => events,
    oldestUndecided: (): Entry | undefined => undecided.keys().next().value,

    /** Queues a commit. `replaced`: the entry whose place it took. Gives that entry back if it need not be written at all. */
    add(
      entry: Entry,
      replaced: Entry | undefined,
    ): { readonly receipt: Receipt; readonly unwritten: Entry | undefined } {
      const last = queue.at(-1);
      const drop =
        replaced !== undefined && last !== undefined && "entry" in last && last.entry === replaced;
      const replaces = drop ? last : undefined;
      if (drop) {
        queue.pop();
        forget(last);
      }
      const item: Item = { entry, durable: createDeferred(), settled: createDeferred(), replaces };
      queue.push(item);
      undecided.set(entry, item);
      events += entry.unit.length;
      const receipt: Receipt = {
        events: entry.unit,
        get durable() {
          return item.durable.promise();
        },
        get settled() {
          return item.settled.promise();
        },
      };
      return { receipt, unwritten: drop ? replaced : undefined };
    },

    /** Queues the word that entries of a collection were dealt with. */
    dismiss(
      from: DismissRecord["from"],
      ids: readonly string[],
      rows?: DismissRecord["rows"],
    ): Promise<void> {
      const done = createDeferred<void>();
      if (ended) done.reject(stopped());
      else queue.push({ dismiss: { from, ids, ...(rows === undefined ? {} : { rows }) }, done });
      return done.promise();
    },

    /** Takes what is queued as the next group in flight. */
    take(): Group | undefined {
      const [first] = queue;
      if (first === undefined) return undefined;
      counter += 1;
      let group: Group;
      if ("dismiss" in first) {
        queue.shift();
        group = {
          n: counter,
          record: { kind: "dismiss", tab, n: counter, schema, ...first.dismiss },
          items: [],
          dismissal: first,
        };
      } else {
        const end = queue.findIndex((it) => "dismiss" in it);
        const items = queue.slice(0, end === -1 ? undefined : end) as Item[];
        queue = end === -1 ? [] : queue.slice(end);
        group = commitGroup(counter, items);
      }
      flight.push(group);
      return group;
    },

    /** A number for a record that is written past the queue. */
    nextNumber: () => (counter += 1),

    inFlight: (): readonly Group[] => flight,

    /** The group is durable. */
    acknowledge(n: number): Group | undefined {
      const group = flight.find((it) => it.n === n);
      if (group === undefined) return undefined;
      flight = flight.filter((it) => it !== group);
      return group;
    },

    /** Keeps the promises of a durable group; apart from `acknowledge`, so that memory and other tabs come first. */
    keep(group: Group): void {
      for (const item of group.items) keepItem(item);
      group.dismissal?.done.resolve();
    },

    settle(entry: Entry, decisions: readonly Decision[]): void {
      const item = undecided.get(entry);
      if (item === undefined) return;
      forget(item);
      // Decided, so it is in the log, whoever saw it there first.
      keepItem(item);
      item.settled.resolve(decisions);
    },

    /** Storage refused the group, or had no space for it: nothing of it is stored. Gives the entries that have to leave memory. */
    refuse(n: number, code: "storage_failed" | "storage_full"): readonly Entry[] {
      const group = flight.find((it) => it.n === n);
      if (group === undefined) return [];
      flight = flight.filter((it) => it !== group);
      const got = code === "storage_full" ? "no space" : "a refusal";
      const error = new SyncError(code, `Expected storage to take the commit, got ${got}`);
      for (const item of group.items) fail(item, error);
      group.dismissal?.done.reject(error);
      return group.items.map((item) => item.entry);
    },

    /**
     * The data was cleared: what was written and is not decided is in flight again, under its old number, so that writing it
     * twice is writing it once. What is decided is gone with the data, and so is whatever was to be dismissed.
     */
    startOver(): void {
      for (const { dismissal } of flight) dismissal?.done.resolve();
      for (const it of queue) if ("dismiss" in it) it.done.resolve();
      queue = queue.filter((it) => "entry" in it);
      const written = new Map<number, Item[]>();
      for (const item of undecided.values()) {
        const { n } = item.entry;
        if (n > 0) written.set(n, [...(written.get(n) ?? []), item]);
      }
      flight = Array.from(written, ([n, items]) => commitGroup(n, items));
    },

    /** Takes back a commit that is not being written yet. Gives its entry, or undefined when there is none. */
    withdraw(eventId: string): readonly Entry[] | undefined {
      const item = queue.find(
        (it): it is Item => "entry" in it && it.entry.unit.some((event) => event.id === eventId),
      );
      if (item === undefined) return undefined;
      queue = queue.filter((it) => it !== item);
      fail(item, new SyncError("discarded", "Expected the commit to be stored, got discard()"));
      return [item.entry];
    },

    /** The engine stops: what is not durable by now is not promised any more. */
    stop(): void {
      ended = true;
      for (const item of Array.from(undecided.values())) fail(item, stopped());
      for (const it of queue) if ("dismiss" in it) it.done.reject(stopped());
      for (const group of flight) group.dismissal?.done.reject(stopped());
      queue = [];
    },
  };
}

export type Pipeline = ReturnType<typeof createPipeline>;
