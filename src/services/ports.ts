/**
 * The ports: every outside thing the engine touches, as the smallest interface that tells the truth about it.
 * The real ones are beside this file; in-memory twins are in `src/testing/`. One contract suite per port runs against all.
 */
import { type LogRecord } from "../model/log.ts";

/** `relaxed` survives the crash of a tab and of the browser, `strict` a power cut as well (where the browser honours it). */
export type Durability = "relaxed" | "strict";

/** Object stores of the database. `log` has automatic keys 1, 2, 3…; the others take the key they are given. */
export type StoreName = "log" | "segments" | "meta" | "rejected" | "quarantine" | "queries";
export type StoreKey = string | number | readonly [string, number];

export type SegmentKey = readonly [table: string, no: number];

/**
 * What is known after a storage operation failed.
 * - `aborted`: the transaction was seen to abort, for a reason that may pass: nothing of it is stored.
 * - `quota`: seen to abort for lack of space: nothing of it is stored.
 * - `refused`: this very value can never be stored (not cloneable, a key taken): nothing of it is stored.
 * - `lost`: the connection is gone, or the outcome was never told: it may or may not be stored.
 * - `newer`: the database has a newer layout; nothing was opened and nothing changed.
 * - `unavailable`: storage cannot be opened.
 */
export type StorageFailureKind = "aborted" | "quota" | "refused" | "lost" | "newer" | "unavailable";

/** Why a storage operation failed, and whether its effect is known. */
export class StorageFailure extends Error {
  override readonly name = "StorageFailure";
  readonly kind: StorageFailureKind;
  constructor(kind: StorageFailureKind, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.kind = kind;
  }
}

/** Why a write is refused that was made for data before a fold. */
export const foldedMeanwhile = (floor: unknown): StorageFailure =>
  new StorageFailure("aborted", `Expected data as it was read, got floor ${String(floor)}`);

/** What a connection tells its owner. Each may be called at any time after `open` was called. */
export interface ConnectionEvents {
  /** Opening waits for another tab that does not close an older connection. */
  blocked(): void;
  /** The connection was closed from outside: by force, or because another tab wants to delete or upgrade the database. */
  closed(reason: "forced" | "deleted" | "upgraded"): void;
  /** While it opens: the browser found the data damaged, and threw all of it away. */
  thrownAway?(): void;
}

export interface StoragePort {
  /** Opens the database, and creates it when it does not exist. Rejects with a `StorageFailure`. */
  open(name: string, events: ConnectionEvents): Promise<Connection>;
  /** Deletes the database. Resolves when it is gone. */
  destroy(name: string): Promise<void>;
  /** Asks the browser not to evict what is stored here. May fail, or be missing, where a browser cannot promise it. */
  persist?(): Promise<boolean>;
}

export interface ReadRequest {
  /** Only log records after this position. */
  readonly after: number;
  /**
   * Careful: one request per record, so that one that cannot be read (its file is gone) does not fail the reading of all.
   * Slower; what cannot be read is in `unreadable`.
   */
  readonly each?: boolean;
  /** Which segments to read, decided from `meta` and the keys of those that are stored, inside the same transaction. */
  segments(
    meta: ReadonlyMap<string, unknown>,
    stored: readonly SegmentKey[],
  ): readonly SegmentKey[];
  /**
   * Called once for each segment asked for, in the order asked, each in a task of its own. `value` is undefined where
   * there is no such record; `error` is set when it cannot be read (the other reads go on).
   */
  onSegment(key: SegmentKey, value: unknown, error?: unknown): void;
}

/** A record that is there, and cannot be read. */
export interface Unreadable {
  readonly store: StoreName;
  readonly key: StoreKey;
  readonly reason: string;
}

/** A consistent picture: everything was read in one transaction. Nothing in it is validated. */
export interface ReadResult {
  readonly meta: ReadonlyMap<string, unknown>;
  /** Records in log order with their positions. */
  readonly log: readonly (readonly [position: number, value: unknown])[];
  readonly rejected: readonly (readonly [key: string, value: unknown])[];
  readonly quarantine: readonly (readonly [key: string, value: unknown])[];
  /** Of a careful read: what is in none of the above, as it cannot be read. */
  readonly unreadable: readonly Unreadable[];
}

export interface Put {
  readonly store: Exclude<StoreName, "log">;
  readonly key: StoreKey;
  readonly value: unknown;
}

/** Deletes one key, or all keys from `from` to `to`, both included. */
export type Delete =
  | { readonly store: StoreName; readonly key: StoreKey }
  | { readonly store: "log"; readonly from: number; readonly to: number };

/** A write of the leader: all of it or nothing, and nothing when the term in the database is another one. */
export interface LeaderWrite {
  readonly term: number;
  /** When given: refuse if there is a log record after this position. */
  readonly tail?: number;
  readonly append?: LogRecord;
  /** Records that get the positions right after it. */
  readonly also?: readonly LogRecord[];
  readonly puts?: readonly Put[];
  readonly deletes?: readonly Delete[];
  readonly durability: Durability;
}

export type LeaderWritten =
  | {
      readonly tag: "written";
      /** Of the last appended record. */ readonly position: number | null;
    }
  | { readonly tag: "fenced"; readonly term: number }
  | { readonly tag: "tailMoved"; readonly tail: number };

/** What a repair finds in its transaction. */
export interface Found {
  /** Without what cannot be read: that is in `unreadable`. */
  readonly meta: ReadonlyMap<string, unknown>;
  readonly unreadable: readonly Unreadable[];
  readonly segments: readonly SegmentKey[];
  /** The log after a position. */
  readonly log: ReadResult["log"];
}

export interface RepairWrite {
  readonly puts: readonly Put[];
  readonly deletes: readonly Delete[];
}

/** Where a record is: `position` is null when it was folded already. `added`: it was absent, and was added now. */
export interface Placed {
  readonly position: number | null;
  readonly added: boolean;
}

export interface Connection {
  /** Adds one record to the log. Resolves with its position on the transaction's `complete`, never before. */
  append(record: LogRecord, durability: Durability): Promise<number>;
  /**
   * After an unknown outcome. For each record, in order and in one readwrite transaction: look for its `(tab, n)` in the
   * log and in the fold's marks (`meta` key "writers"), and add it when it is in neither. Resolves on `complete`.
   */
  ensure(records: readonly LogRecord[], durability: Durability): Promise<readonly Placed[]>;
  /** One readonly transaction over all stores. */
  read(request: ReadRequest): Promise<ReadResult>;
  /**
   * First use of a database: puts these `meta` entries if every store is empty. Resolves with what `meta` holds now, and
   * whether there is data without a `format` entry (then nothing was put). Strict.
   */
  initialise(
    entries: ReadonlyMap<string, unknown>,
  ): Promise<{ readonly meta: ReadonlyMap<string, unknown>; readonly damaged: boolean }>;
  /**
   * Raises the term by one and puts these further `meta` entries in the same strict transaction; one that is a number is
   * never lowered. Resolves with the new term.
   */
  claim(entries?: ReadonlyMap<string, unknown>): Promise<number>;
  /** A fenced write (see `LeaderWrite`). */
  lead(write: LeaderWrite): Promise<LeaderWritten>;
  /**
   * Puts and deletes in `quarantine`: keys are derived from what is kept, so that doing it twice is doing it once. `floor`: of
   * the data that was found damaged. Where it is another one by now it rejects as `aborted`: others have folded, and may have
   * dealt with what this would bring back.
   */
  quarantine(
    puts: readonly (readonly [key: string, value: unknown])[],
    deletes: readonly string[],
    floor?: number,
  ): Promise<void>;
  /**
   * Makes space: one delete-only transaction, which passes where nothing else does, clears `queries`, the one store whose
   * content can be fetched again. Resolves with how many records went.
   */
  evict(): Promise<number>;
  /**
   * Adds `record` to the log and writes what `plan` makes of what is there and of the record's position; nothing at all
   * when that is undefined. Not fenced: one strict transaction that reads `meta` anew. Resolves with whether it wrote.
   */
  repair(
    record: LogRecord,
    after: number,
    plan: (found: Found, position: number) => RepairWrite | undefined,
  ): Promise<boolean>;
  /**
   * Aborts every transaction that waits for this page before it can end, as the page may not go on for long: until it
   * does, its transactions would hold up those of all other tabs. They reject with `aborted`; what only waits for the disk
   * goes on.
   */
  letGo(): void;
  /** Closes it. Idempotent. `closed` is not called for it. */
  close(): void;
}

export interface LockHandlers {
  /** The lock is held now. */
  granted(): void;
  /** It was held, and was taken away (stolen, or the browser released it). */
  lost(): void;
  /** The request failed, and is no longer in the queue. */
  failed(error: unknown): void;
}

export interface LockPort {
  /** Queues for the lock, or takes it from its holder. Returns the function that releases it, or leaves the queue. Idempotent. */
  request(name: string, handlers: LockHandlers, options?: { readonly steal?: boolean }): () => void;
  query(name: string): Promise<{ readonly held: boolean; readonly waiting: number }>;
}

export interface Channel {
  /** Sends to all other tabs. Never throws: a message is a hint. */
  post(message: unknown): void;
  close(): void;
}

export interface ChannelPort {
  /** `receive` is called with whatever arrives, unvalidated; `broken` when a message could not be decoded. */
  open(name: string, receive: (message: unknown) => void, broken: () => void): Channel;
}

export type LifecycleEvent =
  | "visible"
  | "hidden"
  | "freeze"
  | "resume"
  | "pagehide"
  | "pageshow"
  | "online"
  | "offline";

export interface LifecyclePort {
  visible(): boolean;
  online(): boolean;
  /** Listeners are attached to the page with the first subscriber, and removed with the last. */
  subscribe(listener: (event: LifecycleEvent) => void): () => void;
}

/** Fits XState's `clock` option. */
export interface ClockPort {
  /** ms since the epoch. */
  now(): number;
  setTimeout(fn: () => void, ms: number): unknown;
  clearTimeout(id: unknown): void;
  /** Lets the page draw and take input: resolves in a later task. */
  pause(): Promise<void>;
}

export interface RandomPort {
  /** `count` random bytes, good enough for ids. */
  bytes(count: number): Uint8Array;
}

/** The way to servers. */
export interface NetworkPort {
  /** As the global `fetch`: rejects when there is no answer, and when `init.signal` is aborted. */
  fetch(url: string, init: RequestInit): Promise<Response>;
}

/** All ports. `null`: this place has none (server rendering has no storage; Node 20 has no locks). */
export interface Environment {
  readonly storage: StoragePort | null;
  readonly locks: LockPort | null;
  readonly channel: ChannelPort | null;
  readonly lifecycle: LifecyclePort;
  readonly network: NetworkPort | null;
  readonly clock: ClockPort;
  readonly random: RandomPort;
}
