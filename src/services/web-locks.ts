/**
 * Web Locks (`navigator.locks`).
 *
 * Failure modes:
 * - A frozen page keeps its lock, and so does one in the back/forward cache: waiting alone is not enough to relieve a
 *   holder. Owners release on `freeze` and `pagehide`; others may steal.
 * - A stolen lock is learned of late (a frozen page: when it resumes), by an `AbortError`, while the old holder's code
 *   goes on. Whatever the lock protects needs a fence of its own.
 * - Chromium 156 can leave a queue stuck after it evicted a holder from the back/forward cache. Leaving the queue,
 *   `query` and `steal` each set it going again.
 * - Names that start with "-", documents without an origin (sandboxed frames) and documents that are gone are refused.
 */
import { type LockPort } from "./ports.ts";

/** Wraps a lock manager. It always queues and never asks `ifAvailable`: a tab refused once would never be asked again. */
export const createWebLocks = (locks: LockManager): LockPort => ({
  request(name, handlers, options) {
    let state: "waiting" | "held" | "over" = "waiting";
    let letGo: (() => void) | undefined;
    const leave = new AbortController();

    const granted = (): Promise<void> | undefined => {
      // The grant was under way when the request was released: give the lock back at once.
      if (state === "over") return undefined;
      state = "held";
      return new Promise((resolve) => {
        letGo = resolve;
        handlers.granted();
      });
    };
    const rejected = (error: unknown): void => {
      const before = state;
      state = "over";
      if (before === "held") handlers.lost();
      if (before === "waiting") handlers.failed(error);
    };

    // `steal` cannot be combined with a signal. It has no need of one: it does not wait.
    const how = options?.steal === true ? { steal: true } : { signal: leave.signal };
    locks.request(name, how, granted).catch(rejected);

    return () => {
      state = "over";
      leave.abort();
      letGo?.();
    };
  },

  async query(name) {
    const { held = [], pending = [] } = await locks.query();
    return {
      held: held.some((lock) => lock.name === name),
      waiting: pending.filter((lock) => lock.name === name).length,
    };
  },
});
