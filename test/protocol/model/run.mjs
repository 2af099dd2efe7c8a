// @ts-check
/** `npm run model -- --seeds N [--first S] [--mutant M | --mutants] [--strict] [--story]`: random histories of the protocol's model. */
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { runnerImport } from "vite";

/** @param {string} name */
const has = (name) => process.argv.includes(`--${name}`);

/** @param {string} name @param {string} otherwise */
function option(name, otherwise) {
  const at = process.argv.indexOf(`--${name}`);
  return at === -1 ? otherwise : String(process.argv[at + 1]);
}

/** @param {string} name @param {number} otherwise */
function number(name, otherwise) {
  const text = option(name, String(otherwise));
  const value = Number(text);
  if (Number.isSafeInteger(value)) return value;
  throw new Error(`Expected --${name} to be a whole number, got ${text}`);
}

const here = dirname(fileURLToPath(import.meta.url));
/** @param {string} file */
const load = (file) => runnerImport(join(here, file), { configFile: false, logLevel: "error" });
/** @type {{ module: typeof import("./check.ts") }} */
const { module: model } = await load("check.ts");
/** @type {{ module: typeof import("./mutants.ts") }} */
const { module: table } = await load("mutants.ts");

const first = number("first", 1);
const seeds = number("seeds", 1000);
const strictAttempts = has("strict");
const names = /** @type {import("./mutants.ts").Mutant[]} */ (Object.keys(table.mutants));
const wanted = option("mutant", "");
const named = names.find((name) => name === wanted);
if (wanted !== "" && named === undefined)
  throw new Error(`Expected --mutant to be one of ${names.join(", ")}, got ${wanted}`);

/** @param {import("./mutants.ts").Mutant | undefined} mutant */
function explore(mutant) {
  /** @type {Map<string, number>} */
  const kinds = new Map();
  /** @type {Map<string, number>} */
  const counts = new Map();
  let failing = 0;
  let events = 0;
  let restored = 0;
  let example = "";
  const began = performance.now();
  for (let seed = first; seed < first + seeds; seed += 1) {
    try {
      const told = model.run(seed, { mutant, strictAttempts });
      events += told.events;
      restored += Number(told.restored);
      for (const [what, count] of told.counts) counts.set(what, (counts.get(what) ?? 0) + count);
    } catch (error) {
      if (!(error instanceof Error) || error.name !== "Violation") throw error;
      failing += 1;
      if (example === "") example = `seed ${seed}: ${error.message.slice(0, 400)}`;
      const kind = error.message.split(":")[0] ?? "";
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    }
  }
  const seconds = (performance.now() - began) / 1000;
  console.log(
    `${mutant ?? "the protocol"}: ${failing} of ${seeds} fail, ${seconds.toFixed(1)} s${mutant === undefined ? `, ${events} events, ${restored} with a restore` : ""}`,
  );
  if (mutant === undefined) console.log(Object.fromEntries(counts));
  for (const [kind, count] of kinds) console.log(`  ${count} × ${kind}`);
  if (example !== "") console.log(`  ${example}`);
  return failing;
}

/** One history, told. */
function tell() {
  try {
    model.run(first, {
      mutant: named,
      strictAttempts,
      story: console.log,
    });
    return true;
  } catch (error) {
    console.log(String(error));
    return false;
  }
}

let ok = true;
if (has("story")) ok = tell();
else if (has("mutants")) for (const name of names) ok = explore(name) > 0 && ok;
else if (named === undefined) ok = explore(undefined) === 0;
else ok = explore(named) > 0;
process.exit(ok ? 0 : 1);
