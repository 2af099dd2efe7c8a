import { type Row } from "./log.ts";

/** The rows of one table in memory: base and overlay together, as the app sees them. */
export interface Table {
  readonly name: string;
  readonly rows: Map<string, Row>;
  set(id: string, row: Row | undefined): void;
  clear(): void;
  /** All rows, ordered by id. The same array until a row changes. */
  toArray(): readonly Row[];
}

/** Index of the first row whose id is not below `id`. */
export function lowerBound(rows: readonly Row[], id: string): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((rows[middle] as Row).id < id) low = middle + 1;
    else high = middle;
  }
  return low;
}

const byId = (a: Row, b: Row): number => (a.id < b.id ? -1 : 1);

export function createTable(name: string): Table {
  const rows = new Map<string, Row>();
  let sorted: readonly Row[] | undefined;
  /** Ids that changed since `sorted` was made: patching a copy is much cheaper than sorting again. */
  const dirty = new Set<string>();

  function rebuild(): Row[] {
    const all = Array.from(rows.values());
    for (let index = 1; index < all.length; index += 1) {
      if ((all[index - 1] as Row).id > (all[index] as Row).id) return all.toSorted(byId);
    }
    return all;
  }

  function splice(from: readonly Row[], ids: readonly string[]): Row[] {
    const next = from.slice();
    for (const id of ids) {
      const row = rows.get(id);
      const at = lowerBound(next, id);
      const found = next[at]?.id === id ? 1 : 0;
      if (row === undefined) next.splice(at, found);
      else next.splice(at, found, row);
    }
    return next;
  }

  /** One pass over all rows: each splice would move half of them. */
  function mergeIn(from: readonly Row[], ids: readonly string[]): Row[] {
    const next: Row[] = [];
    let at = 0;
    for (const id of ids.toSorted()) {
      while (at < from.length && (from[at] as Row).id < id) next.push(from[at++] as Row);
      if (from[at]?.id === id) at += 1;
      const row = rows.get(id);
      if (row !== undefined) next.push(row);
    }
    while (at < from.length) next.push(from[at++] as Row);
    return next;
  }

  function refresh(from: readonly Row[]): readonly Row[] {
    // A rebase undoes and replays: most rows that it touched are what they were.
    const ids = Array.from(dirty).filter((id) => {
      const before = from[lowerBound(from, id)];
      return (before?.id === id ? before : undefined) !== rows.get(id);
    });
    if (ids.length === 0) return from;
    if (ids.length <= 8) return splice(from, ids);
    return ids.length * 2 > from.length ? rebuild() : mergeIn(from, ids);
  }

  return {
    name,
    rows,
    set(id, row) {
      if (row === undefined) rows.delete(id);
      else rows.set(id, row);
      if (sorted !== undefined) dirty.add(id);
    },
    clear() {
      rows.clear();
      sorted = undefined;
      dirty.clear();
    },
    toArray() {
      if (sorted === undefined || dirty.size > 0) {
        sorted = Object.freeze(sorted === undefined ? rebuild() : refresh(sorted));
        dirty.clear();
      }
      return sorted;
    },
  };
}
