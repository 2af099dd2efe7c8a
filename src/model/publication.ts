import { sameJson } from "./json.ts";
import { type Row } from "./log.ts";
import { type Table } from "./table.ts";

/** One published change of a row; `undefined`: there is none. */
export interface RowChange<R = Row> {
  readonly id: string;
  readonly before: R | undefined;
  readonly after: R | undefined;
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
