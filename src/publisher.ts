/** Tells the app what changed: one call per change set, in order, also when a listener commits. */
import { type TableReader } from "./api.ts";
import { type Row } from "./model/log.ts";
import { type ChangeSet, type RowChange } from "./model/publication.ts";
import { type Table } from "./model/table.ts";

/** What a listener throws is the app's: it is reported as uncaught, and nobody else misses a call. */
export function callSafely(call: () => void): void {
  try {
    call();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

export interface Listeners<A extends readonly unknown[]> {
  readonly size: number;
  add(listener: (...args: A) => void): () => void;
  call(...args: A): void;
  clear(): void;
}

export function createListeners<A extends readonly unknown[]>(): Listeners<A> {
  const listeners = new Set<{ readonly listener: (...args: A) => void }>();
  return {
    get size() {
      return listeners.size;
    },
    add(listener) {
      const entry = { listener };
      listeners.add(entry);
      return () => {
        listeners.delete(entry);
      };
    },
    call(...args) {
      for (const { listener } of Array.from(listeners)) callSafely(() => listener(...args));
    },
    clear: () => listeners.clear(),
  };
}

export interface Publisher {
  readonly readers: Readonly<Record<string, TableReader<Row>>>;
  /** `after` is called after each change set was told. */
  publish(changes: ChangeSet | undefined): void;
  /** Tells of all rows, as new ones: those of the first load were put one by one as they arrived. */
  publishAll(): void;
  clear(): void;
}

export function createPublisher(tables: ReadonlyMap<string, Table>, after: () => void): Publisher {
  const listeners = new Map(
    Array.from(tables.values(), (table) => [table, createListeners<[readonly RowChange[]]>()]),
  );
  const waiting: ChangeSet[] = [];

  function reader(table: Table): TableReader<Row> {
    return Object.freeze({
      get size() {
        return table.rows.size;
      },
      get: (id: string) => table.rows.get(id),
      has: (id: string) => table.rows.has(id),
      values: () => table.rows.values(),
      toArray: () => table.toArray(),
      subscribe: (listener: (changes: readonly RowChange[]) => void) =>
        (listeners.get(table) as Listeners<[readonly RowChange[]]>).add(listener),
    });
  }

  function tell(changes: ChangeSet): void {
    for (const [table, rows] of changes) {
      const ofTable = listeners.get(table);
      if (ofTable === undefined || ofTable.size === 0 || rows.length === 0) continue;
      ofTable.call(
        Object.freeze(
          rows.map(({ id, before, after: now }) => Object.freeze({ id, before, after: now })),
        ),
      );
    }
    after();
  }

  return {
    readers: Object.freeze(
      Object.fromEntries(Array.from(tables.values(), (table) => [table.name, reader(table)])),
    ),
    publish(changes) {
      if (changes === undefined) return;
      waiting.push(changes);
      // A listener committed: its change set is told when the listeners have seen this one.
      if (waiting.length > 1) return;
      for (let next = waiting[0]; next !== undefined; next = waiting[0]) {
        tell(next);
        waiting.shift();
      }
    },
    publishAll() {
      const changes = new Map<Table, readonly RowChange[]>();
      for (const [table, { size }] of listeners) {
        const rows = size > 0 ? table.toArray() : [];
        changes.set(
          table,
          rows.map((row) => ({ id: row.id, before: undefined, after: row })),
        );
      }
      tell(changes);
    },
    clear() {
      for (const it of listeners.values()) it.clear();
    },
  };
}
