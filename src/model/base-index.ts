/**
 * What a tab knows of the segments on disk: which rows each holds and since when, and which rows base records changed
 * since. From it follow the segments that a reload has to read, and those that a fold has to write.
 */
import { type Manifest, type RowImage, type SegmentMark } from "./log.ts";

/** A segment that this tab has read or written. `ids` are ascending. */
export interface SegmentState extends SegmentMark {
  readonly ids: readonly string[];
  readonly positions: number | readonly number[];
  /** It is damaged on disk: the next fold writes what could be saved of it. */
  readonly mended?: boolean;
  /** It could not be read: no fold deletes it. */
  readonly unread?: boolean;
}

/** The segments of the table whose ranges hold changed rows, next to each other. `to` is exclusive. */
export interface Run {
  readonly table: string;
  readonly from: number;
  readonly to: number;
}

/** Where a segment goes that could not be read, when its range is written anew: after all ids. */
export const nowhere = (no: number): string => `\uffff${no}`;

/** Whether two marks are of one record. A migration writes anew what the base at one position is: the version tells. */
const isSame = (a: SegmentMark, b: SegmentMark): boolean =>
  a.no === b.no && a.pos === b.pos && a.schema === b.schema;

function indexOfId(ids: readonly string[], id: string): number {
  let low = 0;
  let high = ids.length - 1;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    const at = ids[middle] as string;
    if (at === id) return middle;
    if (at < id) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}

/** Index of the segment whose range holds `id`: ranges go from `low` to the next segment's; the first has no lower end. */
export function segmentFor(segments: readonly SegmentMark[], id: string): number {
  let low = 0;
  let high = segments.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if ((segments[middle] as SegmentMark).low <= id) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** `schema`: of what this code writes. Segments below `oldest` are to be written anew. */
export function createBaseIndex(schema = 1, oldest = 0) {
  const segments = new Map<string, SegmentState[]>();
  const moved = new Map<string, Map<string, number>>();

  const ofTable = (table: string): readonly SegmentState[] => segments.get(table) ?? [];

  function position(table: string, id: string): number {
    const since = moved.get(table)?.get(id);
    if (since !== undefined) return since;
    const list = ofTable(table);
    const segment = list[segmentFor(list, id)];
    const at = segment === undefined ? -1 : indexOfId(segment.ids, id);
    if (segment === undefined || at === -1) return 0;
    return typeof segment.positions === "number"
      ? segment.positions
      : (segment.positions[at] as number);
  }

  /** Rows of damaged segments, and of tables that this code does not know, are not known: they stay as they are. */
  const isOutdated = (it: SegmentState): boolean => it.schema < oldest && it.ids.length > 0;

  return {
    schema,
    segments: ofTable,
    moved: moved as ReadonlyMap<string, ReadonlyMap<string, number>>,
    /** Position that made a row of the base what it is; 0 when unknown. */
    position,

    /** Notes what a base record changed. */
    note(changes: readonly RowImage[]): void {
      for (const [table, id, , pos] of changes) {
        let ids = moved.get(table);
        if (ids === undefined) moved.set(table, (ids = new Map()));
        ids.set(id, pos);
      }
    },

    /** Segments of the manifest that are not the ones known here. */
    unread(manifest: Manifest): readonly (readonly [table: string, mark: SegmentMark])[] {
      return Object.entries(manifest).flatMap(([table, marks]) =>
        marks
          // A damaged one is read each time: what was saved of it counts as changed, and changed rows are taken back.
          .filter((mark) => !ofTable(table).some((it) => isSame(it, mark) && it.mended !== true))
          .map((mark) => [table, mark] as const),
      );
    },

    /** Whether each segment of the manifest is known here or was read: what was read may be older than what is known. */
    covers(manifest: Manifest, read: ReadonlyMap<string, readonly SegmentState[]>): boolean {
      return this.unread(manifest).every(([table, mark]) =>
        read.get(table)?.some((it) => isSame(it, mark)),
      );
    },

    /** Takes over the manifest, and the segments read for it. Gives the ids of the base that are not certain any more. */
    adopt(
      manifest: Manifest,
      read: ReadonlyMap<string, readonly SegmentState[]>,
    ): ReadonlyMap<string, Set<string>> {
      const stale = new Map<string, Set<string>>();
      for (const table of new Set([
        ...segments.keys(),
        ...Object.keys(manifest),
        ...moved.keys(),
      ])) {
        const marks = Object.hasOwn(manifest, table) ? (manifest[table] ?? []) : [];
        const before = ofTable(table);
        const fresh = read.get(table) ?? [];
        // What was read may have become known meanwhile: it is one segment all the same.
        const kept = before.filter(
          (it) =>
            marks.some((mark) => isSame(it, mark)) && !fresh.some((other) => other.no === it.no),
        );
        const ids = new Set(moved.get(table)?.keys());
        for (const it of before) if (!kept.includes(it)) for (const id of it.ids) ids.add(id);
        stale.set(table, ids);
        segments.set(
          table,
          [...kept, ...fresh].toSorted((a, b) => (a.low < b.low ? -1 : 1)),
        );
      }
      moved.clear();
      for (const [table, list] of segments) {
        for (const { low, ids, positions, mended } of list) {
          if (mended !== true) continue;
          // Also when no row of it was saved: it has to go.
          this.note([[table, low, null, 0]]);
          this.note(
            ids.map((id, at) => [
              table,
              id,
              null,
              typeof positions === "number" ? positions : (positions[at] as number),
            ]),
          );
        }
      }
      return stale;
    },

    /** What is on disk from now on has nothing to do with what was. */
    clear(): void {
      segments.clear();
      moved.clear();
    },

    /** After a fold: the runs it rewrote are these segments now. What moved above its floor has still to be folded. */
    replace(table: string, next: readonly SegmentState[], floor = Infinity): void {
      segments.set(table, [...next]);
      const ids = moved.get(table);
      for (const [id, pos] of ids ?? []) if (pos <= floor) ids?.delete(id);
      if (ids?.size === 0) moved.delete(table);
    },

    manifest(): Manifest {
      return Object.fromEntries(
        Array.from(segments, ([table, list]) => [
          table,
          list.map(({ no, low, count, pos, schema: of }) => ({ no, low, count, pos, schema: of })),
        ]),
      );
    },

    /** Rows in segments that are to be written anew, as their schema is an older one. */
    outdated(): number {
      let rows = 0;
      for (const it of Array.from(segments.values()).flat()) if (isOutdated(it)) rows += it.count;
      return rows;
    },

    /**
     * The runs of segments that hold changed rows, and of up to `most` outdated ones. A table without segments is one run
     * from 0 to 0.
     */
    dirty(most = 0): readonly Run[] {
      let left = most;
      return Array.from(new Set([...moved.keys(), ...segments.keys()]), (table) => {
        const list = ofTable(table);
        const ids = Array.from(moved.get(table)?.keys() ?? []);
        const touched = new Set(ids.map((id) => segmentFor(list, id)));
        for (let at = 0; at < list.length && left > 0; at += 1) {
          if (!isOutdated(list[at] as SegmentState)) continue;
          touched.add(at);
          left -= 1;
        }
        const runs: Run[] = [];
        for (const at of Array.from(touched).toSorted((a, b) => a - b)) {
          const last = runs.at(-1);
          if (last !== undefined && last.to === at)
            runs[runs.length - 1] = { table, from: last.from, to: at + 1 };
          else runs.push({ table, from: at, to: Math.min(at + 1, list.length) });
        }
        return runs;
      }).flat();
    },
  };
}

export type BaseIndex = ReturnType<typeof createBaseIndex>;
