/**
 * The messages of sssync/1 as valibot schemas: `pushRequestSchema` is the schema, `PushRequest` the type.
 *
 * They are plain shapes, so that JSON Schema can say all of them: no transforms, no checks across members (those are in
 * decode.ts). Members that are not named here are ignored, on both sides. Codes and reasons are open: one that a peer does
 * not know must not make the whole message unreadable.
 */
import * as v from "valibot";

const whole = (least: number) => v.pipe(v.number(), v.safeInteger(), v.minValue(least));
const text = (most: number) => v.pipe(v.string(), v.minLength(1), v.maxLength(most));

/** A position in the log of a space; 0 is before the first entry. */
export const posSchema = whole(0);
/** A number in the sequence of a client, from 1. */
export const seqSchema = whole(1);
const ms = whole(0);
/** An id of an event, a client or a transaction. */
export const idSchema = v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{8,64}$/));
/** A name of an event or a table. */
export const nameSchema = v.pipe(
  v.string(),
  v.regex(/^(?!(?:constructor|prototype)$)[A-Za-z][A-Za-z0-9_.:-]{0,63}$/),
);
/** Where a reader stands. Opaque to clients: they store it and give it back. */
export const cursorSchema = v.pipe(v.string(), v.regex(/^[A-Za-z0-9_.~-]{1,256}$/));
/** A name of a space, as it stands in the path. */
export const spaceSchema = v.pipe(v.string(), v.regex(/^[A-Za-z0-9._~-]{1,128}$/));
const epoch = text(64);
const tags = v.array(text(128));

/** Known codes, or one that a newer peer sent. */
const open = <K extends string>() =>
  v.pipe(v.string(), v.regex(/^[a-z][a-z0-9_]{0,63}$/)) as v.GenericSchema<K | (string & {})>;

const isObject = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** A row on the wire: an object with a string `id`. */
export type WireRow = { readonly id: string; readonly [name: string]: unknown };

/**
 * A row. Not `looseObject`: it leaves out properties named `constructor` and `prototype`, which are ordinary names in a row
 * (`parseJson` refuses what is dangerous).
 */
export const rowSchema = v.custom<WireRow>((value) => {
  if (!isObject(value) || !Object.hasOwn(value, "id")) return false;
  const { id } = value as { readonly id: unknown };
  return typeof id === "string" && id !== "" && id.length <= 256;
}, "Expected a row: an object with an id of 1 to 256 characters");

const put = { tableName: nameSchema, value: rowSchema };

/** A change of one row. `update` merges, `upsert` replaces; `update` of a missing row and `create` of an existing one do nothing. */
export const actionSchema = v.variant("type", [
  v.object({ type: v.literal("create"), ...put }),
  v.object({ type: v.literal("update"), ...put }),
  v.object({ type: v.literal("upsert"), ...put }),
  v.object({
    type: v.literal("delete"),
    tableName: nameSchema,
    value: v.object({ id: text(256) }),
  }),
]);
export type WireAction = v.InferOutput<typeof actionSchema>;

/** Rows by table. */
export const tablesSchema = v.record(nameSchema, v.array(rowSchema));
export type WireTables = v.InferOutput<typeof tablesSchema>;

/** An event that a client asks the server to decide. */
export const pushEventSchema = v.object({
  id: idSchema,
  seq: seqSchema,
  name: nameSchema,
  /** Version of the event's schema; 1 when absent. */
  v: v.optional(seqSchema),
  payload: v.unknown(),
  /** When it was committed, by the client's clock. Advisory. */
  at: ms,
  /** Its dedupe key: the first event of its name and key counts. */
  key: v.optional(text(256)),
  /** Shared by the events of one commit: all of them are accepted, or none. */
  tx: v.optional(idSchema),
});
export type PushEvent = v.InferOutput<typeof pushEventSchema>;

/** Events of a push, whatever the server allows. */
export const mostEvents = 500;

export const pushRequestSchema = v.object({
  client: idSchema,
  /** Version of the app's schema. */
  schema: v.optional(seqSchema),
  events: v.pipe(v.array(pushEventSchema), v.minLength(1), v.maxLength(mostEvents)),
});
export type PushRequest = v.InferOutput<typeof pushRequestSchema>;

export type RejectionCode =
  | "invalid"
  | "forbidden"
  | "conflict"
  | "unknown_event"
  | "too_large"
  | "tx_aborted"
  | "expired"
  | "app";

/** Why an event was decided against. An unknown code is a rejection like the others. */
export const rejectionSchema = v.object({
  code: open<RejectionCode>(),
  message: v.optional(v.string()),
  /** What the app's rule wants to tell. */
  data: v.optional(v.unknown()),
  /** Where in the payload, as `$.items[3].at`. */
  path: v.optional(v.string()),
});
export type Rejection = v.InferOutput<typeof rejectionSchema>;

/** The decision on one event. It is taken once and never changes. */
export const eventResultSchema = v.variant("status", [
  v.object({ id: idSchema, status: v.literal("accepted"), pos: posSchema }),
  v.object({
    id: idSchema,
    status: v.literal("duplicate"),
    /** The event that took the key. */
    of: idSchema,
    pos: v.optional(posSchema),
  }),
  v.object({ id: idSchema, status: v.literal("rejected"), error: rejectionSchema }),
]);
export type EventResult = v.InferOutput<typeof eventResultSchema>;

export type ErrorCode =
  | "bad_request"
  | "unauthorized"
  | "token_expired"
  | "forbidden"
  | "not_found"
  | "method_not_allowed"
  | "not_acceptable"
  | "client_conflict"
  | "sequence_gap"
  | "reset_required"
  | "schema_unsupported"
  | "too_large"
  | "unsupported_media_type"
  | "protocol_unsupported"
  | "rate_limited"
  | "internal"
  | "unavailable"
  | "timeout";

export type ResetReason = "expired" | "diverged" | "epoch" | "scope" | "schema";

const range = v.object({ min: seqSchema, max: seqSchema });

/** What went wrong with a request as a whole. */
export const wireErrorSchema = v.object({
  code: open<ErrorCode>(),
  message: v.optional(v.string()),
  /** Wait at least so long, in ms. */
  retryAfter: v.optional(ms),
  /** With `sequence_gap`: the number that the server waits for. */
  expected: v.optional(seqSchema),
  /** With `reset_required`. */
  reason: v.optional(open<ResetReason>()),
  /** With `schema_unsupported` and `protocol_unsupported`. */
  supported: v.optional(range),
  /** With `too_large`: the limits that hold. */
  limits: v.optional(v.record(v.string(), v.number())),
});
export type WireError = v.InferOutput<typeof wireErrorSchema>;

/** The body of every response that is not 2xx, but a push that was processed in part. */
export const errorBodySchema = v.object({
  error: wireErrorSchema,
  requestId: v.optional(v.string()),
});
export type ErrorBody = v.InferOutput<typeof errorBodySchema>;

export const pushResponseSchema = v.object({
  epoch,
  /** Position of the newest entry. */
  head: posSchema,
  /** Decisions on the first events of the request, in its order. */
  results: v.array(eventResultSchema),
  /** Why the other events were not looked at. */
  stopped: v.optional(wireErrorSchema),
});
export type PushResponse = v.InferOutput<typeof pushResponseSchema>;

/** An accepted event or a change that the server made. `actions`, where present, are what it means. */
export const entrySchema = v.object({
  pos: posSchema,
  id: v.optional(idSchema),
  client: v.optional(idSchema),
  seq: v.optional(seqSchema),
  name: v.optional(nameSchema),
  v: v.optional(seqSchema),
  payload: v.optional(v.unknown()),
  actions: v.optional(v.array(actionSchema)),
  at: v.optional(ms),
  /** When it was accepted, by the server's clock. */
  ts: ms,
  /** Whose it is. */
  by: v.optional(v.string()),
  tags: v.optional(tags),
  /** Shared by the entries of one commit, which stand side by side and on one page: they are applied as a unit. */
  tx: v.optional(idSchema),
});
export type LogEntry = v.InferOutput<typeof entrySchema>;

const page = {
  epoch,
  from: v.nullable(cursorSchema),
  cursor: cursorSchema,
  pos: posSchema,
  head: posSchema,
};

/** Entries after `from`, up to `pos`, which `cursor` stands for. */
export const logPageSchema = v.object({
  mode: v.literal("log"),
  ...page,
  more: v.boolean(),
  entries: v.array(entrySchema),
});
export type LogPage = v.InferOutput<typeof logPageSchema>;

/** Rows as they are at `pos`. All pages of one `snapshot` have the same `pos`. */
export const snapshotPageSchema = v.object({
  mode: v.literal("snapshot"),
  ...page,
  data: tablesSchema,
  /** Names the page that follows; null on the last one. */
  next: v.nullable(text(256)),
  snapshot: text(256),
});
export type SnapshotPage = v.InferOutput<typeof snapshotPageSchema>;

export const pullResponseSchema = v.variant("mode", [logPageSchema, snapshotPageSchema]);
export type PullResponse = v.InferOutput<typeof pullResponseSchema>;

const queryMeta = {
  epoch: v.optional(epoch),
  /** The position of the log that the rows were read at. */
  pos: v.optional(posSchema),
  /** The cursor of that position. */
  token: v.optional(cursorSchema),
  tags: v.optional(tags),
  /** Ids of rows that are deleted, by table. */
  removed: v.optional(v.record(nameSchema, v.array(v.string()))),
};

/** What a query answers: any GET of the app. */
export const syncResponseSchema = v.variant("mode", [
  v.object({ mode: v.literal("snapshot"), data: tablesSchema, ...queryMeta }),
  v.object({ mode: v.literal("actions"), data: v.array(actionSchema), ...queryMeta }),
]);
export type SyncResponse = v.InferOutput<typeof syncResponseSchema>;

export type ByeReason = "token_expired" | "shutdown" | "lifetime" | "overload" | "forbidden";

/** What comes over a live stream. All but `page` are hints. */
export const liveEventSchema = v.variant("event", [
  v.object({
    event: v.literal("hello"),
    id: v.optional(cursorSchema),
    /** `heartbeat`: ms between signs of life. `expiresIn`: ms until the token expires. */
    data: v.object({ epoch, head: posSchema, heartbeat: ms, expiresIn: v.optional(ms) }),
  }),
  v.object({
    event: v.literal("poke"),
    id: v.optional(cursorSchema),
    data: v.object({ epoch, head: posSchema, tags: v.optional(tags) }),
  }),
  v.object({ event: v.literal("page"), id: cursorSchema, data: logPageSchema }),
  v.object({ event: v.literal("reset"), data: wireErrorSchema }),
  v.object({
    event: v.literal("bye"),
    data: v.object({ reason: open<ByeReason>(), retryAfter: ms }),
  }),
]);
export type LiveEvent = v.InferOutput<typeof liveEventSchema>;

/** What the server is and can do. */
export const infoSchema = v.object({
  protocol: v.pipe(v.array(seqSchema), v.minLength(1)),
  server: v.optional(v.string()),
  /** Versions of the app's schema that it takes. */
  schema: v.optional(range),
  live: v.array(open<"sse" | "wait" | "ws">()),
  deliver: v.picklist(["events", "actions", "both"]),
  features: v.array(v.string()),
  limits: v.object({
    batchEvents: seqSchema,
    eventBytes: seqSchema,
    bodyBytes: seqSchema,
    pageEntries: seqSchema,
    pageBytes: seqSchema,
    depth: seqSchema,
  }),
  /** The server's clock. */
  now: ms,
});
export type Info = v.InferOutput<typeof infoSchema>;
