/** Calls the app's functions: what they throw is told apart from what the server throws, and none runs without end. */
import { type ClockPort } from "../services/ports.ts";
import { HookFailure } from "./failure.ts";

export type Clock = Pick<ClockPort, "now" | "setTimeout" | "clearTimeout">;

export interface Deadline {
  /** Calls a hook. Rejects with `HookFailure` when it throws, and when time is up. */
  call<T>(where: string, hook: () => T | Promise<T>, before?: number): Promise<T>;
}

/** One deadline for all hooks of a request. */
export function createDeadline(clock: Clock, ms: number): Deadline {
  const end = clock.now() + ms;
  return {
    async call(where, hook, before) {
      try {
        const result = hook();
        // Most hooks answer at once, and a timer for each would cost more than they do.
        if (!(result instanceof Promise)) return result;
        let timer: unknown;
        const late = new Promise<never>((_, reject) => {
          timer = clock.setTimeout(
            () => reject(new HookFailure(where, "timeout", undefined, before)),
            Math.max(0, end - clock.now()),
          );
        });
        return await Promise.race([result, late]).finally(() => clock.clearTimeout(timer));
      } catch (error) {
        if (error instanceof HookFailure) throw error;
        throw new HookFailure(where, "unavailable", error, before);
      }
    },
  };
}
