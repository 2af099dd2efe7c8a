import { createSeededRandom } from "../../src/testing/seeded-random.ts";

/** Chance that is the same in every run of one seed. */
export function createDice(seed: number) {
  const random = createSeededRandom(seed);
  const word = (): number => new DataView(random.bytes(4).buffer).getUint32(0);
  const below = (limit: number): number => word() % limit;
  const pick = <T>(list: readonly T[]): T => list[below(list.length)] as T;
  return { below, pick, chance: (percent: number): boolean => below(100) < percent };
}

export type Dice = ReturnType<typeof createDice>;
