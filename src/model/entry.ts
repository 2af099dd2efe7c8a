/** Entries: the units of the overlay, what became of them, and what a base record says of those that are decided. */
import { SyncError } from "../errors.ts";
import { type Definition } from "./definition.ts";
import { type Json, sameJson, show } from "./json.ts";
import { type BaseRecord, type Envelope, type RejectedEvent, type RowImage } from "./log.ts";
import { type Change, type Outcome, type Unit } from "./materialize.ts";
import { payloadOf } from "./migrate.ts";
import { type Placeable } from "./rebase.ts";
import { type Table } from "./table.ts";

/** A unit in the overlay. */
export interface Entry extends Placeable {
  readonly unit: Unit;
  /** Committed in this very memory: its decision is awaited. */
  readonly own: boolean;
  n: number;
  position: number | null;
  offset: number;
  /** Undefined while it is undone; `superseded` when the next entry takes its place. */
  outcome: Outcome | { readonly tag: "superseded" } | undefined;
  readonly coalesce: string | undefined;
  /** Why it cannot apply whatever the rows are: its stored payload does not validate. */
  readonly invalid: SyncError | undefined;
  /** Whether it was sent, or was about to be, where a server decides: nothing takes its place any more. */
  attempted: boolean;
  /** Whether its decision was told. */
  told: boolean;
}

export type Decision =
  | { readonly id: string; readonly status: "accepted" | "duplicate" | "superseded" }
  | { readonly id: string; readonly status: "rejected"; readonly error: SyncError };

export interface Settlement {
  readonly entry: Entry;
  readonly decisions: readonly Decision[];
}

/** Why an event is rejected that applied where it was made. */
const conflict = (error: SyncError): SyncError =>
  new SyncError(
    "conflict",
    `Expected the event to apply after commits of other tabs, got: ${error.message}`,
    error,
  );

/** The decisions on an entry that is logged, by what became of it here. */
export function decisionsOf(entry: Entry): Decision[] {
  const { outcome } = entry;
  return entry.unit.map(({ id }) => {
    if (outcome?.tag === "failed")
      return { id, status: "rejected", error: conflict(outcome.error) };
    if (outcome?.tag === "superseded") return { id, status: "superseded" };
    return { id, status: outcome?.duplicates.includes(id) === true ? "duplicate" : "accepted" };
  });
}

/** Puts positions on own entries; offsets follow the events of their record. */
export function place(entries: readonly Entry[], at: number): void {
  let offset = 0;
  for (const entry of entries) {
    entry.position = at;
    entry.offset = offset;
    offset += entry.unit.length;
  }
}

/** Splits the events of a record into units: the events of one commit share their `tx`. */
export function unitsOf(events: readonly Envelope[]): Unit[] {
  const units: Envelope[][] = [];
  for (const event of events) {
    const last = units.at(-1);
    if (event.tx !== undefined && last?.[0]?.tx === event.tx) last.push(event);
    else units.push([event]);
  }
  return units;
}

/** A stored unit as it is replayed, or why it cannot be: nothing that comes from outside is trusted (G12). */
export function replayable(
  definition: Definition,
  stored: Unit,
): { readonly unit: Unit; readonly invalid: SyncError | undefined } {
  let invalid: SyncError | undefined;
  const unit = stored.map((event) => {
    const spec = definition.events.get(event.name);
    if (spec === undefined) {
      invalid ??= new SyncError(
        "unknown_event",
        `Expected a defined event, got ${show(event.name)}`,
      );
      return event;
    }
    const kept = payloadOf(definition, event);
    if ("value" in kept) {
      // The version says of which the payload is.
      const version = spec.upcast === undefined ? event.v : spec.version;
      return { ...event, v: version, payload: kept.value };
    }
    invalid ??= new SyncError(
      "invalid_payload",
      `Expected a valid payload of "${event.name}". ${kept.issue}`,
    );
    return event;
  });
  return { unit, invalid };
}

/** After-images of what changes come to: the last image of a row is the one that holds. */
export function createImages() {
  const images = new Map<Table, Map<string, RowImage>>();
  return {
    add(changes: readonly Change[], pos: number): void {
      for (const { table, id, after } of changes) {
        let ofTable = images.get(table);
        if (ofTable === undefined) images.set(table, (ofTable = new Map()));
        ofTable.set(id, [table.name, id, after ?? null, pos]);
      }
    },
    list: (): RowImage[] => Array.from(images.values()).flatMap((it) => Array.from(it.values())),
  };
}

/** What decided entries come to: the after-images of every row they touched, the keys they took, the events that failed. */
export function summarise(
  entries: readonly Entry[],
): Pick<BaseRecord, "changes" | "keys" | "rejected" | "superseded"> {
  const images = createImages();
  const keys: (readonly [string, string, string])[] = [];
  const refusals: RejectedEvent[] = [];
  const superseded: string[] = [];
  for (const { outcome, unit, position, invalid } of entries) {
    if (outcome?.tag === "failed") {
      const { code, message } = invalid ?? conflict(outcome.error);
      for (const event of unit) refusals.push({ event, code, message });
    }
    if (outcome?.tag === "superseded") for (const { id } of unit) superseded.push(id);
    if (outcome?.tag !== "applied") continue;
    images.add(outcome.changes, position ?? 0);
    for (const it of outcome.keys) keys.push([it.name, it.key, it.id]);
  }
  return {
    changes: images.list(),
    keys,
    rejected: refusals,
    ...(superseded.length > 0 ? { superseded } : {}),
  };
}

const same = (a: unknown, b: unknown): boolean => sameJson(a as Json, b as Json);

/**
 * Whether a base record says what the entries that it decides came to here: then rows stay as they are. `done` are the first
 * entries, but where a server decides.
 */
export function agrees(
  entries: readonly Entry[],
  done: ReadonlySet<Entry>,
  record: BaseRecord,
): boolean {
  const first = entries.slice(0, done.size);
  const mine = summarise(first);
  if (mine.changes.length !== record.changes.length) return false;
  if (record.decided === undefined)
    return (
      same(mine.keys, record.keys) &&
      same(mine.rejected, record.rejected) &&
      same(mine.superseded ?? [], record.superseded ?? []) &&
      record.changes.every((it, index) => same(it, mine.changes[index]))
    );
  // Keys of decided events are free again, and positions are the server's.
  return (
    mine.keys.length === 0 &&
    first.every((entry) => done.has(entry)) &&
    record.changes.every(([table, id, row], index) => {
      const [otherTable, otherId, other] = mine.changes[index] as RowImage;
      return table === otherTable && id === otherId && same(row, other);
    })
  );
}
