import * as v from "valibot";
import { SyncError } from "../errors.ts";
import { type Fast, type Node, compileFast, slow } from "./fast.ts";
import { type Json, sameJson, toJson } from "./json.ts";

/** Any synchronous valibot schema. */
export type AnySchema = v.GenericSchema<unknown, unknown>;

const isNode = (value: unknown): value is Node =>
  typeof value === "object" && value !== null && "kind" in value && "type" in value;

/** Transformations whose result they leave alone when they see it again. */
const idempotent =
  /^(trim|trim_start|trim_end|to_lower_case|to_upper_case|normalize|to_min_value|to_max_value|readonly|brand|flavor)$/;

/** Schemas of values that are not JSON. */
const foreign = /^(bigint|blob|date|file|function|instance|map|nan|promise|set|symbol)$/;

function children(node: Node): readonly Node[] {
  return [
    ...(node.pipe?.slice(1) ?? []),
    ...Object.values(node.entries ?? {}),
    ...(node.items ?? []),
    ...(node.options ?? []),
    node.item,
    node.wrapped,
    node.rest,
    node.key,
    node.value,
  ].filter(isNode);
}

function some(node: Node, test: (node: Node) => boolean, seen: Set<Node>): boolean {
  if (seen.has(node)) return false;
  seen.add(node);
  return test(node) || children(node).some((child) => some(child, test, seen));
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
      return [[first(node.item)], []];
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
    default:
      return isNode(node.wrapped) ? samples(node.wrapped, depth + 1) : [];
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
  /** Parses into JSON of our own: frozen all the way down, shared with nobody. */
  take(input: unknown): { readonly value: Json } | Refusal;
  /** As `take`, of a value that is our own already: it is not copied where its parse would be the same. */
  reuse(input: unknown): { readonly value: Json } | Refusal;
  /**
   * Checks a stored value that nobody else holds, and freezes it, without transforming it: what was stored is what was
   * parsed once.
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

const quickly = (fast: Fast | undefined, input: unknown): { readonly value: Json } | undefined => {
  const value = fast === undefined ? slow : fast(input);
  return value === slow ? undefined : { value };
};

/** Prepares a schema. Throws `SyncError` `config` or `unstable_schema` where it is certain that the schema cannot work. */
export function createParser(what: string, schema: AnySchema): Parser {
  if (!isNode(schema) || schema.kind !== "schema") {
    throw new SyncError(
      "config",
      `Expected ${what} to have a valibot schema, got ${typeof schema}`,
    );
  }
  let problem: string | undefined;
  some(
    schema,
    (node) => {
      if (node.async === true) problem ??= "an asynchronous schema";
      if (node.kind === "schema" && foreign.test(node.type))
        problem ??= `a schema of type "${node.type}"`;
      return problem !== undefined;
    },
    new Set(),
  );
  if (problem !== undefined) {
    throw new SyncError("config", `Expected ${what} to consist of JSON values, got ${problem}`);
  }
  const transforms = some(
    schema,
    (node) => node.kind === "transformation" && !idempotent.test(node.type),
    new Set(),
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

  if (transforms) {
    for (const sample of samples(schema)) {
      const result = parse(sample);
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
    take: (input) => quickly(taking, input) ?? parse(input),
    reuse: (input) => quickly(keeping, input) ?? parse(input),
    keep(stored) {
      const kept = quickly(keeping, stored);
      if (kept !== undefined) return kept;
      const mine = notJson(stored);
      if ("issue" in mine) return mine;
      const result = v.safeParse(schema, mine.value);
      return result.success ? mine : { code: "invalid", issue: describeIssue(result.issues[0]) };
    },
  };
}
