/**
 * Reads the database into a picture that memory can take over: one readonly transaction, decoded and checked piece by piece.
 *
 * Failure modes: a read error rejects, and nothing is concluded from it (G9). A piece that does not decode or validate is
 * damage: it is left out of the picture and handed over with its raw bytes and the reason (G8).
 */
import { type Damage, admit } from "../model/admit.ts";
import { type BaseIndex, type SegmentState } from "../model/base-index.ts";
import { type Definition } from "../model/definition.ts";
import { type LogRecord, type RejectedEvent, type Row, type SegmentMark } from "../model/log.ts";
import { rowsFromColumns } from "../model/columns.ts";
import { isOlder, rowOf } from "../model/migrate.ts";
import { decodeSegment } from "../model/segment.ts";
import { type Meta, decodeMeta, decodeRejected } from "../model/stored.ts";
import { type Connection, type SegmentKey } from "./ports.ts";

export interface BasePicture {
  readonly read: ReadonlyMap<string, SegmentState[]>;
  readonly rows: ReadonlyMap<string, Row[]>;
}

export interface Picture {
  readonly meta: Meta;
  readonly log: readonly (readonly [position: number, record: LogRecord])[];
  /** Null when the log alone is enough: nothing of what was missed is folded. */
  readonly base: BasePicture | null;
  readonly rejected: readonly RejectedEvent[];
  readonly quarantine: readonly (readonly [key: string, value: unknown])[];
  readonly damage: readonly Damage[];
}

export type ReadOutcome =
  | { readonly tag: "read"; readonly picture: Picture }
  | { readonly tag: "empty" }
  | { readonly tag: "newer" }
  | { readonly tag: "unreadable"; readonly reason: string };

export interface ReaderOptions {
  readonly connection: Connection;
  readonly definition: Definition;
  readonly index: BaseIndex;
  /** Memory knows the log up to here. */
  readonly after: number;
  /** Read the base whatever `after` says. */
  readonly whole: boolean;
  /** Takes each row as it arrives, in place of `rows` of the picture: for the first load. */
  readonly stream: ((table: string, row: Row) => void) | undefined;
}

/** Stands in the place of a damaged record, so that the log has no hole: it changes nothing. */
const placeholder: LogRecord = {
  kind: "dismiss",
  tab: "?",
  n: 0,
  schema: 0,
  from: "quarantine",
  ids: [],
};

function readSegment(
  definition: Definition,
  [table, no]: SegmentKey,
  mark: SegmentMark,
  value: unknown,
  base: { read: Map<string, SegmentState[]>; rows: Map<string, Row[]> },
  damage: Damage[],
  stream: ReaderOptions["stream"],
): void {
  const where = `segment/${table}/${no}`;
  const segment = decodeSegment(value);
  const states = base.read.get(table) ?? [];
  base.read.set(table, states);
  if ("reason" in segment) {
    damage.push({ key: where, raw: value, reason: segment.reason });
    states.push({ ...mark, ids: [], positions: 0 });
    return;
  }
  if (segment.ids.length !== mark.count) {
    const reason = `Expected ${mark.count} rows, got ${segment.ids.length}`;
    damage.push({ key: `${where}/count`, raw: { ids: segment.ids }, reason });
  }
  const rows = base.rows.get(table) ?? [];
  base.rows.set(table, rows);
  const schema = segment.schema ?? mark.schema;
  const older = isOlder(definition, schema);
  states.push({ ...mark, ids: segment.ids, positions: segment.pos });
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

/** Log records in order, damaged ones replaced; tells whether a position is missing after `floor`. */
function readLog(
  definition: Definition,
  stored: readonly (readonly [number, unknown])[],
  floor: number,
  damage: Damage[],
): { readonly log: [number, LogRecord][]; readonly hole: boolean } {
  let next = floor + 1;
  let hole = false;
  const log = stored.map(([position, value]): [number, LogRecord] => {
    if (position > floor) {
      if (position !== next) {
        hole = true;
        const reason = `Expected log records from ${next} to ${position - 1}, got none`;
        damage.push({ key: `log/${next}`, raw: null, reason });
      }
      next = position + 1;
    }
    const admitted = admit(definition, value);
    if (admitted === undefined)
      damage.push({ key: `log/${position}`, raw: value, reason: "Expected a log record" });
    for (const it of admitted?.damage ?? []) damage.push(it);
    return [position, admitted?.record ?? placeholder];
  });
  return { log, hole };
}

async function readOnce(options: ReaderOptions, whole: boolean): Promise<ReadOutcome | "again"> {
  const { connection, definition, index } = options;
  const after = whole ? 0 : options.after;
  const base = { read: new Map<string, SegmentState[]>(), rows: new Map<string, Row[]>() };
  const damage: Damage[] = [];
  let decoded: ReturnType<typeof decodeMeta> | undefined;
  let wanted: ReturnType<BaseIndex["unread"]> = [];
  const result = await connection.read({
    after,
    segments(meta) {
      decoded = decodeMeta(meta);
      // What is not for this version to read, or not yet, is not migrated in vain.
      if (!whole || !("meta" in decoded) || decoded.meta.schema !== definition.schema) return [];
      const unread = index.unread(decoded.meta.manifest);
      wanted = unread.filter(([table]) => definition.tables.has(table));
      for (const [table, mark] of unread) {
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
      if (mark === undefined) return;
      const found =
        error === undefined
          ? value
          : { unreadable: error instanceof Error ? error.message : typeof error };
      readSegment(definition, key, mark, found, base, damage, options.stream);
    },
  });
  if (result.meta.size === 0 && result.log.length === 0) return { tag: "empty" };
  if (decoded === undefined || "reason" in decoded) {
    return {
      tag: "unreadable",
      reason: decoded === undefined ? "Expected meta to be read" : decoded.reason,
    };
  }
  if ("newer" in decoded) return { tag: "newer" };
  const { meta } = decoded;
  const { log, hole } = readLog(definition, result.log, whole ? meta.floor : options.after, damage);
  // What was missed is folded already, or the log is not whole: only the base tells.
  if (!whole && (meta.floor > options.after || hole)) return "again";
  const rejected: RejectedEvent[] = [];
  for (const [key, value] of result.rejected) {
    const event = decodeRejected(value);
    if (event === undefined)
      damage.push({ key: `rejected/${key}`, raw: value, reason: "Expected a rejected event" });
    else rejected.push(event);
  }
  const picture = {
    meta,
    log,
    base: whole ? base : null,
    rejected,
    quarantine: result.quarantine,
    damage,
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
