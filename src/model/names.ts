/**
 * The names `(tab, n)` of the commit records that memory has: those that were folded at the last reload, and all since. A record
 * counts once, however often it comes (G7); another one of its name does not count.
 */
import { type CommitRecord, type LogRecord, type WriterMark, isFolded } from "./log.ts";

/** Stands for all of its events. */
const contentOf = ({ events }: CommitRecord): string => `${events[0]?.id} ${events.length}`;

export function createNames() {
  let folded: Readonly<Record<string, WriterMark>> = {};
  const seen = new Map<string, Map<number, string>>();

  const markOf = (tab: string): WriterMark | undefined =>
    Object.hasOwn(folded, tab) ? folded[tab] : undefined;

  return {
    markOf,
    clear(writers: typeof folded): void {
      folded = writers;
      seen.clear();
    },
    /** Whether a commit record is in memory already under another position. Notes it. */
    isRepeated(record: LogRecord): boolean {
      if (record.kind !== "commit") return false;
      const { tab, n } = record;
      let numbers = seen.get(tab);
      if (numbers === undefined) seen.set(tab, (numbers = new Map()));
      if (numbers.has(n) || isFolded(markOf(tab), n)) return true;
      numbers.set(n, contentOf(record));
      return false;
    },
    /** Whether another record is known to have its name. */
    isTaken(record: LogRecord): boolean {
      const known = seen.get(record.tab)?.get(record.n);
      return record.kind === "commit" && known !== undefined && known !== contentOf(record);
    },
  };
}
