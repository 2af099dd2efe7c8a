/** All that was ever written to the log of a device, also what was folded since. */
import { type Envelope } from "../model/log.ts";
import { decodeRecord } from "../model/stored.ts";
import { type MemoryDatabase } from "../services/memory-storage.ts";

/** What the records say, in the order of the log. */
export interface Journal {
  readonly events: readonly Envelope[];
  /** Ids of events that were decided, and do not count. */
  readonly rejected: ReadonlySet<string>;
  readonly superseded: ReadonlySet<string>;
  readonly duplicates: ReadonlySet<string>;
}

/** Reads what is new with each call of `note`, which must come before a fold can follow a write. */
export function createJournal(databases: ReadonlyMap<string, MemoryDatabase>): {
  note(): void;
  read(): Journal;
} {
  const records: unknown[] = [];
  const seen = new WeakMap<MemoryDatabase, number>();
  return {
    note() {
      for (const database of databases.values()) {
        for (let at = (seen.get(database) ?? 0) + 1; at <= database.position; at += 1)
          records.push(database.stores.log.get(`${at}`)?.[1]);
        seen.set(database, database.position);
      }
    },
    read() {
      const events: Envelope[] = [];
      const [rejected, superseded, duplicates] = [
        new Set<string>(),
        new Set<string>(),
        new Set<string>(),
      ];
      for (const it of records) {
        const record = decodeRecord(it);
        if (record?.kind === "commit") events.push(...record.events);
        if (record?.kind !== "base") continue;
        for (const { event } of record.rejected) rejected.add(event.id);
        for (const id of record.superseded ?? []) superseded.add(id);
        for (const id of record.duplicates ?? []) duplicates.add(id);
      }
      return { events, rejected, superseded, duplicates };
    },
  };
}
