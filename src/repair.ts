/** Rebuilds `meta`: reads everything there is, record by record, and writes what the model makes of it. */
import { placeholder } from "./model/late.ts";
import { toPlain } from "./model/plain.ts";
import { rebuildMeta } from "./model/rebuild.ts";
import { type Delete, type Put, type ReadResult, type SegmentKey } from "./services/ports.ts";
import { type Shared, authorityOf, connected } from "./shared.ts";

type FoundSegment = readonly [table: string, no: number, value: unknown, error?: unknown];

const names = (keys: readonly SegmentKey[]): string =>
  JSON.stringify(keys.map((key) => key.join("/")).toSorted());

/** Everything raw, for whoever can make something of it. */
const exported = (
  { meta, log, rejected, quarantine }: ReadResult,
  segments: readonly FoundSegment[],
) =>
  Object.entries({
    meta: [...meta],
    log,
    segments: segments.map(([table, no, value]) => [[table, no], value] as const),
    rejected,
    quarantine,
  }).flatMap(([store, entries]) =>
    entries.map(([key, value]) => ({ store, key: toPlain(key), value: toPlain(value) })),
  );

/** False when nothing that is stored is understood: then nothing was written, and all of it can be exported. */
export async function repairMeta(shared: Shared, signal: AbortSignal): Promise<boolean> {
  const connection = connected(shared);
  let keys: readonly SegmentKey[] = [];
  const segments: FoundSegment[] = [];
  const read = await connection.read({
    after: 0,
    each: true,
    segments: (_, stored) => (keys = stored),
    onSegment: ([table, no], value, error) => segments.push([table, no, value, error]),
  });
  if (signal.aborted) return true;
  const fresh = {
    schema: shared.schema,
    incarnation: shared.follower.incarnation || shared.randomName(),
    client: shared.randomName(),
    authority: authorityOf(shared),
    now: shared.environment.clock.now(),
  };
  let understood = true;
  // The log as it is by then, and not as it was read: somebody may have decided or folded meanwhile.
  await connection.repair(placeholder, 0, (found, position) => {
    // What was read of the segments is not what there is.
    if (names(found.segments) !== names(keys)) return undefined;
    const remains = {
      log: found.log,
      segments,
      unreadable: new Map(found.unreadable.map(({ key, reason }) => [String(key), reason])),
    };
    const rebuilt = rebuildMeta(found.meta, remains, fresh, position - 1);
    understood = rebuilt !== null;
    if (!rebuilt) return undefined;
    const puts: Put[] = [
      ...Array.from(rebuilt.entries, ([key, value]): Put => ({ store: "meta", key, value })),
      ...rebuilt.damage.map(({ key, raw, reason }): Put => ({
        store: "quarantine",
        key,
        value: { raw, reason, at: fresh.now },
      })),
    ];
    const deletes = rebuilt.dropped.map((key): Delete => ({ store: "segments", key }));
    return { puts, deletes };
  });
  if (!understood) shared.unreadable = exported(read, segments);
  return understood;
}
