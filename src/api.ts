/** The public types: what an app writes, and what it gets. */
import type * as v from "valibot";
import {
  type Actor,
  type AnyActorLogic,
  type InspectionEvent,
  type Observer,
  type Subscription,
} from "xstate";
import {
  type EventDefinitions,
  type ModelConfig,
  type RowOf,
  type TableSchemas,
} from "./model/definition.ts";
import { type Json } from "./model/json.ts";
import { type Envelope, type RejectedEvent } from "./model/log.ts";
import { type RowChange } from "./model/publication.ts";
import { type Receipt } from "./pipeline.ts";
import { type Environment } from "./services/ports.ts";

export interface SyncConfig<T extends TableSchemas, E extends EventDefinitions> extends ModelConfig<
  T,
  E
> {
  /** Scope of the database, the lock and the channel on this origin. */
  readonly name: string;
  /** Whose data it is: another user never sees this one's. */
  readonly user?: string;
  /**
   * `relaxed` (default) survives the crash of a tab and of the browser, `strict` a power cut as well, at about twice the
   * time of a commit. docs/guide.md says what each browser makes of it.
   */
  readonly durability?: "relaxed" | "strict";
  /** What to do where storage cannot be opened. Default `required`: wait and say so. */
  readonly storage?: "required" | "memory-if-unavailable";
  /**
   * What becomes of commits for which there is no space. `keep` (default): they stay in this tab, in order, and are stored
   * when there is space again. `reject`: they are taken back, and their receipts reject with `storage_full`.
   */
  readonly whenFull?: "keep" | "reject";
  /** Who decides, and where other devices' changes come from. Default: nobody but this device. */
  readonly server?: ServerConfig<T, E>;
  /** Sees every event and transition of the engine's actors. What it throws is ignored. */
  readonly inspect?: (event: InspectionEvent) => void;
  /** The ports to the outside. Default: the browser's. */
  readonly environment?: Environment;
}

/** A server of sssync/1. */
export interface ServerConfig<T extends TableSchemas, E extends EventDefinitions> {
  /** Of the space: `https://host/sync/me`, or `/sync/me` on the page's own host. */
  readonly url: string;
  /** Gives the token that requests carry, or nothing; asked when one is needed, and again when it is refused. */
  readonly auth?: () => string | undefined | Promise<string | undefined>;
  /** How changes of others are heard of: over a stream (default), by asking every 10 s (`poll`), or every minute (`false`). */
  readonly live?: boolean | "poll";
  /**
   * Makes events of the rows that this device decided before it had a server. They take the place of the rows, and are sent
   * like any others. Until it is configured such a device does not sync.
   */
  readonly adopt?: (tables: {
    readonly [N in keyof T & string]: readonly RowOf<T, N>[];
  }) => readonly EventInput<E>[];
}

/** One event for `commit`. */
export type EventInput<E extends EventDefinitions> = {
  [N in keyof E & string]: {
    readonly name: N;
    readonly payload: v.InferInput<E[N]["schema"]>;
  };
}[keyof E & string];

/** A table as the app reads it: always current, rows frozen. */
export interface TableReader<R> {
  readonly size: number;
  get(id: string): R | undefined;
  has(id: string): boolean;
  values(): IterableIterator<R>;
  /** All rows, ordered by id: the same array until a row changes. */
  toArray(): readonly R[];
  /** Calls back once per published change set. Returns the function that ends it. */
  subscribe(listener: (changes: readonly RowChange<R>[]) => void): () => void;
}

export type TableReaders<T extends TableSchemas> = {
  readonly [N in keyof T & string]: TableReader<RowOf<T, N>>;
};

export interface Fault {
  readonly code:
    | "storage_lost"
    | "storage_blocked"
    | "storage_full"
    | "storage_unavailable"
    | "memory_only"
    | "write_delayed"
    | "load_delayed"
    | "load_failed"
    | "outdated"
    | "data_lost"
    | "unauthorized"
    | "forbidden"
    | "incompatible"
    | "adoption_required";
  /** What is going on, in words for a person. */
  readonly message: string;
  /** ms since the epoch. */
  readonly at: number;
}

export interface SyncStatus {
  readonly phase: "loading" | "ready" | "degraded" | "outdated" | "failed" | "stopped";
  readonly role: "candidate" | "leader" | "follower";
  readonly storage: "opening" | "open" | "blocked" | "full" | "lost" | "memory" | "unavailable";
  /**
   * What the leader does with the server, the gravest that holds. `off`: no server is configured, or nobody leads yet.
   */
  readonly sync:
    | "off"
    | "idle"
    | "live"
    | "pulling"
    | "pushing"
    | "offline"
    | "backoff"
    | "unauthorized"
    | "forbidden"
    | "incompatible";
  /** Events that this tab committed and that have no decision yet. */
  readonly pending: number;
  /** When the oldest of them was committed: ms since the epoch. */
  readonly oldestPendingAt: number | null;
  readonly rejected: number;
  readonly quarantined: number;
  /** Log records that this tab knows of but has not taken in yet. */
  readonly behind: number;
  /** Rows that the leader writes anew for this version of the app, in the background; null when there are none. */
  readonly migration: { readonly done: number; readonly total: number } | null;
  /** When the leader last had all that the server had: ms since the epoch. */
  readonly lastSyncedAt: number | null;
  /** Messages from other tabs that were not understood, and dropped. */
  readonly ignored: number;
  readonly fault: Fault | null;
}

/** Entries that wait for somebody. */
export interface Collection<I> {
  readonly size: number;
  list(): readonly I[];
  /** Tries the entry again. Rejects with `SyncError` `not_found` when there is no such entry. */
  retry(id: string): Promise<void>;
  /**
   * Gives the entry up, in every tab, for good. Of the outbox only what is not being written yet: what may be stored is
   * decided by the log. Rejects with `not_found` otherwise.
   */
  discard(id: string): Promise<void>;
  subscribe(listener: () => void): () => void;
}

/** What could not be understood, and waits to be mended. */
export interface Quarantine extends Omit<Collection<QuarantineEntry>, "retry"> {
  /**
   * Tries an entry again, under today's schemas: as it is, or as `mend` makes it from its raw value. An event is committed
   * anew, a row comes back where there is none of its id. Rejects with `invalid_row` or `invalid_payload` when it is still
   * none (the entry stays), with `not_found` when there is nothing that could be tried, and with what `mend` throws.
   */
  retry(id: string, mend?: (raw: unknown) => unknown): Promise<void>;
  /** All entries as JSON text, to save or to send. What is not JSON is described. */
  export(): string;
}

/** Stored bytes, or an event, that could not be understood. */
export interface QuarantineEntry {
  /** Where it was: `row/<table>/<id>`, `segment/<table>/<no>`, `log/<position>`, `meta/<key>`; `event/<id>`: an event. */
  readonly id: string;
  readonly reason: string;
  /** As it was read. */
  readonly raw: unknown;
  /** Of a row: the `schema.version` that it was stored with. */
  readonly schema?: number;
  /** ms since the epoch. */
  readonly at: number;
}

export interface SyncSnapshot<T extends TableSchemas> {
  readonly status: "active" | "stopped";
  /** State of the root machine. */
  readonly value:
    | "loading"
    | "running"
    | "degraded"
    | "disconnected"
    | "outdated"
    | "failed"
    | "stopping"
    | "stopped";
  readonly context: SyncStatus & { readonly tables: TableReaders<T> };
}

/** Told by `on`. */
export type SyncEmitted =
  /** An action had no effect: `update` of a missing row, or `create` of an existing id. */
  | {
      readonly type: "noop";
      readonly action: "create" | "update";
      readonly table: string;
      readonly id: string;
      readonly event: Envelope;
    }
  /** Entries of the quarantine that are new. */
  | { readonly type: "quarantined"; readonly entries: readonly QuarantineEntry[] }
  | { readonly type: "fault"; readonly fault: Fault }
  /** Events that were decided against, just now: told in every tab. */
  | { readonly type: "rejected"; readonly events: readonly RejectedEvent[] }
  /**
   * The stored data was cleared, or thrown away by the browser as damaged, and this tab started over: so many rows are
   * gone, and so many events of this tab that had no decision yet were kept, and are stored again.
   */
  | {
      readonly type: "lost";
      readonly rows: number;
      readonly kept: number;
      /** In words for a person. */
      readonly reason: string;
    };

/** Everything readable, as JSON. */
export interface SyncExport {
  readonly name: string;
  /** ms since the epoch. */
  readonly at: number;
  readonly tables: Readonly<Record<string, readonly Json[]>>;
  readonly outbox: readonly Envelope[];
  readonly rejected: readonly RejectedEvent[];
  readonly quarantine: readonly QuarantineEntry[];
  /** Everything that is stored, as it is, when nothing of it was understood: `load_failed`. What is not JSON is described. */
  readonly unreadable: readonly {
    readonly store: string;
    readonly key: Json;
    readonly value: Json;
  }[];
}

/** The engine of one tab: the read side of an XState actor, so that `useSelector(sync, …)` works, and the app's data. */
export interface SyncActor<T extends TableSchemas, E extends EventDefinitions> {
  readonly id: string;
  readonly sessionId: string;
  /** The actor system: the machines by session, for inspection. */
  readonly system: Actor<AnyActorLogic>["system"];
  getSnapshot(): SyncSnapshot<T>;
  subscribe(observer: Observer<SyncSnapshot<T>>): Subscription;
  subscribe(
    next: (snapshot: SyncSnapshot<T>) => void,
    error?: (error: unknown) => void,
    complete?: () => void,
  ): Subscription;
  on<K extends SyncEmitted["type"]>(
    type: K,
    listener: (event: Extract<SyncEmitted, { type: K }>) => void,
  ): Subscription;

  /** Resolves when the stored data is in memory. Rejects with `SyncError` `load_failed`, `outdated` or `stopped`. */
  readonly ready: Promise<void>;
  /**
   * Applies one or several events, as a whole: in memory at once, then on disk and in every tab.
   *
   * Throws `SyncError`, and changes nothing, with `unknown_event`, `invalid_payload`, `not_json`, `invalid_row`,
   * `materializer_failed`, `impure_materializer`, `unstable_schema`, `reentrant`, `not_ready`, `outdated` or `stopped`.
   *
   * @example
   * const receipt = sync.commit({ name: "todoAdded", payload: { id: createId(), text: "Milk" } });
   * await receipt.durable;
   */
  commit(events: EventInput<E> | readonly EventInput<E>[]): Receipt;
  readonly tables: TableReaders<T>;
  /** Derived from facts; the same object until one of them changes. */
  readonly status: SyncStatus;
  readonly outbox: Collection<Envelope>;
  readonly rejected: Collection<RejectedEvent>;
  readonly quarantine: Quarantine;
  export(): SyncExport;
  /** Asks the browser not to evict this origin's data when space gets scarce. False where it does not promise that. */
  persist(): Promise<boolean>;
  /** Makes everything durable, hands leadership over, releases everything. Resolves when it is done; idempotent. */
  stop(): Promise<void>;
  /**
   * Stops, and deletes the data of this device. Rejects with `undecided` and the number of events as `pending` while some are
   * undecided, and with `not_ready` when the data could not be read within 5 s to know that, unless forced; with
   * `already_running` when another engine of this name was created since; and with `storage_unavailable` when the data is not
   * gone within 10 s, as a frozen tab holds it, the disk is broken, or memory took the place of storage.
   */
  destroy(options?: { readonly force?: boolean }): Promise<void>;
  /**
   * Stops, and resolves with a new actor of the same configuration for another user, or for nobody in particular. Waits up to
   * 5 s for decisions, then rejects with `undecided` and the number of events as `pending`, or with `not_ready` when the data
   * was not read by then, unless forced: what is left behind stays on disk until its user comes back. Rejects with `config`, `stopped`, or `already_running` (a second switch, or an
   * engine of that user in this page), and then nothing was stopped.
   *
   * @example
   * const theirs = await sync.switchUser("anna");
   * await theirs.ready;
   */
  switchUser(
    user: string | undefined,
    options?: { readonly force?: boolean },
  ): Promise<SyncActor<T, E>>;
}
