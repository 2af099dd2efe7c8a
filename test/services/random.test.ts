import { describe, expect, test } from "vitest";
import { systemRandom } from "../../src/services/system-random.ts";
import { createSeededRandom } from "../../src/testing/seeded-random.ts";
import { randomContract } from "./random.contract.ts";

describe("seeded random", () => {
  randomContract(() => createSeededRandom(1));
});
describe("system random in Node", () => {
  randomContract(() => systemRandom);
});

const draw = (seed: number, count = 16) => [...createSeededRandom(seed).bytes(count)];

test("G14 gives the same bytes for the same seed", () => {
  expect(draw(42, 1000)).toEqual(draw(42, 1000));
});

test("G14 keeps the bytes of a seed from version to version, so that a seed in a report stays useful", () => {
  expect(Buffer.from(draw(1)).toString("hex")).toBe("1420fe0214ba6be7db24d232e5769c87");
});

test("gives each seed bytes of its own, fractions and negative numbers too", () => {
  const seeds = [0, 1, 2, -1, 0.1, 0.2, 1e-300, 2 ** 31, 2 ** 32, 2 ** 32 + 1, 2 ** 53 - 1];
  for (let seed = 3; seed < 5000; seed += 1) seeds.push(seed);
  expect(new Set(seeds.map((seed) => draw(seed).join())).size).toBe(seeds.length);
});
