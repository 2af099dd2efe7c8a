// @ts-check
/** `npm run simulate -- --seeds N [--seed S] [--only alone|server]`: random histories on virtual devices. */
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { runnerImport } from "vite";

/** @param {string} name @param {number} otherwise */
function option(name, otherwise) {
  const at = process.argv.indexOf(`--${name}`);
  if (at === -1) return otherwise;
  const value = Number(process.argv[at + 1]);
  if (Number.isSafeInteger(value)) return value;
  throw new Error(`Expected --${name} to be a whole number, got ${String(process.argv[at + 1])}`);
}

const here = dirname(fileURLToPath(import.meta.url));
/** @type {{ module: typeof import("./simulate.ts") }} */
const { module } = await runnerImport(join(here, "simulate.ts"), {
  configFile: false,
  logLevel: "error",
});
/** @type {readonly import("./simulate.ts").Sort[]} */
const both = ["alone", "server"];
const chosen = process.argv[process.argv.indexOf("--only") + 1];
const sorts = process.argv.includes("--only") ? both.filter((it) => it === chosen) : both;
if (sorts.length === 0) throw new Error(`Expected --only to be alone or server, got ${chosen}`);
const only = process.argv.includes("--seed");
const first = option("seed", 1);
const seeds = option("seeds", only ? 1 : 100);

/** @type {Map<string, number>} */
const counts = new Map();
const began = performance.now();
/** After so many it is clear that something is wrong. */
const mostFailures = 5;
let steps = 0;
let failed = 0;
outer: for (let seed = first; seed < first + seeds; seed += 1)
  for (const sort of sorts) {
    const all = module.stepsOfSeed(seed, sort);
    const outcome = await module.run(seed, all, sort);
    steps += all.length;
    for (const [what, count] of outcome.counts) counts.set(what, (counts.get(what) ?? 0) + count);
    if (only && seeds === 1) console.log(outcome.story.join("\n"));
    if (outcome.failure === undefined) continue;
    failed += 1;
    await module.simulate(seed, sort).catch((error) => console.log(`\n${error.message}\n`));
    if (failed >= mostFailures) break outer;
  }
const seconds = (performance.now() - began) / 1000;
console.table(Object.fromEntries(Array.from(counts).toSorted(([a], [b]) => (a < b ? -1 : 1))));
console.log(`${seeds} seeds, ${steps} steps, ${seconds.toFixed(1)} s, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
