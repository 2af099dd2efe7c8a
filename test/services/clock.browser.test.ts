import { afterEach, describe, expect, test, vi } from "vitest";
import { systemClock } from "../../src/services/system-clock.ts";
import { clockContract, pauseContract } from "./clock.contract.ts";

describe("system clock in Chromium", () => {
  {
    clockContract(() => ({ clock: systemClock, pass() {} }));
    pauseContract(systemClock);
  }
});

afterEach(() => {
  vi.unstubAllGlobals();
});

test("pauses where there is no scheduler", async () => {
  vi.stubGlobal("scheduler", undefined);
  await expect(systemClock.pause()).resolves.toBeUndefined();
});
