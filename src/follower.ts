/**
 * Keeps a tab's memory in step with the log: takes in records and pictures of the disk, and tells what follows from them.
 * Decides nothing about when to read or write: that is the machines'.
 */
import { type QuarantineEntry, type SyncStatus } from "./api.ts";
import { type Damage } from "./model/admit.ts";
import { createBaseIndex } from "./model/base-index.ts";
import { type Definition } from "./model/definition.ts";
import { type Ledger } from "./model/fold.ts";
import { sameJson } from "./model/json.ts";
import { placeholder, twin, unread } from "./model/late.ts";
import { type LogRecord, type RejectedEvent, type Row, imagesOf } from "./model/log.ts";
import { type ChangeSet, type Publication } from "./model/publication.ts";
import { withoutServer } from "./model/outbox.ts";
import { type Effects } from "./model/effects.ts";
import { createReplica } from "./model/replica.ts";
import { type BasePicture, type Picture } from "./services/reader.ts";

/** What the machines have to know. */
export type FollowerSignal =
  /** The log goes up to `position`, and memory does not. */
  | { readonly type: "gap.found"; readonly position: number }
  /** A record of newer code. */
  | { readonly type: "schema.newer" }
  | { readonly type: "log.grew" };

export interface FollowerOptions {
  readonly definition: Definition;
  readonly tab: string;
  readonly schema: number;
  publish(changes: ChangeSet | undefined): void;
  publishAll(): void;
  settle(settlements: Effects["settlements"]): void;
  /** Puts damage into quarantine; what a leader finds is stored before it folds. */
  keep(damage: Damage, isLeader: boolean): QuarantineEntry;
  /** Somebody dealt with an entry of the quarantine: it is kept no more. */
  dealtWith?(id: string): void;
  signal(signal: FollowerSignal): void;
  /** Events that a record which was taken in just now decided against. */
  rejected?(events: readonly RejectedEvent[]): void;
}

/** Records that arrived lately bridge the time between a read and the moment when memory takes it over. */
const recentMost = 512;

/** Above these a leader does not wait for a quiet moment to decide and fold. */
const longEvents = 5000;
const longRecords = 1000;

export function createFollower({
  definition,
  tab,
  schema,
  publish,
  publishAll,
  settle,
  keep,
  dealtWith,
  signal,
  rejected,
}: FollowerOptions) {
  const replica = createReplica(definition, tab);
  const index = createBaseIndex(schema, definition.migrate === undefined ? 0 : schema);
  const quarantine = new Map<string, QuarantineEntry>();
  /** Another number whenever there may be other entries in quarantine. */
  let revision = 0;
  /** Dealt with since the base was read: they may still be stored. */
  const released = new Set<string>();
  const recent = new Map<number, LogRecord>();
  let ledger: Ledger | undefined;
  /** Of the data that memory has taken over; empty before. */
  let incarnation = "";
  /** The highest log position that this tab has heard of. */
  let heard = 0;
  /** Rows of the first load are in the tables before their listeners hear of them. */
  let shown = false;
  /** Of the latest base that was taken over. */
  let floor = 0;
  /** Newer code took the data over. */
  let closed = false;
  let migration: SyncStatus["migration"] = null;
  /** Who waits for memory to be where the leader's own records are. */
  let waiting: (() => void)[] = [];

  /** `left`: rows that the leader still has to write anew. */
  function setMigration(left: number): void {
    const total = Math.max(migration?.total ?? 0, left);
    const done = total - left;
    if (left === 0) migration = null;
    else if (migration?.done !== done || migration.total !== total)
      migration = Object.freeze({ done, total });
  }

  function take(effects: Effects): void {
    settle(effects.settlements);
    publish(effects.changes);
    wake();
  }

  function wake(): void {
    if (waiting.length === 0 || (ledger !== undefined && !replica.mayDecide())) return;
    const awake = waiting;
    waiting = [];
    for (const resume of awake) resume();
  }

  /** What a record means beyond rows: for the index, the leader's ledger and the quarantine. */
  function note(position: number, record: LogRecord): void {
    if (record.kind === "base") {
      // Rows of a table that this code does not know have no segment here: a fold carries them.
      index.note(record.changes.filter(([table]) => replica.tables.has(table)));
      if (ledger !== undefined) ledger.settled = replica.settled();
    }
    if (record.kind === "dismiss" && record.from === "quarantine") {
      for (const id of record.ids) {
        quarantine.delete(id);
        released.add(id);
        dealtWith?.(id);
        // The damaged bytes leave their segment with the next fold, and so does a segment that nothing was saved of.
        const [from, name = "", ...rest] = id.split("/");
        const table = replica.tables.get(name);
        const part = rest.join("/");
        const low = index
          .segments(name)
          .find(({ no, ids }) => `${no}` === part && ids.length === 0);
        const row = from === "segment" ? low?.low : from === "row" ? part : undefined;
        // One that was made anew is not damaged, and nothing in the log would bring it back.
        if (row !== undefined && table !== undefined && replica.baseRow(table, row) === undefined)
          index.note([[table.name, row, null, position]]);
      }
      // Only what came back by this record: what was there already is in its place.
      for (const [name, id, row] of imagesOf(record)) {
        const table = replica.tables.get(name);
        if (table !== undefined && sameJson(replica.baseRow(table, id), row ?? undefined))
          index.note([[name, id, row, position]]);
      }
    }
    ledger?.tail.set(position, record);
    if (ledger !== undefined && record.kind !== "commit" && record !== unread) ledger.moves += 1;
  }

  function hear(position: number): void {
    heard = Math.max(heard, position);
    if (position > replica.position()) signal({ type: "gap.found", position });
  }

  /** Whether a picture is of other data than memory, which was cleared then. */
  const isOther = ({ meta }: Picture): boolean =>
    incarnation !== "" && meta.incarnation !== incarnation;

  /** The rows of a picture's base in place of those that are not certain any more. */
  function applyBase(base: BasePicture, picture: Picture, publication: Publication): void {
    if (isOther(picture)) {
      for (const table of replica.tables.values())
        for (const id of Array.from(table.rows.keys())) publication.set(table, id, undefined);
    }
    const stale = index.adopt(picture.meta.manifest, base.read);
    for (const [name, ids] of stale) {
      const table = replica.tables.get(name);
      if (table !== undefined) for (const id of ids) publication.set(table, id, undefined);
    }
    for (const [name, rows] of base.rows) {
      const table = replica.tables.get(name);
      if (table !== undefined) for (const row of rows) publication.set(table, row.id, row);
    }
    // Newer than any segment; the next fold that knows the table writes them there.
    for (const image of base.carried) {
      const [name, id, row, pos] = image;
      const table = replica.tables.get(name);
      // At 0: it comes back where there is none.
      if (table === undefined || (pos === 0 && table.rows.has(id))) continue;
      publication.set(table, id, row ?? undefined);
      index.note([image]);
    }
  }

  /** A fold adds no record: only this tells that the segments of a picture are others by now. */
  function isStale({ base, meta }: Picture): boolean {
    if (base === null) return false;
    return (
      meta.floor < Math.max(floor, ledger?.floor ?? 0) || !index.covers(meta.manifest, base.read)
    );
  }

  /** The picture's log, and what arrived since; undefined when memory is ahead and the records between are not at hand. */
  function bridge(picture: Picture): (readonly [number, LogRecord])[] | undefined {
    const log = [...picture.log];
    let end = Math.max(picture.meta.floor, log.at(-1)?.[0] ?? 0);
    while (end < replica.position()) {
      end += 1;
      const record = recent.get(end);
      if (record === undefined) return undefined;
      log.push([end, record]);
    }
    return log;
  }

  function reload(picture: Picture, base: BasePicture, log: Picture["log"]): Effects {
    const { meta } = picture;
    const effects = replica.reload({
      floor: meta.floor,
      settled: meta.settled,
      writers: meta.writers,
      keys: meta.keys,
      authority: meta.authority,
      client: meta.client,
      remote: meta.remote,
      rejected: picture.rejected,
      verdicts: meta.verdicts,
      log,
      rows: (publication) => applyBase(base, picture, publication),
    });
    setMigration(index.outdated());
    floor = meta.floor;
    incarnation = meta.incarnation;
    if (ledger !== undefined) {
      ledger = {
        floor: meta.floor,
        settled: replica.settled(),
        writers: { ...meta.writers },
        verdicts: meta.verdicts ?? [],
        carried: meta.carried ?? [],
        tail: new Map(),
        moves: 0,
      };
    }
    for (const [position, record] of log) {
      if (position > meta.floor) note(position, record);
      else ledger?.tail.set(position, record);
    }
    heard = replica.position();
    return effects;
  }

  return {
    replica,
    index,
    quarantine: quarantine as ReadonlyMap<string, QuarantineEntry>,
    revision: () => revision + replica.strange(),
    get ledger() {
      return ledger;
    },
    position: () => replica.position(),
    get incarnation() {
      return incarnation;
    },
    isOther,
    /** Has the log read, to see whether there is something that nobody told of. */
    look: (): void => signal({ type: "gap.found", position: replica.position() + 1 }),
    behind: () => Math.max(0, heard - replica.position()),
    hear,

    /** Takes in the record at a position of the log, from wherever it came. */
    receive(position: number, arrived: LogRecord): void {
      if (closed) return;
      heard = Math.max(heard, position);
      if (arrived.schema > schema) {
        signal({ type: "schema.newer" });
        return;
      }
      // Until the first load is done the tables hold rows of a base that is not whole yet.
      if (!shown) {
        hear(position);
        return;
      }
      const isTwin = position === replica.position() + 1 && replica.isTaken(arrived);
      const record = isTwin ? placeholder : arrived;
      if (isTwin) {
        const entry = keep(twin(position, arrived), ledger !== undefined);
        quarantine.set(entry.id, entry);
      }
      const received = replica.receive(position, record);
      if (received.tag === "gap") hear(position);
      if (received.tag !== "applied") return;
      recent.set(position, record);
      if (recent.size > recentMost) recent.delete(recent.keys().next().value as number);
      note(position, record);
      take(received);
      if (record.kind === "base" && record.rejected.length > 0) rejected?.(record.rejected);
      // What the device decided is nobody's to decide; what a server decided is there to be folded.
      if (ledger !== undefined && (record.kind !== "base" || replica.byServer()))
        signal({ type: "log.grew" });
    },

    /** For the first load, while nothing is shown yet: puts rows of the base as they arrive. */
    startStream(): (table: string, row: Row) => void {
      // An attempt before may have ended half-way.
      for (const table of replica.tables.values()) table.clear();
      return (name, row) => replica.tables.get(name)?.set(row.id, row);
    },

    /** Takes over a picture. False: memory is ahead of it, or of other data; read again. */
    adopt(picture: Picture, kept: readonly QuarantineEntry[]): boolean {
      if (isOther(picture)) return false;
      // Without a base the picture only adds to memory, which may be ahead of it.
      const log = picture.base === null ? picture.log : bridge(picture);
      if (log === undefined || isStale(picture)) return false;
      const { base } = picture;
      revision += 1;
      if (base !== null) {
        // Others have dealt with entries, and a fold has removed the word of it.
        quarantine.clear();
        released.clear();
      }
      for (const entry of kept) if (!released.has(entry.id)) quarantine.set(entry.id, entry);
      if (base === null) {
        for (const [position, record] of log) this.receive(position, record);
        heard = replica.position();
        return true;
      }
      const effects = reload(picture, base, log);
      if (shown) take(effects);
      else {
        shown = true;
        settle(effects.settlements);
        publishAll();
      }
      return true;
    },

    /**
     * Takes over a whole picture of other data, as that of memory was cleared: of the old data only this tab's undecided
     * commits stay, on top of the new. Gives how many rows are gone.
     */
    startOver(picture: Picture, kept: readonly QuarantineEntry[]): number {
      if (picture.base === null) throw new Error("Expected a whole picture");
      ledger = undefined;
      migration = null;
      recent.clear();
      index.clear();
      revision += 1;
      quarantine.clear();
      released.clear();
      for (const entry of kept) quarantine.set(entry.id, entry);
      replica.leaveLog();
      const effects = reload(picture, picture.base, picture.log);
      take(effects);
      const changes = Array.from(effects.changes?.values() ?? []).flat();
      return changes.filter(({ after }) => after === undefined).length;
    },

    get migration() {
      return migration;
    },
    setMigration,
    /** Newer code decides from now on: what this tab shows stays as it is. */
    close(): void {
      closed = true;
    },
    /** Starts the leader's bookkeeping: the next whole picture fills it. */
    startLeading(): void {
      ledger = {
        floor: 0,
        settled: { position: 0, index: 0 },
        writers: {},
        verdicts: [],
        carried: [],
        tail: new Map(),
        moves: 0,
      };
    },
    stopLeading(): void {
      ledger = undefined;
      wake();
    },
    /** Resolves when memory has what this tab wrote as a leader, or leads no more. */
    caughtUp: (): Promise<void> =>
      new Promise((resolve) => {
        waiting.push(resolve);
        wake();
      }),
    /** Takes entries out of memory that storage refused. */
    remove(entries: Parameters<typeof replica.remove>[0]): void {
      take(replica.remove(entries));
    },
    isLong: () =>
      ledger !== undefined &&
      (replica.byServer()
        ? ledger.moves > longRecords
        : ledger.tail.size > longRecords || replica.logged() > longEvents),
    /** Whether there is something to fold, or to decide that is not a server's to decide. */
    hasLeft: () =>
      (ledger?.moves ?? 0) > 0 ||
      (replica.byServer() ? withoutServer(replica) !== undefined : replica.logged() > 0),
  };
}

export type Follower = ReturnType<typeof createFollower>;
