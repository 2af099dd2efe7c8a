import * as v from "valibot";
import { SyncError } from "../errors.ts";
import { type PlainColumns, plainColumns } from "./columns.ts";
import { type Fast, type Node, compileFast, slow } from "./fast.ts";
import { type Json, isObject, sameJson, showError, toJson } from "./json.ts";

/** Any synchronous valibot schema. */
export type AnySchema = v.GenericSchema<unknown, unknown>;

const isNode = (value: unknown): value is Node =>
  typeof value === "object" && value !== null && "kind" in value && "type" in value;

/** Transformations whose result they leave alone when they see it again. */
const idempotent =
  /^(trim|trim_start|trim_end|to_lower_case|to_upper_case|normalize|to_min_value|to_max_value|readonly|brand|flavor)$/;

/** Schemas of values that are not JSON. */
const foreign = /^(bigint|blob|date|file|function|instance|map|nan|promise|set|symbol)$/;

/** What a lazy schema stands for, where it tells without a value. */
function lazily(node: Node): unknown {
  try {
    return node.getter?.(undefined);
  } catch {
    return undefined;
  }
}

function children(node: Node): readonly Node[] {
  return [
    // With the first one: it may be a pipe of its own.
    ...(node.pipe ?? []),
    ...Object.values(node.entries ?? {}),
    ...(node.items ?? []),
    ...(node.options ?? []),
    node.item,
    node.wrapped,
    node.rest,
    node.key,
    node.value,
    lazily(node),
  ].filter(isNode);
}

/** A lazy schema may be another one at each look: the depth ends it. */
function some(
  node: Node,
  test: (node: Node) => boolean,
  seen = new Set<Node>(),
  depth = 32,
): boolean {
  if (seen.has(node) || depth === 0) return false;
  seen.add(node);
  return test(node) || children(node).some((child) => some(child, test, seen, depth - 1));
}

/** A few values that a schema is likely to accept; none where nothing can be guessed. */
function samples(node: Node, depth = 0): readonly unknown[] {
  if (depth > 8) return [];
  const first = (child: unknown): unknown =>
    isNode(child) ? samples(child, depth + 1)[0] : undefined;
  switch (node.type) {
    case "string":
      return ["a", "1", " A b ", "2020-01-01", "a@b.co"];
    case "number":
      return [1, 0, 2.5];
    case "boolean":
      return [true];
    case "literal":
      return [node.literal];
    case "picklist":
    case "enum":
      return node.options ?? [];
    case "array":
      return [...samples(node.item as Node, depth + 1).map((it) => [it]), []];
    case "tuple":
    case "strict_tuple":
    case "loose_tuple":
      return [node.items?.map(first)];
    case "union":
    case "variant":
      return (node.options ?? []).map(first);
    case "object":
    case "loose_object":
    case "strict_object": {
      const names = Object.entries(node.entries ?? {});
      const most = Math.max(1, ...names.map(([, child]) => samples(child, depth + 1).length));
      return Array.from({ length: Math.min(most, 5) }, (_, index) =>
        Object.fromEntries(
          names.map(([name, child]) => {
            const guesses = samples(child, depth + 1);
            return [name, guesses[index % guesses.length]];
          }),
        ),
      );
    }
    default: {
      const inner = node.wrapped ?? lazily(node);
      return isNode(inner) ? samples(inner, depth + 1) : [];
    }
  }
}

/** Why a value was not taken. */
export interface Refusal {
  readonly code: "invalid" | "not_json" | "unstable_schema";
  readonly issue: string;
}

/** A parser that accepts JSON only, and whose output it would give back unchanged. */
export interface Parser {
  readonly schema: AnySchema;
  /** For tables with plain columns. */
  readonly columns: PlainColumns | undefined;
  /** Parses into JSON of our own: frozen all the way down, shared with nobody. */
  take(input: unknown): { readonly value: Json } | Refusal;
  /** As `take`, of a value that is our own already: it is not copied where its parse would be the same. */
  reuse(input: unknown): { readonly value: Json } | Refusal;
  /**
   * Checks a stored value that nobody else holds, and freezes it, without transforming it: what was stored is what was
   * parsed once. Only properties that the schema has got since are added, with their defaults.
   */
  keep(stored: unknown): { readonly value: Json } | Refusal;
}

function describeIssue(issue: v.BaseIssue<unknown>): string {
  const path = v.getDotPath(issue);
  return path === null ? issue.message : `${path}: ${issue.message}`;
}

function notJson(value: unknown): { readonly value: Json } | Refusal {
  const result = toJson(value);
  if ("value" in result) return result;
  return {
    code: "not_json",
    issue: `Expected ${result.issue.path} to be ${result.issue.reason}`,
  };
}

/** A function in the schema threw: the value is none that it is made for. */
const broken = (error: unknown): Refusal => ({
  code: "invalid",
  issue: `Expected the schema to return, got ${showError(error)}`,
});

const quickly = (fast: Fast | undefined, input: unknown): { readonly value: Json } | undefined => {
  const value = fast === undefined ? slow : fast(input);
  return value === slow ? undefined : { value };
};

/** A stored object with the properties that its schema has got since, and gives a default. Nothing else is changed. */
function withDefaults(stored: Json, output: unknown): Json {
  const given = toJson(output);
  if ("issue" in given || !isObject(stored) || !isObject(given.value)) return stored;
  const isWhole = Object.keys(given.value).every((key) => Object.hasOwn(stored, key));
  return isWhole ? stored : Object.freeze({ ...given.value, ...stored });
}

/** Prepares a schema. Throws `SyncError` `config` or `unstable_schema` where it is certain that the schema cannot work. */
export function createParser(what: string, schema: AnySchema): Parser {
  if (!isNode(schema) || schema.kind !== "schema") {
    throw new SyncError(
      "config",
      `Expected ${what} to have a valibot schema, got ${typeof schema}`,
    );
  }
  let problem: string | undefined;
  some(schema, (node) => {
    if (node.async === true) problem ??= "an asynchronous schema";
    if (node.kind === "schema" && foreign.test(node.type))
      problem ??= `a schema of type "${node.type}"`;
    return problem !== undefined;
  });
  if (problem !== undefined) {
    throw new SyncError("config", `Expected ${what} to consist of JSON values, got ${problem}`);
  }
  const transforms = some(
    schema,
    (node) => node.kind === "transformation" && !idempotent.test(node.type),
  );

  const taking = compileFast(schema, true);
  const keeping = compileFast(schema, false);

  function parse(input: unknown): { readonly value: Json } | Refusal {
    const result = v.safeParse(schema, input);
    if (!result.success) return { code: "invalid", issue: describeIssue(result.issues[0]) };
    const mine = notJson(result.output);
    if (!transforms || "issue" in mine) return mine;
    const again = v.safeParse(schema, result.output);
    if (again.success) {
      const second = toJson(again.output);
      if ("value" in second && sameJson(mine.value, second.value)) return mine;
    }
    const got = again.success ? "another value" : "a refusal";
    return { code: "unstable_schema", issue: `Expected the output to parse to itself, got ${got}` };
  }

  function check(stored: unknown): { readonly value: Json } | Refusal {
    const mine = notJson(stored);
    if ("issue" in mine) return mine;
    const result = v.safeParse(schema, mine.value);
    if (!result.success) return { code: "invalid", issue: describeIssue(result.issues[0]) };
    return { value: withDefaults(mine.value, result.output) };
  }

  const guarded =
    (fast: Fast | undefined, slowly: typeof parse) =>
    (input: unknown): { readonly value: Json } | Refusal => {
      try {
        return quickly(fast, input) ?? slowly(input);
      } catch (error) {
        return broken(error);
      }
    };
  const take = guarded(taking, parse);

  if (transforms) {
    for (const sample of samples(schema)) {
      const result = take(sample);
      if ("issue" in result && result.code === "unstable_schema") {
        throw new SyncError(
          "unstable_schema",
          `Expected ${what} to have a stable schema. ${result.issue}`,
        );
      }
    }
  }
  return {
    schema,
    columns: plainColumns(schema),
    take,
    reuse: guarded(keeping, parse),
    keep: guarded(keeping, check),
  };
}
