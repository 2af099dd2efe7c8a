/**
 * What the leader writes: base records that decide the outbox, and folds that move them into segments. Pure: it only says
 * what to write; the fenced transaction that writes it is the storage port's.
 *
 * 1. A base record decides whole records, from the oldest on, and carries the after-images of every row they touched.
 * 2. The trailing event of a coalescing run is decided only if nothing was logged after it (`tail`): its place may be taken.
 * 3. A fold writes the base at its position, never base + overlay. While it is encoded only the overlay moves.
 * 4. Segments of an older schema are written anew, some with each fold; memory has their rows as the app's `migrate` made them.
 * 5. A segment that could not be read is never deleted: it keeps its bytes, out of the way of those that take its range. Nor is
 *    such a record of the log, unless somebody discarded it.
 * 6. Order in the one transaction of a fold: segments, marks and floor, deletion of the log.
 */
import { type BaseIndex, type SegmentState, nowhere } from "./base-index.ts";
import {
  type CarriedImage,
  imagesOf,
  type BaseRecord,
  type LogRecord,
  type Manifest,
  type RejectedEvent,
  type Row,
  type Verdict,
  type Watermark,
  type WriterMark,
} from "./log.ts";
import { type Entry, summarise } from "./entry.ts";
import { unread } from "./late.ts";
import { withoutServer } from "./outbox.ts";
import { type StoredRemote } from "./remote.ts";
import { type Replica } from "./replica.ts";
import { type StoredSegment, encodeSegment, segmentSize } from "./segment.ts";
import { type Table, lowerBound } from "./table.ts";

export interface NextBase extends Pick<
  BaseRecord,
  "settled" | "changes" | "keys" | "rejected" | "superseded" | "decided"
> {
  /** The write is void if the log has grown past this position. */
  readonly tail: number | undefined;
}

/** A base record of at most about `most` row images: a larger one would hold up every tab. */
export function nextBase(replica: Replica, most = 10_000): NextBase | undefined {
  if (!replica.mayDecide()) return undefined;
  if (replica.byServer()) return withoutServer(replica);
  const { overlay } = replica;
  const logged = replica.logged();
  let count = 0;
  let images = 0;
  while (count < logged && images < most) {
    const { outcome } = overlay[count] as Entry;
    images += outcome?.tag === "applied" ? outcome.changes.length : 0;
    count += 1;
  }
  const at = (index: number): number | undefined =>
    index < logged ? (overlay[index]?.position ?? undefined) : undefined;
  // Whole records only.
  while (count > 0 && count < logged && at(count) === at(count - 1)) count += 1;
  // This tab's own next commit has taken the place of the last one, but is not logged: leave both for later.
  if (count === logged && overlay[count - 1]?.outcome?.tag === "superseded") {
    const last = at(count - 1);
    while (count > 0 && at(count - 1) === last) count -= 1;
  }
  if (count === 0) return undefined;
  const entries = overlay.slice(0, count);
  const whole = count === logged;
  const open = whole && entries.at(-1)?.coalesce !== undefined;
  return {
    settled: { position: whole ? replica.position() : (at(count - 1) as number), index: 0 },
    tail: open ? replica.position() : undefined,
    ...summarise(entries),
  };
}

/** A number that never came by then is not awaited any more: a damaged record could make the list endless. */
const mostMissing = 10_000;

/** Adds a folded record to its writer's mark. */
export function addToMark(mark: WriterMark | undefined, n: number, at: number): WriterMark {
  const { max, missing } = mark ?? { max: 0, missing: [] };
  if (n <= max) return { max, missing: missing.filter((it) => it !== n), at };
  const first = Math.max(max + 1, n - mostMissing);
  const skipped = Array.from({ length: n - first }, (_, index) => first + index);
  return { max: n, missing: [...missing, ...skipped], at };
}

/** Segments of an older schema that one fold writes anew: commits and other tabs wait for one fold at most. */
const mostOutdated = 20;

/** Marks of tabs that wrote last long ago are dropped beyond this number. */
const mostWriters = 1000;

/** So many events are remembered that were not accepted: for tabs that were away when they were decided. */
const mostVerdicts = 1000;

/** The leader's bookkeeping of the log above the floor. */
export interface Ledger {
  floor: number;
  settled: Watermark;
  writers: Record<string, WriterMark>;
  verdicts: readonly Verdict[];
  carried: readonly CarriedImage[];
  readonly tail: Map<number, LogRecord>;
  /** How many of the tail a fold takes, whatever is decided. */
  moves: number;
}

export interface FoldPlan {
  readonly floor: number;
  readonly settled: Watermark;
  readonly segments: readonly (readonly [table: string, no: number, value: StoredSegment])[];
  readonly dropped: readonly (readonly [table: string, no: number])[];
  /** What the index holds of each rewritten table afterwards. */
  readonly next: ReadonlyMap<string, readonly SegmentState[]>;
  readonly manifest: Manifest;
  readonly writers: Record<string, WriterMark>;
  readonly rejected: readonly RejectedEvent[];
  readonly dismissed: readonly string[];
  /** Entries of the quarantine that were dealt with. */
  readonly released: readonly string[];
  readonly verdicts: readonly Verdict[];
  /** The latest images of rows whose tables this code does not know: they leave the log, and have no segment here. */
  readonly carried: readonly CarriedImage[];
  /** Where a server decides. */
  readonly remote: StoredRemote | undefined;
  /** Log positions to delete. */
  readonly folded: readonly number[];
}

function* baseRows(
  replica: Replica,
  table: Table,
  low: string | undefined,
  high: string | undefined,
): Generator<Row> {
  const visible = table.toArray();
  const underlay = replica.underlay(table);
  const from = low === undefined ? 0 : lowerBound(visible, low);
  const to = high === undefined ? visible.length : lowerBound(visible, high);
  const hidden: Row[] = [];
  for (const [id, row] of underlay) {
    // Rows that the overlay deleted are not visible, but they are in the base.
    const inside = (low === undefined || id >= low) && (high === undefined || id < high);
    if (inside && row !== undefined && !table.rows.has(id)) hidden.push(row);
  }
  hidden.sort((a, b) => (a.id < b.id ? -1 : 1));
  let next = 0;
  for (let at = from; at < to; at += 1) {
    const row = visible[at] as Row;
    while (next < hidden.length && (hidden[next] as Row).id < row.id) yield hidden[next++] as Row;
    if (!underlay.has(row.id)) yield row;
    else {
      const base = underlay.get(row.id);
      if (base !== undefined) yield base;
    }
  }
  while (next < hidden.length) yield hidden[next++] as Row;
}

/** Plans a fold in steps of one segment: the caller lets the page breathe between them. Undefined: nothing to fold. */
export function* planFold(
  replica: Replica,
  index: BaseIndex,
  ledger: Ledger,
  now: number,
  size = segmentSize,
): Generator<undefined, FoldPlan | undefined> {
  let floor = ledger.floor;
  for (const [position, record] of ledger.tail)
    if (record.kind !== "commit") floor = Math.max(floor, position);
  if (floor === ledger.floor && index.outdated() === 0) return undefined;
  const settled = ledger.settled;
  // Now, before anything more is taken in: it says what the log up to this floor says.
  const remote = replica.byServer() ? replica.remote.store() : undefined;

  const segments: [string, number, StoredSegment][] = [];
  const dropped: [string, number][] = [];
  const next = new Map<string, SegmentState[]>();
  for (const run of index.dirty(mostOutdated).toReversed()) {
    const table = replica.tables.get(run.table);
    if (table === undefined) continue;
    const list = next.get(run.table) ?? [...index.segments(run.table)];
    let no = Math.max(
      0,
      ...list.map((it) => it.no),
      ...dropped.map(([name, it]) => (name === run.table ? it : 0)),
    );
    const low = run.from === 0 ? undefined : list[run.from]?.low;
    const high = list[run.to]?.low;
    const made: SegmentState[] = [];
    let rows: Row[] = [];
    const flush = (): void => {
      const positions = rows.map((row) => index.position(run.table, row.id));
      const stored = encodeSegment(rows, positions, index.schema);
      no += 1;
      segments.push([run.table, no, stored]);
      made.push({
        no,
        low: (rows[0] as Row).id,
        count: rows.length,
        pos: floor,
        schema: index.schema,
        ids: stored.ids,
        positions: stored.pos,
      });
      rows = [];
    };
    for (const row of Array.from(baseRows(replica, table, low, high))) {
      rows.push(row);
      if (rows.length === size) {
        flush();
        yield;
      }
    }
    if (rows.length > 0) flush();
    const old = list.splice(run.from, run.to - run.from, ...made);
    for (const it of old) {
      if (it.unread === true) list.push({ ...it, low: nowhere(it.no), pos: floor });
      else dropped.push([run.table, it.no]);
    }
    next.set(
      run.table,
      list.toSorted((a, b) => (a.low < b.low ? -1 : 1)),
    );
    yield;
  }

  const writers = { ...ledger.writers };
  const rejected: RejectedEvent[] = [];
  const verdicts = [...ledger.verdicts];
  const dismissed = new Set<string>();
  const released = new Set<string>();
  const folded: number[] = [];
  const lost: number[] = [];
  const carried = new Map<string, CarriedImage>();
  const carry = ([table, id, row, pos, of]: CarriedImage): void => {
    if (replica.tables.has(table)) return;
    const key = `${table}/${id}`;
    const before = carried.get(key);
    // What comes back where there is none of its id: after a deletion there is none for certain.
    if (pos > 0 || before === undefined) carried.set(key, [table, id, row, pos, of]);
    else if (before[2] === null) carried.set(key, [table, id, row, before[3], of]);
  };
  ledger.carried.forEach(carry);
  for (const [position, record] of ledger.tail) {
    if (record.kind === "commit" ? position > settled.position : position > floor) continue;
    if (record === unread) {
      lost.push(position);
      continue;
    }
    folded.push(position);
    for (const [table, id, row, pos] of imagesOf(record))
      carry([table, id, row, record.kind === "dismiss" ? 0 : pos, record.schema]);
    writers[record.tab] = addToMark(
      Object.hasOwn(writers, record.tab) ? writers[record.tab] : undefined,
      record.n,
      now,
    );
    if (record.kind === "base") {
      for (const it of record.rejected) {
        rejected.push(it);
        verdicts.push(
          it.by === undefined ? [it.event.id, it.message] : [it.event.id, it.message, it.code],
        );
      }
      for (const id of record.duplicates ?? []) verdicts.push([id, null, "duplicate"]);
      for (const id of record.superseded ?? []) verdicts.push([id, null]);
    }
    if (record.kind === "dismiss")
      for (const id of record.ids) (record.from === "rejected" ? dismissed : released).add(id);
  }
  // What nobody could read goes when somebody said so.
  for (const position of lost) if (released.has(`log/${position}`)) folded.push(position);
  const kept = Object.entries(writers)
    .toSorted(([, a], [, b]) => b.at - a.at)
    .slice(0, mostWriters);
  const manifest: Record<string, Manifest[string]> = { ...index.manifest() };
  for (const [table, list] of next) {
    manifest[table] = list.map(({ no, low, count, pos, schema }) => ({
      no,
      low,
      count,
      pos,
      schema,
    }));
  }
  return {
    floor,
    settled,
    segments,
    dropped,
    next,
    manifest,
    writers: Object.fromEntries(kept),
    rejected: rejected.filter((it) => !dismissed.has(it.event.id)),
    dismissed: Array.from(dismissed),
    released: Array.from(released),
    verdicts: verdicts.slice(-mostVerdicts),
    carried: Array.from(carried.values()),
    remote,
    folded,
  };
}
