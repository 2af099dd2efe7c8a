/** What is stored on a device, past every engine: to look at it, and to damage it. */
import { type MemoryDatabase } from "../services/memory-storage.ts";
import { type StoreKey, type StoreName } from "../services/ports.ts";

/** Copies of what each store holds, in the order of keys of `log`, and of insertion of the others. */
export type Contents = Readonly<
  Record<StoreName, readonly (readonly [key: StoreKey, value: unknown])[]>
>;

/** Works on the device's databases past the engines. `database` may be left out where there is only one. */
export interface Disk {
  /** The names of the databases. */
  names(): readonly string[];
  /** All that is stored; undefined where there is no such database. */
  contents(database?: string): Contents | undefined;
  get(store: StoreName, key: StoreKey, database?: string): unknown;
  /** Puts a copy of any value that can be cloned. A `log` key may be a new one: later records come after it. */
  put(store: StoreName, key: StoreKey, value: unknown, database?: string): void;
  remove(store: StoreName, key: StoreKey, database?: string): void;
  /** No read that it is a part of is ever answered, until the returned function is called; one record by record goes without it. */
  mute(store: StoreName, key: StoreKey, database?: string): () => void;
}

/** The disk that these databases are on. */
export function createDisk(databases: ReadonlyMap<string, MemoryDatabase>): Disk {
  const find = (name?: string): MemoryDatabase | undefined => {
    if (name !== undefined) return databases.get(name);
    if (databases.size > 1)
      throw new Error(`Expected the name of one of ${databases.size} databases, got none`);
    return databases.values().next().value;
  };
  const expectOne = (name?: string): MemoryDatabase => {
    const found = find(name);
    if (found === undefined) throw new Error(`Expected a database named ${String(name)}, got none`);
    return found;
  };
  return {
    names: () => Array.from(databases.keys()),
    contents(name) {
      const found = find(name);
      if (found === undefined) return undefined;
      return Object.fromEntries(
        Object.entries(found.stores).map(([store, entries]) => [
          store,
          structuredClone(Array.from(entries.values())),
        ]),
      ) as unknown as Contents;
    },
    get: (store, key, name) =>
      structuredClone(find(name)?.stores[store].get(JSON.stringify(key))?.[1]),
    put(store, key, value, name) {
      const database = expectOne(name);
      database.stores[store].set(JSON.stringify(key), [key, structuredClone(value)]);
      if (store === "log" && typeof key === "number")
        database.position = Math.max(database.position, key);
    },
    remove(store, key, name) {
      expectOne(name).stores[store].delete(JSON.stringify(key));
    },
    mute(store, key, name) {
      const { silent } = expectOne(name);
      const id = JSON.stringify([store, key]);
      silent?.set(id, [store, key]);
      return () => silent?.delete(id);
    },
  };
}
