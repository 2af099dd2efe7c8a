/** What goes into a replica, and what comes out of it. */
import { type Entry, type Settlement } from "./entry.ts";
import {
  type LogRecord,
  type RejectedEvent,
  type Verdict,
  type Watermark,
  type WriterMark,
} from "./log.ts";
import { type Noop } from "./materialize.ts";
import { type ChangeSet, type Publication } from "./publication.ts";
import { type StoredRemote } from "./remote.ts";

/** What an operation did. */
export interface Effects {
  readonly changes: ChangeSet | undefined;
  readonly settlements: readonly Settlement[];
}

/** What a commit of this tab did. `replaced`: the entry whose place it took. */
export interface Committed {
  readonly entry: Entry;
  readonly replaced: Entry | undefined;
  readonly noops: readonly Noop[];
  readonly changes: ChangeSet | undefined;
}

export type Received =
  | ({ readonly tag: "applied" } & Effects)
  | { readonly tag: "known" }
  | { readonly tag: "gap" };

/** The base as it was read from disk, for `reload`. */
export interface Reloaded {
  /** Base moves up to here are in the rows. */
  readonly floor: number;
  readonly settled: Watermark;
  readonly writers: Readonly<Record<string, WriterMark>>;
  readonly keys: readonly (readonly [name: string, key: string, id: string])[];
  readonly authority: "device" | "server";
  /** What the device is called as long as `remote` does not say it. */
  readonly client: string;
  readonly remote?: StoredRemote | undefined;
  readonly rejected: readonly RejectedEvent[];
  readonly verdicts?: readonly Verdict[] | undefined;
  readonly log: readonly (readonly [position: number, record: LogRecord])[];
  /** Puts the rows of the base: called when the overlay is undone. */
  readonly rows: (publication: Publication) => void;
}
