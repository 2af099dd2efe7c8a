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
  /** Whose decision it is; the device's own where this is missing. */
  readonly by?: "server";
  /** What the server's rule had to tell. */
  readonly data?: Json;
}

/** An event that the server took in, and that was not yet seen in its log: at `pos`, or, as a duplicate, the event `of` is. */
export type Ack = readonly [id: string, pos: number, of?: string];

/** Where the base is in the server's log. No cursor: nowhere, the log is to be read from its beginning. */
export interface Place {
  readonly cursor: string | null;
  readonly pos: number;
  readonly epoch: string | null;
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
  /** From here on the server decides, and the base is its. */
  readonly authority?: "server";
  /** With a server: the ids of all events that this record decides, whatever their places in the log are. */
  readonly decided?: readonly string[];
  /** Those of the decided ones that are duplicates. */
  readonly duplicates?: readonly string[];
  readonly acked?: readonly Ack[];
  /** Their positions were passed, and they were not there: they are to be sent again. */
  readonly unacked?: readonly string[];
  readonly remote?: Place;
  /** The base is what the server has there, whatever it was before. */
  readonly anew?: true;
  /** The server answered: what was noted of attempts without an answer is void. */
  readonly answered?: true;
}

/**
 * Written by the fenced leader before each push: gives numbers, in log order, to events. What it covers leaves its place to
 * no other event any more.
 */
export interface AttemptRecord extends RecordBase {
  readonly kind: "attempt";
  readonly term: number;
  /** Who the server knows this device as. Another one than before: all numbers and acknowledgements before are void. */
  readonly client: string;
  /** The number of the first of `ids`; the others follow. */
  readonly first: number;
  readonly ids: readonly string[];
  /** How often in a row, this one included, there was no answer yet. */
  readonly attempt: number;
  /** Nothing is sent before, ms since the epoch. */
  readonly notBefore: number;
}

/** Somebody dealt with entries of a collection: they are gone from it in every tab. */
export interface DismissRecord extends RecordBase {
  readonly kind: "dismiss";
  readonly from: "rejected" | "quarantine";
  readonly ids: readonly string[];
  /** Rows that come back: each where the base has none of its id. */
  readonly rows?: readonly RowImage[];
}

export type LogRecord = AttemptRecord | BaseRecord | CommitRecord | DismissRecord;

/** The row images that a record carries. */
export const imagesOf = (record: LogRecord): readonly RowImage[] =>
  record.kind === "base" ? record.changes : record.kind === "dismiss" ? (record.rows ?? []) : [];

/**
 * How an event was decided that was not accepted: why it was rejected, and with which code by a server; null when it was
 * superseded, or a `duplicate`.
 */
export type Verdict = readonly [id: string, message: string | null, word?: string];

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

/**
 * An image of a table that the code which folded its record does not know, and the schema that it was written with. At
 * position 0 it comes back from quarantine: it counts where the base has no row of its id.
 */
export type CarriedImage = readonly [...RowImage, schema: number];

export type Manifest = Readonly<Record<string, readonly SegmentMark[]>>;
