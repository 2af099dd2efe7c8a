/**
 * The one door for log records from outside: the disk and other tabs. What passes is decoded, and its rows are rows of the
 * app's tables; what does not is damage, for quarantine. Nothing in the engine applies a record that came another way (G12).
 */
import { type Definition } from "./definition.ts";
import { type LogRecord, type Row, type RowImage } from "./log.ts";
import { decodeRecord } from "./stored.ts";

/** Something that could not be understood, as it goes into quarantine. `key` says where it was. */
export interface Damage {
  readonly key: string;
  readonly raw: unknown;
  readonly reason: string;
}

export interface Admitted {
  readonly record: LogRecord;
  readonly damage: readonly Damage[];
}

/** A stored record, checked; undefined when it is none. An image of a row that its table refuses becomes a deletion. */
export function admit(definition: Definition, stored: unknown): Admitted | undefined {
  const record = decodeRecord(stored);
  if (record === undefined) return undefined;
  const damage: Damage[] = [];
  if (record.kind !== "base") return { record, damage };
  const check = (image: RowImage): RowImage => {
    const [table, id, row, pos] = image;
    // Rows of tables that this code does not know are not shown, and not judged.
    const kept = row === null ? undefined : definition.tables.get(table)?.parser.keep(row);
    if (kept === undefined) return image;
    // With the defaults that the row will have when it is read from its segment.
    if ("value" in kept) return kept.value === row ? image : [table, id, kept.value as Row, pos];
    damage.push({ key: `row/${table}/${id}`, raw: row, reason: kept.issue });
    return [table, id, null, pos];
  };
  return { record: Object.freeze({ ...record, changes: record.changes.map(check) }), damage };
}
