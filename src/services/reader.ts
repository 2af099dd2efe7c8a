/**
 * Reads the database into a picture that memory can take over: one readonly transaction, decoded and checked piece by piece.
 *
 * Failure modes: a read error rejects, and nothing is concluded from it (G9). A piece that does not decode or validate is
 * damage: it is left out of the picture and handed over with its raw bytes and the reason (G8).
 */
import { type Damage, admit, admitImage } from "../model/admit.ts";
import { type BaseIndex, type SegmentState } from "../model/base-index.ts";
import { type Definition } from "../model/definition.ts";
import { showError } from "../model/json.ts";
import {
  type LogRecord,
  type RejectedEvent,
  type Row,
  type RowImage,
  type SegmentMark,
} from "../model/log.ts";
import { rowsFromColumns } from "../model/columns.ts";
import { placeholder, readmit, setTwinsAside, unread } from "../model/late.ts";
import { isOlder, rowOf } from "../model/migrate.ts";
import { type DecodedSegment, decodeSegment, salvageSegment } from "../model/segment.ts";
import { type Meta, contradicted, decodeMeta, decodeRejected, isStrange } from "../model/stored.ts";
import { type Connection, type ReadResult, type SegmentKey } from "./ports.ts";

export interface BasePicture {
  readonly read: ReadonlyMap<string, SegmentState[]>;
  readonly rows: ReadonlyMap<string, Row[]>;
  /** Of tables that the leader did not know when it folded, and this code does. */
  readonly carried: readonly RowImage[];
}

export interface Picture {
  readonly meta: Meta;
  readonly log: readonly (readonly [position: number, record: LogRecord])[];
  /** Null when the log alone is enough: nothing of what was missed is folded. */
  readonly base: BasePicture | null;
  readonly rejected: readonly RejectedEvent[];
  readonly quarantine: readonly (readonly [key: string, value: unknown])[];
  readonly damage: readonly Damage[];
  /** Keys of the quarantine whose records could be read in time after all. */
  readonly healed: readonly string[];
}

export type ReadOutcome =
  | { readonly tag: "read"; readonly picture: Picture }
  | { readonly tag: "empty" }
  | { readonly tag: "newer" }
  /** `meta` does not say what the rest is. */
  | { readonly tag: "damaged"; readonly reason: string };

export interface ReaderOptions {
  readonly connection: Connection;
  readonly definition: Definition;
  /** Whoever reads. */
  readonly tab: string;
  readonly index: BaseIndex;
  /** Memory knows the log up to here. */
  readonly after: number;
  /** Read the base whatever `after` says. */
  readonly whole: boolean;
  /** Read record by record: what cannot be read is damage, and the rest is read. */
  readonly careful: boolean;
  /** Takes each row as it arrives, in place of `rows` of the picture: for the first load. */
  readonly stream: ((table: string, row: Row) => void) | undefined;
}

interface FoundSegment {
  readonly key: SegmentKey;
  readonly mark: SegmentMark;
  /** Of its range, which the segments around it leave to it. */
  readonly isInside: (id: string) => boolean;
  readonly value: unknown;
  readonly error: unknown;
}

/** What there is of a segment; `mended` when it is not all, or not as it should be. */
function openSegment(found: FoundSegment, damage: Damage[]): DecodedSegment & { mended?: true } {
  const { key, mark, isInside, value, error } = found;
  const where = `segment/${key[0]}/${key[1]}`;
  const sound = error === undefined ? decodeSegment(value) : { reason: showError(error) };
  if ("ids" in sound && [...sound.ids.slice(0, 1), ...sound.ids.slice(-1)].every(isInside)) {
    if (sound.ids.length === mark.count) return sound;
    const reason = `Expected ${mark.count} rows, got ${sound.ids.length}`;
    damage.push({ key: `${where}/count`, raw: { ids: sound.ids }, reason });
    return { ...sound, mended: true };
  }
  const reason = "reason" in sound ? sound.reason : "Expected ids of its range";
  damage.push({ key: where, raw: value ?? null, reason });
  const saved = salvageSegment(value, mark.pos, isInside);
  // What may be readable another time is left where it is.
  return error === undefined ? { ...saved, mended: true } : saved;
}

function readSegment(
  definition: Definition,
  found: FoundSegment,
  base: { read: Map<string, SegmentState[]>; rows: Map<string, Row[]> },
  damage: Damage[],
  stream: ReaderOptions["stream"],
): void {
  const [table] = found.key;
  const { mended, ...segment } = openSegment(found, damage);
  const states = base.read.get(table) ?? [];
  base.read.set(table, states);
  const rows = base.rows.get(table) ?? [];
  base.rows.set(table, rows);
  const schema = segment.schema ?? found.mark.schema;
  const older = isOlder(definition, schema);
  states.push({
    ...found.mark,
    ids: segment.ids,
    positions: segment.pos,
    ...(mended === true ? { mended } : {}),
    ...(found.error === undefined ? {} : { unread: true }),
  });
  const parser = definition.tables.get(table)?.parser;
  const keep = (row: Row): void => {
    if (stream === undefined) rows.push(row);
    else stream(table, row);
  };
  const whole =
    !older &&
    parser?.columns &&
    rowsFromColumns(parser.columns, segment.ids, segment.names, segment.columns);
  if (whole) {
    for (const row of whole) keep(row);
    return;
  }
  for (let at = 0; at < segment.ids.length; at += 1) {
    const raw = segment.row(at);
    const kept = rowOf(definition, table, raw, schema);
    if ("issue" in kept)
      damage.push({
        key: `row/${table}/${segment.ids[at] as string}`,
        raw,
        reason: kept.issue,
        schema,
      });
    else if (kept.value !== null) keep(kept.value);
  }
}

/** Whether an id is in the range of a segment: up to the next one; the first of a table has no lower end. */
function rangeOf(marks: readonly SegmentMark[], { low }: SegmentMark): (id: string) => boolean {
  const at = marks.findIndex((it) => it.low === low);
  const high = marks[at + 1]?.low;
  return (id) => (at === 0 || id >= low) && (high === undefined || id < high);
}

/**
 * Log records in order, damaged ones replaced; tells whether a position is missing after `floor`. `lost`: those that
 * cannot be read, and why.
 */
function readLog(
  definition: Definition,
  stored: ReadResult["log"],
  lost: ReadonlyMap<number, string>,
  { floor, schema }: { readonly floor: number; readonly schema: number },
  damage: Damage[],
): { readonly log: [number, LogRecord][]; readonly hole: boolean } {
  let next = floor + 1;
  let hole = false;
  const log: [number, LogRecord][] = [];
  const all = [...stored, ...Array.from(lost.keys(), (key) => [key, null] as const)];
  for (const [position, value] of lost.size > 0 ? all.toSorted(([a], [b]) => a - b) : all) {
    const why = lost.get(position);
    let admitted = why === undefined ? admit(definition, value) : undefined;
    // Whoever writes newer records raises the schema first: this is no such record, and must not shut the app out.
    if (admitted !== undefined && admitted.record.schema > schema) admitted = undefined;
    if (admitted === undefined || !Number.isSafeInteger(position)) {
      const reason = why ?? "Expected a log record";
      damage.push({ key: `log/${String(position)}`, raw: value, reason });
    }
    // Under a key that is no position it has no place in the order.
    if (!Number.isSafeInteger(position)) continue;
    if (position > floor) {
      if (position !== next) {
        hole = true;
        const reason = `Expected log records from ${next} to ${position - 1}, got none`;
        damage.push({ key: `log/${next}`, raw: null, reason });
      }
      next = position + 1;
    }
    for (const it of admitted?.damage ?? []) damage.push(it);
    const isLeft = why !== undefined || (admitted === undefined && isStrange(value));
    log.push([position, admitted?.record ?? (isLeft ? unread : placeholder)]);
  }
  return { log, hole };
}

async function readOnce(options: ReaderOptions, whole: boolean): Promise<ReadOutcome | "again"> {
  const { connection, definition, index } = options;
  const after = whole ? 0 : options.after;
  const base = { read: new Map<string, SegmentState[]>(), rows: new Map<string, Row[]>() };
  const damage: Damage[] = [];
  let decoded: ReturnType<typeof decodeMeta> | undefined;
  let known: readonly SegmentKey[] = [];
  let wanted: ReturnType<BaseIndex["unread"]> = [];
  const result = await connection.read({
    after,
    each: options.careful,
    segments(meta, stored) {
      known = stored;
      decoded = decodeMeta(meta, { segments: stored });
      // What is not for this version to read, or not yet, is not migrated in vain.
      if (!whole || !("meta" in decoded) || decoded.meta.schema !== definition.schema) return [];
      const missing = index.unread(decoded.meta.manifest);
      wanted = missing.filter(([table]) => definition.tables.has(table));
      for (const [table, mark] of missing) {
        // Rows of other code: they are not read, and a fold leaves them where they are.
        if (!definition.tables.has(table))
          base.read.set(table, [
            ...(base.read.get(table) ?? []),
            { ...mark, ids: [], positions: mark.pos },
          ]);
      }
      return wanted.map(([table, mark]) => [table, mark.no]);
    },
    onSegment(key, value, error) {
      const mark = wanted.find(([table, it]) => table === key[0] && it.no === key[1])?.[1];
      if (mark === undefined || decoded === undefined || !("meta" in decoded)) return;
      const isInside = rangeOf(decoded.meta.manifest[key[0]] ?? [], mark);
      const found = { key, mark, isInside, value, error };
      readSegment(definition, found, base, damage, options.stream);
    },
  });
  const { unreadable } = result;
  const isEmpty = [result.meta.size, result.log.length, known.length, unreadable.length].every(
    (count) => count === 0,
  );
  if (isEmpty) return { tag: "empty" };
  if (decoded === undefined || "reason" in decoded)
    return { tag: "damaged", reason: decoded?.reason ?? "Expected meta to be read" };
  if ("newer" in decoded) return { tag: "newer" };
  const { meta } = decoded;
  const lost = new Map(
    unreadable.flatMap((it) => (it.store === "log" ? [[it.key as number, it.reason]] : [])),
  );
  const floor = whole ? meta.floor : options.after;
  const from = { floor, schema: meta.schema };
  const { log: all, hole } = readLog(definition, result.log, lost, from, damage);
  const missed = new Set(
    result.quarantine.flatMap(([key, value]) =>
      (value as Damage | null)?.raw === null ? key : [],
    ),
  );
  const { log, healed } = readmit(setTwinsAside(all, options.tab, damage), meta, missed, damage);
  const [wrong] = whole ? contradicted(meta, { log }) : [];
  if (wrong !== undefined) return { tag: "damaged", reason: `${wrong[0]}: ${wrong[1]}` };
  // What was missed is folded already, or the log is not whole: only the base tells.
  if (!whole && (meta.floor > options.after || hole)) return "again";
  const rejected: RejectedEvent[] = [];
  for (const [key, value] of result.rejected) {
    const event = decodeRejected(value);
    if (event === undefined)
      damage.push({ key: `rejected/${key}`, raw: value, reason: "Expected a rejected event" });
    else rejected.push(event);
  }
  const quarantine = [...result.quarantine];
  for (const { store, key, reason } of unreadable) {
    if (store === "rejected") damage.push({ key: `rejected/${String(key)}`, raw: null, reason });
    // It is where it belongs.
    if (store === "quarantine") quarantine.push([String(key), { raw: null, reason }]);
  }
  const carried = (whole ? (meta.carried ?? []) : [])
    .filter(([table]) => definition.tables.has(table))
    .map(([table, id, row, pos, schema]) =>
      admitImage(definition, [table, id, row, pos], schema, damage),
    );
  const picture = {
    meta,
    log,
    base: whole ? { ...base, carried } : null,
    rejected,
    quarantine,
    // What has no bytes is told once, and never written over those that there are.
    damage: damage.filter(
      (it) => it.raw !== null || !result.quarantine.some(([key]) => key === it.key),
    ),
    healed,
  };
  return { tag: "read", picture };
}

/** Reads what memory misses: the log, and the base as well when the log does not reach back far enough. */
export async function readDisk(options: ReaderOptions): Promise<ReadOutcome> {
  const first = await readOnce(options, options.whole);
  if (first !== "again") return first;
  const second = await readOnce(options, true);
  if (second === "again") throw new Error("Expected a whole read to be final");
  return second;
}
