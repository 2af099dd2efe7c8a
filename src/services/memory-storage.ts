/**
 * Memory, in the shape of the disk: what an engine runs on where storage cannot be opened.
 *
 * Failure modes: all of it is gone with the page. A value that cannot be cloned is refused, as IndexedDB refuses it.
 */
import { show } from "../model/json.ts";
import {
  type Connection,
  type ConnectionEvents,
  type Delete,
  type ReadResult,
  type SegmentKey,
  StorageFailure,
  type StoragePort,
  type StoreKey,
  type StoreName,
  foldedMeanwhile,
} from "./ports.ts";
import { isLower, placeAll } from "./placement.ts";

/** By the JSON of the key: arrays of the same items are one key. What is in it is never changed, only replaced. */
type Store = Map<string, readonly [key: StoreKey, value: unknown]>;

/** What is stored under one name. */
export interface MemoryDatabase {
  readonly stores: Readonly<Record<StoreName, Store>>;
  /** Of the newest log record there ever was. */
  position: number;
  /** Of the virtual disk: records that no read is answered. */
  readonly silent?: Map<string, readonly [store: StoreName, key: StoreKey]>;
  /** Tells each open connection that the database is deleted. */
  readonly connections: Set<() => void>;
}

/**
 * A storage of its own, empty: its connections to one name share their data, and no others see it. `databases` by their
 * names, for who needs to look behind it.
 *
 * Each operation changes the data inside the call that asks for it, and answers later.
 */
export const createMemoryStorage = (databases = new Map<string, MemoryDatabase>()): StoragePort => {
  return {
    async open(name, events) {
      const database = databases.get(name) ?? createDatabase();
      databases.set(name, database);
      return connect(database, events);
    },
    async destroy(name) {
      await Promise.resolve();
      const connections = [...(databases.get(name)?.connections ?? [])];
      databases.delete(name);
      for (const close of connections) close();
    },
  };
};

const createDatabase = (): MemoryDatabase => ({
  stores: {
    log: new Map(),
    segments: new Map(),
    meta: new Map(),
    rejected: new Map(),
    quarantine: new Map(),
    queries: new Map(),
  },
  position: 0,
  silent: new Map(),
  connections: new Set(),
});

/**
 * Each transaction copies what it will store, then decides, then changes the data, all in one go: where the copying
 * throws, nothing has changed.
 */
export function connect(database: MemoryDatabase, events: ConnectionEvents): Connection {
  const { stores, connections } = database;
  const deleted = (): void => {
    connections.delete(deleted);
    events.closed("deleted");
  };
  connections.add(deleted);
  const checkOpen = (): void => {
    if (!connections.has(deleted))
      throw new StorageFailure("lost", "Expected the connection to be open, got a closed one");
  };

  const get = (store: StoreName, key: StoreKey): unknown =>
    stores[store].get(JSON.stringify(key))?.[1];
  const set = (store: StoreName, key: StoreKey, value: unknown): void => {
    stores[store].set(JSON.stringify(key), [key, value]);
  };
  const putMeta = (entries: ReadonlyMap<string, unknown>): void => {
    for (const [key, value] of entries) set("meta", key, value);
  };
  const add = (value: unknown): number => {
    database.position += 1;
    set("log", database.position, value);
    return database.position;
  };
  const remove = (wanted: Delete): void => {
    if ("key" in wanted) stores[wanted.store].delete(JSON.stringify(wanted.key));
    else
      for (const [position] of logAfter(wanted.from - 1))
        if (position <= wanted.to) stores.log.delete(JSON.stringify(position));
  };
  const logAfter = (after: number): ReadResult["log"] =>
    ([...stores.log.values()] as ReadResult["log"]).filter(([position]) => position > after);
  const segmentKeys = (): readonly SegmentKey[] =>
    [...stores.segments.values()].map(([key]) => key as SegmentKey);
  const named = (store: StoreName): ReadResult["rejected"] =>
    copy([...stores[store].values()] as ReadResult["rejected"]).toSorted(([a], [b]) =>
      a < b ? -1 : 1,
    );

  return {
    async append(record) {
      checkOpen();
      return add(copy(record));
    },
    async ensure(records) {
      checkOpen();
      return placeAll(copy(records), logAfter(0), get("meta", "writers"), add);
    },
    async read(request) {
      checkOpen();
      await Promise.resolve();
      const meta = new Map(named("meta"));
      const rest = {
        log: copy(logAfter(request.after)),
        rejected: named("rejected"),
        quarantine: named("quarantine"),
      };
      const segments = new Map(stores.segments);
      for (const key of request.segments(meta, segmentKeys())) {
        await Promise.resolve();
        request.onSegment(key, copy(segments.get(JSON.stringify(key))?.[1]));
      }
      return { meta, ...rest, unreadable: [] };
    },
    async initialise(entries) {
      checkOpen();
      const initial = copy(entries);
      const empty = Object.values(stores).every((store) => store.size === 0);
      if (empty) putMeta(initial);
      const meta = new Map(named("meta"));
      return { meta, damaged: !empty && !meta.has("format") };
    },
    async claim(entries = new Map()) {
      checkOpen();
      const further = copy(entries);
      const stored = get("meta", "term");
      const before = stored === undefined ? 0 : stored;
      if (typeof before !== "number" || !Number.isSafeInteger(before))
        throw new StorageFailure(
          "refused",
          `Expected the term to be an integer, got ${show(before)}`,
        );
      putMeta(
        new Map(Array.from(further).filter(([key, value]) => !isLower(value, get("meta", key)))),
      );
      set("meta", "term", before + 1);
      return before + 1;
    },
    async lead({ term, tail, append, also = [], puts = [], deletes = [] }) {
      checkOpen();
      const records = copy(append === undefined ? [] : [append, ...also]);
      const values = copy(puts);
      const current = get("meta", "term");
      if (current !== term)
        return { tag: "fenced", term: typeof current === "number" ? current : 0 };
      const newest = logAfter(0).at(-1)?.[0] ?? 0;
      if (tail !== undefined && newest > tail) return { tag: "tailMoved", tail: newest };
      for (const wanted of deletes) remove(wanted);
      const position = records.map(add).at(-1) ?? null;
      for (const { store, key, value } of values) set(store, key, value);
      return { tag: "written", position };
    },
    async quarantine(puts, deletes, floor) {
      checkOpen();
      const now = floor === undefined ? floor : get("meta", "floor");
      if (now !== floor) throw foldedMeanwhile(now);
      const values = copy(puts);
      for (const key of deletes) remove({ store: "quarantine", key });
      for (const [key, value] of values) set("quarantine", key, value);
    },
    async evict() {
      checkOpen();
      const { size } = stores.queries;
      stores.queries.clear();
      return size;
    },
    async repair(record, after, plan) {
      checkOpen();
      const added = copy(record);
      const found = {
        meta: new Map(named("meta")),
        unreadable: [],
        segments: segmentKeys(),
        log: copy(logAfter(after)),
      };
      const planned = copy(plan(found, database.position + 1));
      if (planned === undefined) return false;
      add(added);
      for (const wanted of planned.deletes) remove(wanted);
      for (const { store, key, value } of planned.puts) set(store, key, value);
      return true;
    },
    // Nobody waits for anybody here.
    letGo: () => undefined,
    close() {
      connections.delete(deleted);
    },
  };
}

/** Copies as a disk does, on the way in and on the way out. */
function copy<Value>(value: Value): Value {
  try {
    return structuredClone(value);
  } catch (error) {
    throw new StorageFailure("refused", "Expected the value to be storable, got a refusal", error);
  }
}
