/**
 * Segments: about 1,000 rows of one table in columns, one record on disk. IndexedDB costs per record, not per byte, so
 * this is what makes a load of 100,000 rows ten times faster than one record per row.
 */
import { type Row } from "./log.ts";

/** Rows that one segment is filled with. Between 1,000 and 5,000 the cost is flat (docs/storage-format.md). */
export const segmentSize = 1000;

/** A segment as stored. A row without a column's property has `undefined` there. */
export interface StoredSegment {
  readonly v: 1;
  /** The app's schema version that the rows are of. */
  readonly schema: number;
  readonly ids: readonly string[];
  readonly columns: readonly (readonly [name: string, values: readonly unknown[]])[];
  /** Position that made each row what it is; one number when it is the same for all. */
  readonly pos: number | readonly number[];
}

export function encodeSegment(
  rows: readonly Row[],
  positions: readonly number[],
  schema: number,
): StoredSegment {
  const columns = new Map<string, unknown[]>();
  rows.forEach((row, index) => {
    for (const name in row) {
      if (name === "id") continue;
      let column = columns.get(name);
      if (column === undefined) {
        column = Array.from({ length: rows.length }, () => undefined);
        columns.set(name, column);
      }
      column[index] = row[name];
    }
  });
  const [first] = positions;
  return {
    v: 1,
    schema,
    ids: rows.map((row) => row.id),
    columns: Array.from(columns),
    pos: positions.every((pos) => pos === first) ? (first ?? 0) : positions,
  };
}

export interface DecodedSegment {
  /** Undefined where it was written before segments had it. */
  readonly schema: number | undefined;
  readonly ids: readonly string[];
  readonly pos: number | readonly number[];
  readonly names: readonly string[];
  readonly columns: readonly (readonly unknown[])[];
  /** The row at an index: a new object, not validated by its table's schema yet. */
  row(index: number): unknown;
}

/** No segment is as long: what is longer was not written by this engine, and an empty array of 2^32 costs minutes. */
const longest = 100_000;

/** Without holes, which most loops would pass over. */
const list = (it: unknown): readonly unknown[] =>
  Array.isArray(it) && it.length <= longest ? Array.from(it as readonly unknown[]) : [];

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null;

/** Reads a stored segment. Nothing is trusted: what is not as `encodeSegment` makes it is a reason. */
export function decodeSegment(value: unknown): DecodedSegment | { readonly reason: string } {
  if (!isObject(value)) return { reason: "Expected a segment to be an object" };
  const { v, schema, ids, columns, pos } = value;
  if (v !== 1) return { reason: "Expected a segment of version 1" };
  if (schema !== undefined && !Number.isSafeInteger(schema))
    return { reason: "Expected a segment to have a schema version" };
  if (!Array.isArray(ids) || !Array.isArray(columns))
    return { reason: "Expected a segment with ids and columns" };
  const count = ids.length;
  if (
    !Number.isSafeInteger(pos) &&
    !(
      Array.isArray(pos) &&
      pos.length === count &&
      pos.findIndex((it) => !Number.isSafeInteger(it)) === -1
    )
  ) {
    return { reason: "Expected a segment to have a position for each row" };
  }
  let last: unknown;
  for (const id of ids) {
    if (typeof id !== "string" || id === "" || (typeof last === "string" && last >= id)) {
      return { reason: "Expected a segment to have ids in ascending order" };
    }
    last = id;
  }
  const names: string[] = [];
  const values: (readonly unknown[])[] = [];
  for (const column of columns) {
    const [name, items] = Array.isArray(column) ? (column as readonly unknown[]) : [];
    if (
      typeof name !== "string" ||
      name === "__proto__" ||
      name === "id" ||
      names.includes(name) ||
      !Array.isArray(items) ||
      items.length !== count
    ) {
      return {
        reason: "Expected each column of a segment to have a name and a value for each row",
      };
    }
    names.push(name);
    values.push(items);
  }
  return decoded(
    schema as number | undefined,
    ids as readonly string[],
    pos as number | readonly number[],
    names,
    values,
  );
}

const decoded = (
  schema: number | undefined,
  ids: readonly string[],
  pos: number | readonly number[],
  names: readonly string[],
  columns: readonly (readonly unknown[])[],
): DecodedSegment => ({
  schema,
  ids,
  pos,
  names,
  columns,
  row(index) {
    const row: Record<string, unknown> = { id: ids[index] };
    for (let at = 0; at < names.length; at += 1) {
      const item = (columns[at] as readonly unknown[])[index];
      if (item !== undefined) row[names[at] as string] = item;
    }
    return row;
  },
});

/**
 * What can be saved of a segment that does not decode: rows with an id of their own, `isInside` its range, without the
 * columns that are damaged. A position that is none becomes `pos`.
 */
export function salvageSegment(
  value: unknown,
  pos: number,
  isInside: (id: string) => boolean,
): DecodedSegment {
  const stored = isObject(value) ? value : {};
  const all = list(stored["ids"]);
  const places = new Map<string, number>();
  all.forEach((id, at) => {
    if (typeof id === "string" && id !== "" && !places.has(id) && isInside(id)) places.set(id, at);
  });
  const order = Array.from(places).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const columns = new Map<string, readonly unknown[]>();
  for (const [name, items] of list(stored["columns"]).map(list)) {
    const isNamed = typeof name === "string" && name !== "__proto__" && name !== "id";
    // One value more or less, and each may be another row's.
    if (isNamed && Array.isArray(items) && items.length === all.length && !columns.has(name))
      columns.set(
        name,
        order.map(([, at]) => items[at] as unknown),
      );
  }
  const positions = stored["pos"];
  const positionOf = (at: number): number => {
    const own: unknown = Array.isArray(positions) ? positions[at] : positions;
    return Number.isSafeInteger(own) ? (own as number) : pos;
  };
  const { schema } = stored;
  return decoded(
    Number.isSafeInteger(schema) ? (schema as number) : undefined,
    order.map(([id]) => id),
    order.map(([, at]) => positionOf(at)),
    Array.from(columns.keys()),
    Array.from(columns.values()),
  );
}
