import {
  type EventDefinitions,
  type Materializer,
  type PayloadOf,
  type RowOf,
  type TableSchemas,
} from "../model/definition.ts";
import { type Limits, type LogEntry, type WireTables } from "../protocol/index.ts";
import { type ClockPort, type RandomPort } from "../services/ports.ts";
import { type Storage } from "./storage.ts";

type Awaitable<T> = T | Promise<T>;

/** Who asks. Your own object: roles and the like that `authenticate` looked up go along to the other hooks. */
export interface Principal {
  /** Stable: a client's database belongs to it. 1 to 256 characters. */
  readonly id: string;
  /** ms since the epoch. From then on requests are answered `token_expired`, and live streams end. */
  readonly expiresAt?: number;
}

/** Why an event is not accepted. `conflict`: not as things are now; `app`: the app's own reasons, told in `data`. */
export interface Refusal {
  readonly code: "forbidden" | "conflict" | "app";
  readonly message?: string;
  /** JSON that the client gets as it is. */
  readonly data?: unknown;
}

/** An event to be decided: its payload is valid, and of the version that `events` defines. */
export type EventOf<E extends EventDefinitions> = {
  readonly [N in keyof E & string]: {
    readonly id: string;
    readonly name: N;
    readonly payload: PayloadOf<E[N]>;
    /** ms since the epoch, by the client's clock. */
    readonly at: number;
  };
}[keyof E & string];

export interface AuthorizeContext<P, T extends TableSchemas, E extends EventDefinitions, Tx> {
  readonly event: EventOf<E>;
  readonly principal: P;
  readonly space: string;
  /** A row as of the entry before, where the server has `tables` and `materializers`. */
  read<N extends keyof T & string>(table: N, id: string): Promise<RowOf<T, N> | undefined>;
  /** The storage's transaction. */
  readonly tx: Tx;
}

export interface ServerLimits extends Limits {
  /** Live streams of one principal at once; one more is answered 429. */
  readonly streams: number;
  /** Events that a principal may push to a space per minute. `Infinity`: as many as it likes. */
  readonly eventsPerMinute: number;
  /** ms that hooks may take for one request. */
  readonly requestMs: number;
  /** ms between signs of life on a live stream. */
  readonly heartbeatMs: number;
  /** ms after which a live stream ends, at the earliest; at the latest after three times as long. */
  readonly streamMs: number;
}

/** A request, for the log: sizes and codes, never payloads. */
export interface RequestReport {
  readonly id: string;
  readonly method: string;
  readonly endpoint: string;
  readonly space?: string;
  readonly principal?: string;
  readonly status: number;
  readonly code?: string;
  /** Of a push: events that came, and how many were accepted. */
  readonly events?: number;
  readonly accepted?: number;
  readonly ms: number;
}

export interface SyncServerOptions<
  P extends Principal,
  T extends TableSchemas,
  E extends EventDefinitions,
  Tx,
> {
  readonly storage: Storage<Tx>;
  /** The same definitions as the client's: schema, version, `upcast`, `dedupe`. */
  readonly events: E;
  /** Who asks; `null`: nobody that is known (401), and so undefined. Runs first, before anything of the request is read. */
  authenticate(request: Request): Awaitable<P | null>;
  /** The space that a name stands for, as `me` for the principal's own. Default: itself. */
  spaceFor?(principal: P, space: string): string;
  /** Whether the principal may read or write the space; otherwise 403. Asked for each request, and again for live streams. */
  authorizeSpace(principal: P, space: string, access: "read" | "write"): Awaitable<boolean>;
  /**
   * Whether an event is accepted. Runs while the space is locked: be short. Only a returned refusal rejects; when it throws,
   * the client is told to try again later.
   */
  authorize?(context: AuthorizeContext<P, T, E, Tx>): Awaitable<true | Refusal>;
  /** With `materializers`: rows for snapshots, for `read`, for queries, and for `deliver: "actions"`. */
  readonly tables?: T;
  readonly materializers?: {
    readonly [N in keyof E]: Materializer<PayloadOf<E[N]>, T>;
  };
  /** Writes what an accepted entry means to the app's own tables, in the transaction that accepts it. */
  apply?(tx: Tx, entry: LogEntry, space: string): Awaitable<void>;
  /** All rows of a space, read from the app's own tables in the given transaction; in place of `materializers`. */
  snapshot?(tx: Tx, space: string): Awaitable<WireTables>;
  /** Versions of the app's schema that are taken. Others get `schema_unsupported`. Default: all. */
  readonly schema?: { readonly min: number; readonly max: number };
  readonly limits?: Partial<ServerLimits>;
  /** Days that entries are kept once a snapshot has them (default 30), and decisions (default 400; never less). */
  readonly retention?: { readonly logDays?: number; readonly dedupeDays?: number };
  /** What readers get: events, the row actions that they mean (needs `materializers`), or both. Default `events`. */
  readonly deliver?: "events" | "actions" | "both";
  /** Origins of web pages that may use the server, beside its own. `*`: all. Default none. */
  readonly origins?: readonly string[];
  readonly clock?: Pick<ClockPort, "now" | "setTimeout" | "clearTimeout">;
  readonly random?: RandomPort;
  /** Told of each request. */
  onRequest?(report: RequestReport): void;
  /** Told what a hook threw, and what failed in the storage. Default: `console.error`. */
  onError?(error: unknown, where: string): void;
}
