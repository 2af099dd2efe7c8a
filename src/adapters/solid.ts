/** sssync for Solid: rows, status and snapshots as fine-grained state. Everything ends with the owner it was made under. */
import { type Accessor, batch, createMemo, createSignal, onCleanup } from "solid-js";
import { type SetStoreFunction, createStore, reconcile } from "solid-js/store";
import { type Subscription } from "xstate";
import { type SyncStatus, type TableReader } from "../api.ts";

/** Which rows to show, and in which order. Both are given plain rows, and run again when signals that they read change. */
export interface FromTableOptions<R> {
  readonly filter?: (row: R) => boolean;
  /** As for `Array.prototype.sort`. Default: by id. */
  readonly compare?: (a: R, b: R) => number;
}

/**
 * The rows of a table, each of them a store: what reads one property of one row runs again when that property changes, and
 * at no other time. A row is the same object as long as it is shown, and the array as long as no row comes, goes or moves, so
 * `<For>` renders a row once. One change set is one batch.
 *
 * @example
 * const todos = fromTable(sync.tables.todos);
 * return <ul><For each={todos()}>{(todo) => <li>{todo.text}</li>}</For></ul>;
 *
 * @example
 * const [view, setView] = createSignal("open");
 * const shown = fromTable(sync.tables.todos, { filter: (todo) => view() === "all" || !todo.done });
 */
export function fromTable<R extends { readonly id: string }>(
  table: TableReader<R>,
  { filter, compare }: FromTableOptions<R> = {},
): Accessor<readonly R[]> {
  /** Of the rows that are shown. */
  const setters = new Map<string, SetStoreFunction<R>>();
  const [changed, select] = createSignal(undefined, { equals: false });
  let plain: readonly R[] = [];

  onCleanup(
    table.subscribe((changes) =>
      batch(() => {
        let selects = filter !== undefined || compare !== undefined;
        for (const { id, before, after } of changes) {
          if (before === undefined || after === undefined) selects = true;
          // What the table holds now: a later change set may be waiting, and state never goes back.
          const row = table.get(id);
          // Stores copy frozen values. Only what differs is set, in nested values as well.
          if (row !== undefined) setters.get(id)?.(reconcile(row));
        }
        if (selects) select();
      }),
    ),
  );

  return createMemo<readonly R[]>(
    (shown) => {
      changed();
      let rows = table.toArray();
      if (filter !== undefined) rows = rows.filter(filter);
      if (compare !== undefined) rows = rows.toSorted(compare);
      // Most changes touch few rows: those before and after them are not looked up again.
      const shorter = Math.min(rows.length, plain.length);
      let head = 0;
      while (head < shorter && rows[head] === plain[head]) head += 1;
      let tail = 0;
      while (tail < shorter - head && rows.at(-1 - tail) === plain.at(-1 - tail)) tail += 1;

      const known = new Map<string, R>();
      for (let at = head; at < plain.length - tail; at += 1) {
        known.set((plain[at] as R).id, shown[at] as R);
      }
      const between = rows.slice(head, rows.length - tail).map((row) => {
        const store = known.get(row.id);
        if (store !== undefined) {
          known.delete(row.id);
          return store;
        }
        const [made, set] = createStore(row);
        setters.set(row.id, set);
        return made;
      });
      for (const id of known.keys()) setters.delete(id);
      plain = rows;
      return [...shown.slice(0, head), ...between, ...shown.slice(shown.length - tail)];
    },
    [],
    { equals: (a, b) => a.length === b.length && a.every((row, at) => row === b[at]) },
  );
}

/**
 * The engine's status as a store: what reads `status.pending` runs again when `pending` changes.
 *
 * @example
 * const status = fromStatus(sync);
 * return <p>{status.fault?.message ?? `${status.pending} to be stored`}</p>;
 */
export function fromStatus(sync: {
  readonly status: SyncStatus;
  subscribe(next: () => void): Subscription;
}): SyncStatus {
  let told = sync.status;
  const [status, setStatus] = createStore(told);
  const subscription = sync.subscribe(() => {
    if (sync.status === told) return;
    told = sync.status;
    setStatus(reconcile(told));
  });
  onCleanup(() => subscription.unsubscribe());
  return status;
}

/**
 * One value out of the snapshot of an actor, `createSyncActor`'s or any of XState's: changes when the value does. For rows,
 * `fromTable` is finer.
 *
 * @example
 * const size = useSelector(sync, ({ context }) => context.tables.todos.size);
 */
export function useSelector<S, V>(
  actor: { getSnapshot(): S; subscribe(next: (snapshot: S) => void): Subscription },
  selector: (snapshot: S) => V,
  equals: (a: V, b: V) => boolean = Object.is,
): Accessor<V> {
  const [value, setValue] = createSignal(selector(actor.getSnapshot()), { equals });
  const subscription = actor.subscribe((snapshot) => setValue(() => selector(snapshot)));
  onCleanup(() => subscription.unsubscribe());
  return value;
}
