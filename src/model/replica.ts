/**
 * A tab's copy of the data: base + overlay in memory. Does what `rebase.ts` says; synchronous, no I/O.
 *
 * Who decides is a fact of the data. On a device alone it is the order of the log; where it is a server, what base records
 * say it decided, and all else stays in the overlay, also what it has taken in and was not seen in its log yet.
 *
 * Every operation ends with one change set (or none) and with the decisions that became known. What a row shows is a pure
 * function of the base, the log and this tab's own commits that are not logged yet (G6).
 */
import { createDecided } from "./decided.ts";
import { type Definition } from "./definition.ts";
import { type Committed, type Effects, type Received, type Reloaded } from "./effects.ts";
import { type Entry, type Settlement, agrees, decisionsOf, place } from "./entry.ts";
import {
  type AttemptRecord,
  type BaseRecord,
  type CommitRecord,
  type DismissRecord,
  type LogRecord,
  type Row,
  type RowImage,
  type Watermark,
  imagesOf,
  isFolded,
} from "./log.ts";
import { isPlaceholder } from "./late.ts";
import { type Outcome, type Unit } from "./materialize.ts";
import { createOverlay, mayReplace } from "./overlay.ts";
import { type Publication, changesOf, createPublication, direct } from "./publication.ts";
import { createNames } from "./names.ts";
import { isDecided, merge } from "./rebase.ts";
import { createRemote, freshRemote } from "./remote.ts";
import { type Stage, createStage } from "./stage.ts";
import { type Table, createTable } from "./table.ts";

const idsOf = (entry: Entry): string[] => entry.unit.map(({ id }) => id);

export function createReplica(definition: Definition, tab: string) {
  const tables = new Map<string, Table>(
    Array.from(definition.tables.keys(), (name) => [name, createTable(name)]),
  );
  const decided = createDecided(definition);
  const { taken, rejected } = decided;
  const remote = createRemote();
  const overlay = createOverlay(definition, tab, tables, taken);
  const { entries, failed, undoFrom, replayFrom, insert } = overlay;
  /** Whether a server decides. */
  let byServer = false;
  /** Decided by a server above the watermark: their records are still in the log. */
  let above: Entry[] = [];
  let staging: Stage | undefined;
  /** Another number whenever there may be others among the events that this code cannot read. */
  let strange = 0;
  /** How many entries of the overlay are logged: they are the first ones. */
  let logged = 0;
  let position = 0;
  /** Where this tab, leading, wrote a base record that memory has not reached. */
  let ahead = 0;
  let settled: Watermark = { position: 0, index: 0 };
  const names = createNames();

  /**
   * On a device alone the log decides: an entry is final as soon as it is logged and all before it is known, but for the
   * last one of a coalescing run, whose place may still be taken.
   */
  function settle(): Settlement[] {
    const settlements: Settlement[] = [];
    if (byServer) return settlements;
    for (let at = logged - 1; at >= 0; at -= 1) {
      const entry = entries[at] as Entry;
      if (entry.told) break;
      if (entry.coalesce !== undefined && at === logged - 1) continue;
      entry.told = true;
      if (entry.own) settlements.push({ entry, decisions: decisionsOf(entry) });
    }
    return settlements.toReversed();
  }

  function finish(publication: Publication, before: readonly Settlement[] = []): Effects {
    return { changes: publication.end(), settlements: [...before, ...settle()] };
  }

  /** Rows of records are checked where the records come in. */
  function image(publication: Publication, [name, id, row]: RowImage): void {
    const table = tables.get(name);
    if (table !== undefined) publication.set(table, id, row ?? undefined);
  }

  function tellDecided(done: Iterable<Entry>, record?: BaseRecord): Settlement[] {
    const settlements: Settlement[] = [];
    for (const entry of done) {
      if (!entry.told && entry.own)
        settlements.push({ entry, decisions: decided.decisionsOn(entry, record, byServer) });
      entry.told = true;
    }
    return settlements;
  }

  /** The logged entries that are decided: on a device alone the first ones, with a server any. */
  function findDecided(): ReadonlySet<Entry> {
    const done = new Set<Entry>();
    for (const entry of entries) {
      if (entry.position === null) break;
      const isPast = isDecided(entry, settled);
      if (isPast || (byServer && idsOf(entry).every(remote.isDecided))) done.add(entry);
      else if (!byServer) break;
    }
    return done;
  }

  /** Of what a server decided, the watermark covers more by now. */
  function prune(done: Iterable<Entry>): void {
    if (!byServer) return;
    const kept: Entry[] = [];
    for (const entry of [...above, ...done])
      if (isDecided(entry, settled)) remote.forget(idsOf(entry));
      else kept.push(entry);
    above = kept;
  }

  function trust(): void {
    byServer = true;
    decided.freeKeys();
    // What the log decided on a device alone is for a server to decide.
    for (const entry of entries) entry.told = false;
  }

  function advance(record: BaseRecord): Effects {
    const publication = createPublication();
    strange += record.rejected.length;
    settled = record.settled;
    const turns = record.authority === "server" && !byServer;
    if (byServer || turns) remote.take(record);
    const done = turns ? new Set<Entry>() : findDecided();
    logged -= done.size;
    if (!turns && agrees(entries, done, record)) {
      // What is decided is what this tab computed: the base moves under rows that stay as they are.
      decided.take(record);
      if (done.size > 0) overlay.release(done);
    } else {
      undoFrom(0, publication);
      if (turns) trust();
      overlay.release(done);
      for (const it of record.changes) image(publication, it);
      decided.take(record);
      replayFrom(0, publication);
    }
    prune(done);
    return finish(publication, tellDecided(done, record));
  }

  /** What an attempt covers leaves its place to no other event: not to one of this tab either that is not logged yet. */
  function attempt(record: AttemptRecord): Effects {
    remote.take(record);
    const covered = new Set(record.ids);
    return close((entry) => entry.unit.some(({ id }) => covered.has(id)));
  }

  function close(isAttempted: (entry: Entry) => boolean): Effects {
    const publication = createPublication();
    const last = entries[logged - 1];
    const opens = last?.outcome?.tag === "superseded" && isAttempted(last);
    if (opens) undoFrom(logged, publication);
    for (const entry of entries.slice(0, logged)) entry.attempted ||= isAttempted(entry);
    if (opens) replayFrom(logged, publication);
    return finish(publication);
  }

  /** The entries of a record, by those of them that memory has: some may be decided, and gone. */
  function recall(record: CommitRecord, at: number, known: readonly Entry[] = []): Entry[] {
    const count = known.reduce((sum, { unit }) => sum + unit.length, 0);
    if (count === record.events.length) {
      place(known, at);
      return [...known];
    }
    const mine = new Map(known.map((entry) => [entry.unit[0]?.id, entry]));
    return entriesOf(record, at).map((made) => {
      const entry = mine.get(made.unit[0]?.id);
      return entry === undefined
        ? made
        : Object.assign(entry, { position: at, offset: made.offset });
    });
  }

  const doubt = (): void => remote.doubt(entries.slice(0, logged).flatMap(idsOf));

  /** Rows that come back, where the base has none of their ids. The overlay is undone. */
  function restore(publication: Publication, record: DismissRecord): void {
    for (const it of imagesOf(record))
      if (tables.get(it[0])?.rows.has(it[1]) === false) image(publication, it);
  }

  function dismiss(record: DismissRecord): Effects {
    if (byServer && isPlaceholder(record)) {
      doubt();
      return close(() => true);
    }
    if (record.from === "rejected") decided.dismiss(record.ids);
    strange += 1;
    const publication = createPublication();
    if (imagesOf(record).length > 0) {
      undoFrom(0, publication);
      restore(publication, record);
      replayFrom(0, publication);
    }
    return finish(publication);
  }

  function entriesOf(record: CommitRecord, at: number): Entry[] {
    const made = overlay.entriesOf(record, at);
    if (made.some(({ invalid }) => invalid !== undefined)) strange += 1;
    return made;
  }

  /** Takes decided entries out of an overlay that is undone. */
  function leave(record?: BaseRecord): Settlement[] {
    const done = findDecided();
    logged -= done.size;
    overlay.release(done);
    prune(done);
    return tellDecided(done, record);
  }

  return {
    tab,
    tables: tables as ReadonlyMap<string, Table>,
    overlay: entries as readonly Entry[],
    failed: failed as ReadonlySet<Entry>,
    rejected,
    /** Events that were not understood when they were decided. */
    unfit: decided.unfit,
    strange: () => strange,
    /** Dedupe keys that decided events took. */
    keys: decided.keys,
    /** Whether a function of the app runs that must not commit. */
    materializing: () => overlay.running() || staging?.running() === true,
    /** Everything in the log up to here is in memory. */
    position: () => position,
    settled: () => settled,
    /** How many entries of the overlay are logged: they are the first ones. */
    logged: () => logged,
    /** Whether a server decides. */
    byServer: () => byServer,
    remote,
    /** False while a base record of this tab is not in memory: to decide now would be to decide the same events again. */
    mayDecide: () => position >= ahead,

    /**
     * Applies a commit of this tab. Throws its `SyncError` and changes nothing when it cannot be applied.
     */
    commit(unit: Unit): Committed {
      const entry = overlay.createEntry(unit, undefined);
      const before = entries.at(-1);
      const isAlone = !mayReplace(entry, before);
      const publication = isAlone ? direct : createPublication();
      const replaced = overlay.play(entry, isAlone ? undefined : before, publication);
      const { outcome } = entry;
      if (outcome?.tag !== "applied") {
        failed.delete(entry);
        publication.end();
        // It has just been run, and nothing follows it: it is not superseded.
        throw (outcome as Extract<Outcome, { tag: "failed" }>).error;
      }
      entries.push(entry);
      const changes = isAlone ? changesOf(outcome.changes) : publication.end();
      return { entry, replaced, noops: outcome.noops, changes };
    },

    /** Takes entries out of the overlay that could not be stored. What is in the log stays: it is stored. */
    remove(refused: readonly Entry[]): Effects {
      const publication = createPublication();
      const gone = new Set(refused.filter((entry) => entry.position === null));
      const first = entries.findIndex((entry) => gone.has(entry));
      if (first === -1) return finish(publication);
      undoFrom(first, publication);
      insert(
        first,
        entries.splice(first).filter((entry) => !gone.has(entry)),
      );
      replayFrom(first, publication);
      return finish(publication);
    },

    /** Removes a superseded entry that was never written: rows do not move. */
    forget(entry: Entry): void {
      const at = entries.lastIndexOf(entry);
      if (at !== -1 && entry.position === null && entry.outcome?.tag === "superseded")
        entries.splice(at, 1);
    },

    /** Whether the next record of the log has the name of another one. */
    isTaken(record: LogRecord): boolean {
      const mine = entries[logged];
      const isOther = (record as CommitRecord).events?.[0]?.id !== mine?.unit[0]?.id;
      if (mine?.own === true && record.tab === tab && mine.n === record.n) return isOther;
      return names.isTaken(record);
    },

    /** Takes in the record at a position of the log. */
    receive(at: number, record: LogRecord): Received {
      const todo = merge(entries, logged, position, {
        kind: record.kind,
        position: at,
        tab: record.tab,
        n: record.n,
      });
      if (todo.tag !== "known" && todo.tag !== "gap" && names.isRepeated(record)) {
        position = at;
        return { tag: "applied", changes: undefined, settlements: [] };
      }
      switch (todo.tag) {
        case "known":
          break;
        case "gap":
          if (record.kind === "base" && record.tab === tab) ahead = Math.max(ahead, at);
          break;
        case "note":
          position = at;
          return {
            tag: "applied",
            ...(record.kind === "attempt" ? attempt(record) : dismiss(record as DismissRecord)),
          };
        case "advance":
          position = at;
          return { tag: "applied", ...advance(record as BaseRecord) };
        case "confirm":
          position = at;
          place(entries.slice(todo.at, todo.at + todo.count), at);
          logged += todo.count;
          return { tag: "applied", changes: undefined, settlements: settle() };
        case "overtake": {
          position = at;
          const publication = createPublication();
          undoFrom(todo.at, publication);
          const moved = entries.splice(todo.first, todo.count);
          place(moved, at);
          insert(todo.at, moved);
          logged += todo.count;
          replayFrom(todo.at, publication);
          return { tag: "applied", ...finish(publication) };
        }
        case "insert": {
          position = at;
          const publication = createPublication();
          undoFrom(todo.at, publication);
          const added = entriesOf(record as CommitRecord, at);
          insert(todo.at, added);
          logged += added.length;
          replayFrom(todo.at, publication);
          return { tag: "applied", ...finish(publication) };
        }
      }
      return { tag: todo.tag };
    },

    /** The log that this memory followed is gone: the next `reload` is from another one, and keeps what has no decision yet. */
    leaveLog(): void {
      for (const entry of entries) {
        entry.position = null;
        entry.attempted = false;
      }
      position = 0;
      ahead = 0;
    },

    /**
     * Starts over from the base on disk: at the first load, when what was missed is folded already, and as a new leader.
     * This tab's own commits that are not logged stay, on top.
     */
    reload(from: Reloaded): Effects {
      const publication = createPublication();
      undoFrom(0, publication);
      const mine = entries.splice(0).filter((entry) => entry.own);
      const written = new Map<number, Entry[]>();
      for (const entry of mine) {
        const group = written.get(entry.n);
        if (group === undefined) written.set(entry.n, [entry]);
        else group.push(entry);
      }
      from.rows(publication);
      strange += 1;
      const turns = from.authority === "server" && !byServer;
      byServer = from.authority === "server";
      remote.load(from.remote ?? freshRemote(from.client));
      above = [];
      logged = 0;
      decided.clear();
      decided.take(from);
      decided.remember(from.verdicts ?? []);
      settled = from.settled;
      position = from.floor;
      names.clear(from.writers);
      const settlements: Settlement[] = [];
      for (const [at, record] of from.log) {
        position = Math.max(position, at);
        if (names.isRepeated(record)) continue;
        if (record.kind === "commit") {
          const known = record.tab === tab ? written.get(record.n) : undefined;
          insert(entries.length, recall(record, at, known));
          logged = entries.length;
        } else if (at > from.floor && record.kind === "base") {
          settled = record.settled;
          if (record.authority === "server" && !byServer) trust();
          if (byServer) remote.take(record);
          for (const it of record.changes) image(publication, it);
          decided.take(record);
          // Now, as later records may dismiss what this one decided.
          for (const it of leave(record)) settlements.push(it);
        } else if (at > from.floor && record.kind === "attempt") remote.take(record);
        else if (at > from.floor && record.kind === "dismiss") {
          if (byServer && isPlaceholder(record)) doubt();
          if (record.from === "rejected") decided.dismiss(record.ids);
          restore(publication, record);
        }
      }
      for (const it of leave()) settlements.push(it);
      // As in `trust`; what was decided in a log that is gone stays decided, and is gone with it.
      if (turns) for (const entry of entries) entry.told = false;
      const inLog = new Set(entries);
      const done: Entry[] = [];
      for (const entry of mine) {
        if (entry.told || inLog.has(entry)) continue;
        // Not in the log: it was decided and folded by others, or it is still to be written. What waits has no number yet.
        const isGone =
          entry.position !== null || (entry.n > 0 && isFolded(names.markOf(tab), entry.n));
        if (isGone) done.push(entry);
        else entries.push(entry);
      }
      if (byServer) {
        const kept = new Set([...above, ...entries.slice(0, logged)].flatMap(idsOf));
        remote.keepDecided((id) => kept.has(id));
      }
      for (const entry of entries)
        entry.attempted = entry.unit.some(({ id }) => remote.isAttempted(id));
      for (const it of tellDecided(done)) settlements.push(it);
      replayFrom(0, publication);
      return finish(publication, settlements);
    },

    /** Rows for the leader to move: those of the base, or of tables of its own. */
    stage(of: ReadonlyMap<string, Table>): Stage {
      const none = new Map<string, Row | undefined>();
      const below = (table: Table) => (of === tables ? this.underlay(table) : none);
      staging = createStage(definition, of, below);
      return staging;
    },

    /** The rows of a table of the base, in no order. */
    *baseRows(table: Table): Generator<Row> {
      const below = this.underlay(table);
      for (const row of table.toArray()) if (!below.has(row.id)) yield row;
      for (const row of below.values()) if (row !== undefined) yield row;
    },

    /** A row as it is in the base. */
    baseRow(table: Table, id: string): Row | undefined {
      const befores = this.underlay(table);
      return befores.has(id) ? befores.get(id) : table.rows.get(id);
    },

    /** Where the base differs from what the table shows: id → base row. */
    underlay(table: Table): ReadonlyMap<string, Row | undefined> {
      const befores = new Map<string, Row | undefined>();
      for (const { outcome } of entries) {
        if (outcome?.tag !== "applied") continue;
        for (const change of outcome.changes) {
          if (change.table === table && !befores.has(change.id))
            befores.set(change.id, change.before);
        }
      }
      return befores;
    },
  };
}

export type Replica = ReturnType<typeof createReplica>;
