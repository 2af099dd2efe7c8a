// @ts-check
/**
 * Plants each mutant in a copy of the source, and runs the tests that have to find it: `npm run mutants [-- --only id,id]`.
 * Then it prints which paths that machines generate find which mutant; `--paths` does that alone. Fails when a mutant survives, does not apply any more, does not compile, or is noticed by nothing but an error outside
 * of a test or a test that ran out of time.
 */
import { spawn } from "node:child_process";
import {
  cpSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { mutate, readSource } from "./apply.mjs";
import { mutants } from "./mutants.mjs";

/** @import { Mutant } from "./apply.mjs" */
/** @typedef {{ failures: { name: string, late: boolean }[], passed: string[], trouble: string | undefined }} Run */
/** @typedef {{ mutant: Mutant, cells: Map<string, boolean>, by: string | undefined, trouble: string | undefined }} Found */
/** @typedef {{ mutant: Mutant, verdict: "killed" | "SURVIVED" | "ERROR", by: string, seconds: number }} Result */

const auditFile = "paths/audit/audit.test.ts";
/**
 * The row of a test in the matrix: a weakness of the audit, or a file of generated paths.
 *
 * @param {string} file
 * @param {string} name
 */
const rowOf = (file, name) =>
  file === auditFile
    ? name.split(" ").slice(0, 2).join(" ")
    : file.replace(/^paths\/(.*)\.test\.ts$/, "$1");

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const atOnce = 2;
/** ms; a run that takes longer hangs. */
const deadline = 180_000;
/** Of what runs many tests: all of them without a mutant, or a file of generated paths. */
const longDeadline = 900_000;

const wanted = process.argv.flatMap((argument, at, all) =>
  argument === "--only" ? (all[at + 1] ?? "").split(",") : [],
);
const unknown = wanted.filter((id) => !mutants.some((mutant) => mutant.id === id));
if (unknown.length > 0) {
  console.error(`Expected ids of mutants, got ${unknown.join(", ")}`);
  process.exit(1);
}
const chosen = mutants.filter(({ id }) => wanted.length === 0 || wanted.includes(id));
/** Those that generated paths have to find. */
const generated = chosen.filter(({ paths }) => paths !== undefined);
const onlyPaths = process.argv.includes("--paths");

/** @type {string[]} */
const folders = [];
/** @type {Set<import("node:child_process").ChildProcess>} */
const running = new Set();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});
for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM"]))
  process.on(signal, () => process.exit(1));

/** A copy of the project: mutants never touch the real one. */
function makeCopy() {
  const folder = mkdtempSync(join(tmpdir(), "sssync-mutants-"));
  folders.push(folder);
  for (const name of readdirSync(root))
    if (["src", "test"].includes(name) || /^(package|tsconfig)\.json$/.test(name))
      cpSync(join(root, name), join(folder, name), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"), "junction");
  const options = { noUnusedLocals: false, incremental: true, tsBuildInfoFile: "types.json" };
  const types = { extends: "./tsconfig.json", compilerOptions: options, include: ["src"] };
  writeFileSync(join(folder, "tsconfig.mutant.json"), JSON.stringify(types));
  // Not the project's: it looks for Chromium. Without a cache: the packages are shared with the real project.
  const config = { test: { include: ["test/**/*.test.ts"], cache: false } };
  writeFileSync(join(folder, "vitest.mutant.mjs"), `export default ${JSON.stringify(config)};\n`);
  return folder;
}

/**
 * @param {string} folder
 * @param {readonly string[]} args
 * @param {number} [limit] ms
 * @returns {Promise<{ code: number | null, output: string }>}
 */
async function node(folder, args, limit = deadline) {
  const first = await nodeOnce(folder, args, limit);
  // It ran out of time and said nothing: the machine slept, or was busy. A hanging test says so, long before.
  return first.code === null ? await nodeOnce(folder, args, limit) : first;
}

/** @type {typeof node} */
function nodeOnce(folder, args, limit = deadline) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { cwd: folder, timeout: limit });
    running.add(child);
    let output = "";
    child.stdout.on("data", (chunk) => (output += chunk));
    child.stderr.on("data", (chunk) => (output += chunk));
    child.on("close", (code) => {
      running.delete(child);
      resolve({ code, output });
    });
  });
}

const bin = (/** @type {string[]} */ ...path) => join(root, "node_modules", ...path);

/** @param {string} folder */
async function compile(folder) {
  const { code, output } = await node(folder, [
    bin("typescript", "bin", "tsc"),
    "-p",
    "tsconfig.mutant.json",
  ]);
  return code === 0 ? undefined : output.trim().split("\n")[0] || "the compiler said nothing";
}

/**
 * @param {string} folder
 * @param {readonly string[]} files
 * @param {readonly string[]} args
 * @param {number} [limit] ms
 * @returns {Promise<Run>}
 */
async function runTests(folder, files, args, limit) {
  const report = join(folder, "report.json");
  rmSync(report, { force: true });
  const command = [
    bin("vitest", "vitest.mjs"),
    "run",
    "--config=vitest.mutant.mjs",
    "--configLoader=native",
    "--reporter=json",
    `--outputFile=${report}`,
    ...args,
    ...files.map((file) => `test/${file}`),
  ];
  const { code, output } = await node(folder, command, limit);
  /** @type {Run} */
  const run = { failures: [], passed: [], trouble: undefined };
  /** @type {{ testResults: { name: string, status: string, message: string, assertionResults: { fullName: string, status: string, failureMessages: string[] }[] }[] }} */
  let results;
  try {
    results = JSON.parse(readFileSync(report, "utf8"));
  } catch {
    return { ...run, trouble: `no report (exit code ${code}): ${output.slice(-300)}` };
  }
  for (const { status, message, assertionResults } of results.testResults) {
    let failed = false;
    for (const it of assertionResults) {
      if (it.status === "passed") run.passed.push(it.fullName);
      if (it.status !== "failed") continue;
      failed = true;
      const late = it.failureMessages.every((text) => /(Test|Hook) timed out in/.test(text));
      run.failures.push({ name: it.fullName, late });
    }
    if (status === "failed" && !failed) run.trouble = `a test file does not load: ${message}`;
  }
  if (code !== 0 && run.failures.length === 0) run.trouble ??= "an error outside of any test";
  return run;
}

/**
 * Does something with the mutant planted in the copy.
 *
 * @template T
 * @param {Mutant} mutant
 * @param {string} folder
 * @param {() => Promise<T>} act
 * @returns {Promise<T | string>} A string: it cannot be planted, and why.
 */
async function planted(mutant, folder, act) {
  /** @type {Map<string, string>} */
  let changed;
  try {
    changed = mutate(mutant, source);
  } catch (error) {
    return /** @type {Error} */ (error).message;
  }
  try {
    for (const [path, text] of changed) writeFileSync(join(folder, path), text);
    const wrong = await compile(folder);
    return wrong === undefined ? await act() : `broken mutant: ${wrong}`;
  } finally {
    for (const path of changed.keys()) writeFileSync(join(folder, path), source.get(path) ?? "");
  }
}

/**
 * @param {Mutant} mutant
 * @param {string} folder
 * @returns {Promise<Omit<Result, "mutant" | "seconds">>}
 */
async function judge(mutant, folder) {
  const run = await planted(mutant, folder, () =>
    runTests(folder, mutant.tests, [
      "--bail=1",
      "--maxWorkers=1",
      ...(mutant.named === undefined ? [] : [`--testNamePattern=${mutant.named}`]),
    ]),
  );
  if (typeof run === "string") return { verdict: "ERROR", by: run };
  const { failures, passed, trouble } = run;
  const found = failures.find(({ late }) => !late) ?? failures[0];
  if (found !== undefined && (!found.late || mutant.hangs !== undefined))
    return { verdict: "killed", by: `${found.name}${found.late ? " (timed out)" : ""}` };
  if (found !== undefined) return { verdict: "ERROR", by: `only timed out: ${found.name}` };
  if (trouble !== undefined) return { verdict: "ERROR", by: `broken mutant: ${trouble}` };
  return { verdict: "SURVIVED", by: `${passed.length} tests passed` };
}

/**
 * Which generated paths find the mutant: all of the audit, and the first of each other file.
 *
 * @param {Mutant} mutant
 * @param {string} folder
 * @returns {Promise<Found>}
 */
async function judgeByPaths(mutant, folder) {
  /** @type {Found} */
  const found = { mutant, cells: new Map(), by: undefined, trouble: undefined };
  const wrong = await planted(mutant, folder, async () => {
    for (const file of new Set([auditFile, ...(mutant.paths ?? [])])) {
      const isAudit = file === auditFile;
      const bail = isAudit ? [] : ["--bail=1"];
      const { failures, passed } = await runTests(
        folder,
        [file],
        ["--maxWorkers=1", ...bail],
        longDeadline,
      );
      for (const name of passed) if (isAudit) found.cells.set(rowOf(file, name), false);
      if (!isAudit) found.cells.set(rowOf(file, ""), false);
      for (const { name, late } of failures) {
        if (late) continue;
        found.cells.set(rowOf(file, name), true);
        // Of several the one that is about it.
        if (found.by === undefined || name.startsWith(mutant.named ?? "?")) found.by = name;
      }
    }
  });
  if (typeof wrong === "string") Object.assign(found, { by: undefined, trouble: wrong });
  return found;
}

/**
 * Without any mutant the tests pass, and every mutant has some.
 *
 * @param {string} folder
 */
async function checkUnmutated(folder) {
  const wrong = await compile(folder);
  if (wrong !== undefined) return `the source does not compile: ${wrong}`;
  const files = new Set([
    ...(onlyPaths ? [] : chosen.flatMap(({ tests }) => tests)),
    ...generated.flatMap(({ paths = [] }) => [auditFile, ...paths]),
  ]);
  const { failures, passed, trouble } = await runTests(folder, Array.from(files), [], longDeadline);
  if (failures.length > 0) return `a test fails without any mutant: ${failures[0]?.name}`;
  if (trouble !== undefined) return trouble;
  for (const { id, named = "" } of onlyPaths ? [] : chosen)
    if (!passed.some((name) => new RegExp(named).test(name)))
      return `no test is named "${named}", as mutant "${id}" asks`;
  return undefined;
}

/** @param {readonly Result[]} results */
function print(results) {
  const rows = results.map(({ mutant, verdict, by, seconds }) => [
    mutant.id,
    mutant.breaks.join(" "),
    verdict === "killed" ? by : `${verdict}: ${by}`,
    `${seconds.toFixed(1)} s`,
  ]);
  const all = [["mutant", "breaks", "killed by", "time"], ...rows];
  const widths = [0, 1, 2].map((at) => Math.max(...all.map((row) => row[at]?.length ?? 0)));
  console.log("");
  for (const row of all)
    console.log(row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(" | "));
}

/** @param {readonly Found[]} all */
function printMatrix(all) {
  const rows = Array.from(new Set(all.flatMap(({ cells }) => Array.from(cells.keys())))).toSorted();
  const width = Math.max(...rows.map(({ length }) => length));
  console.log("\nGenerated paths and mutants: × finds it, · does not, blank: not tried\n");
  for (const [at, { mutant, by, trouble }] of all.entries())
    console.log(
      `${String(at + 1).padStart(2)} ${mutant.id}: ${by ?? (trouble === undefined ? "SURVIVED" : `ERROR: ${trouble}`)}`,
    );
  const head = all.map((_, at) => String(at + 1).padStart(3)).join("");
  console.log(`\n${"".padEnd(width)}${head}`);
  for (const row of rows) {
    const cells = all
      .map(({ cells: own }) => own.get(row))
      .map((it) => (it ? "×" : it === false ? "·" : ""));
    console.log(`${row.padEnd(width)}${cells.map((it) => it.padStart(3)).join("")}`);
  }
}

/**
 * @template T
 * @param {readonly Mutant[]} all
 * @param {(mutant: Mutant, folder: string) => Promise<T>} work
 * @returns {Promise<T[]>} In their order.
 */
async function withEach(all, work) {
  /** @type {T[]} */
  const done = [];
  const queue = Array.from(all.entries());
  await Promise.all(
    copies.map(async (folder) => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift())
        done[next[0]] = await work(next[1], folder);
    }),
  );
  return done;
}

const started = Date.now();
console.log(
  `${onlyPaths ? generated.length : chosen.length} mutants; first all of their tests without any mutant`,
);
const copies = Array.from({ length: Math.min(atOnce, chosen.length) }, makeCopy);
/** As it was when the copies were made. */
const source = readSource(/** @type {string} */ (copies[0]));
const problem = await checkUnmutated(/** @type {string} */ (copies[0]));
if (problem !== undefined) {
  console.error(`Expected the tests to pass before anything is changed, but ${problem}`);
  process.exit(1);
}

let count = 0;
const results = await withEach(onlyPaths ? [] : chosen, async (mutant, folder) => {
  const from = Date.now();
  const judged = await judge(mutant, folder);
  console.log(`${(count += 1)}/${chosen.length} ${mutant.id}: ${judged.verdict} ${judged.by}`);
  return { mutant, ...judged, seconds: (Date.now() - from) / 1000 };
});
if (!onlyPaths) print(results);
const found = await withEach(generated, async (mutant, folder) => {
  const judged = await judgeByPaths(mutant, folder);
  console.log(`${mutant.id}: ${judged.by ?? judged.trouble ?? "found by no path"}`);
  return judged;
});
if (found.length > 0) printMatrix(found);
const alive = results.filter(({ verdict }) => verdict !== "killed");
const seconds = Math.round((Date.now() - started) / 1000);
const killed = onlyPaths ? found.filter(({ by }) => by !== undefined) : results;
const all = onlyPaths ? found : results;
console.log(`\n${killed.length - alive.length} of ${all.length} mutants killed in ${seconds} s`);
for (const { mutant, verdict } of alive) console.log(`${verdict}: ${mutant.id}: ${mutant.why}`);
process.exitCode = alive.length === 0 && found.every(({ by }) => by !== undefined) ? 0 : 1;
