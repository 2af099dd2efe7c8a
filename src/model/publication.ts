import { sameJson } from "./json.ts";
import { type Row } from "./log.ts";
import { type Table } from "./table.ts";

/** One published change of a row; `undefined`: there is none. */
export interface RowChange<R = Row> {
  readonly id: string;
  readonly before: R | undefined;
  readonly after: R | undefined;
}

/** A change of one unit: it may change a row several times. */
export interface UnitChange extends RowChange {
  readonly table: Table;
}

export type ChangeSet = ReadonlyMap<Table, readonly RowChange[]>;

/**
 * Collects what one operation does to rows, so that the app sees the first and the last state only: a rebase undoes and
 * replays, and no intermediate frame is published. A row that ends as it began keeps its very object.
 */
export interface Publication {
  set(table: Table, id: string, row: Row | undefined): void;
  /** Ends the operation. Undefined when no row is another one than before. */
  end(): ChangeSet | undefined;
}

export function createPublication(): Publication {
  const touched = new Map<Table, Map<string, Row | undefined>>();
  return {
    set(table, id, row) {
      let befores = touched.get(table);
      if (befores === undefined) touched.set(table, (befores = new Map()));
      if (!befores.has(id)) befores.set(id, table.rows.get(id));
      table.set(id, row);
    },
    end() {
      const sets = new Map<Table, readonly RowChange[]>();
      for (const [table, befores] of touched) {
        const changes: RowChange[] = [];
        for (const [id, before] of befores) {
          const after = table.rows.get(id);
          if (after === before) continue;
          if (before !== undefined && sameJson(before, after)) table.set(id, before);
          else changes.push({ id, before, after });
        }
        if (changes.length > 0) sets.set(table, changes);
      }
      return sets.size > 0 ? sets : undefined;
    },
  };
}

/** Writes straight to the table: for operations whose changes are known to be first and last states. */
export const direct: Publication = {
  set: (table, id, row) => table.set(id, row),
  end: () => undefined,
};

/** The changes of one unit as they are told: each row once, from its first state to its last. */
export function changesOf(changes: readonly UnitChange[]): ChangeSet | undefined {
  if (changes.length === 0) return undefined;
  const sets = new Map<Table, Map<string, RowChange> | RowChange[]>();
  // Rows that are all new cannot repeat: there is nothing to look up.
  const once = changes.length === 1 || changes.every((it) => it.before === undefined);
  for (const change of changes) {
    let set = sets.get(change.table);
    if (set === undefined) sets.set(change.table, (set = once ? [] : new Map<string, RowChange>()));
    if (Array.isArray(set)) set.push(change);
    else set.set(change.id, { ...change, before: (set.get(change.id) ?? change).before });
  }
  const told = new Map<Table, readonly RowChange[]>();
  for (const [table, set] of sets) {
    const rows = Array.isArray(set)
      ? set
      : Array.from(set.values()).filter(({ id, before, after }) => {
          if (before === after) return false;
          if (before === undefined || !sameJson(before, after)) return true;
          // It ends as it began: it keeps its very object, and nobody is told.
          table.set(id, before);
          return false;
        });
    if (rows.length > 0) told.set(table, rows);
  }
  return told.size > 0 ? told : undefined;
}
