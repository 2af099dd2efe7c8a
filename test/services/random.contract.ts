import { expect, test } from "vitest";
import { type RandomPort } from "../../src/services/ports.ts";

/** What every RandomPort does. */
export const randomContract = (create: () => RandomPort): void => {
  test("gives as many bytes as asked for", () => {
    const random = create();
    for (const count of [0, 1, 3, 4, 5, 16, 257]) {
      expect(random.bytes(count)).toBeInstanceOf(Uint8Array);
      expect(random.bytes(count)).toHaveLength(count);
    }
  });

  test("gives other bytes at each call", () => {
    const random = create();
    const draws = Array.from({ length: 1000 }, () => random.bytes(16).join());
    expect(new Set(draws).size).toBe(1000);
  });

  test("gives every value a byte can have, about equally often", () => {
    const random = create();
    const counts = new Uint32Array(256);
    // 400 of each are expected; a fair source strays by 200 less than once in 10^20 runs.
    for (let i = 0; i < 1600; i += 1) for (const byte of random.bytes(64)) counts[byte]! += 1;
    expect(Math.min(...counts)).toBeGreaterThan(200);
    expect(Math.max(...counts)).toBeLessThan(600);
  });

  test("gives bytes that nobody else changes", () => {
    const random = create();
    const first = random.bytes(8);
    const copy = first.slice();
    random.bytes(8).fill(0);
    expect(first).toEqual(copy);
    expect(random.bytes(5).buffer.byteLength).toBe(5);
  });
};
