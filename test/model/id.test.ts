import { expect, test } from "vitest";
import { createId, createIdMaker } from "../../src/model/id.ts";
import { createSeededRandom } from "../../src/testing/seeded-random.ts";

const form = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const maker = (now: () => number) => {
  const random = createSeededRandom(1);
  return createIdMaker(now, (count) => random.bytes(count));
};

test("makes UUIDs of version 7 with the time in front", () => {
  const id = maker(() => 1_700_000_000_123)();
  expect(id).toMatch(form);
  expect(parseInt(id.slice(0, 8) + id.slice(9, 13), 16)).toBe(1_700_000_000_123);
  expect(createId()).toMatch(form);
});

test("makes ids that sort by the order they were made in, also when the clock stands or goes back", () => {
  let now = 1_700_000_000_000;
  const make = maker(() => now);
  const ids: string[] = [];
  for (let count = 0; count < 20_000; count += 1) {
    if (count % 7000 === 0) now -= 5;
    if (count % 9000 === 0) now += 3;
    ids.push(make());
  }
  expect(ids.toSorted()).toEqual(ids);
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids.every((id) => form.test(id))).toBe(true);
});

test("makes right ids from a clock with fractions of a millisecond", () => {
  let now = 1_700_000_000_000.25;
  const make = maker(() => (now += 0.4));
  const ids = Array.from({ length: 10 }, make);
  expect(ids.every((id) => form.test(id))).toBe(true);
  expect(ids.toSorted()).toEqual(ids);
});
