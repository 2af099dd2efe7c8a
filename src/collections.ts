/** What waits for somebody: `outbox`, `rejected`, `quarantine`. */
import { type Collection, type Quarantine, type QuarantineEntry } from "./api.ts";
import { SyncError } from "./errors.ts";
import { type Follower } from "./follower.ts";
import { type Definition } from "./model/definition.ts";
import { type DismissRecord, type Envelope, type RejectedEvent } from "./model/log.ts";
import { payloadOf } from "./model/migrate.ts";
import { type Pipeline, type Receipt } from "./pipeline.ts";
import { createListeners } from "./publisher.ts";
import { createQuarantine, missing } from "./quarantine.ts";

export interface CollectionsOptions {
  readonly definition: Definition;
  readonly follower: Follower;
  readonly pipeline: Pipeline;
  commit(events: unknown): Receipt;
  /** Tells the commit machine that there is something to write. */
  flush(): void;
  /** Tries at once what waits to be tried again. */
  hurry(): void;
  quarantined(entries: readonly QuarantineEntry[]): void;
  withdrawn(entries: Parameters<Follower["remove"]>[0]): void;
}

export function createCollections(options: CollectionsOptions) {
  const { follower, pipeline } = options;
  const listeners = createListeners<[]>();

  /** Undecided events, in the order they will be decided in. */
  function listOutbox(): Envelope[] {
    return follower.replica.overlay
      .filter((entry) => !entry.told && entry.outcome?.tag !== "superseded")
      .flatMap((entry) => entry.unit);
  }

  /** Rejected ones: on record, and those that the next base record will put on record. */
  function listRejected(): RejectedEvent[] {
    const { replica } = follower;
    const conflicted = Array.from(replica.failed).flatMap((entry) => {
      const { outcome } = entry;
      // What is not understood is in quarantine.
      if (entry.position === null || outcome?.tag !== "failed" || entry.invalid !== undefined)
        return [];
      return entry.unit.map((event) => ({
        event,
        code: "conflict",
        message: outcome.error.message,
      }));
    });
    return [...replica.rejected.values(), ...conflicted];
  }

  async function dismiss(
    from: DismissRecord["from"],
    id: string,
    rows?: DismissRecord["rows"],
  ): Promise<void> {
    const done = pipeline.dismiss(from, [id], rows);
    options.flush();
    await done;
  }

  const subscribe = (listener: () => void): (() => void) => listeners.add(listener);

  const outbox: Collection<Envelope> = {
    get size() {
      return listOutbox().length;
    },
    list: listOutbox,
    async retry(id) {
      if (!listOutbox().some((event) => event.id === id)) throw missing(id);
      options.hurry();
    },
    async discard(id) {
      const entries = pipeline.withdraw(id);
      if (entries === undefined) throw missing(id);
      options.withdrawn(entries);
    },
    subscribe,
  };

  const rejected: Collection<RejectedEvent> = {
    get size() {
      const { replica } = follower;
      return replica.failed.size === 0 ? replica.rejected.size : listRejected().length;
    },
    list: listRejected,
    async retry(id) {
      const found = follower.replica.rejected.get(id);
      if (found === undefined) throw missing(id);
      const { name } = found.event;
      const today = payloadOf(options.definition, found.event);
      if ("issue" in today)
        throw new SyncError("invalid_payload", `Expected a payload of today. ${today.issue}`);
      // First the new commit is safe, then the old one goes.
      await options.commit({ name, payload: today.value }).durable;
      await dismiss("rejected", id);
    },
    async discard(id) {
      if (!follower.replica.rejected.has(id)) throw missing(id);
      await dismiss("rejected", id);
    },
    subscribe,
  };

  const waiting = createQuarantine({
    definition: options.definition,
    follower,
    commit: options.commit,
    dismiss,
  });
  const quarantine: Quarantine = {
    get size() {
      return waiting.size();
    },
    list: waiting.list,
    retry: waiting.retry,
    export: waiting.export,
    discard: waiting.discard,
    subscribe,
  };

  return {
    outbox: Object.freeze(outbox),
    rejected: Object.freeze(rejected),
    quarantine: Object.freeze(quarantine),
    changed: () => {
      const entries = waiting.news();
      if (entries.length > 0) options.quarantined(entries);
      if (listeners.size > 0) listeners.call();
    },
  };
}
