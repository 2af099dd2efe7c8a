import { fuzzDamage } from "./damage.contract.ts";

fuzzDamage({
  factory: () => indexedDB,
  batches: 5,
  rounds: 7,
  counts: [100, 200, 300, 350, 300, 400, 350],
  seed: 10_000_000,
});
