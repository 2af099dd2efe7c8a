/** 200 random histories of a device alone, and 40 of devices with a server; `npm run simulate -- --seeds 5000` runs more. */
import { describe, expect, test } from "vitest";
import { run, shrink, simulate, stepsOfSeed } from "./simulate.ts";

/** So many seeds in one test. */
const size = 25;
const firsts = Array.from({ length: 200 / size }, (_, at) => 1 + at * size);

describe("G1 G2 G3 G5 G6 G7 G10 G13 whatever happens, after every step", () => {
  test.each(firsts)(
    "every tab shows what the log was, and what is durable stays (from seed %i)",
    async (first) => {
      const failures: string[] = [];
      for (let seed = first; seed < first + size; seed += 1)
        failures.push((await simulate(seed)).failure ?? "");
      expect(failures.filter(Boolean)).toEqual([]);
    },
    120_000,
  );
});

describe("G1 G2 G3 G4 G5 G6 G7 G10 G13 whatever happens with a server, after every step", () => {
  test.each([1, 11, 21, 31])(
    "every event is decided once, and every base is the server's log (from seed %i)",
    async (first) => {
      const failures: string[] = [];
      for (let seed = first; seed < first + 10; seed += 1)
        failures.push((await simulate(seed, "server")).failure ?? "");
      expect(failures.filter(Boolean)).toEqual([]);
    },
    240_000,
  );
});

test.each(["alone", "server"] as const)(
  "G14 a seed gives the same history, task by task, %s",
  async (sort) => {
    const first = await run(3, stepsOfSeed(3, sort), sort);
    const again = await run(3, stepsOfSeed(3, sort), sort);
    expect(first.trace.length).toBeGreaterThan(200);
    expect(again).toEqual(first);
  },
);

test("a history that fails is made as short as it can be", async () => {
  const steps = stepsOfSeed(5);
  const short = await shrink(5, steps, "too cold", async (_, left) => ({
    failure: left.some(({ kind }) => kind === "freeze") ? "too cold" : undefined,
  }));
  expect(steps.length).toBeGreaterThanOrEqual(50);
  expect(short.map(({ kind }) => kind)).toEqual(["freeze"]);
});
