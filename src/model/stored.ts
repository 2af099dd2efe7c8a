/** What is read from disk or arrives in a message, checked. Nothing from outside is trusted (G12). */
import * as v from "valibot";
import { type Json, maxDepth, toJson } from "./json.ts";
import {
  type CarriedImage,
  type Envelope,
  type LogRecord,
  type Manifest,
  type RejectedEvent,
  type Verdict,
  imagesOf,
} from "./log.ts";
import { type StoredEnvelope, unpack } from "./packed.ts";
import { cursorSchema, idSchema } from "../protocol/messages.ts";
import { type StoredRemote } from "./remote.ts";

/** Layout of the database's content. A database of a newer format is not touched. */
export const format = 1;

const whole = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const text = v.pipe(v.string(), v.minLength(1));

const json = v.custom<Json>((value) => value !== undefined);

const envelope = v.object({
  id: text,
  name: text,
  v: whole,
  payload: json,
  at: v.number(),
  tx: v.optional(text),
  packed: v.optional(v.literal(true)),
});
/** One of a log record. A transaction that no server takes would have all events refused that are sent with it. */
const logged = v.object({ ...envelope.entries, tx: v.optional(idSchema) });

const row = v.custom<Json>(
  (value) => value === null || (typeof value === "object" && !Array.isArray(value)),
);

const rejectedEvent = v.object({
  event: envelope,
  code: text,
  message: v.string(),
  by: v.optional(v.literal("server")),
  data: v.optional(json),
});
const watermark = v.object({ position: whole, index: whole });
const takenKey = v.tuple([text, v.string(), text]);
const header = { tab: text, n: whole, schema: whole };

const image = v.tuple([text, text, row, whole]);

const texts = v.array(text);
/** The longer one first: a tuple takes what is longer, and leaves out the rest. */
const ack = v.union([v.tuple([text, whole, text]), v.tuple([text, whole])]);
const place = v.object({ cursor: v.nullable(cursorSchema), pos: whole, epoch: v.nullable(text) });

const record = v.variant("kind", [
  v.object({ kind: v.literal("commit"), ...header, events: v.array(logged) }),
  v.object({
    kind: v.literal("base"),
    ...header,
    term: whole,
    settled: watermark,
    changes: v.array(image),
    keys: v.array(takenKey),
    rejected: v.array(rejectedEvent),
    superseded: v.optional(texts),
    authority: v.optional(v.literal("server")),
    decided: v.optional(texts),
    duplicates: v.optional(texts),
    acked: v.optional(v.array(ack)),
    unacked: v.optional(texts),
    remote: v.optional(place),
    anew: v.optional(v.literal(true)),
    answered: v.optional(v.literal(true)),
  }),
  v.object({
    kind: v.literal("attempt"),
    ...header,
    term: whole,
    client: text,
    first: whole,
    ids: texts,
    attempt: whole,
    notBefore: v.number(),
  }),
  v.object({
    kind: v.literal("dismiss"),
    ...header,
    from: v.picklist(["rejected", "quarantine"]),
    // Of quarantine they are keys of whatever was found there: one may be empty.
    ids: v.array(v.string()),
    rows: v.optional(v.array(image)),
  }),
]);

/** One issue is enough: an empty array of length 2^32 has as many, and would be looked at for minutes. */
const careful = { abortEarly: true };

const parsed = <T>(schema: v.GenericSchema<unknown, T>, value: unknown): T | undefined => {
  const result = v.safeParse(schema, value, careful);
  return result.success ? result.output : undefined;
};

/** Deeply frozen, and JSON; undefined when it is not. */
function jsonOf<T>(value: T | undefined): T | undefined {
  if (value === undefined) return undefined;
  // A payload or row may be as deep as JSON goes here: what is around it comes on top.
  const result = toJson(value, maxDepth + 8);
  return "value" in result ? (result.value as T) : undefined;
}

/** The events of a record as they were committed; undefined when one was not packed as it says. */
function unpackEvents(events: readonly StoredEnvelope[]): Envelope[] | undefined {
  try {
    return events.map(({ packed, ...event }) =>
      packed === true ? { ...event, payload: unpack(event.payload) } : event,
    );
  } catch {
    return undefined;
  }
}

const kinds: ReadonlySet<unknown> = new Set(["attempt", "base", "commit", "dismiss"]);

/** Whether a value is a record of a kind that only other code knows. */
export function isStrange(value: unknown): boolean {
  const found = v.safeParse(v.object({ ...header, kind: v.string() }), value, careful);
  return found.success && !kinds.has(found.output.kind);
}

/** A log record, frozen; undefined when it is not one. Payloads and rows are JSON, but not checked by the app's schemas. */
export function decodeRecord(value: unknown): LogRecord | undefined {
  const stored = parsed(record, value);
  const events =
    stored?.kind === "commit"
      ? unpackEvents(stored.events as readonly StoredEnvelope[])
      : undefined;
  if (stored?.kind === "commit" && events === undefined) return undefined;
  const result = jsonOf(events === undefined ? stored : { ...stored, events }) as
    | LogRecord
    | undefined;
  if (result !== undefined && imagesOf(result).some(([, id, it]) => it !== null && it.id !== id))
    return undefined;
  return result;
}

export const decodeRejected = (value: unknown): RejectedEvent | undefined =>
  jsonOf(parsed(rejectedEvent, value)) as RejectedEvent | undefined;

/** A record takes whatever is an object, as if it were empty. */
const plain = v.custom<object>(
  (value) => Object.prototype.toString.call(value) === "[object Object]",
);

const mark = v.object({
  no: whole,
  low: v.string(),
  count: whole,
  pos: whole,
  schema: v.optional(whole),
});

/** Segments are ranges: each begins after the one before, and has a number of its own. */
const isOrdered = (marks: v.InferOutput<typeof mark>[]): boolean =>
  marks.every(({ low }, at) => at === 0 || (marks[at - 1]?.low ?? "") < low) &&
  new Set(marks.map(({ no }) => no)).size === marks.length;

const metaEntries = {
  format: whole,
  schema: whole,
  term: whole,
  incarnation: text,
  authority: v.picklist(["device", "server"]),
  client: text,
  floor: whole,
  settled: watermark,
  writers: v.pipe(
    plain,
    v.record(v.string(), v.object({ max: whole, missing: v.array(whole), at: v.number() })),
  ),
  manifest: v.pipe(plain, v.record(v.string(), v.pipe(v.array(mark), v.check(isOrdered)))),
  keys: v.array(takenKey),
  /** The latest events that were decided otherwise than accepted: why one was rejected, null when it was superseded. */
  verdicts: v.optional(
    v.array(
      v.union([
        v.tuple([text, v.nullable(v.string()), text]),
        v.tuple([text, v.nullable(v.string())]),
      ]),
    ),
  ),
  /** Rows of tables that the leader did not know, as their folded records had them: for code that knows the table. */
  carried: v.optional(v.array(v.tuple([text, text, row, whole, whole]))),
  /** What the folded records come to, where a server decides. */
  remote: v.optional(
    v.object({
      ...place.entries,
      // What no server takes would have all events refused.
      client: idSchema,
      next: whole,
      numbers: v.array(v.tuple([text, whole])),
      acked: v.array(ack),
      decided: texts,
      attempt: whole,
      notBefore: v.number(),
    }),
  ),
  /** Schema of segments that do not say theirs: that of `meta` before it was raised for the first time. */
  untagged: v.optional(whole),
};

/** The entries of the `meta` store. */
export type Meta = Omit<StoredMeta, "carried" | "manifest" | "remote" | "untagged" | "verdicts"> & {
  readonly remote?: StoredRemote | undefined;
  readonly verdicts?: readonly Verdict[] | undefined;
  readonly carried?: readonly CarriedImage[] | undefined;
  readonly untagged?: number | undefined;
  readonly manifest: Manifest;
};

/** As stored: what older code has left out is left out. */
export type StoredMeta = {
  -readonly [K in keyof typeof metaEntries]: v.InferOutput<(typeof metaEntries)[K]>;
};

const isListed = (
  manifest: Readonly<Record<string, readonly { readonly no: number }[]>>,
  table: string,
  no: number,
): boolean =>
  Object.hasOwn(manifest, table) && manifest[table]?.some((it) => it.no === no) === true;

/** What else there is, and `meta` has to agree with. */
export interface Surroundings {
  /** Keys of the segments that are stored. */
  readonly segments?: readonly (readonly [table: string, no: number])[];
  readonly log?: readonly (readonly [position: number, record: LogRecord | undefined])[];
}

/** Entries of `meta` that what is there says otherwise about, each with the reason. */
export function contradicted(
  { manifest, floor = -1, settled }: Partial<Pick<Meta, "manifest" | "floor" | "settled">>,
  { segments = [], log = [] }: Surroundings,
): ReadonlyMap<keyof Meta, string> {
  const issues = new Map<keyof Meta, string>();
  const orphan = manifest && segments.find(([table, no]) => !isListed(manifest, table, no));
  if (orphan) issues.set("manifest", `Expected it to list segment ${orphan.join("/")}`);
  const late = log.find(([position, it]) => it?.kind === "base" && position <= floor);
  if (late) issues.set("floor", `Expected it to be below base record ${late[0]}`);
  else if (floor !== -1 && settled !== undefined && settled.position > floor)
    issues.set("settled", `Expected it to be at most ${floor}`);
  return issues;
}

/** The entries of `meta` that are missing, invalid or contradicted, each with the reason; and what is sound. */
export function judgeMeta(
  stored: ReadonlyMap<string, unknown>,
  around: Surroundings,
): { readonly issues: ReadonlyMap<keyof Meta, string>; readonly sound: Partial<StoredMeta> } {
  const issues = new Map<keyof Meta, string>();
  const sound: Record<string, unknown> = {};
  for (const [key, schema] of Object.entries(metaEntries) as [keyof Meta, v.GenericSchema][]) {
    const result = v.safeParse(schema, stored.get(key), careful);
    if (!result.success) issues.set(key, result.issues[0].message);
    else if (result.output !== undefined) sound[key] = result.output;
  }
  for (const [key, reason] of contradicted(sound, around)) issues.set(key, reason);
  // A fold writes both.
  if (sound["authority"] === "server" && sound["floor"] !== 0 && sound["remote"] === undefined)
    issues.set("remote", "Expected what is known of the server");
  return { issues, sound };
}

/** What of a list, or under names, is sound by itself where the whole is not; undefined where that is nothing. */
export function soundPart<Key extends keyof StoredMeta>(
  key: Key,
  value: unknown,
): StoredMeta[Key] | undefined {
  const schema: v.GenericSchema<unknown, unknown> = metaEntries[key];
  const isList = Array.isArray(value);
  if (!isList && !v.is(plain, value)) return undefined;
  // By their keys: an array may be empty, and as long as an array can be.
  const parts = Object.entries(value).filter(([name, it]) =>
    v.is(schema, isList ? [it] : { [name]: it }),
  );
  const all = isList ? parts.map(([, it]) => it as unknown) : Object.fromEntries(parts);
  return parsed(schema, all) as StoredMeta[Key] | undefined;
}

/** The format of a database that newer code has written. */
export function newerFormat(stored: ReadonlyMap<string, unknown>): number | undefined {
  const found = parsed(whole, stored.get("format"));
  return found !== undefined && found > format ? found : undefined;
}

/** `meta` as stored → checked, or what is wrong with it. */
export function decodeMeta(
  stored: ReadonlyMap<string, unknown>,
  around: Surroundings = {},
): { readonly meta: Meta } | { readonly newer: number } | { readonly reason: string } {
  const newer = newerFormat(stored);
  if (newer !== undefined) return { newer };
  const { issues, sound } = judgeMeta(stored, around);
  const [issue] = issues;
  if (issue !== undefined)
    return { reason: `Expected "meta" to be readable: ${issue[0]}: ${issue[1]}` };
  const { manifest, untagged, carried, ...rest } = sound as StoredMeta;
  const older = untagged ?? rest.schema;
  const tagged = Object.entries(manifest).map(([table, marks]) => [
    table,
    marks.map((it) => ({ ...it, schema: it.schema ?? older })),
  ]);
  return {
    meta: {
      ...rest,
      untagged,
      carried: jsonOf(carried) as readonly CarriedImage[] | undefined,
      manifest: Object.fromEntries(tagged) as Manifest,
    },
  };
}

/** The `meta` entries of a new database. */
export function freshMeta(
  schema: number,
  incarnation: string,
  client: string,
  authority: Meta["authority"] = "device",
): ReadonlyMap<string, unknown> {
  const meta: Meta = {
    format,
    schema,
    term: 0,
    incarnation,
    authority,
    client,
    floor: 0,
    settled: { position: 0, index: 0 },
    writers: {},
    manifest: {},
    keys: [],
    verdicts: [],
    carried: [],
  };
  return new Map(Object.entries(meta));
}
