import type * as v from "valibot";
import { SyncError } from "../errors.ts";
import {
  type CreateAction,
  type DeleteAction,
  type UpdateAction,
  type UpsertAction,
} from "./action.ts";
import { type Json, type JsonObject, show } from "./json.ts";
import { type AnySchema, type Parser, createParser } from "./schema.ts";

/** One kind of event: its schema, and how events of the kind relate to each other. */
export interface EventDefinition<S extends AnySchema = AnySchema> {
  readonly schema: S;
  /** Version of the schema: a positive integer, stored with each event. Default 1. */
  readonly version?: number;
  /**
   * Makes a payload of this version from a stored one of version `from`, which is lower. Pure; the payload is frozen. What
   * it returns is parsed by `schema`. Without it older payloads are validated as they are.
   */
  upcast?(payload: Json, from: number): Json;
  /** Idempotency key of a payload: of the events with one key the first counts, the others are decided `duplicate`. */
  dedupe?(payload: v.InferOutput<S>): string;
  /**
   * Key under which a later event takes the place of the one committed just before it, while that one is undecided: a
   * dragged slider leaves one event. The earlier one is decided `superseded`. Without effect beside `dedupe`.
   */
  coalesce?(payload: v.InferOutput<S>): string;
}

/**
 * Defines an event.
 *
 * @example
 * const todoAdded = defineEvent({ schema: v.object({ id: v.string(), text: v.string() }) });
 */
export function defineEvent<const S extends AnySchema>(
  definition: EventDefinition<S>,
): EventDefinition<S> {
  return definition;
}

/** Table name → schema of its rows, which have a string `id`. */
export type TableSchemas = Readonly<
  Record<string, v.GenericSchema<{ id: string }, { id: string }>>
>;
// The payload type sits in parameters of `dedupe` and `coalesce`, which are methods so that definitions stay assignable.
export type EventDefinitions = Readonly<Record<string, EventDefinition>>;

export type RowOf<T extends TableSchemas, N extends keyof T> = Readonly<v.InferOutput<T[N]>>;
export type PayloadOf<D extends EventDefinition> = v.InferOutput<D["schema"]>;

/** Readonly at every depth: rows are copied and frozen, so what they are made of may be frozen as well. */
type Frozen<T> = T extends object ? { readonly [K in keyof T]: Frozen<T[K]> } : T;
type NewRow<T extends TableSchemas, N extends keyof T> = Frozen<RowOf<T, N>>;

/** The actions that materializers of these tables may return. */
export type ActionOn<T extends TableSchemas> = {
  [N in keyof T & string]:
    | CreateAction<N, NewRow<T, N>>
    | UpdateAction<N, { readonly id: string } & Partial<NewRow<T, N>>>
    | UpsertAction<N, NewRow<T, N>>
    | DeleteAction<N>;
}[keyof T & string];

/** What a materializer sees of a table. */
export interface TableView<R> {
  get(id: string): R | undefined;
  has(id: string): boolean;
}

export interface MaterializerContext<T extends TableSchemas> {
  readonly tables: { readonly [N in keyof T & string]: TableView<RowOf<T, N>> };
  /** Id and time (ms since the epoch) of the event: a materializer has no clock and no randomness of its own. */
  readonly event: { readonly id: string; readonly at: number };
}

/** Pure: the same payload and the same tables give the same actions. */
export type Materializer<P, T extends TableSchemas> = (
  payload: P,
  context: MaterializerContext<T>,
) => readonly ActionOn<T>[];

/** Version of the app's data, and how rows of older versions become rows of this one. */
export interface SchemaConfig {
  /** A whole number from 1. A tab that meets data of a higher one changes nothing, and says `outdated`. */
  readonly version: number;
  /**
   * Makes a row of this version from a stored one of version `from`, which is lower; `null` deletes it. Pure; the row is
   * frozen, and keeps its id. Without it older rows are validated as they are.
   */
  migrate?(table: string, row: JsonObject, from: number): JsonObject | null;
}

export interface ModelConfig<T extends TableSchemas, E extends EventDefinitions> {
  readonly tables: T;
  readonly events: E;
  readonly materializers: { readonly [N in keyof E]: Materializer<PayloadOf<E[N]>, T> };
  /** Version of the app's data. Default `{ version: 1 }`. */
  readonly schema?: SchemaConfig;
}

type AnyMaterializer = (payload: unknown, context: unknown) => unknown;

/** An event of the app, checked. */
export interface EventSpec {
  readonly name: string;
  readonly version: number;
  readonly parser: Parser;
  readonly upcast: EventDefinition["upcast"];
  readonly materialize: AnyMaterializer;
  readonly dedupe: ((payload: unknown) => string) | undefined;
  readonly coalesce: ((payload: unknown) => string) | undefined;
}

export interface TableSpec {
  readonly name: string;
  readonly parser: Parser;
}

/** The app's configuration, checked. Looked up by `Map`, so that `__proto__` is an ordinary bad name. */
export interface Definition {
  readonly events: ReadonlyMap<string, EventSpec>;
  readonly tables: ReadonlyMap<string, TableSpec>;
  readonly schema: number;
  readonly migrate: SchemaConfig["migrate"];
  /** Run materializers twice, on frozen input, and compare. */
  readonly development: boolean;
}

/** The two words are no names of records: valibot leaves such keys out, and with them what is stored under them. */
const names = /^(?!(?:constructor|prototype)$)[A-Za-z][A-Za-z0-9_.:-]{0,63}$/;

function expectRecord(what: string, value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new SyncError("config", `Expected ${what} to be an object, got ${show(value)}`);
  }
  return value as Readonly<Record<string, unknown>>;
}

function expectName(what: string, name: string): void {
  if (!names.test(name)) {
    throw new SyncError(
      "config",
      `Expected the name of ${what} to match ${names.source}, got ${show(name)}`,
    );
  }
}

function expectVersion(what: string, value: unknown = 1): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 1) return value;
  throw new SyncError("config", `Expected ${what} to be 1 or more, got ${show(value)}`);
}

function expectFunction(what: string, value: unknown): void {
  if (value !== undefined && typeof value !== "function") {
    throw new SyncError("config", `Expected ${what} to be a function, got ${show(value)}`);
  }
}

const noRow =
  /^(array|boolean|enum|literal|never|null|number|picklist|string|undefined|void|.*tuple)$/;

/** The schemas that the id of a row may go by. `null`: rows need not have one. Empty where that cannot be seen. */
function idsOf(schema: AnySchema): readonly AnySchema[] | null {
  const { type, entries, options } = schema as unknown as {
    readonly type: string;
    readonly entries?: Readonly<Record<string, AnySchema>>;
    readonly options?: readonly AnySchema[];
  };
  if (noRow.test(type)) return null;
  if (entries !== undefined) {
    const id = Object.hasOwn(entries, "id") ? entries["id"] : undefined;
    return id === undefined ? null : [id];
  }
  if (options === undefined || !/^(intersect|union|variant)$/.test(type)) return [];
  const all = options.map(idsOf);
  const found = all.filter((it) => it !== null);
  // Of an intersection one part says it all, of a union each option stands for itself.
  const isEnough = type === "intersect" ? found.length > 0 : found.length === all.length;
  return isEnough ? found.flat() : null;
}

/** A schema of rows must refuse a row without a string id, and keep the id it was given. */
function expectId(what: string, schema: AnySchema): void {
  const ids = idsOf(schema);
  if (ids === null) {
    throw new SyncError(
      "config",
      `Expected the schema of ${what} to have a string "id", got no "id"`,
    );
  }
  for (const id of ids) {
    const parser = createParser(`"id" of ${what}`, id);
    for (const wrong of [undefined, 1, null]) {
      const taken = parser.take(wrong);
      // `undefined` is no JSON, but a schema that lets it pass lets rows without id pass.
      if ("value" in taken || taken.code !== "invalid") {
        throw new SyncError(
          "config",
          `Expected "id" of ${what} to be a string, got a schema that takes ${show(wrong)}`,
        );
      }
    }
  }
}

/** Checks a configuration. Throws `SyncError` with `config` or `unstable_schema`. */
export function compile<T extends TableSchemas, E extends EventDefinitions>(
  config: ModelConfig<T, E>,
  development: boolean,
): Definition {
  const tables = new Map<string, TableSpec>();
  for (const [name, schema] of Object.entries(expectRecord("tables", config.tables))) {
    const what = `table "${name}"`;
    expectName(what, name);
    const parser = createParser(what, schema as AnySchema);
    expectId(what, schema as AnySchema);
    tables.set(name, { name, parser });
  }

  const materializers = expectRecord("materializers", config.materializers);
  const events = new Map<string, EventSpec>();
  for (const [name, value] of Object.entries(expectRecord("events", config.events))) {
    const what = `event "${name}"`;
    expectName(what, name);
    const definition = expectRecord(what, value) as unknown as EventDefinition;
    const materialize = Object.hasOwn(materializers, name) ? materializers[name] : undefined;
    if (typeof materialize !== "function") {
      throw new SyncError(
        "config",
        `Expected ${what} to have a materializer, got ${show(materialize)}`,
      );
    }
    expectFunction(`upcast of ${what}`, definition.upcast);
    expectFunction(`dedupe of ${what}`, definition.dedupe);
    expectFunction(`coalesce of ${what}`, definition.coalesce);
    events.set(name, {
      name,
      version: expectVersion(`the version of ${what}`, definition.version),
      parser: createParser(what, definition.schema),
      upcast: definition.upcast?.bind(definition),
      materialize: materialize as AnyMaterializer,
      dedupe: definition.dedupe?.bind(definition),
      coalesce: definition.coalesce?.bind(definition),
    });
  }
  for (const name of Object.keys(materializers)) {
    if (!events.has(name)) {
      throw new SyncError(
        "config",
        `Expected materializer "${name}" to belong to an event, got no such event`,
      );
    }
  }
  const schema = expectRecord("schema", config.schema ?? {}) as Partial<SchemaConfig>;
  expectFunction("schema.migrate", schema.migrate);
  return {
    events,
    tables,
    schema: expectVersion("schema.version", schema.version),
    migrate: schema.migrate?.bind(schema),
    development,
  };
}
