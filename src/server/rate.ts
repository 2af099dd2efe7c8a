import { type Clock } from "./hooks.ts";

/** How much each may do: so much at once, and again as much per minute. */
export interface RateLimiter {
  /** Takes `cost`. Otherwise ms until there is as much. */
  take(who: string, cost: number): number | undefined;
}

/** Buckets that are full again say nothing: they are forgotten, the oldest first. */
const mostBuckets = 10_000;

export function createRateLimiter(clock: Clock, perMinute: number): RateLimiter {
  const buckets = new Map<string, { level: number; at: number }>();
  return {
    take(who, cost) {
      if (perMinute === Infinity) return undefined;
      const now = clock.now();
      const { level, at } = buckets.get(who) ?? { level: perMinute, at: now };
      const filled = Math.min(perMinute, level + (Math.max(0, now - at) / 60_000) * perMinute);
      // One that costs more than there ever is passes when there is all.
      const needed = Math.min(cost, perMinute);
      const passes = filled >= needed;
      buckets.delete(who);
      buckets.set(who, { level: passes ? filled - needed : filled, at: now });
      const [oldest] = buckets.keys();
      if (buckets.size > mostBuckets && oldest !== undefined) buckets.delete(oldest);
      return passes ? undefined : Math.ceil(((needed - filled) / perMinute) * 60_000);
    },
  };
}
