/**
 * What the log says of replication: which events have which numbers, which the server took in, where the base is in its log.
 * Every tab comes to the same from the same records; `meta` holds the sum at the floor.
 *
 * 1. A number belongs to an event of one client id. Under another client id no number before counts, and no acknowledgement;
 *    that an event was attempted stays true.
 * 2. Where a record of the log is damaged, nothing that was sent and no place in the server's log is believed, until the base is
 *    read anew: all of it, also where there is none.
 * 3. What is decided has no number and no acknowledgement any more. Its id is kept while its record is in the log.
 */
import { type Ack, type AttemptRecord, type BaseRecord, type Place } from "./log.ts";

/** As stored. The number 0: attempted, under a client id that is not used any more. */
export interface StoredRemote extends Place {
  readonly client: string;
  readonly next: number;
  readonly numbers: readonly (readonly [id: string, seq: number])[];
  readonly acked: readonly Ack[];
  readonly decided: readonly string[];
  readonly attempt: number;
  readonly notBefore: number;
}

/** Of a device that the server does not know. */
export const freshRemote = (client: string): StoredRemote => ({
  client,
  next: 1,
  cursor: null,
  pos: 0,
  epoch: null,
  numbers: [],
  acked: [],
  decided: [],
  attempt: 0,
  notBefore: 0,
});

export function createRemote() {
  let scalars: Omit<StoredRemote, "numbers" | "acked" | "decided"> = freshRemote("");
  let numbers = new Map<string, number>();
  let acked = new Map<string, Ack>();
  let decided = new Set<string>();
  /** What is said of the place does not hold until the base is read anew. */
  let doubted = false;
  /** Another one after each change. */
  let version = 0;

  function takeAttempt({ client, first, ids, attempt, notBefore }: AttemptRecord): void {
    if (client !== scalars.client) {
      for (const id of numbers.keys()) numbers.set(id, 0);
      acked.clear();
      scalars = { ...scalars, next: 1 };
    }
    for (const [at, id] of ids.entries()) numbers.set(id, first + at);
    const next = Math.max(scalars.next, first + ids.length);
    scalars = { ...scalars, client, next, attempt, notBefore };
  }

  function takeBase(record: BaseRecord): void {
    for (const it of record.acked ?? []) if (!decided.has(it[0])) acked.set(it[0], it);
    for (const id of record.unacked ?? []) acked.delete(id);
    for (const id of record.decided ?? []) {
      decided.add(id);
      numbers.delete(id);
      acked.delete(id);
    }
    if (record.anew === true) doubted = false;
    if (record.remote !== undefined && !doubted) scalars = { ...scalars, ...record.remote };
    if (record.answered === true) scalars = { ...scalars, attempt: 0, notBefore: 0 };
  }

  return {
    get place(): Place {
      return scalars;
    },
    get client() {
      return scalars.client;
    },
    /** The number that the next event gets. */
    get next() {
      return scalars.next;
    },
    get attempt() {
      return scalars.attempt;
    },
    get notBefore() {
      return scalars.notBefore;
    },
    get version() {
      return version;
    },
    /** Whether the base is to be read anew: before, no place of a page holds. */
    get doubted() {
      return doubted;
    },
    get acked(): ReadonlyMap<string, Ack> {
      return acked;
    },
    /** The number of an event; undefined when it has none. */
    numberOf: (id: string): number | undefined => numbers.get(id) || undefined,
    isAttempted: (id: string): boolean => numbers.has(id),
    isDecided: (id: string): boolean => decided.has(id),

    take(record: AttemptRecord | BaseRecord): void {
      version += 1;
      if (record.kind === "attempt") takeAttempt(record);
      else takeBase(record);
    },

    /**
     * A record of the log is damaged. It may have moved the base, and have been an attempt to send any of the events before it:
     * no number and no acknowledgement counts, and the base is to be read anew.
     */
    doubt(ids: readonly string[]): void {
      version += 1;
      for (const id of [...ids, ...numbers.keys()]) if (!decided.has(id)) numbers.set(id, 0);
      acked.clear();
      doubted = true;
      scalars = { ...scalars, cursor: null, pos: 0, epoch: null };
    },

    /** The watermark covers these events: the log will not bring them back. */
    forget(ids: readonly string[]): void {
      version += 1;
      for (const id of ids) {
        numbers.delete(id);
        acked.delete(id);
        decided.delete(id);
      }
    },

    /** Of decided events only those are kept whose records are in the log. */
    keepDecided(isKept: (id: string) => boolean): void {
      for (const id of decided) if (!isKept(id)) decided.delete(id);
    },

    load(stored: StoredRemote): void {
      version += 1;
      const { numbers: given, acked: acks, decided: ids, ...rest } = stored;
      scalars = rest;
      numbers = new Map(given);
      acked = new Map(acks.map((it) => [it[0], it]));
      decided = new Set(ids);
      doubted = false;
    },

    store: (): StoredRemote => ({
      ...scalars,
      numbers: Array.from(numbers),
      acked: Array.from(acked.values()),
      decided: Array.from(decided),
    }),
  };
}
