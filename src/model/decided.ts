/** What the base has decided beyond rows: which dedupe keys are taken, and which events were decided against. */
import { SyncError } from "../errors.ts";
import { type Definition } from "./definition.ts";
import { type Decision, type Entry } from "./entry.ts";
import { type Json } from "./json.ts";
import { type BaseRecord, type RejectedEvent, type Verdict } from "./log.ts";
import { anewKeys, dedupeKey, keyOf } from "./materialize.ts";

type TakenKey = BaseRecord["keys"][number];

/** Whether an event could not be understood: it waits in quarantine. The others were understood, and did not apply. */
const isUnfit = ({ code, by }: RejectedEvent): boolean =>
  by === undefined && (code === "invalid_payload" || code === "unknown_event");

/** Why an event is rejected, as a receipt tells it. A server's reasons are its own: they are the cause. */
const rejection = (message: string, code: string | undefined, data?: Json): SyncError =>
  code === undefined
    ? new SyncError("conflict", message)
    : new SyncError("rejected", message, {
        code,
        message,
        ...(data === undefined ? {} : { data }),
      });

export function createDecided(definition: Definition) {
  /** Dedupe keys that are taken, with the id of the event that took them: by decided events, and by the overlay. */
  const taken = new Map<string, string>();
  const baseKeys = new Map<string, TakenKey>();
  const rejected = new Map<string, RejectedEvent>();
  const unfit = new Map<string, RejectedEvent>();
  const verdicts = new Map<string, Verdict>();

  function takeKey(it: TakenKey): void {
    const key = keyOf(it[0], it[1]);
    baseKeys.set(key, it);
    taken.set(key, it[2]);
  }

  return {
    taken,
    rejected: rejected as ReadonlyMap<string, RejectedEvent>,
    unfit: unfit as ReadonlyMap<string, RejectedEvent>,
    /** Dedupe keys that decided events took. */
    keys: () => Array.from(baseKeys.values()),

    /** A server remembers keys itself. The overlay is undone. */
    freeKeys(): void {
      baseKeys.clear();
      taken.clear();
    },

    take(record: Pick<BaseRecord, "keys" | "rejected" | "duplicates" | "decided">): void {
      record.keys.forEach(takeKey);
      for (const it of record.rejected) (isUnfit(it) ? unfit : rejected).set(it.event.id, it);
      // Whoever has not heard of it, or finds the old event still listed as the one before died, commits it under that very id.
      for (const id of record.decided ?? [])
        for (const { name, key } of anewKeys(id)) takeKey([name, key, id]);
      for (const id of record.duplicates ?? []) verdicts.set(id, [id, null, "duplicate"]);
    },

    /** What the base on disk tells of events whose decisions are not on record any more. */
    remember(all: readonly Verdict[]): void {
      for (const it of all) verdicts.set(it[0], it);
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
    decisionsOn(entry: Entry, record: BaseRecord | undefined, byServer: boolean): Decision[] {
      return entry.unit.map((event): Decision => {
        const { id } = event;
        const found =
          rejected.get(id) ?? unfit.get(id) ?? record?.rejected.find((it) => it.event.id === id);
        if (found !== undefined) {
          const { message, code, by, data } = found;
          const error = rejection(message, by === undefined ? undefined : code, data);
          return { id, status: "rejected", error };
        }
        const [, message, word] = verdicts.get(id) ?? [];
        if (typeof message === "string")
          return { id, status: "rejected", error: rejection(message, word) };
        if (word === "duplicate") return { id, status: "duplicate" };
        if (message === null || record?.superseded?.includes(id) === true)
          return { id, status: "superseded" };
        if (byServer) return { id, status: "accepted" };
        const key = dedupeKey(definition, event);
        const holder = key === undefined ? undefined : taken.get(key);
        return { id, status: holder === undefined || holder === id ? "accepted" : "duplicate" };
      });
    },
  };
}
