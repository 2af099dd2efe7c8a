import { afterEach, describe, expect, test, vi } from "vitest";
import { systemClock } from "../../src/services/system-clock.ts";
import { createVirtualClock } from "../../src/testing/virtual-clock.ts";
import { clockContract, pauseContract } from "./clock.contract.ts";

describe("virtual clock", () => {
  clockContract(() => {
    const clock = createVirtualClock({ now: Date.UTC(2026, 0) });
    return { clock, pass: (ms) => clock.advance(ms) };
  });
});
describe("system clock in Node", () => {
  clockContract(() => ({ clock: systemClock, pass() {} }));
  pauseContract(systemClock);
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

test("pauses by scheduler.yield where it exists", async () => {
  const yields = vi.fn<() => Promise<void>>(() => Promise.resolve());
  vi.stubGlobal("scheduler", { yield: yields });
  await systemClock.pause();
  expect(yields).toHaveBeenCalledOnce();
});

test("pauses all the same when scheduler.yield belongs to a task that was aborted", async () => {
  vi.stubGlobal("scheduler", { yield: () => Promise.reject(new DOMException("", "AbortError")) });
  await expect(systemClock.pause()).resolves.toBeUndefined();
});

describe("virtual clock", () => {
  test("stands still between two calls of advance", () => {
    const clock = createVirtualClock({ now: 1000 });
    clock.setTimeout(expect.unreachable, 1);
    expect(clock.now()).toBe(1000);
    clock.advance(0);
    expect([clock.now(), clock.next()]).toEqual([1000, 1001]);
  });

  test("tells each timer the time for which it was set", () => {
    const clock = createVirtualClock();
    const times: number[] = [];
    clock.setTimeout(() => {
      times.push(clock.now());
      clock.setTimeout(() => times.push(clock.now()), 10);
    }, 5);
    clock.setTimeout(() => times.push(clock.now()), 20);
    clock.advance(30);
    expect([times, clock.now(), clock.next()]).toEqual([[5, 15, 20], 30, null]);
  });

  test("calls timers of the same time in the order in which they were set, whichever their delay", () => {
    const clock = createVirtualClock();
    const diary: string[] = [];
    clock.setTimeout(() => diary.push("first"), 10);
    clock.advance(5);
    clock.setTimeout(() => diary.push("second"), 5);
    clock.setTimeout(() => clock.setTimeout(() => diary.push("third"), 3), 2);
    clock.advance(5);
    expect(diary).toEqual(["first", "second", "third"]);
  });

  test("does not call a timer that an earlier timer cleared", () => {
    const clock = createVirtualClock();
    const id = clock.setTimeout(expect.unreachable, 2);
    clock.setTimeout(() => clock.clearTimeout(id), 1);
    clock.advance(5);
    expect(clock.next()).toBeNull();
  });

  test("never goes back when a timer advances the clock", () => {
    const clock = createVirtualClock();
    const times: number[] = [];
    clock.setTimeout(() => clock.advance(100), 1);
    clock.setTimeout(() => times.push(clock.now()), 2);
    clock.advance(5);
    expect([times, clock.now()]).toEqual([[2], 101]);
  });

  test("goes on after a timer that throws", () => {
    const clock = createVirtualClock();
    const diary: number[] = [];
    clock.setTimeout(() => {
      throw new Error("timer");
    }, 1);
    clock.setTimeout(() => diary.push(clock.now()), 2);
    expect(() => clock.advance(5)).toThrow("timer");
    clock.advance(5);
    expect(diary).toEqual([2]);
  });

  test("takes what is no delay for none", () => {
    const clock = createVirtualClock({ now: 7 });
    const times: number[] = [];
    for (const ms of [-5, Number.NaN]) clock.setTimeout(() => times.push(clock.now()), ms);
    clock.advance(0);
    expect(times).toEqual([7, 7]);
  });

  test("pauses under fake timers", async () => {
    vi.useFakeTimers();
    await expect(createVirtualClock().pause()).resolves.toBeUndefined();
  });
});
