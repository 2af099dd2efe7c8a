import { type Json, type JsonObject } from "./json.ts";

/** A stored event. `tx` is shared by the events of one commit of several. */
export interface Envelope {
  readonly id: string;
  readonly name: string;
  /** Version of the event's schema. */
  readonly v: number;
  readonly payload: Json;
  /** When it was committed: ms since the epoch, by the device's clock. Advisory: order comes from the log. */
  readonly at: number;
  readonly tx?: string;
}

/** A row: frozen, with a string `id`. */
export type Row = JsonObject & { readonly id: string };

/** An after-image: the row as it is now (`null`: deleted), and the position that made it so. */
export type RowImage = readonly [table: string, id: string, row: Row | null, pos: number];

/** Everything at or below `position` is decided, and the first `index` events of the record after it. */
export interface Watermark {
  readonly position: number;
  readonly index: number;
}

/** An event that was decided against, kept until the app retries or discards it. */
export interface RejectedEvent {
  readonly event: Envelope;
  readonly code: string;
  readonly message: string;
}

interface RecordBase {
  /** The tab that wrote it, and that tab's running number of records: together the identity of the record. */
  readonly tab: string;
  readonly n: number;
  /** The app's schema version that the writer ran. */
  readonly schema: number;
}

/** One group commit. */
export interface CommitRecord extends RecordBase {
  readonly kind: "commit";
  readonly events: readonly Envelope[];
}

/** The base moves: written by the fenced leader only. Every tab applies it verbatim. */
export interface BaseRecord extends RecordBase {
  readonly kind: "base";
  readonly term: number;
  readonly settled: Watermark;
  readonly changes: readonly RowImage[];
  /** Dedupe keys that became taken: event name, key, id of the event that took it. */
  readonly keys: readonly (readonly [name: string, key: string, id: string])[];
  readonly rejected: readonly RejectedEvent[];
  /** Ids of events whose place a later one took. */
  readonly superseded?: readonly string[];
}

/** Somebody dealt with entries of a collection: they are gone from it in every tab. */
export interface DismissRecord extends RecordBase {
  readonly kind: "dismiss";
  readonly from: "rejected" | "quarantine";
  readonly ids: readonly string[];
  /** Rows that come back: each where the base has none of its id. */
  readonly rows?: readonly RowImage[];
}

export type LogRecord = CommitRecord | BaseRecord | DismissRecord;

/** The row images that a record carries. */
export const imagesOf = (record: LogRecord): readonly RowImage[] =>
  record.kind === "base" ? record.changes : record.kind === "dismiss" ? (record.rows ?? []) : [];

/** How an event was decided that was not accepted: why it was rejected, or null when it was superseded. */
export type Verdict = readonly [id: string, message: string | null];

/** Which records of one tab are folded: all up to `max` but those in `missing`. */
export interface WriterMark {
  readonly max: number;
  readonly missing: readonly number[];
  /** When it last changed, ms since the epoch: old ones are dropped. */
  readonly at: number;
}

/** Whether record `n` of a tab is folded already, by that tab's mark. */
export function isFolded(mark: WriterMark | undefined, n: number): boolean {
  return mark !== undefined && n <= mark.max && !mark.missing.includes(n);
}

/** What the manifest says of one segment. Segments of a table are ranges of ids: `low` is the lowest of this one. */
export interface SegmentMark {
  readonly no: number;
  readonly low: string;
  readonly count: number;
  /** Position of the base at which it was written: another one means that it changed. */
  readonly pos: number;
  /** The app's schema version that its rows are of. */
  readonly schema: number;
}

/** An image of a table that the code which folded its record does not know, and the schema that it was written with. */
export type CarriedImage = readonly [...RowImage, schema: number];

export type Manifest = Readonly<Record<string, readonly SegmentMark[]>>;
