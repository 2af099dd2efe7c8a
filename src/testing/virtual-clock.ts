/** Time in memory: it passes when the test says so, and no other timer is involved. */
import { type ClockPort } from "../services/ports.ts";

export interface VirtualClock extends ClockPort {
  /**
   * Lets `ms` pass. Calls what falls due in order of time, ties in order of creation, timers that are set meanwhile
   * included. What the calls do in promises happens later; to let it happen between two timers, advance to `next()`.
   */
  advance(ms: number): void;
  /** Lets time go on to `time` without a call, as for a frozen page: what fell due is called by `fire`. */
  skipTo(time: number): void;
  /** Calls the first timer that is due. False: none is. */
  fire(): boolean;
  /** When the next timer falls due, in ms since the epoch; null when there is none. */
  next(): number | null;
}

interface Timer {
  readonly at: number;
  readonly fn: () => void;
}

/** Creates a clock that stands at `now`, in ms since the epoch. `pause`: default a microtask. */
export const createVirtualClock = ({
  now = 0,
  pause = () => Promise.resolve(),
}: { readonly now?: number; readonly pause?: ClockPort["pause"] } = {}): VirtualClock => {
  let time = now;
  let lastId = 0;
  // In order of creation, so that the first of the earliest is the one to call.
  const timers = new Map<number, Timer>();

  const earliest = (): readonly [id: number, timer: Timer] | null => {
    let found: readonly [number, Timer] | null = null;
    for (const entry of timers) if (found === null || entry[1].at < found[1].at) found = entry;
    return found;
  };

  const call = ([id, timer]: readonly [id: number, timer: Timer]): void => {
    timers.delete(id);
    timer.fn();
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
    // A microtask is the same under fake timers, and in the same order in every run.
    pause,
    advance(ms) {
      const end = time + ms;
      for (let due = earliest(); due !== null && due[1].at <= end; due = earliest()) {
        time = Math.max(time, due[1].at);
        call(due);
      }
      // Not backwards: a timer may have advanced the clock itself.
      time = Math.max(time, end);
    },
    skipTo(to) {
      time = Math.max(time, to);
    },
    fire() {
      const due = earliest();
      if (due === null || due[1].at > time) return false;
      call(due);
      return true;
    },
    next: () => earliest()?.[1].at ?? null,
  };
};
