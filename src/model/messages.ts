/** Messages between the tabs of a device. They are hints: all of it can be lost, late or doubled. */
import * as v from "valibot";

const whole = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const text = v.pipe(v.string(), v.minLength(1), v.maxLength(256));

const head = { p: v.literal(1), incarnation: text, tab: text, schema: whole };

const message = v.variant("kind", [
  /** The log grew: `record` is what stands at `position`; without it, read the log. */
  v.object({
    kind: v.literal("changed"),
    ...head,
    position: whole,
    record: v.optional(v.unknown()),
  }),
  /** The leader lives; `position` is how far it knows the log, `left` how many rows it still has to migrate. */
  v.object({
    kind: v.literal("heartbeat"),
    ...head,
    term: whole,
    position: whole,
    left: v.optional(whole),
  }),
  /** Asks the leader to show itself. */
  v.object({ kind: v.literal("poke"), ...head }),
  /** The leader is about to release the lock. */
  v.object({ kind: v.literal("bye"), ...head, term: whole }),
]);

export type Message = v.InferOutput<typeof message>;

/** What is true of every message that a tab sends now. */
export type MessageHead = Omit<Extract<Message, { kind: "poke" }>, "kind">;

/** Checks what arrived. Undefined: not a message of ours, drop and count it. */
export function decodeMessage(value: unknown): Message | undefined {
  const result = v.safeParse(message, value, { abortEarly: true });
  return result.success ? result.output : undefined;
}
