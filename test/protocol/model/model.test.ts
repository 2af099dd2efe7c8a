import { describe, expect, test } from "vitest";
import { Violation, run } from "./check.ts";
import { type Mutant, mutants } from "./mutants.ts";

/** A seed that shows what is wrong without the rule. When the model changes, `npm run model -- --mutants` prints others. */
const shownBy: Readonly<Record<Mutant, number>> = {
  "no-hash": 38,
  "no-seen": 258,
  "no-id-check": 46,
  "no-id-unique": 3,
  "no-gap-check": 25,
  "pure-id": 25,
  "reeval-rejected": 17,
  "ids-die-with-log": 2,
  "drop-on-ack": 7,
  "trust-ack-pos": 318,
  "no-row-gate": 30,
  "no-stale-gate": 15,
  "no-cas": 101,
  "unfenced-attempt": 419,
  "blind-attempt": 46,
  "send-first": 27,
  "ack-under-old-id": 238,
  "unack-one": 749,
  "split-tx": 38,
  "tx-one-by-one": 3,
};

describe("the protocol", () => {
  test("G1 G3 G5 G13 decides each event once, loses none and converges, whatever the network, tabs, power and backups do", () => {
    const seen = new Set<string>();
    for (let seed = 1; seed <= 150; seed += 1)
      for (const what of run(seed).counts.keys()) seen.add(what);
    // What would make this test easy to pass.
    expect(Array.from(seen).toSorted()).toEqual([
      "attempt",
      "attempt behind the log",
      "attempt record lost",
      "fenced",
      "power cut",
      "profile copied",
      "restore",
    ]);
  }, 60_000);

  test("G5 tells nothing that a power cut makes untrue where attempt records survive it", () => {
    for (let seed = 1001; seed <= 1050; seed += 1)
      expect(run(seed, { strictAttempts: true }).forgotten).toBe(0);
  }, 60_000);

  test("G14 gives the same history for the same seed", () => {
    expect(run(9)).toEqual(run(9));
  });

  test.each(Object.entries(shownBy) as [Mutant, number][])(
    "fails without the rule that %s leaves out",
    (mutant, seed) => {
      expect(() => run(seed)).not.toThrow();
      expect(() => run(seed, { mutant })).toThrow(Violation);
      expect(Object.keys(mutants)).toHaveLength(Object.keys(shownBy).length);
    },
  );
});
