import { fuzzDamage } from "./damage.contract.ts";

fuzzDamage({
  factory: () => indexedDB,
  batches: 5,
  rounds: 10,
  counts: [40, 120, 200, 300, 350],
  seed: 10_000_000,
});
