/**
 * Log records that have no place in the order of events any more. They change nothing where they are, and wait in quarantine.
 *
 * 1. One that cannot be read is left where it is, whatever is folded: another read may get it.
 * 2. Found again when it is decided what came after it, or folded: it is too late for its place. Before that it counts.
 * 3. Two records of one name `(tab, n)` are one when they are the same; of two that differ the first one counts.
 */
import { type Damage } from "./admit.ts";
import { type Json, sameJson } from "./json.ts";
import { type CommitRecord, type LogRecord, isFolded } from "./log.ts";
import { type Meta } from "./stored.ts";

/** Stands in the place of a damaged record, so that the log has no hole: it changes nothing. */
export const placeholder: LogRecord = {
  kind: "dismiss",
  tab: "?",
  n: 0,
  schema: 0,
  from: "quarantine",
  ids: [],
};

/** The same for one that cannot be read: no fold deletes it. */
export const unread: LogRecord = { ...placeholder };

/** Whether a record stands for another one, which is damaged: what that was is not known. */
export const isPlaceholder = ({ tab }: LogRecord): boolean => tab === placeholder.tab;

type Log = readonly (readonly [position: number, record: LogRecord])[];

const areSame = (a: LogRecord, b: LogRecord): boolean =>
  a.tab === b.tab && a.n === b.n && a.kind === b.kind && sameJson(contentOf(a), contentOf(b));
const contentOf = (it: LogRecord): Json => ((it as CommitRecord).events ?? it) as unknown as Json;

/** The damage that a record is whose name another one has. */
export const twin = (position: number, raw: LogRecord): Damage => ({
  key: `log/${position}`,
  raw,
  reason: `Expected one record ${raw.n} of tab ${raw.tab}, got two that differ`,
});

/** The log without those whose name another one has: placeholders, and damage. What `tab` wrote itself it knows better. */
export function setTwinsAside(log: Log, tab: string, damage: Damage[]): Log {
  const firsts = new Map<string, LogRecord>();
  return log.map(([at, record]): Log[number] => {
    if (record.kind !== "commit" || record.tab === tab) return [at, record];
    const name = `${record.n} ${record.tab}`;
    const first = firsts.get(name);
    if (first === undefined) firsts.set(name, record);
    if (first === undefined || areSame(first, record)) return [at, record];
    damage.push(twin(at, record));
    return [at, placeholder];
  });
}

/**
 * The log with placeholders for what was found again too late; that is damage. `missed`: keys of the quarantine that have
 * no bytes. `healed`: those of them that are of no use any more.
 */
export function readmit(
  log: Log,
  { floor, settled, writers }: Pick<Meta, "floor" | "settled" | "writers">,
  missed: ReadonlySet<string>,
  damage: Damage[],
): { readonly log: Log; readonly healed: readonly string[] } {
  const healed: string[] = [];
  const decided = log.reduce(
    (most, [at, it]) =>
      it.kind === "base" && at > floor ? Math.max(most, it.settled.position) : most,
    settled.position,
  );
  const isElsewhere = (at: number, record: LogRecord): boolean =>
    isFolded(Object.hasOwn(writers, record.tab) ? writers[record.tab] : undefined, record.n) ||
    log.some(([other, it]) => other !== at && areSame(it, record));
  const found = log.map(([at, record]): Log[number] => {
    const key = `log/${at}`;
    if (!missed.has(key) || record === placeholder || record === unread) return [at, record];
    const isLate = at <= (record.kind === "commit" ? decided : floor);
    if (!isLate || isElsewhere(at, record)) healed.push(key);
    else
      damage.push({
        key,
        raw: record,
        reason: "Expected a record that could be read in time, got one that was found again later",
      });
    return [at, isLate ? placeholder : record];
  });
  return { log: missed.size > 0 ? found : log, healed };
}
