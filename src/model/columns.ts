/**
 * Rows from columns, for tables whose schema is a plain object of strings, numbers and booleans: whole columns are checked
 * in tight loops, and each row is made by one literal. Half of the time that a row at a time takes. What it is not sure of
 * it leaves to the checks of single rows.
 */
import { type Node, isJsonNumber } from "./fast.ts";
import { type Row } from "./log.ts";

/** Column name → `typeof` of its values; without `id`. */
export type PlainColumns = ReadonlyMap<string, string>;

/** The columns of a plain schema; undefined for any other. */
export function plainColumns(schema: Node): PlainColumns | undefined {
  if (schema.type !== "object" || schema.pipe !== undefined) return undefined;
  const columns = new Map<string, string>();
  for (const [name, entry] of Object.entries(schema.entries ?? {})) {
    if (entry.pipe !== undefined || !/^(string|number|boolean)$/.test(entry.type)) return undefined;
    columns.set(name, entry.type);
  }
  if (!columns.delete("id") || schema.entries?.["id"]?.type !== "string") return undefined;
  return columns;
}

function isColumnOf(kind: string | undefined, values: readonly unknown[]): boolean {
  // One loop per kind, so that each sees one type only.
  if (kind === "number") {
    for (const value of values) if (typeof value !== "number" || !isJsonNumber(value)) return false;
  } else if (kind === "string") {
    for (const value of values) if (typeof value !== "string") return false;
  } else {
    for (const value of values) if (typeof value !== "boolean") return false;
  }
  return kind !== undefined;
}

/** Frozen, valid rows; undefined when the columns are not exactly those of the schema, or not all values fit. */
export function rowsFromColumns(
  plain: PlainColumns,
  ids: readonly string[],
  names: readonly string[],
  columns: readonly (readonly unknown[])[],
): readonly Row[] | undefined {
  if (names.length !== plain.size || names.length === 0) return undefined;
  if (!names.every((name, at) => isColumnOf(plain.get(name), columns[at] as readonly unknown[])))
    return undefined;
  // A literal with computed names is twice as fast as setting properties. With fewer columns the last one is set again.
  const last = names.length - 1;
  const name = (at: number): string => names[Math.min(at, last)] as string;
  const values = (at: number): readonly unknown[] =>
    columns[Math.min(at, last)] as readonly unknown[];
  const [a, b, c, d, e, f, g, h] = [
    name(0),
    name(1),
    name(2),
    name(3),
    name(4),
    name(5),
    name(6),
    name(7),
  ];
  const [s, t, u, v, w, x, y, z] = [
    values(0),
    values(1),
    values(2),
    values(3),
    values(4),
    values(5),
    values(6),
    values(7),
  ];
  return ids.map((id, at) => {
    const row: Record<string, unknown> = {
      id,
      [a]: s[at],
      [b]: t[at],
      [c]: u[at],
      [d]: v[at],
      [e]: w[at],
      [f]: x[at],
      [g]: y[at],
      [h]: z[at],
    };
    for (let more = 8; more <= last; more += 1) row[name(more)] = values(more)[at];
    return Object.freeze(row) as Row;
  });
}
