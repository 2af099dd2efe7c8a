/**
 * A tab's copy of the data: base + overlay in memory. Does what `rebase.ts` says; synchronous, no I/O.
 *
 * Every operation ends with one change set (or none) and with the decisions that became known. What a row shows is a pure
 * function of the base, the log and this tab's own commits that are not logged yet (G6).
 */
import { type SyncError } from "../errors.ts";
import { createDecided } from "./decided.ts";
import { type Definition } from "./definition.ts";
import {
  type Entry,
  type Settlement,
  agrees,
  decisionsOf,
  place,
  replayable,
  unitsOf,
} from "./entry.ts";
import {
  type BaseRecord,
  type CommitRecord,
  type DismissRecord,
  type LogRecord,
  type RejectedEvent,
  type Row,
  type RowImage,
  type Verdict,
  type Watermark,
  type WriterMark,
  imagesOf,
  isFolded,
} from "./log.ts";
import {
  type Noop,
  type Outcome,
  type Unit,
  coalesceKey,
  createMaterializer,
  keyOf,
} from "./materialize.ts";
import {
  type ChangeSet,
  type Publication,
  changesOf,
  createPublication,
  direct,
} from "./publication.ts";
import { createNames } from "./names.ts";
import { isDecided, merge } from "./rebase.ts";
import { type Table, createTable } from "./table.ts";

/** What an operation did. */
export interface Effects {
  readonly changes: ChangeSet | undefined;
  readonly settlements: readonly Settlement[];
}

/** What a commit of this tab did. `replaced`: the entry whose place it took. */
export interface Committed {
  readonly entry: Entry;
  readonly replaced: Entry | undefined;
  readonly noops: readonly Noop[];
  readonly changes: ChangeSet | undefined;
}

export type Received =
  | ({ readonly tag: "applied" } & Effects)
  | { readonly tag: "known" }
  | { readonly tag: "gap" };

/** The base as it was read from disk, for `reload`. */
export interface Reloaded {
  /** Base moves up to here are in the rows. */
  readonly floor: number;
  readonly settled: Watermark;
  readonly writers: Readonly<Record<string, WriterMark>>;
  readonly keys: readonly (readonly [name: string, key: string, id: string])[];
  readonly rejected: readonly RejectedEvent[];
  readonly verdicts?: readonly Verdict[] | undefined;
  readonly log: readonly (readonly [position: number, record: LogRecord])[];
  /** Puts the rows of the base: called when the overlay is undone. */
  readonly rows: (publication: Publication) => void;
}

/** Whether an entry may take the place of the one right before it. */
const mayReplace = ({ coalesce }: Entry, before: Entry | undefined): boolean =>
  coalesce !== undefined && before?.coalesce === coalesce && before.outcome?.tag === "applied";

export function createReplica(definition: Definition, tab: string) {
  const tables = new Map<string, Table>(
    Array.from(definition.tables.keys(), (name) => [name, createTable(name)]),
  );
  const decided = createDecided(definition);
  const { taken, rejected } = decided;
  const materializer = createMaterializer(definition, tables, taken);
  const overlay: Entry[] = [];
  /** Those that do not apply: counted often, and rare. */
  const failed = new Set<Entry>();
  /** Whether stored events are made entries: `upcast` may run. */
  let reading = false;
  /** Another number whenever there may be others among the events that this code cannot read. */
  let strange = 0;
  /** How many entries of the overlay are logged: they are the first ones. */
  let logged = 0;
  let position = 0;
  /** Where this tab, leading, wrote a base record that memory has not reached. */
  let ahead = 0;
  let settled: Watermark = { position: 0, index: 0 };
  const names = createNames();

  function createEntry(
    unit: Unit,
    from: { readonly tab: string; readonly n: number } | undefined,
    invalid?: SyncError,
  ): Entry {
    const coalesce = coalesceKey(definition, unit);
    return {
      unit,
      own: from === undefined,
      tab: from?.tab ?? tab,
      n: from?.n ?? 0,
      position: null,
      offset: 0,
      outcome: undefined,
      coalesce,
      invalid,
      told: false,
    };
  }

  function undo(entry: Entry, to: Publication): void {
    if (entry.outcome?.tag === "applied") {
      for (const change of entry.outcome.changes.toReversed())
        to.set(change.table, change.id, change.before);
      for (const it of entry.outcome.keys) taken.delete(keyOf(it.name, it.key));
    }
    failed.delete(entry);
    entry.outcome = undefined;
  }

  /** Runs an entry on the tables as they are. */
  function enact(entry: Entry, to: Publication): Outcome {
    const outcome: Outcome =
      entry.invalid === undefined
        ? materializer.run(entry.unit, to.set)
        : { tag: "failed", error: entry.invalid };
    entry.outcome = outcome;
    if (outcome.tag === "failed") failed.add(entry);
    if (outcome.tag === "applied")
      for (const it of outcome.keys) taken.set(keyOf(it.name, it.key), it.id);
    return outcome;
  }

  /** Runs the entry that comes right after `before`. Gives that one back when its place was taken. */
  function play(entry: Entry, before: Entry | undefined, to: Publication): Entry | undefined {
    if (before === undefined || !mayReplace(entry, before)) {
      enact(entry, to);
      return undefined;
    }
    undo(before, to);
    if (enact(entry, to).tag === "failed") {
      // What has no effect takes nobody's place.
      enact(before, to);
      return undefined;
    }
    before.outcome = { tag: "superseded" };
    return before;
  }

  function undoFrom(index: number, to: Publication): void {
    for (let at = overlay.length - 1; at >= index; at -= 1) undo(overlay[at] as Entry, to);
    // The entry before may have been superseded by the first one that is undone: its place is open again.
    const before = overlay[index - 1];
    if (before?.outcome?.tag === "superseded") before.outcome = undefined;
  }

  /** Runs the entries from `index` on again, and the one before when `undoFrom` opened its place. */
  function replayFrom(index: number, to: Publication): void {
    const before = overlay[index - 1];
    // What that one took the place of stays superseded.
    if (before !== undefined && before.outcome === undefined) enact(before, to);
    for (let at = index; at < overlay.length; at += 1)
      play(overlay[at] as Entry, overlay[at - 1], to);
  }

  /**
   * On a device alone the log decides: an entry is final as soon as it is logged and all before it is known, but for the
   * last one of a coalescing run, whose place may still be taken.
   */
  function settle(): Settlement[] {
    const settlements: Settlement[] = [];
    for (let at = logged - 1; at >= 0; at -= 1) {
      const entry = overlay[at] as Entry;
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

  function tellDecided(entries: readonly Entry[], record?: BaseRecord): Settlement[] {
    const untold = entries.filter((entry) => !entry.told && entry.own);
    for (const entry of entries) entry.told = true;
    return untold.map((entry) => ({ entry, decisions: decided.decisionsOn(entry, record) }));
  }

  /** How many entries are decided: they are the first ones. */
  function countDecided(): number {
    let count = 0;
    while (count < overlay.length && isDecided(overlay[count] as Entry, settled)) count += 1;
    return count;
  }

  function advance(record: BaseRecord): Effects {
    const publication = createPublication();
    strange += record.rejected.length;
    settled = record.settled;
    const done = overlay.slice(0, countDecided());
    logged -= done.length;
    if (agrees(done, record)) {
      // What the leader decided is what this tab computed: the base moves under rows that stay as they are.
      decided.take(record);
      overlay.splice(0, done.length);
      for (const entry of done) failed.delete(entry);
      return finish(publication, tellDecided(done, record));
    }
    undoFrom(0, publication);
    overlay.splice(0, done.length);
    for (const it of record.changes) image(publication, it);
    decided.take(record);
    replayFrom(0, publication);
    return finish(publication, tellDecided(done, record));
  }

  /** Rows that come back, where the base has none of their ids. The overlay is undone. */
  function restore(publication: Publication, record: DismissRecord): void {
    for (const it of imagesOf(record))
      if (tables.get(it[0])?.rows.has(it[1]) === false) image(publication, it);
  }

  function dismiss(record: DismissRecord): Effects {
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

  /** Puts entries in at an index. One by one: the arguments of a call have a limit, the outbox has none. */
  function insert(at: number, entries: readonly Entry[]): void {
    const rest = overlay.splice(at);
    for (const entry of entries) overlay.push(entry);
    for (const entry of rest) overlay.push(entry);
  }

  function entriesOf(record: CommitRecord, at: number): Entry[] {
    reading = true;
    const entries = unitsOf(record.events).map((stored) => {
      const { unit, invalid } = replayable(definition, stored);
      if (invalid !== undefined) strange += 1;
      return createEntry(unit, record, invalid);
    });
    reading = false;
    place(entries, at);
    return entries;
  }

  return {
    tab,
    tables: tables as ReadonlyMap<string, Table>,
    overlay: overlay as readonly Entry[],
    failed: failed as ReadonlySet<Entry>,
    rejected,
    /** Events that were not understood when they were decided. */
    unfit: decided.unfit,
    strange: () => strange,
    /** Dedupe keys that decided events took. */
    keys: decided.keys,
    /** Whether a function of the app runs that must not commit. */
    materializing: () => materializer.running || reading,
    /** Everything in the log up to here is in memory. */
    position: () => position,
    settled: () => settled,
    /** How many entries of the overlay are logged: they are the first ones. */
    logged: () => logged,
    /** False while a base record of this tab is not in memory: to decide now would be to decide the same events again. */
    mayDecide: () => position >= ahead,

    /**
     * Applies a commit of this tab. Throws its `SyncError` and changes nothing when it cannot be applied.
     */
    commit(unit: Unit): Committed {
      const entry = createEntry(unit, undefined);
      const before = overlay.at(-1);
      const isAlone = !mayReplace(entry, before);
      const publication = isAlone ? direct : createPublication();
      const replaced = play(entry, isAlone ? undefined : before, publication);
      const { outcome } = entry;
      if (outcome?.tag !== "applied") {
        failed.delete(entry);
        publication.end();
        // It has just been run, and nothing follows it: it is not superseded.
        throw (outcome as Extract<Outcome, { tag: "failed" }>).error;
      }
      overlay.push(entry);
      const changes = isAlone ? changesOf(outcome.changes) : publication.end();
      return { entry, replaced, noops: outcome.noops, changes };
    },

    /** Takes entries out of the overlay that could not be stored. What is in the log stays: it is stored. */
    remove(entries: readonly Entry[]): Effects {
      const publication = createPublication();
      const gone = new Set(entries.filter((entry) => entry.position === null));
      const first = overlay.findIndex((entry) => gone.has(entry));
      if (first === -1) return finish(publication);
      undoFrom(first, publication);
      insert(
        first,
        overlay.splice(first).filter((entry) => !gone.has(entry)),
      );
      replayFrom(first, publication);
      return finish(publication);
    },

    /** Removes a superseded entry that was never written: rows do not move. */
    forget(entry: Entry): void {
      const at = overlay.lastIndexOf(entry);
      if (at !== -1 && entry.position === null && entry.outcome?.tag === "superseded")
        overlay.splice(at, 1);
    },

    /** Whether the next record of the log has the name of another one. */
    isTaken(record: LogRecord): boolean {
      const mine = overlay[logged];
      const isOther = (record as CommitRecord).events?.[0]?.id !== mine?.unit[0]?.id;
      if (mine?.own === true && record.tab === tab && mine.n === record.n) return isOther;
      return names.isTaken(record);
    },

    /** Takes in the record at a position of the log. */
    receive(at: number, record: LogRecord): Received {
      const todo = merge(overlay, logged, position, {
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
          return record.kind === "dismiss"
            ? { tag: "applied", ...dismiss(record) }
            : { tag: "applied", changes: undefined, settlements: [] };
        case "advance":
          position = at;
          return { tag: "applied", ...advance(record as BaseRecord) };
        case "confirm":
          position = at;
          place(overlay.slice(todo.at, todo.at + todo.count), at);
          logged += todo.count;
          return { tag: "applied", changes: undefined, settlements: settle() };
        case "overtake": {
          position = at;
          const publication = createPublication();
          undoFrom(todo.at, publication);
          const moved = overlay.splice(todo.first, todo.count);
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
          const entries = entriesOf(record as CommitRecord, at);
          insert(todo.at, entries);
          logged += entries.length;
          replayFrom(todo.at, publication);
          return { tag: "applied", ...finish(publication) };
        }
      }
      return { tag: todo.tag };
    },

    /** The log that this memory followed is gone: the next `reload` is from another one, and keeps what has no decision yet. */
    leaveLog(): void {
      for (const entry of overlay) entry.position = null;
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
      const mine = overlay.splice(0).filter((entry) => entry.own);
      const written = new Map<number, Entry[]>();
      for (const entry of mine) {
        const group = written.get(entry.n);
        if (group === undefined) written.set(entry.n, [entry]);
        else group.push(entry);
      }
      from.rows(publication);
      strange += 1;
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
          if (known !== undefined) place(known, at);
          insert(overlay.length, known ?? entriesOf(record, at));
        } else if (at > from.floor && record.kind === "base") {
          for (const it of record.changes) image(publication, it);
          decided.take(record);
          settled = record.settled;
          // Now, as later records may dismiss what this one decided.
          for (const it of tellDecided(overlay.splice(0, countDecided()), record))
            settlements.push(it);
        } else if (at > from.floor && record.kind === "dismiss") {
          if (record.from === "rejected") decided.dismiss(record.ids);
          restore(publication, record);
        }
      }
      const done = overlay.splice(0, countDecided());
      logged = overlay.length;
      const inLog = new Set([...overlay, ...done]);
      const marks = names.markOf(tab);
      for (const entry of mine) {
        if (entry.told || inLog.has(entry)) continue;
        // Not in the log: it was decided and folded by others, or it is still to be written. What waits has no number yet.
        const isGone = entry.position !== null || (entry.n > 0 && isFolded(marks, entry.n));
        if (isGone) done.push(entry);
        else overlay.push(entry);
      }
      for (const it of tellDecided(done)) settlements.push(it);
      replayFrom(0, publication);
      return finish(publication, settlements);
    },

    /** A row as it is in the base. */
    baseRow(table: Table, id: string): Row | undefined {
      const befores = this.underlay(table);
      return befores.has(id) ? befores.get(id) : table.rows.get(id);
    },

    /** Where the base differs from what the table shows: id → base row. */
    underlay(table: Table): ReadonlyMap<string, Row | undefined> {
      const befores = new Map<string, Row | undefined>();
      for (const { outcome } of overlay) {
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
