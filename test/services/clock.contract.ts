import { expect, test } from "vitest";
import { type ClockPort } from "../../src/services/ports.ts";

/** A clock, and a way to let time pass on it; time that passes by itself needs none. */
export interface ClockSubject {
  readonly clock: ClockPort;
  readonly pass: (ms: number) => void;
}

/** Sets timers that write their delay in the diary; resolves when the one of `last` ms was called. */
const run = async ({ clock, pass }: ClockSubject, delays: readonly number[], last: number) => {
  const diary: number[] = [];
  const done = new Promise<void>((resolve) => {
    for (const ms of delays) {
      clock.setTimeout(() => {
        diary.push(ms);
        if (ms === last) resolve();
      }, ms);
    }
  });
  expect(diary).toEqual([]);
  pass(last);
  await done;
  return diary;
};

/** What every ClockPort does. */
export const clockContract = (create: () => ClockSubject): void => {
  test("calls timers in the order of their delays", async () => {
    expect(await run(create(), [20, 5, 10], 20)).toEqual([5, 10, 20]);
  });

  test("calls timers of one delay in the order in which they were set", async () => {
    const { clock, pass } = create();
    const diary: string[] = [];
    await new Promise<void>((resolve) => {
      for (const who of ["a", "b", "c"]) clock.setTimeout(() => diary.push(who), 5);
      clock.setTimeout(resolve, 5);
      pass(5);
    });
    expect(diary).toEqual(["a", "b", "c"]);
  });

  test("calls a timer of no delay later, not at once", async () => {
    expect(await run(create(), [0], 0)).toEqual([0]);
  });

  test("calls a timer that another timer set", async () => {
    const { clock, pass } = create();
    const diary: string[] = [];
    await new Promise<void>((resolve) => {
      clock.setTimeout(() => {
        diary.push("first");
        clock.setTimeout(resolve, 1);
      }, 1);
      pass(2);
    });
    expect(diary).toEqual(["first"]);
  });

  test("does not call a timer that was cleared", async () => {
    const place = create();
    const diary: string[] = [];
    const id = place.clock.setTimeout(() => diary.push("cleared"), 1);
    place.clock.clearTimeout(id);
    place.clock.clearTimeout(id);
    await run(place, [5], 5);
    expect(diary).toEqual([]);
  });

  test("clears nothing when there is no such timer", () => {
    const { clock } = create();
    expect(() => clock.clearTimeout(undefined)).not.toThrow();
  });

  test("does not call a timer of a month at once", async () => {
    const place = create();
    const month = 30 * 24 * 3_600_000;
    const diary: string[] = [];
    const id = place.clock.setTimeout(() => diary.push("a month later"), month);
    await run(place, [5], 5);
    place.clock.clearTimeout(id);
    expect(diary).toEqual([]);
  });

  test("tells the time in ms since the epoch", () => {
    const { clock } = create();
    expect(new Date(clock.now()).getUTCFullYear()).toBeGreaterThanOrEqual(2025);
  });

  test("pauses without time having to pass", async () => {
    const { clock } = create();
    const diary: string[] = [];
    const paused = clock.pause().then(() => diary.push("resumed"));
    diary.push("paused");
    await paused;
    expect(diary).toEqual(["paused", "resumed"]);
  });
};

/** What every ClockPort does but the virtual one, which pauses for a microtask only. */
export const pauseContract = (clock: ClockPort): void => {
  test("resumes in a later task, when all microtasks are done", async () => {
    let done = 0;
    const count = async (): Promise<void> => {
      done += 1;
      await Promise.resolve();
      if (done < 1000) await count();
    };
    const counted = count();
    await clock.pause();
    expect(done).toBe(1000);
    await counted;
  });
};
