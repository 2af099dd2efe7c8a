/** From what the app gives `commit` to what is stored. Has no effect on anything; throws `SyncError`. */
import { SyncError } from "./errors.ts";
import { type Definition } from "./model/definition.ts";
import { show } from "./model/json.ts";
import { type Envelope } from "./model/log.ts";
import { type Unit, checkCoalesce } from "./model/materialize.ts";

function toEnvelope(
  definition: Definition,
  input: unknown,
  id: string,
  at: number,
  tx: string | undefined,
): Envelope {
  const { name, payload } = (typeof input === "object" && input !== null ? input : {}) as Record<
    string,
    unknown
  >;
  const spec = typeof name === "string" ? definition.events.get(name) : undefined;
  if (spec === undefined) {
    throw new SyncError("unknown_event", `Expected the name of a defined event, got ${show(name)}`);
  }
  const mine = spec.parser.take(payload);
  if ("issue" in mine) {
    const code = mine.code === "invalid" ? "invalid_payload" : mine.code;
    throw new SyncError(code, `Expected a valid payload of "${spec.name}". ${mine.issue}`);
  }
  const base = { id, name: spec.name, v: spec.version, payload: mine.value, at };
  const envelope: Envelope = Object.freeze(tx === undefined ? base : { ...base, tx });
  checkCoalesce(spec, envelope);
  return envelope;
}

/**
 * The events of one commit, parsed and private: whatever the app does to its objects later changes nothing. `ids`: of events
 * that are committed anew.
 */
export function toUnit(
  definition: Definition,
  input: unknown,
  createId: () => string,
  at: number,
  ids: readonly string[] = [],
): Unit {
  try {
    if (!Array.isArray(input)) return [toEnvelope(definition, input, createId(), at, undefined)];
    const tx = input.length > 1 ? createId() : undefined;
    return input.map((it, index) => toEnvelope(definition, it, ids[index] ?? createId(), at, tx));
  } catch (error) {
    if (error instanceof SyncError) throw error;
    // A getter or a proxy of the app threw, or a check in one of its schemas.
    throw new SyncError(
      "invalid_payload",
      `Expected events that can be read, got ${show(String(error))}`,
      error,
    );
  }
}
