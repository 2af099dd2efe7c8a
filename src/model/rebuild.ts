/**
 * `meta` anew, from what can be read: so that damage to the few bytes that say what the rest is costs none of the rest.
 * Pure: the storage port writes it, in one transaction that reads `meta` again.
 *
 * 1. What is sound stays as it is, of lists and of what is under names each part; so does everything when `meta` is of a
 *    newer format.
 * 2. No live leader can have the new term, and it goes on from none that there was.
 * 3. Base moves up to the floor are in segments, and there is no hole above it: the first base record or dismissal that is
 *    in the log is the first that is not folded. Where there is none, the log ends at the floor.
 * 4. Commits that are still in the log are not decided yet, but by base records that are in the log as well.
 * 5. A segment that nothing lists is listed. Where two hold the same ids the newer one holds; the other is damage.
 * 6. Whoever replicated goes on replicating: a base that a server decided is never taken for the device's own. The record that
 *    a repair adds to the log says that nothing is certain any more: the base is read from the server anew.
 */
import { type Damage } from "./admit.ts";
import { nowhere } from "./base-index.ts";
import { type DecodedSegment, decodeSegment, salvageSegment } from "./segment.ts";
import { freshRemote } from "./remote.ts";
import {
  type Meta,
  type StoredMeta,
  decodeRecord,
  format,
  judgeMeta,
  newerFormat,
  soundPart,
} from "./stored.ts";

/** What is stored beside `meta`. */
export interface Remains {
  readonly log: readonly (readonly [position: number, value: unknown])[];
  readonly segments: readonly RemainingSegment[];
  /** Entries of `meta` that cannot be read, with the reason. */
  readonly unreadable: ReadonlyMap<string, string>;
}

/** With an `error` it cannot be read. */
type RemainingSegment = readonly [table: string, no: number, value: unknown, error?: unknown];

/** What cannot be read anywhere. */
export interface Fresh {
  readonly schema: number;
  readonly incarnation: string;
  readonly client: string;
  /** Where nothing says who decided. */
  readonly authority: Meta["authority"];
  readonly now: number;
}

export interface Rebuilt {
  readonly entries: ReadonlyMap<keyof StoredMeta, unknown>;
  readonly damage: readonly Damage[];
  /** Segments to delete: their bytes are in `damage`. */
  readonly dropped: readonly (readonly [table: string, no: number])[];
}

type Mark = StoredMeta["manifest"][string][number];
type Listed = readonly [table: string, mark: Mark, last: string];

/** Every segment there is: what is listed stays listed. */
function listSegments(
  segments: readonly RemainingSegment[],
  listed: StoredMeta["manifest"] = {},
): { readonly manifest: StoredMeta["manifest"] } & Pick<Rebuilt, "damage" | "dropped"> {
  const all: Listed[] = Object.entries(listed).flatMap(([table, marks]) =>
    marks.map((mark): Listed => {
      const value = segments.find(([name, no]) => name === table && no === mark.no)?.[2];
      return [table, mark, read(value).ids.at(-1) ?? mark.low];
    }),
  );
  const damage: Damage[] = [];
  const dropped: (readonly [string, number])[] = [];
  for (const [table, no, value, error] of segments.toSorted(([, a], [, b]) => b - a)) {
    const others = all.filter(([name]) => name === table);
    if (others.some(([, mark]) => mark.no === no)) continue;
    const { ids, pos, schema } = read(value);
    const low = error === undefined ? ids[0] : nowhere(no);
    const last = ids.at(-1) ?? low;
    if (
      low === undefined ||
      last === undefined ||
      others.some(([, mark, end]) => low <= end && mark.low <= last)
    ) {
      const reason = "Expected a segment of rows that no other one has";
      damage.push({ key: `segment/${table}/${no}`, raw: value ?? null, reason });
      dropped.push([table, no]);
    } else {
      const positions = typeof pos === "number" ? [pos] : pos;
      const mark = { no, low, count: ids.length, pos: most(positions, 0), schema };
      all.push([table, mark, last]);
    }
  }
  const manifest = Object.fromEntries(
    Array.from(new Set(all.map(([table]) => table)), (table) => [
      table,
      all
        .filter(([name]) => name === table)
        .map(([, mark]) => mark)
        .toSorted((a, b) => (a.low < b.low ? -1 : 1)),
    ]),
  );
  return { manifest, damage, dropped };
}

function read(value: unknown): DecodedSegment {
  const decoded = decodeSegment(value);
  return "ids" in decoded ? decoded : salvageSegment(value, 0, () => true);
}

const most = (values: readonly number[], other: number): number =>
  values.reduce((a, b) => Math.max(a, b), other);

/**
 * What to put so that `meta` is sound. `end`: the last position there was. Undefined when there is nothing to do, null when
 * nothing is understood: what is not ours is left alone.
 */
export function rebuildMeta(
  stored: ReadonlyMap<string, unknown>,
  remains: Remains,
  fresh: Fresh,
  end: number,
): Rebuilt | undefined | null {
  if (newerFormat(stored) !== undefined) return undefined;
  const log = remains.log.map(([position, value]) => [position, decodeRecord(value)] as const);
  const records = log.flatMap(([, record]) => record ?? []);
  const segments = remains.segments.map(([table, no]) => [table, no] as const);
  const { issues, sound } = judgeMeta(stored, { segments, log });
  if (issues.size === 0) return undefined;
  const isEmpty = log.length + segments.length === 0;
  const isOurs =
    Object.keys(sound).length > 0 ||
    records.length > 0 ||
    remains.segments.some(([, , value]) => read(value).ids.length > 0);
  if (!isOurs && !isEmpty) return null;

  const part = <Key extends keyof StoredMeta>(key: Key) => soundPart(key, stored.get(key));
  const { manifest, damage, dropped } = listSegments(
    remains.segments,
    sound.manifest ?? part("manifest"),
  );
  const firstMove = log.find(([, it]) => it !== undefined && it.kind !== "commit")?.[0];
  const firstCommit = log.find(([, it]) => it?.kind === "commit")?.[0];
  const written = [...records, ...remains.segments.map(([, , value]) => read(value))].flatMap(
    (it) => it.schema ?? [],
  );
  const schema = sound.schema ?? (written.length > 0 ? most(written, 0) : fresh.schema);
  const known = issues.has("floor") ? undefined : sound.floor;
  const floor = known ?? (firstMove === undefined ? end : firstMove - 1);
  const replicated =
    sound.remote !== undefined ||
    stored.has("remote") ||
    records.some((it) => it.kind === "attempt" || ("remote" in it && it.remote !== undefined));
  const authority = sound.authority ?? (replicated ? "server" : fresh.authority);
  const anew: StoredMeta = {
    format,
    schema,
    untagged: schema,
    remote:
      authority === "server" ? (freshRemote(fresh.client) as StoredMeta["remote"]) : undefined,
    term: most(
      records.map((it) => ("term" in it ? it.term + 1 : 0)),
      fresh.now,
    ),
    incarnation: fresh.incarnation,
    authority,
    client: fresh.client,
    floor,
    settled: { position: Math.min(floor, (firstCommit ?? floor + 1) - 1), index: 0 },
    writers: part("writers") ?? {},
    manifest,
    keys: part("keys") ?? [],
    verdicts: part("verdicts") ?? [],
    carried: part("carried") ?? [],
  };
  const broken = Array.from(issues, ([key, reason]): Damage => ({
    key: `meta/${key}`,
    raw: stored.get(key) ?? null,
    reason: remains.unreadable.get(key) ?? reason,
  }));
  return {
    entries: new Map(Array.from(issues.keys(), (key) => [key, anew[key]])),
    damage: [...broken, ...damage],
    dropped,
  };
}
