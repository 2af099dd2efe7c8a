// @ts-check
/** `npm run schemas`: writes `schemas/` anew, unless a message would break. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { runnerImport } from "vite";

const here = dirname(fileURLToPath(import.meta.url));
const folder = join(here, "../../../schemas");
/** @type {{ module: typeof import("./files.ts") }} */
const { module } = await runnerImport(join(here, "files.ts"), {
  configFile: false,
  logLevel: "error",
});
mkdirSync(folder, { recursive: true });

/** @param {string} file */
function frozen(file) {
  try {
    return readFileSync(join(folder, file), "utf8");
  } catch {
    return undefined;
  }
}

const broken = module.files().flatMap(({ name, breaksAgainst }) => {
  const before = frozen(name);
  return before === undefined ? [] : breaksAgainst(before).map((it) => `${name} ${it}`);
});
if (broken.length > 0) {
  console.error(`These break clients or servers that are in use:\n${broken.join("\n")}`);
  process.exit(1);
}
for (const { name, text } of module.files()) writeFileSync(join(folder, name), text);
console.log(`${module.files().length} files in schemas/`);
