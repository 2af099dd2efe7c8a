/** The end of a server: nobody is kept waiting, and nobody keeps it waiting. */
import { fixedLimits } from "../protocol/index.ts";
import { Failure } from "./failure.ts";
import { type Clock } from "./hooks.ts";

/** By hand: more than ten listeners of one `AbortSignal` are taken for a leak by Node.js, which says so on stderr. */
export interface Closing {
  readonly isOn: boolean;
  begin(): void;
  /** Calls `told` when it begins, until the function that it returns is called. */
  tell(told: () => void): () => void;
  /** Throws when it has begun. */
  check(): void;
  /** What a peer sends. A slow one is refused after as long as clients wait, and when the server is about to go. */
  receive<T>(sent: Promise<T>): Promise<T>;
}

/** `chance`: 0 ≤ n < 1, so that not all come back at once. */
export function createClosing(clock: Clock, chance: () => number): Closing {
  const waiting = new Set<() => void>();
  let isOn = false;
  const goingAway = (): Failure =>
    new Failure("unavailable", { retryAfter: Math.ceil(chance() * 5000) });
  function tell(told: () => void): () => void {
    if (isOn) told();
    else waiting.add(told);
    return () => waiting.delete(told);
  }
  return {
    get isOn() {
      return isOn;
    },
    begin() {
      isOn = true;
      for (const told of waiting) told();
    },
    tell,
    check() {
      if (isOn) throw goingAway();
    },
    async receive(sent) {
      let timer: unknown;
      let stay: (() => void) | undefined;
      const cut = new Promise<never>((_, reject) => {
        stay = tell(() => reject(goingAway()));
        const late = (): void => reject(new Failure("timeout", { retryAfter: 1000 }));
        timer = clock.setTimeout(late, fixedLimits.requestMs);
      });
      try {
        return await Promise.race([sent, cut]);
      } finally {
        clock.clearTimeout(timer);
        stay?.();
      }
    },
  };
}
