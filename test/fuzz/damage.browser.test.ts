import { fuzzDamage } from "./damage.contract.ts";

/** 2,000 damaged records each. All 10,000: `VITE_FUZZ=5 npx vitest run --project browser test/fuzz`. */
const batches = Number((import.meta.env as Record<string, string | undefined>)["VITE_FUZZ"] ?? 1);

fuzzDamage({
  factory: () => indexedDB,
  batches,
  rounds: 7,
  counts: [100, 200, 300, 350, 300, 400, 350],
  seed: 10_000_000,
});
