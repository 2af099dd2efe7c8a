// @ts-check
/**
 * `npm run bench`: measures in real Chromium, prints the figures and exits with 1 when a bound is missed.
 *
 *   --only <names>        only these measurements, separated by commas
 *   --contenders <names>  only these of limit, by-hand, sssync: bounds that need another one are not judged
 *   --rounds <factor>     that many times the rounds, for steadier medians
 *   --sqlite              with Chromium's newer storage backend
 *   --json                prints every sample as JSON, too
 */
import { parseArgs } from "node:util";
import { serve } from "./browser.mjs";
import { measurements } from "./measurements.mjs";

const files = { limit: "limit-contender.ts", "by-hand": "by-hand.ts", sssync: "sssync.ts" };

const { values: options } = parseArgs({
  options: {
    only: { type: "string" },
    contenders: { type: "string", default: Object.keys(files).join(",") },
    rounds: { type: "string", default: "1" },
    sqlite: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});

/** @type {(what: string, asked: readonly string[], known: readonly string[]) => void} */
function expectKnown(what, asked, known) {
  for (const name of asked)
    if (!known.includes(name))
      throw new Error(`Expected ${what} to be of ${known.join(", ")}, got "${name}"`);
}

/** @type {(samples: readonly number[] | undefined) => number | undefined} */
function median(samples) {
  const sorted = samples?.toSorted((a, b) => a - b) ?? [];
  const half = sorted.length >> 1;
  const upper = sorted[half];
  const lower = sorted.length % 2 ? upper : sorted[half - 1];
  return upper === undefined || lower === undefined ? undefined : (upper + lower) / 2;
}

/** @type {(value: number) => string} */
const short = (value) => value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0);

/** @typedef {"met" | "MISSED" | "not judged"} Verdict */

/** @type {(bound: import("./measurements.mjs").Bound, figures: ReadonlyMap<string, number>, unit: string) => { text: string, verdict: Verdict }} */
function judge({ of, by, atMost, faster }, figures, unit) {
  const figure = figures.get(of);
  const base = by === undefined ? 1 : figures.get(by);
  const goal =
    faster === undefined
      ? `at most ${atMost} ${by === undefined ? unit : `× ${by}`}`
      : `at least ${faster} × faster than ${by}`;
  if (figure === undefined || base === undefined) return { text: goal, verdict: "not judged" };
  const ratio = faster === undefined ? figure / base : base / figure;
  const met = faster === undefined ? ratio <= (atMost ?? 0) : ratio >= faster;
  const text = `${goal}: ${short(ratio)}${by === undefined ? ` ${unit}` : " ×"}`;
  return { text, verdict: met ? "met" : "MISSED" };
}

const contenders = options.contenders.split(",");
expectKnown("--contenders", contenders, Object.keys(files));
const names = measurements.map((measurement) => measurement.name);
const only = options.only?.split(",") ?? names;
expectKnown("--only", only, names);
const rounds = Number(options.rounds);
if (!Number.isSafeInteger(rounds) || rounds < 1)
  throw new Error(`Expected --rounds to be a whole number from 1, got "${options.rounds}"`);

const taking = Object.fromEntries(
  Object.entries(files).filter(([name]) => contenders.includes(name)),
);
const site = await serve(taking, options.sqlite);
const results = [];
let missed = 0;
try {
  for (const { name, title, unit, bounds, run } of measurements) {
    if (!only.includes(name)) continue;
    const present = (/** @type {string[]} */ ...wanted) =>
      wanted.filter((contender) => contenders.includes(contender));
    console.log(`\n${title} (${name})`);
    /** @type {import("./measurements.mjs").Samples} */
    let samples;
    try {
      samples = await run({ site, present, rounds });
    } catch (error) {
      // The other measurements are worth having all the same.
      console.log("  FAILED    ", error);
      missed += bounds.length;
      await site.closeBrowsers();
      continue;
    }
    /** @type {Map<string, number>} */
    const figures = new Map();
    for (const [contender, taken] of Object.entries(samples)) {
      const figure = median(taken);
      if (figure !== undefined) figures.set(contender, figure);
    }
    for (const [contender, figure] of figures) {
      const sorted = samples[contender]?.toSorted((a, b) => a - b) ?? [];
      const range = `${short(sorted[0] ?? 0)} – ${short(sorted.at(-1) ?? 0)}, ${sorted.length} samples`;
      const count = sorted.length > 1 ? `   (${range})` : "";
      console.log(`  ${contender.padEnd(24)}${short(figure).padStart(8)} ${unit}${count}`);
    }
    const judged = bounds.map((bound) => judge(bound, figures, unit));
    for (const { text, verdict } of judged) {
      console.log(`  ${verdict.padEnd(10)} ${text}`);
      if (verdict === "MISSED") missed += 1;
    }
    results.push({ name, unit, figures: Object.fromEntries(figures), bounds: judged, samples });
  }
} finally {
  await site.close();
}
if (options.json) console.log(JSON.stringify(results));
console.log(missed === 0 ? "\nBounds missed: none." : `\nBounds missed: ${missed}.`);
process.exitCode = missed === 0 ? 0 : 1;
