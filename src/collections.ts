/** What waits for somebody: `outbox`, `rejected`, `quarantine`. */
import { type Collection, type Quarantine, type QuarantineEntry } from "./api.ts";
import { type Follower } from "./follower.ts";
import { type Definition } from "./model/definition.ts";
import { type DismissRecord, type Envelope, type RejectedEvent } from "./model/log.ts";
import { anewId } from "./model/materialize.ts";
import { type Pipeline, type Receipt } from "./pipeline.ts";
import { createListeners } from "./publisher.ts";
import { createQuarantine, missing, todayOf } from "./quarantine.ts";

export interface CollectionsOptions {
  readonly definition: Definition;
  readonly follower: Follower;
  readonly pipeline: Pipeline;
  /** Commits as one; under these ids what is committed anew. */
  commit(events: unknown, ids: readonly string[]): Receipt;
  /** Throws where nothing is written any more; a promise while the data is loaded. */
  whenOpen(): Promise<void> | undefined;
  isEnded(): boolean;
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
    // What does not apply here may apply there: it stays in the outbox until the server says so.
    if (replica.byServer()) return Array.from(replica.rejected.values());
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
    ids: readonly string[],
    rows?: DismissRecord["rows"],
  ): Promise<void> {
    const done = pipeline.dismiss(from, ids, rows);
    options.flush();
    await done;
  }

  /** Whether an event is listed that the leader has not put on record yet: it may still be decided otherwise. */
  const isUndecided = (id: string): boolean =>
    !options.isEnded() &&
    Array.from(follower.replica.failed).some(
      ({ position, unit }) => position !== null && unit.some((event) => event.id === id),
    );

  /** Whoever deals with an event comes after its decision. A promise only where there is something to wait for. */
  function whenDecided(id: string): Promise<void> | undefined {
    if (!isUndecided(id)) return options.whenOpen();
    return new Promise<void>((resolve) => {
      const end = listeners.add(() => {
        if (isUndecided(id)) return;
        end();
        resolve();
      });
    }).then(options.whenOpen);
  }

  /** Of events that were committed anew here: whoever goes through a list comes to the others of a commit as well. */
  const tried = new Set<string>();

  /**
   * Commits an event anew, with the others of its commit that still wait (G3). First the new commit is safe, then the old one
   * goes; whoever comes between commits it under the same ids, which is committing it once (G5).
   */
  async function commitAnew(
    waiting: ReadonlyMap<string, RejectedEvent>,
    id: string,
    inputOf: (event: Envelope) => unknown,
  ): Promise<void> {
    const decided = whenDecided(id);
    if (decided !== undefined) await decided;
    const named = waiting.get(id)?.event;
    if (named === undefined && tried.has(id)) return;
    if (named === undefined) throw missing(id);
    const events = Array.from(waiting.values(), ({ event }) => event);
    const unit = events.filter((it) => it === named || (it.tx ?? it) === named.tx);
    const inputs: unknown[] = [];
    for (const event of unit) {
      const input = inputOf(event);
      inputs.push(input instanceof Promise ? await input : input);
    }
    const ids = unit.map((event) => event.id);
    await options.commit(inputs, ids.map(anewId)).durable;
    for (const it of ids) tried.add(it);
    await dismiss("rejected", ids);
  }

  async function discard(
    from: DismissRecord["from"],
    id: string,
    waiting: ReadonlyMap<string, unknown>,
  ): Promise<void> {
    const decided = whenDecided(id);
    if (decided !== undefined) await decided;
    if (!waiting.has(id)) throw missing(id);
    await dismiss(from, [id]);
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
      await commitAnew(follower.replica.rejected, id, (event) =>
        todayOf(options.definition, event),
      );
    },
    async discard(id) {
      await discard("rejected", id, follower.replica.rejected);
    },
    subscribe,
  };

  const waiting = createQuarantine({
    definition: options.definition,
    follower,
    commit: options.commit,
    commitAnew,
    whenOpen: options.whenOpen,
    discard,
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

export type Collections = ReturnType<typeof createCollections>;
