/**
 * What older code stored, as today's code has it: rows through the app's `migrate`, payloads through `upcast`, and then
 * through their schemas. What these throw or give that is not valid is an issue, never an error: the data is kept as it is.
 */
import { type Definition } from "./definition.ts";
import { type Json, show, showError, toJson } from "./json.ts";
import { type Envelope, type Row } from "./log.ts";
import { differ } from "./materialize.ts";

interface Issue {
  readonly issue: string;
}

/** Calls a function of the app. In development twice, as it has to be pure. */
function call(
  { development }: Definition,
  what: string,
  run: () => unknown,
): { readonly result: unknown } | Issue {
  try {
    const result = run();
    return development && differ(result, run())
      ? { issue: `Expected ${what} to be pure, got two results for one input` }
      : { result };
  } catch (error) {
    return { issue: `Expected ${what} to return, got ${showError(error)}` };
  }
}

/** Whether rows of schema `from` go through the app's `migrate`. */
export const isOlder = ({ schema, migrate }: Definition, from: number): boolean =>
  migrate !== undefined && from < schema;

/** A stored row of a table of the app as a row of today; null when it is to be deleted. */
export function rowOf(
  definition: Definition,
  table: string,
  stored: unknown,
  from: number,
): { readonly value: Row | null } | Issue {
  const { migrate, tables } = definition;
  const parser = tables.get(table)?.parser;
  if (parser === undefined) return { issue: "Expected a known table" };
  if (!isOlder(definition, from))
    return parser.keep(stored) as { readonly value: Row } | (Issue & { readonly value?: never });
  const row = toJson(stored);
  if ("issue" in row) return { issue: `Expected ${row.issue.path} to be ${row.issue.reason}` };
  const { id } = row.value as Row;
  const called = call(definition, "migrate", () => migrate?.(table, row.value as Row, from));
  if ("issue" in called) return called;
  if (called.result === null) return { value: null };
  const taken = parser.take(called.result);
  if ("issue" in taken) return taken;
  const migrated = taken.value as Row;
  return migrated.id === id
    ? { value: migrated }
    : { issue: `Expected migrate to keep the id ${show(id)}, got ${show(migrated.id)}` };
}

/** The payload of a stored event of a kind of the app as a payload of today. */
export function payloadOf(
  definition: Definition,
  { name, v, payload }: Envelope,
): { readonly value: Json } | Issue {
  const spec = definition.events.get(name);
  if (spec === undefined) return { issue: "Expected a known event" };
  const { version, upcast, parser } = spec;
  if (v > version) return { issue: `Expected version ${version} or lower, got ${v}` };
  if (v === version || upcast === undefined) return parser.keep(payload);
  const called = call(definition, "upcast", () => upcast(payload, v));
  return "issue" in called ? called : parser.take(called.result);
}
