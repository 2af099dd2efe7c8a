// @ts-check
/**
 * All cases against all bugs: `npm run conform:matrix [-- --only bug,bug] [--why]`. Fails when a bug is missed by a case that
 * has to find it, or a case finds no bug.
 */
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { runnerImport } from "vite";

const here = dirname(fileURLToPath(import.meta.url));
/** @type {{ module: typeof import("./faulty.ts") }} */
const { module } = await runnerImport(join(here, "faulty.ts"), {
  configFile: false,
  logLevel: "error",
});
const { bugs, cases, runWith } = module;
const at = process.argv.indexOf("--only");
const only = at === -1 ? undefined : (process.argv[at + 1] ?? "").split(",");
const why = process.argv.includes("--why");

/** @type {Set<string>} */
const finders = new Set();
let isGood = true;
const rest = Array.from(bugs).filter(([id]) => only === undefined || only.includes(id));
/** Runs bugs one after the other; cases mostly wait, so several of these go on at once. */
async function lane() {
  for (let next = rest.shift(); next !== undefined; next = rest.shift()) await tryOut(...next);
}

/** @param {string} id @param {import("./bugs/kit.ts").Bug} bug */
async function tryOut(id, bug) {
  const { results } = await runWith(bug);
  const failed = results.filter(({ status }) => status === "failed");
  const found = failed.map((it) => it.id);
  const missed = bug.caughtBy.filter((it) => !found.includes(it));
  for (const it of found) finders.add(it);
  isGood &&= missed.length === 0;
  console.log(`${missed.length === 0 ? "found " : "MISSED"} ${id.padEnd(26)} ${found.join(" ")}`);
  if (missed.length > 0) console.log(`       not by ${missed.join(" ")}, which have to`);
  if (why)
    for (const it of failed)
      if (bug.caughtBy.includes(it.id)) console.log(`       ${it.id}: ${it.reason}`);
}
await Promise.all([lane(), lane(), lane(), lane()]);
console.log(`${bugs.size} bugs, ${cases.length} cases, of which ${finders.size} found a bug`);
const idle = cases.filter((it) => !finders.has(it.id)).map((it) => it.id);
if (only === undefined && idle.length > 0) console.log(`Found none: ${idle.join(" ")}`);
process.exit(isGood && (only !== undefined || idle.length === 0) ? 0 : 1);
