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
import { wrap } from "idb";
import { show } from "../model/json.ts";
import { type LogRecord } from "../model/log.ts";
import {
  type Entries,
  around,
  attempt,
  attemptAll,
  entriesBut,
  findUnreadable,
  readable,
} from "./careful.ts";
import { isLower, placeAll } from "./placement.ts";
import { addByHand, addRecords, after, isPosition, isUsedUp, newestPosition } from "./positions.ts";
import {
  type ClockPort,
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
  type Unreadable,
  foldedMeanwhile,
} from "./ports.ts";
import { systemClock } from "./system-clock.ts";
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
export const createIndexedDbStorage = (
  factory?: IDBFactory,
  clock: ClockPort = systemClock,
): StoragePort => {
  // Looked up late: where storage is switched off, merely reading `indexedDB` may throw.
  const databases = (): IDBFactory => factory ?? indexedDB;
  return {
    open: (name, events) => open(databases, name, events, clock),
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
  clock: ClockPort,
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
      // A record that cannot be read must not keep those out that can still be written.
      around(db, clock, (gone) =>
        transact(db, ["log", "meta"], "readwrite", durability, (tx) =>
          ensure(tx, records, known, gone),
        ),
      ),
    async read(request) {
      const result = await (request.each === true ? readEach : read)(db, request, clock);
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
    quarantine: (puts, deletes, floor) =>
      transact(db, ["quarantine", "meta"], "readwrite", "relaxed", async (tx) => {
        const store = "quarantine";
        const now = floor === undefined ? floor : await tx.objectStore("meta").get("floor");
        if (now !== floor) throw foldedMeanwhile(now);
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
    async repair(record, seen, plan) {
      const gone = await findUnreadable(db, clock);
      return await transact(db, allStores, "readwrite", "strict", (tx, undo) =>
        repair(tx, record, { seen, known, gone, plan }, undo),
      );
    },
    letGo: () => abortAll(db),
    close() {
      told = true;
      // What waits for an answer that never comes would hold up all other tabs for ever.
      abortAll(db);
      db.close();
    },
  };
}

async function ensure(
  tx: Writing,
  records: readonly LogRecord[],
  known: number,
  gone: readonly Unreadable[],
): Promise<readonly Placed[]> {
  const all = (store: StoreName, range?: IDBKeyRange): Promise<Entries> =>
    gone.length === 0 ? entries(tx, store, range) : entriesBut(gone, tx, store, range);
  const [meta, log] = await Promise.all([
    all("meta", IDBKeyRange.only("writers")),
    all("log", after(0)).then(positioned),
  ]);
  const absent: LogRecord[] = [];
  const places = placeAll<() => number>(
    records,
    log.map(([position, value]) => [() => position, value]),
    meta[0]?.[1],
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
    const first = Promise.all([
      entries(tx, "meta").then(named),
      tx.objectStore("segments").getAllKeys(),
    ] as const);
    const others = Promise.all([
      entries(tx, "log", after(request.after)).then(positioned),
      entries(tx, "rejected").then(named),
      entries(tx, "quarantine").then(named),
    ]);
    others.catch(ignore);

    const deliver = async (key: SegmentKey): Promise<void> => {
      const { value, error } = await attempt(tx.objectStore("segments").get([...key]));
      if (thrown.length === 0) call(() => request.onSegment(key, value, error));
    };

    const [metaEntries, keys] = await first;
    const meta = new Map(metaEntries);
    const segments = call(() => request.segments(meta, keys.filter(isSegmentKey))).map(deliver);
    tx.commit();
    const [[log, rejected, quarantine]] = await Promise.all([others, ...segments]);
    return { meta, log, rejected, quarantine, unreadable: [] };
  };

  try {
    return await transact(db, allStores, "readonly", "relaxed", run);
  } catch (error) {
    throw thrown.length > 0 ? thrown[0] : error;
  }
}

/** Record by record, the segments as well: which of them are wanted is known too late. */
async function readEach(db: Database, request: ReadRequest, clock: ClockPort): Promise<ReadResult> {
  const unreadable: Unreadable[] = [];
  const { segments, ...stores } = await attemptAll(
    db,
    {
      meta: undefined,
      log: after(request.after),
      rejected: undefined,
      quarantine: undefined,
      segments: undefined,
    },
    clock,
  );
  const of = (store: keyof typeof stores): Entries =>
    readable(store, stores[store], (found) => unreadable.push(found));
  const meta = new Map(named(of("meta")));
  const stored = new Map(segments.map(([key, found]) => [JSON.stringify(key), found]));
  const keys = segments.map(([key]) => key).filter(isSegmentKey);
  for (const key of request.segments(meta, keys)) {
    // Each in a task of its own would take longer than the reading: this is for a damaged disk.
    const { value, error } = stored.get(JSON.stringify(key)) ?? {};
    request.onSegment(key, value, error);
  }
  const log = positioned(of("log"));
  return {
    meta,
    log,
    rejected: named(of("rejected")),
    quarantine: named(of("quarantine")),
    unreadable,
  };
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
  const stored = entries(tx, "meta");
  tx.commit();
  const meta = new Map(named(await stored));
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

interface Repair {
  readonly seen: number;
  readonly known: number;
  readonly gone: readonly Unreadable[];
  readonly plan: Parameters<Connection["repair"]>[2];
}

async function repair(
  tx: Writing,
  record: LogRecord,
  { seen, known, gone, plan }: Repair,
  undo: (result: boolean) => boolean,
): Promise<boolean> {
  const [meta, keys, log] = await Promise.all([
    entriesBut(gone, tx, "meta"),
    tx.objectStore("segments").getAllKeys(),
    entriesBut(gone, tx, "log", after(seen)).then(positioned),
  ]);
  const [position = 0] = await addRecords(tx, [record], known);
  const found = {
    meta: new Map(named(meta)),
    unreadable: gone.filter(({ store }) => store === "meta"),
    segments: keys.filter(isSegmentKey),
    log,
  };
  const planned = plan(found, position);
  if (planned === undefined) return undo(false);
  await issueAll([
    ...planned.deletes.map((wanted) => deletion(tx, wanted)),
    ...planned.puts.map((wanted) => placement(tx, wanted)),
  ]);
  tx.commit();
  return true;
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
  { term, tail, append, also = [], puts = [], deletes = [] }: LeaderWrite,
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
  const records = append === undefined ? [] : [append, ...also];
  const appending = (): Promise<number> =>
    write(() => (position = addRecords(tx, records, known).then((all) => all.at(-1) ?? 0)));
  const refused = await issueAll(
    [
      ...deletes.map((wanted) => deletion(tx, wanted)),
      ...(records.length === 0 ? [] : [appending]),
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
): Promise<Entries> {
  const source = tx.objectStore(store);
  const [keys, values] = await Promise.all([source.getAllKeys(range), source.getAll(range)]);
  return keys.map((key, index) => [key, values[index]]);
}

/** The records of the log. What is under no position is left where it is. */
const positioned = (all: Entries): ReadResult["log"] =>
  all.filter((entry): entry is readonly [number, unknown] => isPosition(entry[0]));

/** The entries whose keys are strings: sssync writes no others. */
const named = (all: Entries): readonly (readonly [string, unknown])[] =>
  all.filter((entry): entry is readonly [string, unknown] => typeof entry[0] === "string");

/** No table has one of the three names: whatever lies under them is not ours. */
const isSegmentKey = (key: unknown): key is [string, number] =>
  Array.isArray(key) &&
  key.length === 2 &&
  typeof key[0] === "string" &&
  !/^(__proto__|constructor|prototype)$/.test(key[0]) &&
  Number.isSafeInteger(key[1]) &&
  (key[1] as number) >= 0;

const validKey = (key: StoreKey): IDBValidKey => (typeof key === "object" ? [...key] : key);

function unavailable(expected: string, got: unknown): StorageFailure {
  const cause = got instanceof Error ? got : undefined;
  return new StorageFailure("unavailable", `${expected}, got ${String(got)}`, cause);
}
