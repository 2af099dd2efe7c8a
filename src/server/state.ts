/**
 * The rows of spaces, in memory: snapshots and entries run through the app's materializers. A state is of one place of one
 * log, and is used only where that log still goes through that place; otherwise it is made anew.
 */
import { type Definition, type EventSpec } from "../model/definition.ts";
import { type Json, type JsonObject } from "../model/json.ts";
import { type Envelope, type Row } from "../model/log.ts";
import { type Change, type Materializer, createMaterializer } from "../model/materialize.ts";
import { type Table, createTable } from "../model/table.ts";
import { type LogEntry, type WireAction, type WireTables } from "../protocol/index.ts";
import { unitsOf } from "./decide.ts";
import { createMutex } from "./mutex.ts";
import { type Prepared } from "./prepare.ts";
import { type ReadFound, type SnapshotHead, type SpaceHead, type Storage } from "./storage.ts";

/** Rows of a space as of one entry. */
export interface State {
  epoch: string;
  pos: number;
  hash: string;
  readonly tables: ReadonlyMap<string, Table>;
  readonly materializer: Materializer;
}

/** Readonly rows of all tables at one moment: they stay what they are while the state moves on. */
export type Rows = ReadonlyMap<string, readonly Row[]>;

export interface States {
  /**
   * The rows as of the head or, where they were wanted as of a later one already, of that. The caller sees to it that nobody
   * else of this process uses the state of this space.
   */
  at(space: string, head: SpaceHead): Promise<State>;
  /** Runs a unit. Undefined: it does not apply, and nothing was changed. Otherwise the actions of each event. */
  run(state: State, unit: readonly Prepared[]): readonly (readonly WireAction[])[] | undefined;
  /** Runs one event, and gives what undoes it. */
  tryOut(state: State, event: Prepared): () => void;
  /** One at a time per space, whoever uses a state. */
  lock<R>(space: string, task: () => Promise<R>): Promise<R>;
  /** Says what the log has come to, after all that was run on a state was appended. */
  moved(space: string, pos: number, hash: string): void;
  /** Forgets a state that has run what was not stored. */
  drop(space: string): void;
}

/** Spaces whose rows are kept; those that were used last. */
const mostStates = 100;

/** Entries that are read at once. */
const chunk = { limit: 1000, size: 4_000_000 };

const withoutKeys = (spec: EventSpec): EventSpec => ({
  ...spec,
  dedupe: undefined,
  coalesce: undefined,
});

const actionOf = ({ table, id, after }: Change): WireAction =>
  after === undefined
    ? { type: "delete", tableName: table.name, value: { id } }
    : { type: "upsert", tableName: table.name, value: after };

/** Applies what an entry says of rows. They were checked when it was made. */
function act(tables: State["tables"], { type, tableName, value }: WireAction): void {
  const table = tables.get(tableName);
  const before = table?.rows.get(value.id);
  if (table === undefined) return;
  if (type === "create" && before !== undefined) return;
  if (type === "update" && before === undefined) return;
  if (type === "delete") table.set(value.id, undefined);
  else {
    const row = type === "update" ? { ...before, ...value } : value;
    table.set(value.id, Object.freeze(row) as Row);
  }
}

export const rowsOf = (state: State): Rows =>
  new Map(Array.from(state.tables.values(), (table) => [table.name, table.toArray()]));

const undo = (changes: readonly Change[]): void => {
  for (const { table, id, before } of changes.toReversed()) table.set(id, before);
};

export function createStates(
  given: Definition,
  storage: Storage,
  report: (error: unknown, where: string) => void,
): States {
  // Which of the events with one key counts was decided before they came into the log.
  const events = new Map(Array.from(given.events, ([name, spec]) => [name, withoutKeys(spec)]));
  const definition: Definition = { ...given, events };
  const states = new Map<string, State>();

  const envelopeOf = ({ id, name, at, current }: Prepared): Envelope => {
    const v = definition.events.get(name)?.version ?? 1;
    return { id, name, v, payload: current, at };
  };

  /** Runs the events of one commit; all of them or none. */
  function runUnit(state: State, unit: readonly Envelope[]): readonly Change[][] | undefined {
    const done: Change[][] = [];
    for (const event of unit) {
      const outcome = state.materializer.run([event], (table, id, row) => table.set(id, row));
      if (outcome.tag === "failed") {
        undo(done.flat());
        return undefined;
      }
      done.push([...outcome.changes]);
    }
    return done;
  }

  /** The event of an entry in today's version; undefined where it is none that we know. */
  function eventOf({ id = "", name = "", v = 1, payload, at, ts }: LogEntry): Envelope | undefined {
    const spec = definition.events.get(name);
    if (spec === undefined || v > spec.version) return undefined;
    const current =
      v < spec.version && spec.upcast ? spec.upcast(payload as Json, v) : (payload as Json);
    const kept = spec.parser.keep(current);
    return "value" in kept
      ? { id, name, v: spec.version, payload: kept.value, at: at ?? ts }
      : undefined;
  }

  function fold(state: State, rows: ReadFound["rows"]): void {
    const entries = rows.map(({ entry }) => JSON.parse(entry) as LogEntry);
    for (const unit of unitsOf(entries)) {
      if (unit.every(({ actions }) => actions !== undefined)) {
        for (const { actions = [] } of unit) for (const it of actions) act(state.tables, it);
        continue;
      }
      try {
        const known = unit.map(eventOf);
        // A unit that does not apply has no effect, here as on every device.
        if (known.every((it) => it !== undefined)) runUnit(state, known);
        else report(new Error(`Expected a known event at ${unit[0]?.pos}`), "materializers");
      } catch (error) {
        report(error, `upcast at ${unit[0]?.pos}`);
      }
    }
    const last = rows.at(-1);
    if (last !== undefined) [state.pos, state.hash] = [last.pos, last.hash];
  }

  function empty(epoch: string, pos: number, hash: string): State {
    const tables = new Map<string, Table>();
    for (const name of definition.tables.keys()) tables.set(name, createTable(name));
    const materializer = createMaterializer(definition, tables, new Map());
    return { epoch, pos, hash, tables, materializer };
  }

  function load(state: State, data: WireTables): void {
    for (const [name, rows] of Object.entries(data)) {
      const parser = definition.tables.get(name)?.parser;
      for (const row of rows) {
        const kept = parser?.keep(row);
        if (kept !== undefined && "issue" in kept) report(new Error(kept.issue), `table "${name}"`);
        const value = kept !== undefined && "value" in kept ? (kept.value as JsonObject) : row;
        state.tables.get(name)?.set(row.id, value as Row);
      }
    }
  }

  /** From the newest snapshot, or from nothing. */
  async function fresh(space: string): Promise<State> {
    let of: SnapshotHead | undefined;
    let state: State | undefined;
    for (let no = 0; ; no += 1) {
      const page = of === undefined ? { no } : { snapshot: of.id, no };
      const found = await storage.read(space, { limit: 0, size: 0, page });
      const { epoch, floor, floorHash } = found.space;
      if (found.page === undefined) return state ?? empty(epoch, floor, floorHash);
      of ??= found.page.of;
      state ??= empty(epoch, of.pos, of.hash);
      load(state, JSON.parse(found.page.data) as WireTables);
      if (no + 1 === of.pages) return state;
    }
  }

  async function bring(space: string, head: SpaceHead): Promise<State> {
    let state = states.get(space) ?? (await fresh(space));
    const isThere = ({ epoch, pos, hash }: State): boolean =>
      epoch === head.epoch && pos === head.head && hash === head.hash;
    for (let tries = 0; !isThere(state);) {
      const want = { after: state.pos, hashesAt: [state.pos], ...chunk };
      const found = await storage.read(space, want);
      const isOurs = found.hashes[0] === state.hash && state.epoch === found.space.epoch;
      const rows = found.rows.filter(({ pos }) => pos <= head.head);
      if (isOurs && rows.length > 0) fold(state, rows);
      else if (isOurs && state.pos >= head.head) break;
      else {
        // The log is another one, or it was compacted beyond us.
        tries += 1;
        if (tries > 3)
          throw new Error("Expected the log to hold still, got another head each time");
        state = await fresh(space);
      }
    }
    states.delete(space);
    states.set(space, state);
    const [oldest] = states.keys();
    if (states.size > mostStates && oldest !== undefined) states.delete(oldest);
    return state;
  }

  return {
    at: bring,
    run: (state, unit) =>
      runUnit(state, unit.map(envelopeOf))?.map((changes) => changes.map(actionOf)),
    tryOut(state, event) {
      const changes = runUnit(state, [envelopeOf(event)])?.flat() ?? [];
      return () => undo(changes);
    },
    lock: createMutex().run,
    moved(space, pos, hash) {
      const state = states.get(space);
      if (state !== undefined) [state.pos, state.hash] = [pos, hash];
    },
    drop: (space) => states.delete(space),
  };
}
