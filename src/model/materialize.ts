/**
 * Runs materializers: events and the tables as they are → changes of rows. Pure: nothing is applied here.
 *
 * 1. A unit (the events of one commit) is a whole: one failure and it has no changes at all (G3).
 * 2. `update` of a missing row and `create` of an existing id are no changes, and are told (G6, G7).
 * 3. Every resulting row is whole, valid and JSON: a partial row cannot be expressed (G6).
 * 4. An event whose dedupe key is taken is a `duplicate`: no changes, the rest of its unit applies (G7).
 */
import { SyncError } from "../errors.ts";
import { type Definition, type EventSpec } from "./definition.ts";
import { type Json, sameJson, show } from "./json.ts";
import { type Envelope, type Row } from "./log.ts";
import { own } from "./schema.ts";
import { type Table } from "./table.ts";

/** The events of one commit, in order. */
export type Unit = readonly Envelope[];

/** One row before and after; `undefined`: there is none. */
export interface Change {
  readonly table: Table;
  readonly id: string;
  readonly before: Row | undefined;
  after: Row | undefined;
}

/** An action without effect. */
export interface Noop {
  readonly event: Envelope;
  readonly action: "create" | "update";
  readonly table: string;
  readonly id: string;
}

/** A dedupe key that an event took. */
export interface TakenKey {
  readonly name: string;
  readonly key: string;
  readonly id: string;
}

export type Outcome =
  | {
      readonly tag: "applied";
      readonly changes: readonly Change[];
      readonly keys: readonly TakenKey[];
      /** Ids of events of the unit that were duplicates. */
      readonly duplicates: readonly string[];
      readonly noops: readonly Noop[];
    }
  | { readonly tag: "failed"; readonly error: SyncError };

export const keyOf = (name: string, key: string): string => `${name}\n${key}`;

/** The changes of a unit so far, seen through by its later actions. */
function createDraft() {
  const changes: Change[] = [];
  // Most units change a row or two: a scan is cheaper than an index there.
  let index: Map<Table, Map<string, Change>> | undefined;

  function find(table: Table, id: string): Change | undefined {
    if (index !== undefined) return index.get(table)?.get(id);
    return changes.find((change) => change.id === id && change.table === table);
  }
  function remember(change: Change): void {
    let ofTable = index?.get(change.table);
    if (ofTable === undefined) index?.set(change.table, (ofTable = new Map()));
    ofTable?.set(change.id, change);
  }
  return {
    changes,
    get(table: Table, id: string): Row | undefined {
      const change = find(table, id);
      return change === undefined ? table.rows.get(id) : change.after;
    },
    set(table: Table, id: string, after: Row | undefined): void {
      const found = find(table, id);
      if (found !== undefined) {
        found.after = after;
        return;
      }
      const change = { table, id, before: table.rows.get(id), after };
      changes.push(change);
      if (index !== undefined) remember(change);
      else if (changes.length > 8) {
        index = new Map();
        changes.forEach(remember);
      }
    },
  };
}

type Draft = ReturnType<typeof createDraft>;

const wrong = (spec: EventSpec, expected: string, got: string): SyncError =>
  new SyncError(
    "invalid_row",
    `Expected the materializer of "${spec.name}" to return ${expected}, got ${got}`,
  );

/** Calls a function of the app, and turns what it throws into a `SyncError`. */
function guarded<T>(code: "materializer_failed", what: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (error instanceof SyncError && error.code === "reentrant") throw error;
    throw new SyncError(code, `Expected ${what} to return, got ${show(String(error))}`, error);
  }
}

function callKey(spec: EventSpec, what: "dedupe" | "coalesce", payload: Json): string {
  const key: unknown = guarded("materializer_failed", `${what} of "${spec.name}"`, () =>
    spec[what]?.(payload),
  );
  if (typeof key !== "string") {
    throw new SyncError(
      "materializer_failed",
      `Expected ${what} of "${spec.name}" to give a string, got ${show(key)}`,
    );
  }
  return key;
}

function keyFor(
  definition: Definition,
  event: Envelope,
  what: "dedupe" | "coalesce",
): string | undefined {
  const spec = definition.events.get(event.name);
  if (spec?.[what] === undefined) return undefined;
  try {
    return keyOf(spec.name, callKey(spec, what, event.payload));
  } catch {
    // Checked when it was committed; under other code that throws the event has no key.
    return undefined;
  }
}

/** The dedupe key of an event, when it has one. */
export const dedupeKey = (definition: Definition, event: Envelope): string | undefined =>
  keyFor(definition, event, "dedupe");

/** Throws when `coalesce` of the event's kind does not give a key. */
export function checkCoalesce(spec: EventSpec, event: Envelope): void {
  if (spec.coalesce !== undefined) callKey(spec, "coalesce", event.payload);
}

/** The coalesce key of a unit, when it has one: only single events coalesce. */
export function coalesceKey(definition: Definition, unit: Unit): string | undefined {
  const [event] = unit;
  return unit.length === 1 && event !== undefined
    ? keyFor(definition, event, "coalesce")
    : undefined;
}

export interface Materializer {
  /** Runs a unit on the tables as they are. */
  run(unit: Unit): Outcome;
  /** Whether a materializer runs right now. */
  readonly running: boolean;
}

export function createMaterializer(
  definition: Definition,
  tables: ReadonlyMap<string, Table>,
  taken: ReadonlyMap<string, string>,
): Materializer {
  let draft: Draft | undefined;
  const views = Object.fromEntries(
    Array.from(tables.values(), (table) => [
      table.name,
      Object.freeze({
        get: (id: string) => (draft === undefined ? table.rows.get(id) : draft.get(table, id)),
        has: (id: string) =>
          (draft === undefined ? table.rows.get(id) : draft.get(table, id)) !== undefined,
      }),
    ]),
  );
  Object.freeze(views);

  function call(spec: EventSpec, event: Envelope): readonly unknown[] {
    const context = { tables: views, event: { id: event.id, at: event.at } };
    const what = `the materializer of "${spec.name}"`;
    const actions = guarded("materializer_failed", what, () =>
      spec.materialize(event.payload, context),
    );
    if (!Array.isArray(actions)) throw wrong(spec, "an array of actions", show(actions));
    if (definition.development) {
      const again = guarded("materializer_failed", what, () =>
        spec.materialize(event.payload, context),
      );
      if (!sameJson(actions as Json, again as Json)) {
        throw new SyncError(
          "impure_materializer",
          `Expected ${what} to be pure, got two results for one input`,
        );
      }
    }
    return actions;
  }

  function row(spec: EventSpec, table: Table, candidate: unknown, id: string): Row {
    const parsed = definition.tables.get(table.name)?.parser.parse(candidate);
    if (parsed === undefined || "issue" in parsed) {
      throw wrong(spec, `valid rows of "${table.name}"`, parsed?.issue ?? "an unknown table");
    }
    const mine = own(parsed.output, candidate);
    if ("issue" in mine)
      throw new SyncError("not_json", `Expected ${mine.issue} in a row of "${table.name}"`);
    const value = mine.value as Row;
    if (value?.id !== id) throw wrong(spec, `rows that keep their id ${show(id)}`, show(value?.id));
    return value;
  }

  function act(spec: EventSpec, event: Envelope, to: Draft, action: unknown, noops: Noop[]): void {
    const { type, table: name, row: given } = (action ?? {}) as Partial<Record<string, unknown>>;
    const table = typeof name === "string" ? tables.get(name) : undefined;
    if (table === undefined) throw wrong(spec, "actions on declared tables", show(name));
    const id =
      typeof given === "object" && given !== null ? (given as { id?: unknown }).id : undefined;
    if (typeof id !== "string" || id === "") throw wrong(spec, "rows with a string id", show(id));
    const before = to.get(table, id);
    switch (type) {
      case "create":
        if (before === undefined) to.set(table, id, row(spec, table, given, id));
        else noops.push({ event, action: type, table: table.name, id });
        return;
      case "update":
        if (before === undefined) noops.push({ event, action: type, table: table.name, id });
        else {
          const after = row(spec, table, { ...before, ...(given as object) }, id);
          if (!sameJson(before, after)) to.set(table, id, after);
        }
        return;
      case "upsert": {
        const after = row(spec, table, given, id);
        if (!sameJson(before, after)) to.set(table, id, after);
        return;
      }
      case "delete":
        if (before !== undefined) to.set(table, id, undefined);
        return;
      default:
        throw wrong(spec, "actions made by create, update, upsert or remove", show(type));
    }
  }

  function runAll(unit: Unit, to: Draft): Outcome {
    const keys: TakenKey[] = [];
    const duplicates: string[] = [];
    const noops: Noop[] = [];
    for (const event of unit) {
      const spec = definition.events.get(event.name);
      if (spec === undefined) {
        throw new SyncError("unknown_event", `Expected a defined event, got ${show(event.name)}`);
      }
      if (spec.dedupe !== undefined) {
        const key = callKey(spec, "dedupe", event.payload);
        const id =
          taken.get(keyOf(spec.name, key)) ??
          keys.find((it) => it.name === spec.name && it.key === key)?.id;
        if (id !== undefined) {
          duplicates.push(event.id);
          continue;
        }
        keys.push({ name: spec.name, key, id: event.id });
      }
      for (const action of call(spec, event)) act(spec, event, to, action, noops);
    }
    return { tag: "applied", changes: to.changes, keys, duplicates, noops };
  }

  return {
    get running() {
      return draft !== undefined;
    },
    run(unit) {
      const mine = createDraft();
      draft = mine;
      try {
        return runAll(unit, mine);
      } catch (error) {
        if (error instanceof SyncError) return { tag: "failed", error };
        // A getter or proxy that the app returned threw: the app's fault like a throw of its own.
        return {
          tag: "failed",
          error: new SyncError(
            "materializer_failed",
            `Expected actions to be readable, got ${String(error)}`,
            error,
          ),
        };
      } finally {
        draft = undefined;
      }
    },
  };
}
