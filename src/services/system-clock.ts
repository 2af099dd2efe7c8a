/**
 * The clock and the event loop.
 *
 * Failure modes:
 * - Wall-clock time jumps, backwards too: when it is set, and when a device wakes.
 * - Timers are late: once a second or once a minute in a hidden page, not at all in a frozen one.
 * - A delay of more than 24.8 days overflows and would fire at once; it is cut to that instead.
 */
import { type ClockPort } from "./ports.ts";

/** The longest delay that `setTimeout` knows, in ms. */
const LONGEST = 2 ** 31 - 1;

/** Not `setTimeout`: nested ones wait 4 ms, and those of a hidden page a second. */
export const nextTask = (): Promise<void> =>
  new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.addEventListener("message", () => {
      port1.close();
      resolve();
    });
    port1.start();
    port2.postMessage(null);
  });

/** The real clock. */
export const systemClock: ClockPort = {
  now: () => Date.now(),
  setTimeout: (fn, ms) => setTimeout(fn, Math.min(ms, LONGEST)),
  clearTimeout: (id) => clearTimeout(id as number | undefined),
  pause() {
    const { scheduler } = globalThis as { scheduler?: { yield?(): Promise<void> } };
    // It rejects when the task that called us was posted with a signal that has been aborted since.
    return scheduler?.yield?.().catch(nextTask) ?? nextTask();
  },
};
