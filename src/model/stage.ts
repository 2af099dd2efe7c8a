/**
 * The base without the overlay, for the leader to move: it computes what entries of the server's log come to, and writes that
 * down as row images. Memory stays as it is until the record comes back from the log.
 */
import { type Definition } from "./definition.ts";
import { createImages, replayable } from "./entry.ts";
import { type Envelope, type Row, type RowImage } from "./log.ts";
import { type Unit, createMaterializer } from "./materialize.ts";
import { type Table } from "./table.ts";

export interface Stage {
  /**
   * Applies a unit, as a whole or not at all. `actions`: of events that say themselves what they do. `unfit`: this code cannot
   * read it, so what it does is not known.
   */
  run(
    unit: Unit,
    pos: number,
    actions: ReadonlyMap<Envelope, readonly unknown[]>,
  ): { readonly tag: "done" } | { readonly tag: "unfit"; readonly reason: string };
  images(): RowImage[];
  /** Whether a function of the app runs right now. */
  running(): boolean;
}

const done = { tag: "done" } as const;

/** `underlay`: where the base is another one than the rows of a table show. */
export function createStage(
  definition: Definition,
  tables: ReadonlyMap<string, Table>,
  underlay: (table: Table) => ReadonlyMap<string, Row | undefined>,
): Stage {
  const images = createImages();
  const changed = new Map<Table, Map<string, Row | undefined>>();
  const views = new Map<string, Table>();
  for (const [name, table] of tables) {
    const below = underlay(table);
    const mine = new Map<string, Row | undefined>();
    const get = (id: string): Row | undefined =>
      mine.has(id) ? mine.get(id) : below.has(id) ? below.get(id) : table.rows.get(id);
    const rows = { get, has: (id: string) => get(id) !== undefined };
    const view = { ...table, rows: rows as Table["rows"] };
    changed.set(view, mine);
    views.set(name, view);
  }
  // Which event counts is decided.
  const events = new Map(
    Array.from(definition.events, ([name, spec]) => [name, { ...spec, dedupe: undefined }]),
  );
  const materializer = createMaterializer({ ...definition, events }, views, new Map());
  let reading = false;

  const set = (table: Table, id: string, row: Row | undefined): void => {
    changed.get(table)?.set(id, row);
  };

  /** The unit as today's code reads it. */
  function readable(unit: Unit, actions: ReadonlyMap<Envelope, unknown>) {
    reading = true;
    const read = unit.map((event) =>
      actions.has(event) ? { unit: [event], invalid: undefined } : replayable(definition, [event]),
    );
    reading = false;
    return {
      events: read.flatMap((it) => it.unit),
      invalid: read.find((it) => it.invalid !== undefined)?.invalid,
    };
  }

  return {
    run(unit, pos, actions) {
      const { events: today, invalid } = readable(unit, actions);
      if (invalid !== undefined) return { tag: "unfit", reason: invalid.message };
      const outcome = materializer.run(today, set, (event) => actions.get(event));
      if (outcome.tag === "applied") images.add(outcome.changes, pos);
      // What the server says in rows has an effect. A materializer that throws has none, on any device.
      else if (unit.every((event) => actions.has(event)))
        return { tag: "unfit", reason: outcome.error.message };
      return done;
    },
    images: images.list,
    running: () => materializer.running || reading,
  };
}
