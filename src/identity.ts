/** Whose data it is, and leaving it for good: `destroy` and `switchUser`. */
import { type Collection } from "./api.ts";
import { SyncError } from "./errors.ts";
import { show } from "./model/json.ts";
import { type Envelope } from "./model/log.ts";
import { type Turn } from "./registry.ts";
import { type ClockPort } from "./services/ports.ts";

export interface IdentityOptions<Actor> {
  /** Of the database. */
  readonly name: string;
  readonly clock: ClockPort;
  readonly turn: Turn;
  readonly outbox: Pick<Collection<Envelope>, "subscribe">;
  /** Events on this device without a decision, as far as this tab knows. */
  pending(): number;
  /** Whether the stored data was read: before, nobody knows what is undecided in it. */
  isRead(): boolean;
  isStopped(): boolean;
  stop(): Promise<void>;
  deleteData(): Promise<void>;
  /** Throws `SyncError` when an engine of that user could not be created now. */
  check(user: string | undefined): void;
  create(user: string | undefined): Actor;
}

/** ms; on a broken disk, and behind a frozen tab that holds the database, a deletion is never answered. */
const deletionDeadline = 10_000;
/** ms; what is not decided by then does not look as if it would be. */
const flushDeadline = 5000;

interface Options {
  readonly force?: boolean;
}

export function createIdentity<Actor>(options: IdentityOptions<Actor>) {
  const { name, clock, turn, pending } = options;
  let switching = false;

  function expectDecided(before: string, { force = false }: Options): void {
    if (force) return;
    if (!options.isRead())
      throw new SyncError("not_ready", `Expected the data to be read before ${before}, got none`);
    const count = pending();
    if (count === 0) return;
    const message = `Expected every event to be decided before ${before}, got ${count} undecided`;
    throw new SyncError("undecided", message, undefined, count);
  }

  function expectRunning(): void {
    if (options.isStopped())
      throw new SyncError("stopped", "Expected a running engine to switch from, got a stopped one");
  }

  async function deleteData(): Promise<void> {
    let timer: unknown;
    const silence = new Promise<"silence">((resolve) => {
      timer = clock.setTimeout(() => resolve("silence"), deletionDeadline);
    });
    try {
      if ((await Promise.race([options.deleteData(), silence])) === "silence")
        throw new Error("No answer: it goes when the other tabs of this app are closed");
    } catch (cause) {
      const message = `Expected the data to be deleted, got ${show(String(cause))}: it is still there`;
      throw new SyncError("storage_unavailable", message, cause);
    } finally {
      clock.clearTimeout(timer);
    }
  }

  /** Resolves when `isDone`, or it does not look as if it would be. */
  function flush(isDone: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        clock.clearTimeout(timer);
        unsubscribe();
        resolve();
      };
      const check = (): void => {
        if (isDone() || options.isStopped()) end();
      };
      const unsubscribe = options.outbox.subscribe(check);
      const timer = clock.setTimeout(end, flushDeadline);
      check();
    });
  }

  return {
    async destroy(how: Options = {}): Promise<void> {
      if (how.force !== true && !options.isRead()) await flush(options.isRead);
      if (!turn.isLatest()) {
        const message = `Expected nobody to use the data of "${name}", got an engine that was created since`;
        throw new SyncError("already_running", message);
      }
      expectDecided("destroy", how);
      const gone = options.stop().then(deleteData);
      // The next engine of this name begins after the deletion, or it would be deleted under it.
      turn.leave(gone.catch(() => undefined));
      await gone;
    },

    async switchUser(user: string | undefined, how: Options = {}): Promise<Actor> {
      expectRunning();
      if (switching)
        throw new SyncError("already_running", "Expected one switch of users at a time, got two");
      options.check(user);
      switching = true;
      try {
        if (how.force !== true) await flush(() => options.isRead() && pending() === 0);
        expectRunning();
        expectDecided("switchUser", how);
        // Others may have come meanwhile: nothing is stopped for a switch that fails.
        options.check(user);
        const stopped = options.stop();
        const actor = options.create(user);
        await stopped;
        return actor;
      } finally {
        switching = false;
      }
    },
  };
}
