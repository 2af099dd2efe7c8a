/**
 * What can be said of an event before the space is locked: whether its name is known, its payload valid, its size within
 * the limits, and what its dedupe key is. Nothing here depends on what is stored.
 */
import * as v from "valibot";
import { type Definition, type EventSpec } from "../model/definition.ts";
import { type Json, toJson } from "../model/json.ts";
import { type PushEvent, type Rejection } from "../protocol/index.ts";
import { Failure, HookFailure } from "./failure.ts";
import { type DedupeKey } from "./storage.ts";

/** An event as it was sent, and what follows from it alone. */
export interface Prepared {
  readonly id: string;
  readonly seq: number;
  readonly name: string;
  readonly at: number;
  readonly tx: string | undefined;
  /** Version that it was sent in. */
  readonly v: number;
  /** As it goes into the log: parsed, in the version that it was sent in. */
  readonly payload: Json;
  /** As hooks get it: in the version that `events` defines. */
  readonly current: Json;
  readonly key: DedupeKey | undefined;
  /** It cannot be accepted, whatever is stored. */
  readonly refused?: Rejection;
  /** It cannot be decided now: of newer code than ours, or a function of the app threw. */
  readonly failed?: Failure | HookFailure;
}

const utf8 = new TextEncoder();

/** Whether a text has more bytes in UTF-8; a character has three at most, so most need no counting. */
const isLonger = (text: string, bytes: number): boolean =>
  text.length > bytes || (text.length * 3 > bytes && utf8.encode(text).length > bytes);

type Taken = { readonly value: Json } | { readonly refused: Rejection };

/** Parses a payload. A schema that throws is the server's trouble, not the event's. */
function take(spec: EventSpec, payload: unknown): Taken {
  const taken = spec.parser.take(payload);
  if ("value" in taken) return taken;
  if (taken.code === "unstable_schema")
    throw new HookFailure(`the schema of "${spec.name}"`, "unavailable", taken.issue);
  let result: v.SafeParseResult<typeof spec.parser.schema>;
  try {
    result = v.safeParse(spec.parser.schema, payload);
  } catch (error) {
    throw new HookFailure(`the schema of "${spec.name}"`, "unavailable", error);
  }
  const path = result.success ? undefined : v.getDotPath(result.issues[0]);
  const at = path === undefined || path === null ? "$" : `$.${path}`;
  return { refused: { code: "invalid", message: taken.issue, path: at } };
}

function upcast(spec: EventSpec, stored: Json, from: number): unknown {
  try {
    return spec.upcast === undefined ? stored : spec.upcast(stored, from);
  } catch (error) {
    throw new HookFailure(`upcast of "${spec.name}"`, "unavailable", error);
  }
}

function keyOf(spec: EventSpec, payload: Json): DedupeKey | undefined {
  if (spec.dedupe === undefined) return undefined;
  let key: unknown;
  try {
    key = spec.dedupe(payload);
  } catch (error) {
    throw new HookFailure(`dedupe of "${spec.name}"`, "unavailable", error);
  }
  if (typeof key !== "string")
    throw new HookFailure(`dedupe of "${spec.name}"`, "unavailable", "no string");
  return { name: spec.name, key };
}

export interface PrepareOptions {
  readonly definition: Definition;
  readonly eventBytes: number;
  /** Bytes of the whole request: a small one has no large event. */
  readonly size: number;
  readonly schema: { readonly min: number; readonly max: number };
}

/** Prepares an event. What it says of itself beyond this (`by`, `pos`, `ts`, its dedupe key) is not looked at. */
export function prepare(event: PushEvent, options: PrepareOptions): Prepared {
  const { id, seq, name, at, tx } = event;
  const spec = options.definition.events.get(name);
  const version = event.v ?? 1;
  const none = { payload: null, current: null, key: undefined };
  const common = { id, seq, name, at, tx, v: version, ...none };
  const refuse = (refused: Rejection): Prepared => ({ ...common, refused });
  if (spec === undefined)
    return refuse({ code: "unknown_event", message: `Expected a known event, got "${name}"` });
  // It was committed by newer code than ours, in the middle of a deployment: its turn comes.
  if (version > spec.version) {
    const message = `Expected "${name}" in version ${spec.version} at most, got ${version}`;
    const failed = new Failure("schema_unsupported", { message, supported: options.schema });
    return { ...common, failed };
  }
  if (options.size > options.eventBytes && isLonger(JSON.stringify(event), options.eventBytes))
    return refuse({ code: "too_large", data: { eventBytes: options.eventBytes } });
  try {
    const isCurrent = version === spec.version;
    // Readers may be of the older version as well, and the newer ones upcast by themselves: kept as it was sent.
    const stored = isCurrent ? { value: null } : toJson(event.payload);
    if ("issue" in stored)
      return refuse({ code: "invalid", message: stored.issue.reason, path: stored.issue.path });
    const taken = take(spec, isCurrent ? event.payload : upcast(spec, stored.value, version));
    if ("refused" in taken) return refuse(taken.refused);
    const current = taken.value;
    const payload = isCurrent ? current : stored.value;
    return { ...common, payload, current, key: keyOf(spec, current) };
  } catch (error) {
    if (error instanceof HookFailure) return { ...common, failed: error };
    throw error;
  }
}
