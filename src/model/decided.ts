/** What the base has decided beyond rows: which dedupe keys are taken, and which events were decided against. */
import { SyncError } from "../errors.ts";
import { type Definition } from "./definition.ts";
import { type Decision, type Entry } from "./entry.ts";
import { type BaseRecord, type RejectedEvent, type Verdict } from "./log.ts";
import { dedupeKey, keyOf } from "./materialize.ts";

type TakenKey = BaseRecord["keys"][number];

/** Whether an event could not be understood: it waits in quarantine. The others were understood, and did not apply. */
const isUnfit = ({ code }: RejectedEvent): boolean =>
  code === "invalid_payload" || code === "unknown_event";

export function createDecided(definition: Definition) {
  /** Dedupe keys that are taken, with the id of the event that took them: by decided events, and by the overlay. */
  const taken = new Map<string, string>();
  const baseKeys = new Map<string, TakenKey>();
  const rejected = new Map<string, RejectedEvent>();
  const unfit = new Map<string, RejectedEvent>();
  const verdicts = new Map<string, string | null>();

  return {
    taken,
    rejected: rejected as ReadonlyMap<string, RejectedEvent>,
    unfit: unfit as ReadonlyMap<string, RejectedEvent>,
    /** Dedupe keys that decided events took. */
    keys: () => Array.from(baseKeys.values()),

    take(record: Pick<BaseRecord, "keys" | "rejected">): void {
      for (const it of record.keys) {
        const key = keyOf(it[0], it[1]);
        baseKeys.set(key, it);
        taken.set(key, it[2]);
      }
      for (const it of record.rejected) (isUnfit(it) ? unfit : rejected).set(it.event.id, it);
    },

    /** What the base on disk tells of events whose decisions are not on record any more. */
    remember(all: readonly Verdict[]): void {
      for (const [id, message] of all) verdicts.set(id, message);
    },

    dismiss(ids: readonly string[]): void {
      for (const id of ids) if (!rejected.delete(id)) unfit.delete(id);
    },

    /** The base is read anew; nothing of the overlay applies. */
    clear(): void {
      baseKeys.clear();
      taken.clear();
      rejected.clear();
      unfit.clear();
      verdicts.clear();
    },

    /** Decisions on an own entry by the base: by the record that decided it, where that is known. */
    decisionsOn(entry: Entry, record: BaseRecord | undefined): Decision[] {
      return entry.unit.map((event): Decision => {
        const { id } = event;
        const message = (rejected.get(id) ?? unfit.get(id))?.message ?? verdicts.get(id);
        if (typeof message === "string")
          return { id, status: "rejected", error: new SyncError("conflict", message) };
        if (message === null || record?.superseded?.includes(id) === true)
          return { id, status: "superseded" };
        const key = dedupeKey(definition, event);
        const holder = key === undefined ? undefined : taken.get(key);
        return { id, status: holder === undefined || holder === id ? "accepted" : "duplicate" };
      });
    },
  };
}
