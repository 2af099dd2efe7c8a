/**
 * Reading record by record, for a disk on which the files of some are gone.
 *
 * In Chromium (LevelDB) such a request fails, and its transaction is aborted even when that is prevented, unless its commit
 * is under way. So reads ask for everything, commit, and only then look at what came; a transaction that goes on to write
 * must not ask for such a record at all. One that is never answered counts as unreadable when what is asked for later is.
 */
import { showError } from "../model/json.ts";
import {
  type ClockPort,
  StorageFailure,
  type StoreKey,
  type StoreName,
  type Unreadable,
} from "./ports.ts";
import {
  type Database,
  type Transaction,
  forgive,
  ignore,
  isNamed,
  transact,
} from "./transaction.ts";

export type Entries = readonly (readonly [key: IDBValidKey, value: unknown])[];

interface Attempt {
  readonly value?: unknown;
  readonly error?: unknown;
}

/** The result of a request, or why it failed. Rejects only when its transaction was aborted: that says nothing about it. */
export async function attempt(request: Promise<unknown>): Promise<Attempt> {
  forgive(request, () => true);
  try {
    return { value: await request };
  } catch (error) {
    if (isNamed(error, "AbortError")) throw error;
    return { error };
  }
}

type Ranges<Store extends StoreName> = Readonly<Record<Store, IDBKeyRange | undefined>>;

/** How long all records together, and then each by itself, may take without an answer, ms. */
const patience = 5000;

type Timers = Pick<ClockPort, "setTimeout" | "clearTimeout">;

/** The records that a connection is never answered, by their ids. */
const silent = new WeakMap<Database, Map<string, Unreadable>>();
const silentOf = (db: Database): Map<string, Unreadable> => {
  const known = silent.get(db) ?? new Map<string, Unreadable>();
  silent.set(db, known);
  return known;
};
const idOf = (store: StoreName, key: IDBValidKey): string => `${store} ${JSON.stringify(key)}`;

/** Resolves when the time is over, or before, when the promise settles. Tells whether it did. */
function inTime(clock: Timers, promise: Promise<unknown>): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = clock.setTimeout(() => resolve(false), patience);
    const settled = (): void => {
      clock.clearTimeout(timer);
      resolve(true);
    };
    promise.then(settled, settled);
  });
}

/** Every record of the stores, with what its request came to. */
export async function attemptAll<Store extends StoreName>(
  db: Database,
  stores: Ranges<Store>,
  clock: Timers,
): ReturnType<typeof askAll<Store>> {
  const asked = askAll(db, stores);
  if (await inTime(clock, asked)) return await asked;
  // It may come all the same; but one that is never answered keeps all others waiting.
  if (!(await findSilent(db, stores, clock))) return await asked;
  asked.catch(ignore);
  return await askAll(db, stores);
}

const askAll = <Store extends StoreName>(
  db: Database,
  stores: Ranges<Store>,
): Promise<Readonly<Record<Store, readonly (readonly [key: IDBValidKey, found: Attempt])[]>>> =>
  transact(db, Object.keys(stores) as Store[], "readonly", "relaxed", async (tx) => {
    const names = Object.keys(stores) as Store[];
    const keys = await Promise.all(
      names.map((store) => tx.objectStore(store).getAllKeys(stores[store])),
    );
    const found = names.map((store, at) => {
      const source = tx.objectStore(store);
      const all = (keys[at] ?? []).map((key) => {
        const known = silentOf(db).get(idOf(store, key));
        return [key, known ? { error: known.reason } : attempt(source.get(key))] as const;
      });
      return Promise.all(all.map(async ([key, asked]) => [key, await asked] as const));
    });
    tx.commit();
    const all = await Promise.all(found);
    return Object.fromEntries(names.map((store, at) => [store, all[at]])) as never;
  });

/**
 * Notes the records that are never answered; false where there are none. Each is asked for by itself, and those count that
 * still are not when nothing has come for a while, and what was asked for after it has: none of a slow device, or one that slept.
 */
async function findSilent<Store extends StoreName>(
  db: Database,
  stores: Ranges<Store>,
  clock: Timers,
): Promise<boolean> {
  const names = Object.keys(stores) as Store[];
  const readKeys = (): Promise<readonly (readonly IDBValidKey[])[]> =>
    transact(db, names, "readonly", "relaxed", (tx) => {
      const keys = names.map((store) => tx.objectStore(store).getAllKeys(stores[store]));
      tx.commit();
      return Promise.all(keys);
    });
  const waiting = new Map<Unreadable, Promise<unknown>>();
  for (const [at, keys] of (await readKeys()).entries()) {
    const store = names[at] as Store;
    for (const key of keys) {
      if (silentOf(db).has(idOf(store, key))) continue;
      const asked = transact(db, [store], "readonly", "relaxed", (tx) => {
        const found = attempt(tx.objectStore(store).get(key));
        tx.commit();
        return found;
      });
      const it = { store, key: key as StoreKey, reason: "Expected an answer, got none" };
      const answered = (): unknown => waiting.delete(it);
      waiting.set(it, asked.then(answered, answered));
    }
  }
  for (let before = Infinity; waiting.size > 0 && waiting.size < before;) {
    before = waiting.size;
    await inTime(clock, Promise.all(waiting.values()));
    await readKeys();
  }
  for (const it of waiting.keys()) silentOf(db).set(idOf(it.store, it.key as IDBValidKey), it);
  return waiting.size > 0;
}

/** What could be read; the others are told. */
export function readable(
  store: StoreName,
  all: readonly (readonly [key: IDBValidKey, found: Attempt])[],
  tell: (found: Unreadable) => unknown,
): Entries {
  return all.flatMap(([key, { value, error }]) => {
    if (error === undefined) return [[key, value] as const];
    tell({ store, key: key as StoreKey, reason: showError(error) });
    return [];
  });
}

/** The records of the log and of `meta` that cannot be read. */
export async function findUnreadable(db: Database, clock: Timers): Promise<readonly Unreadable[]> {
  const found: Unreadable[] = [];
  const all = await attemptAll(db, { log: undefined, meta: undefined }, clock);
  readable("log", all.log, (it) => found.push(it));
  readable("meta", all.meta, (it) => found.push(it));
  return found;
}

const isAmong = (gone: readonly Unreadable[], store: StoreName, key: IDBValidKey): boolean =>
  gone.some((it) => it.store === store && it.key === key);

/** Keys and values of what can be read, inside a transaction that has more to do. */
export async function entriesBut(
  gone: readonly Unreadable[],
  tx: Transaction<"readwrite">,
  store: StoreName,
  range?: IDBKeyRange,
): Promise<Entries> {
  const source = tx.objectStore(store);
  const keys = (await source.getAllKeys(range)).filter((key) => !isAmong(gone, store, key));
  return Promise.all(keys.map(async (key) => [key, await source.get(key)] as const));
}

/** Runs what an unreadable record may have failed; once more, told of those, when there are others than before. */
export async function around<Result>(
  db: Database,
  clock: Timers,
  run: (gone: readonly Unreadable[]) => Promise<Result>,
): Promise<Result> {
  try {
    return await run(Array.from(silentOf(db).values()));
  } catch (error) {
    if (!(error instanceof StorageFailure) || !/^(aborted|lost)$/.test(error.kind)) throw error;
    const gone = await findUnreadable(db, clock).catch(() => []);
    if (gone.length === 0) throw error;
    return await run(gone);
  }
}
