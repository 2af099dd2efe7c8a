/** The rounds of a run, in databases of their own. */
import { expect, test, vi } from "vitest";
import { keyText } from "./damage.ts";
import { playRound } from "./round.ts";
import { makeTemplate } from "./template.ts";

interface FuzzOptions {
  readonly factory: () => IDBFactory;
  /** A template is filled once per batch. */
  readonly batches: number;
  readonly rounds: number;
  /** Damaged records per round, in turn. */
  readonly counts: readonly number[];
  readonly seed: number;
}

/** Each number is a seed: `playRound` with it and the same template gives the same damage. */
export function fuzzDamage({ factory, batches, rounds, counts, seed }: FuzzOptions): void {
  test.for(Array.from({ length: batches }, (_, batch) => seed + batch * 1000))(
    "G6 G8 G9 whatever is damaged, what is not is there, and what is is kept (seeds from %i)",
    { timeout: 120_000 },
    async (first) => {
      const complaints = [vi.spyOn(console, "error"), vi.spyOn(console, "warn")];
      const databases = factory();
      const template = await makeTemplate(databases, first);
      let inflicted = 0;
      let undamaged = 0;
      let failed = 0;
      for (let at = 0; at < rounds; at += 1) {
        const plan = {
          count: counts[at % counts.length] as number,
          meta: at % 5 === 4,
          huge: at % 3 === 2,
        };
        const round = await playRound(databases, template, first + at, plan);
        inflicted += round.damages.length;
        undamaged += round.undamaged;
        if (round.end === "failed") failed += 1;
        const damages = round.damages.map(
          ({ store, key, kind }) => `${store} ${keyText(key)}: ${kind}`,
        );
        expect({ seed: first + at, plan, faults: round.faults, damages }).toEqual({
          seed: first + at,
          plan,
          faults: [],
          damages,
        });
      }
      for (const complaint of complaints) expect(complaint.mock.calls).toEqual([]);
      expect(undamaged).toBeGreaterThan(rounds * 100);
      console.log(
        `seeds from ${first}: ${inflicted} damaged records in ${rounds} databases, ${undamaged} rows undamaged, ${failed} not opened`,
      );
    },
  );
}
