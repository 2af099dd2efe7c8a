/** Time in memory: it passes when the test says so, and no other timer is involved. */
import { type ClockPort } from "../services/ports.ts";

export interface VirtualClock extends ClockPort {
  /**
   * Lets `ms` pass. Calls what falls due in order of time, ties in order of creation, timers that are set meanwhile
   * included. What the calls do in promises happens later; to let it happen between two timers, advance to `next()`.
   */
  advance(ms: number): void;
  /** When the next timer falls due, in ms since the epoch; null when there is none. */
  next(): number | null;
}

interface Timer {
  readonly at: number;
  readonly fn: () => void;
}

/** Creates a clock that stands at `now`, in ms since the epoch. */
export const createVirtualClock = ({ now = 0 }: { readonly now?: number } = {}): VirtualClock => {
  let time = now;
  let lastId = 0;
  // In order of creation, so that the first of the earliest is the one to call.
  const timers = new Map<number, Timer>();

  const earliest = (): readonly [id: number, timer: Timer] | null => {
    let found: readonly [number, Timer] | null = null;
    for (const entry of timers) if (found === null || entry[1].at < found[1].at) found = entry;
    return found;
  };

  return {
    now: () => time,
    setTimeout(fn, ms) {
      lastId += 1;
      // As in browsers, what is no time at all (NaN too) is 0.
      timers.set(lastId, { at: time + (ms > 0 ? ms : 0), fn });
      return lastId;
    },
    clearTimeout(id) {
      timers.delete(id as number);
    },
    // A microtask: the same under fake timers, and in the same order in every run.
    pause: () => Promise.resolve(),
    advance(ms) {
      const end = time + ms;
      for (let due = earliest(); due !== null && due[1].at <= end; due = earliest()) {
        const [id, timer] = due;
        timers.delete(id);
        time = timer.at;
        timer.fn();
      }
      // Not backwards: a timer may have advanced the clock itself.
      time = Math.max(time, end);
    },
    next: () => earliest()?.[1].at ?? null,
  };
};
