/** Chance, the same for the same seed. */
import { createSeededRandom } from "../../../src/testing/seeded-random.ts";

export interface Dice {
  fraction(): number;
  below(count: number): number;
  pick<T>(items: readonly T[]): T;
}

export function diceOf(seed: number): Dice {
  const random = createSeededRandom(seed);
  let pool: DataView = new DataView(new ArrayBuffer(0));
  let at = 0;
  const fraction = (): number => {
    if (at + 4 > pool.byteLength) {
      pool = new DataView(random.bytes(1024).buffer);
      at = 0;
    }
    const word = pool.getUint32(at);
    at += 4;
    return word / 2 ** 32;
  };
  const below = (count: number): number => Math.floor(fraction() * count);
  return { fraction, below, pick: (items) => items[below(items.length)] as (typeof items)[number] };
}
