/** A database past the engine: all of it, as it is. */
import { createIndexedDbStorage } from "../../src/services/indexeddb.ts";

export const storeNames = ["log", "segments", "meta", "rejected", "quarantine", "queries"] as const;
export type StoreName = (typeof storeNames)[number];

export interface StoredPair {
  readonly key: IDBValidKey;
  readonly value: unknown;
}
export type Contents = Readonly<Record<StoreName, readonly StoredPair[]>>;

const answer = <T>(request: IDBRequest<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error("Expected an answer, got none"));
  });

const ended = (tx: IDBTransaction): Promise<void> =>
  new Promise((resolve, reject) => {
    tx.oncomplete = () => resolve();
    tx.onabort = () => reject(tx.error ?? new Error("Expected it to complete, got an abort"));
  });

const databaseOf = (name: string): string => `sssync/${encodeURIComponent(name)}/`;

export async function readContents(factory: IDBFactory, name: string): Promise<Contents> {
  const database = await answer(factory.open(databaseOf(name)));
  const tx = database.transaction([...storeNames], "readonly");
  const stores = storeNames.map(async (store) => {
    const [keys, values] = await Promise.all([
      answer(tx.objectStore(store).getAllKeys()),
      answer(tx.objectStore(store).getAll()),
    ]);
    return [store, keys.map((key, at): StoredPair => ({ key, value: values[at] }))] as const;
  });
  const all = Object.fromEntries(await Promise.all(stores)) as unknown as Contents;
  database.close();
  return all;
}

/** Makes a database that holds this. The next position is the one after `last`. */
export async function writeContents(
  factory: IDBFactory,
  name: string,
  contents: Contents,
  last: number,
): Promise<void> {
  const storage = createIndexedDbStorage(factory);
  const made = await storage.open(databaseOf(name), { blocked() {}, closed() {} });
  made.close();
  const database = await answer(factory.open(databaseOf(name)));
  const tx = database.transaction([...storeNames], "readwrite");
  tx.objectStore("log").put(null, last);
  tx.objectStore("log").delete(last);
  for (const store of storeNames)
    for (const { key, value } of contents[store]) tx.objectStore(store).put(value, key);
  await ended(tx);
  database.close();
}

const text = (value: { toString(): string }): string => value.toString();

/** Whether two stored values are the same, whatever they are made of. */
export function sameValue(a: unknown, b: unknown, seen = new Map<object, object>()): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (seen.get(a) === b) return true;
  seen.set(a, b);
  const kind = Object.prototype.toString.call(a);
  if (kind !== Object.prototype.toString.call(b)) return false;
  if (/Date|RegExp|Error|Boolean|Number|String|BigInt/.test(kind)) return text(a) === text(b);
  if (a instanceof Blob) return b instanceof Blob && a.size === b.size;
  if (a instanceof Map && b instanceof Map) return sameValue(Array.from(a), Array.from(b), seen);
  if (a instanceof Set && b instanceof Set) return sameValue(Array.from(a), Array.from(b), seen);
  if (a instanceof ArrayBuffer && b instanceof ArrayBuffer)
    return sameValue(Array.from(new Uint8Array(a)), Array.from(new Uint8Array(b)), seen);
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  if (Array.isArray(a) && a.length !== (b as unknown[]).length) return false;
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  return keys.every((key) => {
    const one = Object.getOwnPropertyDescriptor(a, key);
    const other = Object.getOwnPropertyDescriptor(b, key);
    return other !== undefined && sameValue(one?.value, other.value, seen);
  });
}
