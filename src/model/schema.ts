import * as v from "valibot";
import { SyncError } from "../errors.ts";
import { type Json, sameJson, toJson } from "./json.ts";

/** Any synchronous valibot schema. */
export type AnySchema = v.GenericSchema<unknown, unknown>;

/** What valibot's schema objects hold, as far as it is read here. Every property depends on the kind of schema. */
interface Node {
  readonly kind: string;
  readonly type: string;
  readonly async?: boolean;
  readonly pipe?: readonly Node[];
  readonly entries?: Readonly<Record<string, Node>>;
  readonly items?: readonly Node[];
  readonly item?: Node;
  readonly wrapped?: Node;
  readonly rest?: Node | null;
  readonly key?: Node;
  readonly value?: unknown;
  readonly literal?: unknown;
  readonly options?: readonly unknown[];
}

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

/** A parser that accepts JSON only, and whose output it would give back unchanged. */
export interface Parser {
  readonly schema: AnySchema;
  /** Parses; for schemas that transform, proves that the output parses to itself. */
  parse(
    input: unknown,
  ): { readonly output: unknown } | { readonly issue: string; readonly unstable: boolean };
  /** Checks a stored value, without transforming it. Undefined when it is valid. */
  check(stored: unknown): string | undefined;
}

function describeIssue(issue: v.BaseIssue<unknown>): string {
  const path = v.getDotPath(issue);
  return path === null ? issue.message : `${path}: ${issue.message}`;
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

  function parse(input: unknown): ReturnType<Parser["parse"]> {
    const result = v.safeParse(schema, input);
    if (!result.success) return { issue: describeIssue(result.issues[0]), unstable: false };
    if (transforms) {
      const again = v.safeParse(schema, result.output);
      const before = toJson(result.output);
      const after = again.success ? toJson(again.output) : undefined;
      const same =
        after !== undefined &&
        "value" in before &&
        "value" in after &&
        sameJson(before.value, after.value);
      if (!same && "value" in before) {
        const issue = `its output to parse to itself, got ${again.success ? "another value" : "a refusal"}`;
        return { issue, unstable: true };
      }
    }
    return { output: result.output };
  }

  if (transforms) {
    for (const sample of samples(schema)) {
      const result = parse(sample);
      if ("issue" in result && result.unstable) {
        throw new SyncError("unstable_schema", `Expected ${what} to keep ${result.issue}`);
      }
    }
  }
  return {
    schema,
    parse,
    check(stored) {
      const result = v.safeParse(schema, stored);
      return result.success ? undefined : describeIssue(result.issues[0]);
    },
  };
}

/** The parsed output as JSON of our own: frozen all the way down, shared with nobody. */
export function own(output: unknown, input: unknown): { value: Json } | { issue: string } {
  // valibot's object schemas make a new object: it can be frozen in place when only primitives are in it.
  if (typeof output === "object" && output !== null && output !== input && !Array.isArray(output)) {
    const row = output as Record<string, unknown>;
    let flat = Object.getPrototypeOf(row) === Object.prototype;
    for (const key in row) {
      const item = row[key];
      const kind = typeof item;
      if (kind === "string" || kind === "boolean" || item === null) continue;
      if (kind === "number" && Number.isFinite(item) && !Object.is(item, -0)) continue;
      flat = false;
      break;
    }
    if (flat && !Object.hasOwn(row, "__proto__")) return { value: Object.freeze(row) as Json };
  }
  const result = toJson(output);
  return "value" in result
    ? result
    : { issue: `${result.issue.path} to be ${result.issue.reason}` };
}
