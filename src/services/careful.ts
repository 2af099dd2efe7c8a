/**
 * Reading record by record, for a disk on which the files of some are gone.
 *
 * In Chromium (LevelDB) such a request fails, and its transaction is aborted even when that is prevented, unless its commit
 * is under way. So reads ask for everything, commit, and only then look at what came; a transaction that goes on to write
 * must not ask for such a record at all.
 */
import { showError } from "../model/json.ts";
import { StorageFailure, type StoreKey, type StoreName, type Unreadable } from "./ports.ts";
import { type Database, type Transaction, forgive, isNamed, transact } from "./transaction.ts";

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

/** Every record of the stores, with what its request came to. */
export const attemptAll = <Store extends StoreName>(
  db: Database,
  stores: Readonly<Record<Store, IDBKeyRange | undefined>>,
): Promise<Readonly<Record<Store, readonly (readonly [key: IDBValidKey, found: Attempt])[]>>> =>
  transact(db, Object.keys(stores) as Store[], "readonly", "relaxed", async (tx) => {
    const names = Object.keys(stores) as Store[];
    const keys = await Promise.all(
      names.map((store) => tx.objectStore(store).getAllKeys(stores[store])),
    );
    const found = names.map((store, at) => {
      const source = tx.objectStore(store);
      const all = (keys[at] ?? []).map((key) => [key, attempt(source.get(key))] as const);
      return Promise.all(all.map(async ([key, asked]) => [key, await asked] as const));
    });
    tx.commit();
    const all = await Promise.all(found);
    return Object.fromEntries(names.map((store, at) => [store, all[at]])) as never;
  });

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
export async function findUnreadable(db: Database): Promise<readonly Unreadable[]> {
  const found: Unreadable[] = [];
  const all = await attemptAll(db, { log: undefined, meta: undefined });
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
  run: (gone: readonly Unreadable[]) => Promise<Result>,
): Promise<Result> {
  try {
    return await run([]);
  } catch (error) {
    if (!(error instanceof StorageFailure) || !/^(aborted|lost)$/.test(error.kind)) throw error;
    const gone = await findUnreadable(db).catch(() => []);
    if (gone.length === 0) throw error;
    return await run(gone);
  }
}
