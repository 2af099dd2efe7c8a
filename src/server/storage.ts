/**
 * What a server keeps, and the five methods behind which it keeps it. A storage stores: it knows nothing of events, rules
 * or HTTP; all decisions are taken by its caller, on what one method has read, in the same transaction.
 *
 * It fits several processes on one database: every method is one round of reading, deciding and writing, and nothing is
 * remembered in between. Subclasses of one suite: test/server/storage.contract.ts.
 */
import { type Rejection } from "../protocol/index.ts";

/** Where the log of a space is. A space that was never written to is at 0. */
export interface SpaceHead {
  readonly epoch: string;
  /** Position of the newest entry, and the chain hash there. */
  readonly head: number;
  readonly hash: string;
  /** Entries up to here are gone; their effect is in a snapshot. */
  readonly floor: number;
  readonly floorHash: string;
  /** The newest snapshot. `pos` is at the floor or above. */
  readonly snapshot?: SnapshotHead | undefined;
}

export interface SnapshotHead {
  readonly id: string;
  readonly pos: number;
  readonly hash: string;
  readonly pages: number;
}

/** One entry of the log. */
export interface LogRow {
  readonly pos: number;
  readonly hash: string;
  /** ms, of the server's clock. */
  readonly ts: number;
  /** Entries of one commit, which stand side by side. */
  readonly tx?: string | undefined;
  /** The entry as readers get it: JSON. */
  readonly entry: string;
}

/** What became of an event. Taken once, remembered by the event's id. */
export type Decision =
  | { readonly status: "accepted"; readonly pos: number }
  | { readonly status: "duplicate"; readonly of: string; readonly pos?: number }
  | { readonly status: "rejected"; readonly error: Rejection };

/** An idempotency key: the first accepted event with it counts. */
export interface DedupeKey {
  readonly name: string;
  readonly key: string;
}

/** How the keys that were found are looked up. */
export const keyText = ({ name, key }: DedupeKey): string => `${name}\n${key}`;

export interface PushWant {
  /** Client whose row is wanted; none for entries that the server makes. */
  readonly client?: string;
  readonly ids: readonly string[];
  readonly keys: readonly DedupeKey[];
  /** `decide` writes through `tx`, which is undone when it throws. */
  readonly writes: boolean;
}

/** What is known when it is decided. Nobody changes it meanwhile: the space is locked. */
export interface PushFound<Tx> {
  readonly space: SpaceHead;
  readonly client: { readonly owner: string; readonly last: number } | undefined;
  readonly decisions: ReadonlyMap<string, Decision>;
  /** `keyText` → id of the event that has the key. */
  readonly keys: ReadonlyMap<string, string>;
  readonly tx: Tx;
}

export interface PushWrite {
  /** ms, of the server's clock. */
  readonly now: number;
  readonly rows: readonly LogRow[];
  readonly decisions: readonly { readonly id: string; readonly decision: Decision }[];
  readonly keys: readonly (DedupeKey & { readonly id: string })[];
  readonly client?: { readonly id: string; readonly owner: string; readonly last: number };
}

export interface ReadWant {
  /** Entries after this position. Without it, and when the page that was asked for is found: none. */
  readonly after?: number;
  /** A commit is never split: the last one is read to its end, whatever these say. */
  readonly limit: number;
  /** UTF-16 units of entries. */
  readonly size: number;
  /** Positions whose hash is wanted. */
  readonly hashesAt?: readonly number[];
  /** A page of a snapshot: of this one, or of the newest. */
  readonly page?: { readonly snapshot?: string; readonly no: number };
}

export interface ReadFound {
  readonly space: SpaceHead;
  /** As asked for; undefined where there is no such entry. */
  readonly hashes: readonly (string | undefined)[];
  readonly rows: readonly LogRow[];
  /** Rows by table, as JSON. Undefined when there is no such page, or none was asked for. */
  readonly page?: { readonly of: SnapshotHead; readonly data: string } | undefined;
}

/** What compaction changes, at once. */
export interface Compaction {
  /** ms, of the server's clock. */
  readonly now: number;
  /** A snapshot that was made of the log as far as it has `hash` at `pos`. Refused when it has not any more. */
  readonly snapshot?: Omit<SnapshotHead, "pages"> & { readonly pages: readonly string[] };
  /** Entries before this time go, if a snapshot has their effect. */
  readonly entriesBefore?: number;
  /** Decisions, keys and clients from before this time go. */
  readonly decisionsBefore?: number;
  /** Starts a new log after the present one, which is thrown away. */
  readonly epoch?: string;
}

export interface Storage<Tx = unknown> {
  /**
   * Locks the space, reads, lets `decide` decide, writes what it gives, and resolves when that is durable. When `decide`
   * throws nothing is written, and the error is passed on.
   */
  push(
    space: string,
    want: PushWant,
    decide: (found: PushFound<Tx>) => Promise<PushWrite | undefined>,
  ): Promise<void>;
  /** One consistent read. `use` reads more, as of the same moment. */
  read(
    space: string,
    want: ReadWant,
    use?: (tx: Tx, found: ReadFound) => Promise<void>,
  ): Promise<ReadFound>;
  /** The heads of these spaces, or of all that were written to. */
  heads(spaces?: readonly string[]): Promise<ReadonlyMap<string, SpaceHead>>;
  compact(space: string, change: Compaction): Promise<void>;
  /**
   * Tells of new heads: at the latest before the `push` that made one resolves. May tell too often. `fail` is told when the
   * storage cannot look for those that others made: once, until it can again.
   */
  watch(tell: (space: string, head: number) => void, fail?: (error: unknown) => void): () => void;
  close(): Promise<void>;
}
