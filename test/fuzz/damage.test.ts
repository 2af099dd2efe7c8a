import "fake-indexeddb/auto";
import { IDBFactory } from "fake-indexeddb";
import { fuzzDamage } from "./damage.contract.ts";

fuzzDamage({
  factory: () => new IDBFactory(),
  batches: 2,
  rounds: 6,
  counts: [1, 10, 50, 100, 20, 150],
  // Another run: `SEED=7 npx vitest run --project unit test/fuzz`.
  seed: Number(process.env["SEED"] ?? 1) * 100_000,
});
