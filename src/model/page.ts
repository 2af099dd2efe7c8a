/** Entries of the server's log → what they do to the base. Pure. */
import { type LogEntry, type LogPage } from "../protocol/index.ts";
import { unitsOf } from "./entry.ts";
import { type Json } from "./json.ts";
import { type Ack, type Envelope, type Place } from "./log.ts";
import { type Replica } from "./replica.ts";
import { type Stage } from "./stage.ts";

/** `before`: so many entries come before the one that this code does not understand. */
export interface Unfit {
  readonly incompatible: string;
  readonly before: number;
}

/** What a page says of this device's own events. */
export interface Seen {
  readonly decided: readonly string[];
  readonly duplicates: readonly string[];
  readonly unacked: readonly string[];
}

/** An action of the wire as materializers return it. */
const actionOf = ({ type, tableName, value }: NonNullable<LogEntry["actions"]>[number]) => ({
  type,
  table: tableName,
  row: value,
});

/** Events of this device that are logged and not decided. */
function ownEvents(replica: Replica): Map<string, Envelope> {
  const own = new Map<string, Envelope>();
  for (const { unit, position } of replica.overlay) {
    if (position === null) break;
    for (const event of unit) own.set(event.id, event);
  }
  return own;
}

/** Applies entries to a stage, in order. Gives what stopped it, if anything did: then the stage is good for nothing. */
export function applyEntries(
  replica: Replica,
  stage: Stage,
  entries: readonly LogEntry[],
): Unfit | undefined {
  let own: Map<string, Envelope> | undefined;
  const actions = new Map<Envelope, readonly unknown[]>();
  const places = new Map<Envelope, number>();
  const events: Envelope[] = [];
  for (const [at, entry] of entries.entries()) {
    const { id = "", name, v = 1, payload = null, ts, tx } = entry;
    // What its author knows is left out for it.
    const stub = name === undefined && entry.actions === undefined;
    const known = stub ? (own ??= ownEvents(replica)).get(id) : undefined;
    if (stub && known === undefined)
      return { incompatible: `Expected an entry at ${entry.pos} that says what it is`, before: at };
    const event = {
      id,
      name: known?.name ?? name ?? "",
      v: known?.v ?? v,
      payload: known?.payload ?? (payload as Json),
      at: known?.at ?? entry.at ?? ts,
      ...(tx === undefined ? {} : { tx }),
    };
    if (entry.actions !== undefined) actions.set(event, entry.actions.map(actionOf));
    places.set(event, at);
    events.push(event);
  }
  for (const unit of unitsOf(events)) {
    const before = places.get(unit[0] as Envelope) as number;
    const last = entries[before + unit.length - 1] as LogEntry;
    const result = stage.run(unit, last.pos, actions);
    if (result.tag === "unfit") return { incompatible: result.reason, before };
  }
  return undefined;
}

/** Acknowledged events, from the commit on that holds the first of those that are asked for. */
export function ackedFrom(replica: Replica, isFirst: (id: string) => boolean): string[] {
  const { overlay, remote } = replica;
  const from = overlay.findIndex(({ unit }) =>
    unit.some(({ id }) => remote.acked.has(id) && isFirst(id)),
  );
  const units = from === -1 ? [] : overlay.slice(from).map(({ unit }) => unit);
  return units.flatMap((unit) => unit.map(({ id }) => id).filter((id) => remote.acked.has(id)));
}

/**
 * Which events of this device a page decides, by what the server said of them before.
 *
 * 1. What is in the page is accepted, acknowledged or not: the answer may have been lost. A duplicate is when its original is.
 * 2. An acknowledged position that the page passes without the event: the log is another one than it was. It is sent again,
 *    and so is all that was acknowledged after it: in their order.
 * 3. One at or below the position that the page goes on from: the server has just said that this position is of its log, so
 *    the event is in the base already.
 */
export function seenIn(replica: Replica, ids: ReadonlySet<string>, from: Place, to: number): Seen {
  const { acked } = replica.remote;
  const decided: string[] = [];
  const duplicates: string[] = [];
  const lost = new Set<string>();
  const take = (id: string, ack: Ack | undefined): void => {
    decided.push(id);
    if (ack?.[2] !== undefined) duplicates.push(id);
  };
  for (const id of ownEvents(replica).keys()) {
    const ack = acked.get(id);
    if (ids.has(ack?.[2] ?? id) || (ack !== undefined && ack[1] <= from.pos)) take(id, ack);
    else if (ack !== undefined && ack[1] <= to) lost.add(id);
  }
  const seen = new Set(decided);
  const unacked = lost.size === 0 ? [] : ackedFrom(replica, (id) => lost.has(id));
  return { decided, duplicates, unacked: unacked.filter((id) => !seen.has(id)) };
}

/** Ids of the events of a page. */
export const idsIn = (entries: LogPage["entries"]): string[] =>
  entries.flatMap(({ id }) => id ?? []);
