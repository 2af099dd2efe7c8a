/**
 * IndexedDB (through `idb`): the disk.
 *
 * Failure modes (what a failed transaction means is the table at the top of transaction.ts):
 * - The connection is closed from outside: by force (site data cleared, disk full, a damaged file), or because another
 *   tab deletes or upgrades the database. Then it is closed at once here: a tab that does not blocks the other one.
 * - `open` and `deleteDatabase` can wait for ever, without an event: behind a deletion that a frozen tab blocks, or on
 *   a broken disk. Owners have a timeout; whoever gave up on an `open` closes the connection that may still come.
 * - `success` of a request is not durability: only `complete` is.
 * - One record can be unreadable (its file is gone): a segment is then reported, and the rest is read. Records can also
 *   be gone without any error: who reads compares with the manifest.
 * - A frozen tab with a live transaction blocks the other tabs. So every transaction is committed explicitly as soon as
 *   its last request is issued, which lets it end without the tab. One that has not come so far is aborted by `letGo`.
 */
import { unwrap, wrap } from "idb";
import { show } from "../model/json.ts";
import { type LogRecord } from "../model/log.ts";
import { isLower, placeAll } from "./placement.ts";
import { addByHand, addRecords, after, isPosition, isUsedUp, newestPosition } from "./positions.ts";
import {
  type Connection,
  type ConnectionEvents,
  type Delete,
  type Durability,
  type LeaderWrite,
  type LeaderWritten,
  type Placed,
  type Put,
  type ReadRequest,
  type ReadResult,
  type SegmentKey,
  StorageFailure,
  type StoragePort,
  type StoreKey,
  type StoreName,
} from "./ports.ts";
import {
  type Database,
  abortAll,
  addOne,
  ignore,
  isNamed,
  issueAll,
  transact,
  type Transaction,
  write,
} from "./transaction.ts";

type Reading = Transaction<"readonly">;
type Writing = Transaction<"readwrite">;
type Meta = ReadonlyMap<string, unknown>;

/** Version of the physical layout only: a change of the app's data never changes it. */
const layoutVersion = 1;
const allStores: readonly StoreName[] = [
  "log",
  "segments",
  "meta",
  "rejected",
  "quarantine",
  "queries",
];

/** Storage in the IndexedDB of this place, or in `factory` (of the global classes: `idb` knows its objects by them). */
export const createIndexedDbStorage = (factory?: IDBFactory): StoragePort => {
  // Looked up late: where storage is switched off, merely reading `indexedDB` may throw.
  const databases = (): IDBFactory => factory ?? indexedDB;
  return {
    open: (name, events) => open(databases, name, events),
    async destroy(name) {
      try {
        await wrap(databases().deleteDatabase(name));
      } catch (error) {
        throw unavailable("Expected the database to be deleted", error);
      }
    },
    persist: () => navigator.storage.persist(),
  };
};

async function open(
  databases: () => IDBFactory,
  name: string,
  events: ConnectionEvents,
): Promise<Connection> {
  let db: Database;
  try {
    const request = databases().open(name, layoutVersion);
    request.addEventListener("blocked", () => events.blocked());
    request.addEventListener("upgradeneeded", (event) => {
      // Chromium's own, on LevelDB.
      if ("dataLoss" in event && event.dataLoss === "total") events.thrownAway?.();
      for (const store of allStores)
        request.result.createObjectStore(store, { autoIncrement: store === "log" });
    });
    db = (await wrap(request)) as unknown as Database;
  } catch (error) {
    if (!isNamed(error, "VersionError")) throw unavailable("Expected the database to open", error);
    throw new StorageFailure("newer", "Expected a known layout, got a newer one", error);
  }
  const missing = allStores.filter((store) => !db.objectStoreNames.contains(store));
  if (missing.length > 0) {
    db.close();
    throw unavailable("Expected a database of sssync", `one without ${missing.join(", ")}`);
  }

  let told = false;
  const tell = (reason: "forced" | "deleted" | "upgraded"): void => {
    if (told) return;
    told = true;
    events.closed(reason);
  };
  db.addEventListener("close", () => tell("forced"));
  db.addEventListener("versionchange", (event) => {
    db.close();
    tell(event.newVersion === null ? "deleted" : "upgraded");
  });

  /** The newest position that this connection has read: every later record comes after it. */
  let known = 0;
  const appendByHand = (
    record: LogRecord,
    durability: Durability,
    misplaced: readonly IDBValidKey[],
  ): Promise<number> =>
    transact(db, ["log", "meta"], "readwrite", durability, async (tx) => {
      const [position] = await addByHand(tx, [record], known, misplaced);
      tx.commit();
      return position as number;
    });

  return {
    append: (record, durability) =>
      addOne(db, "log", record, durability).then(
        (key) => (isPosition(key, known) ? key : appendByHand(record, durability, [key])),
        (error: unknown) => {
          if (!isUsedUp(error)) throw error;
          return appendByHand(record, durability, []);
        },
      ),
    ensure: (records, durability) =>
      transact(db, ["log", "meta"], "readwrite", durability, (tx) => ensure(tx, records, known)),
    async read(request) {
      const result = await read(db, request);
      const floor = result.meta.get("floor");
      for (const position of [floor, result.log.at(-1)?.[0]])
        if (isPosition(position, known)) known = position;
      return result;
    },
    initialise: (initial) =>
      transact(db, allStores, "readwrite", "strict", (tx) => initialise(tx, initial)),
    claim: (further) => transact(db, ["meta"], "readwrite", "strict", (tx) => claim(tx, further)),
    lead: (wanted) =>
      transact(db, scopeOf(wanted), "readwrite", wanted.durability, (tx, undo) =>
        lead(tx, wanted, known, undo),
      ),
    quarantine: (puts, deletes) =>
      transact(db, ["quarantine"], "readwrite", "relaxed", async (tx) => {
        const store = "quarantine";
        await issueAll([
          ...deletes.map((key) => deletion(tx, { store, key })),
          ...puts.map(([key, value]) => placement(tx, { store, key, value })),
        ]);
        tx.commit();
      }),
    evict: () =>
      transact(db, ["queries"], "readwrite", "relaxed", async (tx) => {
        const store = tx.objectStore("queries");
        const count = store.count();
        await issueAll([() => write(() => store.clear())]);
        tx.commit();
        return await count;
      }),
    letGo: () => abortAll(db),
    close() {
      told = true;
      db.close();
    },
  };
}

async function ensure(
  tx: Writing,
  records: readonly LogRecord[],
  known: number,
): Promise<readonly Placed[]> {
  const [writers, log] = await Promise.all([tx.objectStore("meta").get("writers"), logged(tx, 0)]);
  const absent: LogRecord[] = [];
  const places = placeAll<() => number>(
    records,
    log.map(([position, value]) => [() => position, value]),
    writers,
    (record) => {
      const at = absent.push(record) - 1;
      return () => added[at] as number;
    },
  );
  const added = await addRecords(tx, absent, known);
  tx.commit();
  return places.map((it) => ({ position: it.position?.() ?? null, added: it.added }));
}

async function read(db: Database, request: ReadRequest): Promise<ReadResult> {
  const thrown: unknown[] = [];
  const call = <Result>(callback: () => Result): Result => {
    try {
      return callback();
    } catch (error) {
      thrown.push(error);
      throw error;
    }
  };

  const run = async (tx: Reading): Promise<ReadResult> => {
    const metaEntries = named(tx, "meta");
    const others = Promise.all([
      logged(tx, request.after),
      named(tx, "rejected"),
      named(tx, "quarantine"),
    ]);
    others.catch(ignore);

    const deliver = async (key: SegmentKey): Promise<void> => {
      const found = tx.objectStore("segments").get([...key]);
      // Otherwise one record that cannot be read would abort the reading of all.
      unwrap(found).addEventListener("error", (event) => {
        event.preventDefault();
        event.stopPropagation();
      });
      const [value, error] = await found.then(
        (stored): [unknown] => [stored],
        (reason: unknown): [undefined, unknown] => [undefined, reason],
      );
      // It was the transaction that aborted: this says nothing about the segment.
      if (isNamed(error, "AbortError")) throw error;
      if (thrown.length === 0) call(() => request.onSegment(key, value, error));
    };

    const meta = new Map(await metaEntries);
    const segments = call(() => request.segments(meta)).map(deliver);
    tx.commit();
    const [[log, rejected, quarantine]] = await Promise.all([others, ...segments]);
    return { meta, log, rejected, quarantine };
  };

  try {
    return await transact(db, allStores, "readonly", "relaxed", run);
  } catch (error) {
    throw thrown.length > 0 ? thrown[0] : error;
  }
}

async function initialise(
  tx: Writing,
  initial: Meta,
): Promise<{ readonly meta: Meta; readonly damaged: boolean }> {
  const firstKeys = await Promise.all(
    allStores.map((store) => tx.objectStore(store).getAllKeys(null, 1)),
  );
  const empty = firstKeys.every((keys) => keys.length === 0);
  if (empty) putMeta(tx, initial);
  const stored = named(tx, "meta");
  tx.commit();
  const meta = new Map(await stored);
  return { meta, damaged: !empty && !meta.has("format") };
}

async function claim(tx: Writing, further: Meta = new Map()): Promise<number> {
  const meta = tx.objectStore("meta");
  const [stored, ...present] = await Promise.all([
    meta.get("term"),
    ...Array.from(further.keys(), (key) => meta.get(key)),
  ]);
  const raised = Array.from(further).filter(([, value], at) => !isLower(value, present[at]));
  const before = stored === undefined ? 0 : stored;
  // A term that is not understood is not overwritten: a lower one than before would let two leaders write.
  if (typeof before !== "number" || !Number.isSafeInteger(before))
    throw new StorageFailure("refused", `Expected the term to be an integer, got ${show(before)}`);
  const term = before + 1;
  putMeta(tx, new Map([...raised, ["term", term]]));
  tx.commit();
  return term;
}

/** The stores that a leader's write touches, and no other: a tab that appends meanwhile should not wait for a fold. */
function scopeOf({ tail, append, puts = [], deletes = [] }: LeaderWrite): readonly StoreName[] {
  const touched = new Set<StoreName>(["meta"]);
  if (tail !== undefined || append !== undefined) touched.add("log");
  for (const { store } of [...puts, ...deletes]) touched.add(store);
  return [...touched];
}

async function lead(
  tx: Writing,
  { term, tail, append, puts = [], deletes = [] }: LeaderWrite,
  known: number,
  undo: (result: LeaderWritten) => LeaderWritten,
): Promise<LeaderWritten> {
  // Asked before anything is written, and answered before anything is committed: once `commit` was called, the abort
  // would come too late and a stale leader's write would land.
  const currentTerm = tx.objectStore("meta").get("term");
  const newest = tail === undefined ? undefined : newestPosition(tx);
  // A write that throws leaves them without a reader.
  currentTerm.catch(ignore);
  newest?.catch(ignore);
  const refusal = async (): Promise<LeaderWritten | undefined> => {
    const stored = await currentTerm;
    if (stored !== term) return { tag: "fenced", term: typeof stored === "number" ? stored : 0 };
    if (newest === undefined) return undefined;
    const position = await newest;
    return position <= (tail ?? position) ? undefined : { tag: "tailMoved", tail: position };
  };

  let position = null as Promise<number> | null;
  const appending = (record: LogRecord) => (): Promise<number> =>
    write(() => (position = addRecords(tx, [record], known).then(([it]) => it ?? 0)));
  const refused = await issueAll(
    [
      ...deletes.map((wanted) => deletion(tx, wanted)),
      ...(append === undefined ? [] : [appending(append)]),
      ...puts.map((wanted) => placement(tx, wanted)),
    ],
    refusal,
  );
  if (refused !== undefined) return undo(refused);
  const placed = await position;
  tx.commit();
  return { tag: "written", position: placed };
}

const placement =
  (tx: Writing, { store, key, value }: Put) =>
  (): Promise<unknown> =>
    write(() => tx.objectStore(store).put(value, validKey(key)));

const deletion = (tx: Writing, wanted: Delete) => (): Promise<void> => {
  const store = tx.objectStore(wanted.store);
  if ("key" in wanted) return write(() => store.delete(validKey(wanted.key)));
  // IndexedDB refuses an empty range.
  if (wanted.from > wanted.to) return Promise.resolve();
  return write(() => store.delete(IDBKeyRange.bound(wanted.from, wanted.to)));
};

function putMeta(tx: Writing, values: Meta): void {
  for (const [key, value] of values) void placement(tx, { store: "meta", key, value })();
}

/** Keys and values, requested at once. */
async function entries<Mode extends IDBTransactionMode>(
  tx: Transaction<Mode>,
  store: StoreName,
  range?: IDBKeyRange,
): Promise<readonly (readonly [IDBValidKey, unknown])[]> {
  const source = tx.objectStore(store);
  const [keys, values] = await Promise.all([source.getAllKeys(range), source.getAll(range)]);
  return keys.map((key, index) => [key, values[index]]);
}

/** The records of the log after a position. What is under no position is left where it is. */
async function logged<Mode extends IDBTransactionMode>(
  tx: Transaction<Mode>,
  position: number,
): Promise<ReadResult["log"]> {
  const all = await entries(tx, "log", after(position));
  return all.filter((entry): entry is readonly [number, unknown] => isPosition(entry[0]));
}

/** The entries whose keys are strings: sssync writes no others. */
async function named<Mode extends IDBTransactionMode>(
  tx: Transaction<Mode>,
  store: StoreName,
): Promise<readonly (readonly [string, unknown])[]> {
  const all = await entries(tx, store);
  return all.filter((entry): entry is readonly [string, unknown] => typeof entry[0] === "string");
}

const validKey = (key: StoreKey): IDBValidKey => (typeof key === "object" ? [...key] : key);

function unavailable(expected: string, got: unknown): StorageFailure {
  const cause = got instanceof Error ? got : undefined;
  return new StorageFailure("unavailable", `${expected}, got ${String(got)}`, cause);
}
