/** A disk on which the files of some records are gone: every read of them fails, and all others work. */
import {
  type Connection,
  StorageFailure,
  type StoragePort,
  type StoreKey,
  type StoreName,
} from "../../src/services/ports.ts";

const reason = "NotReadableError: gone";

/** `kind`: what a read of them fails as. */
export function createLosingStorage(kind: "aborted" | "lost" = "aborted") {
  const gone = new Map<StoreName, Set<string>>();
  const isGone = (store: StoreName, key: StoreKey): boolean =>
    gone.get(store)?.has(JSON.stringify(key)) === true;

  /** The entries that can be read; the others are told. */
  function readable<K extends StoreKey>(
    store: StoreName,
    entries: readonly (readonly [key: K, value: unknown])[],
    tell: (found: { store: StoreName; key: StoreKey; reason: string }) => unknown,
  ): (readonly [key: K, value: unknown])[] {
    for (const [key] of entries) if (isGone(store, key)) tell({ store, key, reason });
    return entries.filter(([key]) => !isGone(store, key));
  }

  const wrap = (inner: Connection): Connection => ({
    ...inner,
    async read(request) {
      const unreadable: { store: StoreName; key: StoreKey; reason: string }[] = [];
      const tell = (found: (typeof unreadable)[number]): unknown => unreadable.push(found);
      const result = await inner.read({
        ...request,
        segments: (meta, stored) =>
          request.segments(new Map(readable("meta", [...meta], () => undefined)), stored),
        onSegment: (key, value, error) =>
          isGone("segments", key)
            ? request.onSegment(key, undefined, new DOMException("gone", "NotReadableError"))
            : request.onSegment(key, value, error),
      });
      const all = {
        meta: new Map(readable("meta", [...result.meta], tell)),
        log: readable("log", result.log, tell),
        rejected: readable("rejected", result.rejected, tell),
        quarantine: readable("quarantine", result.quarantine, tell),
        unreadable,
      };
      if (unreadable.length > 0 && request.each !== true) throw new StorageFailure(kind, reason);
      return all;
    },
    repair: (record, after, plan) =>
      inner.repair(record, after, (found, position) => {
        const unreadable = [...found.unreadable];
        const tell = (it: (typeof unreadable)[number]): unknown => unreadable.push(it);
        const meta = new Map(readable("meta", [...found.meta], tell));
        const write = plan({ ...found, meta, unreadable }, position);
        // What is put is there again.
        for (const { store, key } of write?.puts ?? [])
          gone.get(store)?.delete(JSON.stringify(key));
        return write;
      }),
  });

  return {
    wrap: (disk: StoragePort): StoragePort => ({
      ...disk,
      open: async (name, events) => wrap(await disk.open(name, events)),
    }),
    /** It was not gone for good. */
    find: (store: StoreName, key: StoreKey) => gone.get(store)?.delete(JSON.stringify(key)),
    lose(store: StoreName, key: StoreKey): void {
      gone.set(store, (gone.get(store) ?? new Set()).add(JSON.stringify(key)));
    },
  };
}
