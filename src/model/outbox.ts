/**
 * What of the outbox is sent next, and what of it is decided without the server. Pure.
 *
 * 1. What is sent is a run of events in log order whose numbers follow each other: first what has numbers, then new ones.
 * 2. Units are whole. One that alone is over a limit is never sent.
 * 3. An event that another one takes the place of is not sent, once that one is logged; nor is one that this code cannot read.
 *    What was attempted is the server's to decide, whatever this code makes of it, unless no server takes it.
 * 4. This tab's own next commit may take the place of the last logged event: it is not sent before that one is logged.
 */
import * as v from "valibot";
import { type Entry, summarise } from "./entry.ts";
import { type NextBase } from "./fold.ts";
import { type Definition } from "./definition.ts";
import { sizeOfJson, toJson } from "./json.ts";
import { type Envelope, type RejectedEvent, type Watermark } from "./log.ts";
import { dedupeKey } from "./materialize.ts";
import { type Replica } from "./replica.ts";
import { type Rejection } from "../protocol/index.ts";
import { idSchema, nameSchema } from "../protocol/messages.ts";

export interface BatchLimits {
  readonly events: number;
  readonly bytes: number;
  readonly eventBytes?: number;
  readonly most: number;
}

/** An event as it is sent. */
export interface Numbered {
  readonly id: string;
  readonly seq: number;
  readonly name: string;
  readonly v: number;
  readonly payload: unknown;
  readonly at: number;
  readonly key?: string;
  readonly tx?: string;
}

export interface Batch {
  readonly events: readonly Numbered[];
  /** The attempt is void if the log has grown past this position: what came may take the place of the last event. */
  readonly tail: number | undefined;
}

/** What no server takes was never sent, whatever a damaged record may have been. */
const isSendable = ({ id, name }: Envelope): boolean =>
  v.is(idSchema, id) && v.is(nameSchema, name);

/** Whether an event is closed for others, or left out: rule 3. */
const isUnfit = ({ invalid, attempted, unit }: Entry): boolean =>
  invalid !== undefined && !(attempted && unit.every(isSendable));

/** Everything up to the first logged entry that is not decided. */
export function watermark(replica: Replica, isDone: (entry: Entry) => boolean): Watermark {
  const logged = replica.logged();
  for (let at = 0; at < logged; at += 1) {
    const entry = replica.overlay[at] as Entry;
    if (!isDone(entry)) return { position: (entry.position as number) - 1, index: entry.offset };
  }
  return { position: replica.position(), index: 0 };
}

/** What a leader decides where a server decides: what no server needs to see. */
export function withoutServer(replica: Replica): NextBase | undefined {
  const { overlay } = replica;
  const logged = replica.logged();
  const done = overlay.filter(
    (entry, at) =>
      at < logged && (isUnfit(entry) || (entry.outcome?.tag === "superseded" && at + 1 < logged)),
  );
  if (done.length === 0) return undefined;
  const isDone = new Set(done);
  return {
    settled: watermark(replica, (entry) => isDone.has(entry)),
    tail: undefined,
    ...summarise(done),
    decided: done.flatMap(({ unit }) => unit.map(({ id }) => id)),
  };
}

/** The entries that wait for the server, in log order, each with those of its events that do. */
function* waiting(replica: Replica): Generator<readonly [Entry, readonly Envelope[]]> {
  const { overlay, remote } = replica;
  const logged = replica.logged();
  // One event that is in the log twice is one event.
  const met = new Set<string>();
  for (let at = 0; at < logged; at += 1) {
    const entry = overlay[at] as Entry;
    if (entry.outcome?.tag === "superseded" || isUnfit(entry)) continue;
    const events = entry.unit.filter(({ id }) => {
      const isNew = !met.has(id) && !remote.isDecided(id) && !remote.acked.has(id);
      met.add(id);
      return isNew;
    });
    if (events.length > 0) yield [entry, events];
  }
}

/** How many events wait for the server. */
export function countWaiting(replica: Replica): number {
  let count = 0;
  for (const [, events] of waiting(replica)) count += events.length;
  return count;
}

/** Keys are short on the wire. One that is not, or is none, is no key there: the event counts by its id. */
function keyFor(definition: Definition, event: Envelope): string | undefined {
  const key = dedupeKey(definition, event)?.slice(event.name.length + 1);
  return key === undefined || key === "" || key.length > 256 ? undefined : key;
}

function numbered(definition: Definition, event: Envelope, seq: number, isUnit: boolean): Numbered {
  const { id, name, v: version, payload, at, tx } = event;
  const key = keyFor(definition, event);
  return {
    id,
    seq,
    name,
    v: Math.max(1, version),
    payload,
    at: Math.max(0, Math.round(at)),
    ...(key === undefined ? {} : { key }),
    ...(tx === undefined || !isUnit ? {} : { tx }),
  };
}

/** What to send next. `oversize`: the ids of the first unit, which alone is over a limit. */
export function nextBatch(
  definition: Definition,
  replica: Replica,
  limits: BatchLimits,
): Batch | { readonly oversize: readonly string[] } | undefined {
  const { remote } = replica;
  const events: Numbered[] = [];
  let bytes = sizeOfJson({ client: remote.client, schema: definition.schema, events: [] });
  let { next } = remote;
  let last: Entry | undefined;
  for (const [entry, unit] of waiting(replica)) {
    const first = remote.numberOf(unit[0]?.id ?? "") ?? next;
    if (last !== undefined && first !== (events.at(-1)?.seq ?? 0) + 1) break;
    const mine: Numbered[] = [];
    for (const event of unit) {
      const seq = remote.numberOf(event.id) ?? next;
      next = Math.max(next, seq + 1);
      mine.push(numbered(definition, event, seq, unit.length > 1));
    }
    const sizes = mine.map(sizeOfJson);
    const size = sizes.reduce((sum, it) => sum + it + 1, 0);
    const isOver =
      sizes.some((it) => it > (limits.eventBytes ?? Infinity)) ||
      events.length + mine.length > limits.events ||
      bytes + size > limits.bytes;
    if (isOver && last === undefined) return { oversize: unit.map(({ id }) => id) };
    if (isOver || (last !== undefined && events.length + mine.length > limits.most)) break;
    for (const it of mine) events.push(it);
    bytes += size;
    last = entry;
  }
  if (last === undefined) return undefined;
  const isOpen = last.coalesce !== undefined && replica.overlay[replica.logged() - 1] === last;
  return { events, tail: isOpen ? replica.position() : undefined };
}

/** Rejections as they are stored. */
export function refusal(event: Envelope, { code, message = "", data }: Rejection): RejectedEvent {
  const kept = toJson(data);
  return { event, code, message, by: "server", ...("value" in kept ? { data: kept.value } : {}) };
}
