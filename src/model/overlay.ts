/** The overlay of a replica: entries in order, undone from the last one on, and run again from the first one on. */
import { type SyncError } from "../errors.ts";
import { type Definition } from "./definition.ts";
import { type Entry, place, replayable, unitsOf } from "./entry.ts";
import { type CommitRecord } from "./log.ts";
import { type Outcome, type Unit, coalesceKey, createMaterializer, keyOf } from "./materialize.ts";
import { type Publication } from "./publication.ts";
import { type Table } from "./table.ts";

/** Whether an entry may take the place of the one right before it, which is sent to nobody yet. */
export const mayReplace = ({ coalesce }: Entry, before: Entry | undefined): boolean =>
  coalesce !== undefined &&
  before?.coalesce === coalesce &&
  before.outcome?.tag === "applied" &&
  !before.attempted;

/** `taken`: dedupe keys that are taken; entries add theirs, and take them back. */
export function createOverlay(
  definition: Definition,
  tab: string,
  tables: ReadonlyMap<string, Table>,
  taken: Map<string, string>,
) {
  const materializer = createMaterializer(definition, tables, taken);
  const entries: Entry[] = [];
  /** Those that do not apply: counted often, and rare. */
  const failed = new Set<Entry>();
  /** Whether stored events are made entries: `upcast` may run. */
  let reading = false;

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

  function createEntry(
    unit: Unit,
    from: { readonly tab: string; readonly n: number } | undefined,
    invalid?: SyncError,
  ): Entry {
    return {
      unit,
      own: from === undefined,
      tab: from?.tab ?? tab,
      n: from?.n ?? 0,
      position: null,
      offset: 0,
      outcome: undefined,
      coalesce: coalesceKey(definition, unit),
      invalid,
      attempted: false,
      told: false,
    };
  }

  return {
    entries,
    failed,
    play,
    createEntry,
    running: () => materializer.running || reading,

    /** The entries of a stored record. */
    entriesOf(record: CommitRecord, at: number): Entry[] {
      reading = true;
      const made = unitsOf(record.events).map((stored) => {
        const { unit, invalid } = replayable(definition, stored);
        return createEntry(unit, record, invalid);
      });
      reading = false;
      place(made, at);
      return made;
    },

    undoFrom(index: number, to: Publication): void {
      for (let at = entries.length - 1; at >= index; at -= 1) undo(entries[at] as Entry, to);
      // The entry before may have been superseded by the first one that is undone: its place is open again.
      const before = entries[index - 1];
      if (before?.outcome?.tag === "superseded") before.outcome = undefined;
    },

    /** Runs the entries from `index` on again, and the one before when `undoFrom` opened its place. */
    replayFrom(index: number, to: Publication): void {
      const before = entries[index - 1];
      // What that one took the place of stays superseded.
      if (before !== undefined && before.outcome === undefined) enact(before, to);
      for (let at = index; at < entries.length; at += 1)
        play(entries[at] as Entry, entries[at - 1], to);
    },

    /** Puts entries in at an index. One by one: the arguments of a call have a limit, the outbox has none. */
    insert(at: number, more: readonly Entry[]): void {
      const rest = entries.splice(at);
      for (const entry of more) entries.push(entry);
      for (const entry of rest) entries.push(entry);
    },

    /** Takes entries out that are decided as they were computed: what they did stays. */
    release(done: ReadonlySet<Entry>): void {
      const rest = entries.filter((entry) => !done.has(entry));
      entries.length = 0;
      for (const entry of rest) entries.push(entry);
      for (const entry of done) failed.delete(entry);
    },
  };
}
