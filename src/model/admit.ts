/**
 * The one door for log records from outside: the disk and other tabs. What passes is decoded, and its rows are rows of the
 * app's tables; what does not is damage, for quarantine. Nothing in the engine applies a record that came another way (G12).
 */
import { type Definition } from "./definition.ts";
import { type LogRecord, type RowImage, imagesOf } from "./log.ts";
import { rowOf } from "./migrate.ts";
import { decodeRecord } from "./stored.ts";

/** Something that could not be understood, as it goes into quarantine. `key` says where it was. */
export interface Damage {
  readonly key: string;
  readonly raw: unknown;
  readonly reason: string;
  /** Of a row: the schema version that it was written with. */
  readonly schema?: number;
}

export interface Admitted {
  readonly record: LogRecord;
  readonly damage: readonly Damage[];
}

/**
 * An image as today's rows are, migrated and with defaults; a deletion where its table refuses the row, which is damage then.
 * Rows of tables that this code does not know are not shown, and not judged.
 */
export function admitImage(
  definition: Definition,
  image: RowImage,
  schema: number,
  damage: Damage[],
): RowImage {
  const [table, id, row, pos] = image;
  if (row === null || !definition.tables.has(table)) return image;
  const kept = rowOf(definition, table, row, schema);
  if ("value" in kept) return kept.value === row ? image : [table, id, kept.value, pos];
  damage.push({ key: `row/${table}/${id}`, raw: row, reason: kept.issue, schema });
  return [table, id, null, pos];
}

/** A stored record, checked; undefined when it is none. An image of a row that its table refuses becomes a deletion. */
export function admit(definition: Definition, stored: unknown): Admitted | undefined {
  const record = decodeRecord(stored);
  if (record === undefined) return undefined;
  const damage: Damage[] = [];
  const images = imagesOf(record);
  if (images.length === 0) return { record, damage };
  const { schema } = record;
  const check = (image: RowImage): RowImage => admitImage(definition, image, schema, damage);
  const checked = { [record.kind === "base" ? "changes" : "rows"]: images.map(check) };
  return { record: Object.freeze({ ...record, ...checked }), damage };
}
