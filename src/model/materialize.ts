/**
 * Runs materializers: events and the tables as they are → changes of rows, applied to the tables in memory.
 *
 * 1. A unit (the events of one commit) is a whole: one failure and it has no changes at all (G3).
 * 2. `update` of a missing row and `create` of an existing id are no changes, and are told (G6, G7).
 * 3. Every resulting row is whole, valid and JSON: a partial row cannot be expressed (G6).
 * 4. An event whose dedupe key is taken is a `duplicate`: no changes, the rest of its unit applies (G7).
 * 5. A unit that is committed anew is a duplicate as a whole, when any of it was committed anew before: ids are keys, also where
 *    a server decides, which remembers ids: what it decided is not shown once more until it says so again.
 */
import { SyncError } from "../errors.ts";
import { type Definition, type EventSpec } from "./definition.ts";
import { type Json, sameJson, show, showError, toJson } from "./json.ts";
import { type Envelope, type Row } from "./log.ts";
import { type Table } from "./table.ts";

/** The events of one commit, in order. */
export type Unit = readonly Envelope[];

/** One row before and after; `undefined`: there is none. A unit may change a row several times. */
export interface Change {
  readonly table: Table;
  readonly id: string;
  readonly before: Row | undefined;
  readonly after: Row | undefined;
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

type Named = Pick<EventSpec, "name">;

/** What a unit has done so far. */
interface Step {
  readonly changes: Change[];
  readonly keys: TakenKey[];
  readonly noops: Noop[];
  set(table: Table, id: string, row: Row | undefined): void;
}

export const keyOf = (name: string, key: string): string => `${name}\n${key}`;

const noKeys: readonly TakenKey[] = [];

/** Stands for the name of an event where a key is the id of one that was committed anew: no event is called so. */
const anew = "-r";

/** The id under which an event is committed anew, whoever does it: two of one id are one (G7). */
export const anewId = (id: string): string =>
  id.replace(/(?:-r(\d+))?$/, (_, times: string | undefined) => `${anew}${Number(times ?? 0) + 1}`);

const isAnew = (id: string): boolean => /-r\d+$/.test(id);

/** The key of an event that was committed anew. */
export const anewKeys = (id: string): readonly TakenKey[] =>
  isAnew(id) ? [{ name: anew, key: id, id }] : noKeys;

/**
 * Tells whether a value is a part of a payload, which is frozen and ours: such a row need not be copied. It looks where a
 * materializer that goes through a list would be, and knows no others.
 */
function partsOf(payload: Json): (value: unknown) => boolean {
  const lists: { readonly list: readonly unknown[]; next: number }[] = [];
  if (typeof payload === "object" && payload !== null) {
    for (const item of Object.values(payload)) {
      if (typeof item === "object" && item !== null)
        lists.push({ list: Array.isArray(item) ? item : [item], next: 0 });
    }
  }
  return (value) => {
    for (const it of lists) {
      if (it.list[it.next] !== value) continue;
      it.next += 1;
      return true;
    }
    return false;
  };
}

const wrong = (spec: Named, expected: string, got: string): SyncError =>
  new SyncError(
    "invalid_row",
    `Expected the materializer of "${spec.name}" to return ${expected}, got ${got}`,
  );

/** Whether two results are two JSON values. What is not JSON is never like itself, and refused for what it is. */
export function differ(first: unknown, second: unknown): boolean {
  if (sameJson(first as Json, second as Json)) return false;
  const [a, b] = [toJson(first), toJson(second)];
  return "value" in a && "value" in b && !sameJson(a.value, b.value);
}

/** Calls a function of the app, and turns what it throws into a `SyncError`. */
function guarded<T>(code: "materializer_failed", what: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (error instanceof SyncError && error.code === "reentrant") throw error;
    throw new SyncError(code, `Expected ${what} to return, got ${showError(error)}`, error);
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

/**
 * The coalesce key of a unit, when it has one: only single events coalesce, and only those that take no key. There the first
 * counts: an event that leaves its place to a later one would free its key, and a duplicate would count after all.
 */
export function coalesceKey(definition: Definition, unit: Unit): string | undefined {
  const [event] = unit;
  if (event === undefined || unit.length > 1) return undefined;
  if (isAnew(event.id) || definition.events.get(event.name)?.dedupe !== undefined) return undefined;
  return keyFor(definition, event, "coalesce");
}

/** What an event takes, and counts only if nobody took it before. */
function takenBy(spec: EventSpec, { id, payload }: Envelope): readonly TakenKey[] {
  if (spec.dedupe === undefined) return anewKeys(id);
  return [...anewKeys(id), { name: spec.name, key: callKey(spec, "dedupe", payload), id }];
}

export interface Materializer {
  /**
   * Applies a unit to the tables, as a whole or not at all. `tables` are written through `set`: the caller may watch.
   */
  run(
    unit: Unit,
    set: (table: Table, id: string, row: Row | undefined) => void,
    /** Of events that say themselves what they do: no materializer runs for them. */
    actions?: (event: Envelope) => readonly unknown[] | undefined,
  ): Outcome;
  /** Whether a materializer runs right now. */
  readonly running: boolean;
}

export function createMaterializer(
  definition: Definition,
  tables: ReadonlyMap<string, Table>,
  taken: ReadonlyMap<string, string>,
): Materializer {
  let running = false;
  const views = Object.freeze(
    Object.fromEntries(
      Array.from(tables.values(), ({ name, rows }) => [
        name,
        Object.freeze({ get: (id: string) => rows.get(id), has: (id: string) => rows.has(id) }),
      ]),
    ),
  );

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
      if (differ(actions, again)) {
        throw new SyncError(
          "impure_materializer",
          `Expected ${what} to be pure, got two results for one input`,
        );
      }
    }
    return actions;
  }

  function row(
    spec: Named,
    table: Table,
    candidate: unknown,
    id: string,
    isOurs: (value: unknown) => boolean,
  ): Row {
    const parser = definition.tables.get(table.name)?.parser;
    const mine = isOurs(candidate) ? parser?.reuse(candidate) : parser?.take(candidate);
    if (mine === undefined || "issue" in mine) {
      if (mine?.code === "not_json")
        throw new SyncError("not_json", `${mine.issue} in a row of "${table.name}"`);
      throw wrong(spec, `valid rows of "${table.name}"`, mine?.issue ?? "an unknown table");
    }
    const value = mine.value as Row;
    if (value?.id !== id) throw wrong(spec, `rows that keep their id ${show(id)}`, show(value?.id));
    return value;
  }

  function act(
    spec: Named,
    event: Envelope,
    action: unknown,
    to: Step,
    isOurs: (value: unknown) => boolean,
  ): void {
    const { type, table: name, row: given } = (action ?? {}) as Partial<Record<string, unknown>>;
    const table = typeof name === "string" ? tables.get(name) : undefined;
    if (table === undefined) throw wrong(spec, "actions on declared tables", show(name));
    const id =
      typeof given === "object" && given !== null ? (given as { id?: unknown }).id : undefined;
    if (typeof id !== "string" || id === "") throw wrong(spec, "rows with a string id", show(id));
    const before = table.rows.get(id);
    let after: Row | undefined;
    switch (type) {
      case "create":
      case "update":
        if ((before === undefined) !== (type === "create")) {
          to.noops.push({ event, action: type, table: table.name, id });
          return;
        }
        after = row(
          spec,
          table,
          before === undefined ? given : { ...before, ...(given as object) },
          id,
          isOurs,
        );
        break;
      case "upsert":
        after = row(spec, table, given, id, isOurs);
        break;
      case "delete":
        break;
      default:
        throw wrong(spec, "actions made by create, update, upsert or remove", show(type));
    }
    if (before === after || sameJson(before, after)) return;
    to.changes.push({ table, id, before, after });
    to.set(table, id, after);
  }

  function runAll(
    unit: Unit,
    to: Step,
    given?: (event: Envelope) => readonly unknown[] | undefined,
  ): Outcome {
    const { changes, keys, noops } = to;
    if (unit.some(({ id }) => isAnew(id) && taken.has(keyOf(anew, id))))
      return { tag: "applied", changes, keys, duplicates: unit.map(({ id }) => id), noops };
    const duplicates: string[] = [];
    const isFree = ({ name, key }: TakenKey): boolean =>
      !taken.has(keyOf(name, key)) && !keys.some((it) => it.name === name && it.key === key);
    for (const event of unit) {
      const actions = given?.(event);
      if (actions !== undefined) {
        for (const action of actions) act(event, event, action, to, () => false);
        continue;
      }
      const spec = definition.events.get(event.name);
      if (spec === undefined) {
        throw new SyncError("unknown_event", `Expected a defined event, got ${show(event.name)}`);
      }
      const mine = takenBy(spec, event);
      if (!mine.every(isFree)) {
        duplicates.push(event.id);
        continue;
      }
      keys.push(...mine);
      const isOurs = partsOf(event.payload);
      for (const action of call(spec, event)) act(spec, event, action, to, isOurs);
    }
    return { tag: "applied", changes, keys, duplicates, noops };
  }

  return {
    get running() {
      return running;
    },
    run(unit, set, actions) {
      const step: Step = { changes: [], keys: [], noops: [], set };
      running = true;
      try {
        return runAll(unit, step, actions);
      } catch (error) {
        for (const change of step.changes.toReversed()) set(change.table, change.id, change.before);
        if (error instanceof SyncError) return { tag: "failed", error };
        // A getter or proxy that the app returned threw: the app's fault like a throw of its own.
        return {
          tag: "failed",
          error: new SyncError(
            "materializer_failed",
            `Expected actions to be readable, got ${showError(error)}`,
            error,
          ),
        };
      } finally {
        running = false;
      }
    },
  };
}
