/** Messages between the tabs of a device. They are hints: all of it can be lost, late or doubled. */
import * as v from "valibot";

const whole = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const text = v.pipe(v.string(), v.minLength(1), v.maxLength(256));

const head = { p: v.literal(1), incarnation: text, tab: text, schema: whole };

const syncWords = [
  "idle",
  "live",
  "pulling",
  "pushing",
  "offline",
  "backoff",
  "unauthorized",
  "forbidden",
  "incompatible",
] as const;

const message = v.variant("kind", [
  /** The log grew: `record` is what stands at `position`; without it, read the log. */
  v.object({
    kind: v.literal("changed"),
    ...head,
    position: whole,
    record: v.optional(v.unknown()),
  }),
  /**
   * The leader lives; `position` is how far it knows the log, `left` how many rows it still has to migrate, `server` what it
   * does with the server.
   */
  v.object({
    kind: v.literal("heartbeat"),
    ...head,
    term: whole,
    position: whole,
    left: v.optional(whole),
    server: v.optional(
      v.object({
        sync: v.picklist(syncWords),
        fault: v.optional(
          v.picklist(["unauthorized", "forbidden", "incompatible", "adoption_required"]),
        ),
        message: v.optional(v.pipe(v.string(), v.maxLength(1000))),
        syncedAt: v.nullable(whole),
        limits: v.object({ events: whole, eventBytes: whole, bytes: whole }),
      }),
    ),
  }),
  /** Asks the leader to show itself, and to look whether the server has something new. */
  v.object({ kind: v.literal("poke"), ...head }),
  /** The leader is about to release the lock. */
  v.object({ kind: v.literal("bye"), ...head, term: whole }),
]);

/** What a leader tells of the server. */
export type ServerNews = NonNullable<Extract<Message, { kind: "heartbeat" }>["server"]>;

export type Message = v.InferOutput<typeof message>;

/** What is true of every message that a tab sends now. */
export type MessageHead = Omit<Extract<Message, { kind: "poke" }>, "kind">;

/** Checks what arrived. Undefined: not a message of ours, drop and count it. */
export function decodeMessage(value: unknown): Message | undefined {
  const result = v.safeParse(message, value, { abortEarly: true });
  return result.success ? result.output : undefined;
}
