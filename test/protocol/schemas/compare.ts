/**
 * Whether messages of one version can be read by the other: `gaps` lists the values that one JSON Schema takes and another
 * does not, as far as their structure tells. What it cannot tell it lists too.
 *
 * Members that a schema does not name are ignored by whoever reads, so they make no difference. A request may become wider:
 * old clients write what they wrote. A response may not: old clients read what new servers write, and new clients read what
 * old servers write, so only optional members may be added.
 */
import { type Direction } from "./generate.ts";

export interface Schema {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Schema | boolean;
  readonly propertyNames?: Schema;
  readonly items?: Schema;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
}

/** What this file understands: another keyword may mean anything. */
const understood = new Set([
  "$schema",
  "type",
  "const",
  "enum",
  "anyOf",
  "oneOf",
  "properties",
  "required",
  "additionalProperties",
  "propertyNames",
  "items",
  "pattern",
  "minLength",
  "maxLength",
  "minimum",
  "maximum",
  "minItems",
  "maxItems",
]);

const branchesOf = (schema: Schema): readonly Schema[] | undefined => schema.anyOf ?? schema.oneOf;
const valuesOf = (schema: Schema): readonly unknown[] | undefined =>
  "const" in schema ? [schema.const] : schema.enum;

const typeOfValue = (value: unknown): string =>
  value === null ? "null" : Array.isArray(value) ? "array" : typeof value;

/** Whether a schema takes a plain value. */
function takes(schema: Schema, value: unknown): boolean {
  const values = valuesOf(schema);
  if (values !== undefined) return values.includes(value);
  const type = schema.type === "integer" ? "number" : schema.type;
  if (type !== undefined && type !== typeOfValue(value)) return false;
  if (typeof value === "string")
    return (
      new RegExp(schema.pattern ?? "", "u").test(value) &&
      value.length >= (schema.minLength ?? 0) &&
      value.length <= (schema.maxLength ?? Infinity)
    );
  return true;
}

const lowest = ["minLength", "minimum", "minItems"] as const;
const highest = ["maxLength", "maximum", "maxItems"] as const;

function bounds(wide: Schema, narrow: Schema, path: string): string[] {
  const out: string[] = [];
  for (const key of lowest)
    if ((wide[key] ?? -Infinity) > (narrow[key] ?? (key === "minimum" ? -Infinity : 0)))
      out.push(`${path}: ${key} ${wide[key]}, not ${narrow[key]}`);
  for (const key of highest)
    if ((wide[key] ?? Infinity) < (narrow[key] ?? Infinity))
      out.push(`${path}: ${key} ${wide[key]}, not ${narrow[key]}`);
  if (wide.pattern !== undefined && wide.pattern !== narrow.pattern)
    out.push(`${path}: pattern ${wide.pattern}, not ${narrow.pattern}`);
  return out;
}

const schemaOr = (value: Schema | boolean | undefined): Schema | undefined =>
  typeof value === "object" ? value : undefined;

/** Values that `narrow` takes and `wide` does not. None: whatever the one takes the other takes too. */
function gaps(wide: Schema, narrow: Schema, path = "$"): string[] {
  const unknown = [...Object.keys(wide), ...Object.keys(narrow)].filter(
    (key) => !understood.has(key),
  );
  if (unknown.length > 0) return [`${path}: ${unknown.join(", ")} is not understood`];
  const all = branchesOf(narrow);
  if (all !== undefined) return all.flatMap((branch) => gaps(wide, branch, path));
  const some = branchesOf(wide);
  if (some !== undefined) {
    const found = some.map((branch) => gaps(branch, narrow, path));
    return found.reduce((least, it) => (it.length < least.length ? it : least));
  }
  const values = valuesOf(narrow);
  if (values !== undefined)
    return values
      .filter((value) => !takes(wide, value))
      .map((value) => `${path}: ${JSON.stringify(value)}`);
  if (valuesOf(wide) !== undefined) return [`${path}: other values than some`];
  if (wide.type !== undefined && wide.type !== narrow.type)
    if (!(wide.type === "number" && narrow.type === "integer"))
      return [`${path}: ${narrow.type ?? "anything"}, not only ${wide.type}`];
  const out = bounds(wide, narrow, path);
  for (const name of wide.required ?? [])
    if (narrow.required?.includes(name) !== true) out.push(`${path}.${name}: missing`);
  for (const [name, inner] of Object.entries(wide.properties ?? {})) {
    const other = narrow.properties?.[name];
    if (other !== undefined) out.push(...gaps(inner, other, `${path}.${name}`));
  }
  for (const [key, step] of [
    ["items", "[]"],
    ["additionalProperties", ".*"],
    ["propertyNames", " (names)"],
  ] as const) {
    const inner = schemaOr(wide[key]);
    if (inner !== undefined) out.push(...gaps(inner, schemaOr(narrow[key]) ?? {}, path + step));
    else if (wide[key] === false && narrow[key] !== false) out.push(`${path}: other members`);
  }
  return out;
}

/** Members that one schema names and the other does not, in alternatives that have the same constants. */
function removed(before: Schema, after: Schema, path = "$"): string[] {
  const [was, is] = [branchesOf(before), branchesOf(after)];
  if (was !== undefined && is !== undefined)
    return was.flatMap((branch) => {
      const found = is.map((other) => [gaps(other, branch), removed(branch, other, path)] as const);
      const [first] = found.toSorted(([a], [b]) => a.length - b.length);
      return first?.[1] ?? [];
    });
  const out: string[] = [];
  for (const [name, inner] of Object.entries(before.properties ?? {})) {
    const other = after.properties?.[name];
    if (other === undefined) out.push(`${path}.${name}: not there any more`);
    else out.push(...removed(inner, other, `${path}.${name}`));
  }
  if (before.items !== undefined && after.items !== undefined)
    out.push(...removed(before.items, after.items, `${path}[]`));
  const [extra, kept] = [
    schemaOr(before.additionalProperties),
    schemaOr(after.additionalProperties),
  ];
  if (extra !== undefined && kept !== undefined) out.push(...removed(extra, kept, `${path}.*`));
  return out;
}

/** Why peers of a frozen schema and of the current one do not understand each other. */
export function breaks(frozen: Schema, current: Schema, direction: Direction): string[] {
  const out = gaps(current, frozen).map((gap) => `refuses ${gap}`);
  if (direction === "response")
    out.push(...gaps(frozen, current).map((gap) => `may now be ${gap}`));
  return [...out, ...removed(frozen, current)];
}
