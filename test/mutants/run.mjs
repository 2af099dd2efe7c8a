// @ts-check
/**
 * Plants each mutant in a copy of the source, and runs the tests that have to find it: `npm run mutants [-- --only id,id]`.
 * Fails when a mutant survives, does not apply any more, does not compile, or is noticed by nothing but an error outside
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
/** @typedef {{ mutant: Mutant, verdict: "killed" | "SURVIVED" | "ERROR", by: string, seconds: number }} Result */

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const atOnce = 2;
/** ms; a run that takes longer hangs. */
const deadline = 180_000;

const wanted = process.argv.flatMap((argument, at, all) =>
  argument === "--only" ? (all[at + 1] ?? "").split(",") : [],
);
const unknown = wanted.filter((id) => !mutants.some((mutant) => mutant.id === id));
if (unknown.length > 0) {
  console.error(`Expected ids of mutants, got ${unknown.join(", ")}`);
  process.exit(1);
}
const chosen = mutants.filter(({ id }) => wanted.length === 0 || wanted.includes(id));

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
 * @returns {Promise<{ code: number | null, output: string }>}
 */
async function node(folder, args) {
  const first = await nodeOnce(folder, args);
  // It ran out of time and said nothing: the machine slept, or was busy. A hanging test says so, long before.
  return first.code === null ? await nodeOnce(folder, args) : first;
}

/** @type {typeof node} */
function nodeOnce(folder, args) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { cwd: folder, timeout: deadline });
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
 * @returns {Promise<Run>}
 */
async function runTests(folder, files, args) {
  const report = join(folder, "report.json");
  rmSync(report, { force: true });
  const { code, output } = await node(folder, [
    bin("vitest", "vitest.mjs"),
    "run",
    "--config=vitest.mutant.mjs",
    "--configLoader=native",
    "--reporter=json",
    `--outputFile=${report}`,
    ...args,
    ...files.map((file) => `test/${file}`),
  ]);
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
 * @param {Mutant} mutant
 * @param {string} folder
 * @returns {Promise<Omit<Result, "mutant" | "seconds">>}
 */
async function judge(mutant, folder) {
  /** @type {Map<string, string>} */
  let changed;
  try {
    changed = mutate(mutant, source);
  } catch (error) {
    return { verdict: "ERROR", by: /** @type {Error} */ (error).message };
  }
  try {
    for (const [path, text] of changed) writeFileSync(join(folder, path), text);
    const wrong = await compile(folder);
    if (wrong !== undefined) return { verdict: "ERROR", by: `broken mutant: ${wrong}` };
    const { failures, passed, trouble } = await runTests(folder, mutant.tests, [
      "--bail=1",
      "--maxWorkers=1",
      ...(mutant.named === undefined ? [] : [`--testNamePattern=${mutant.named}`]),
    ]);
    const found = failures.find(({ late }) => !late) ?? failures[0];
    if (found !== undefined && (!found.late || mutant.hangs !== undefined))
      return { verdict: "killed", by: `${found.name}${found.late ? " (timed out)" : ""}` };
    if (found !== undefined) return { verdict: "ERROR", by: `only timed out: ${found.name}` };
    if (trouble !== undefined) return { verdict: "ERROR", by: `broken mutant: ${trouble}` };
    return { verdict: "SURVIVED", by: `${passed.length} tests passed` };
  } finally {
    for (const path of changed.keys()) writeFileSync(join(folder, path), source.get(path) ?? "");
  }
}

/**
 * Without any mutant the tests pass, and every mutant has some.
 *
 * @param {string} folder
 */
async function checkUnmutated(folder) {
  const wrong = await compile(folder);
  if (wrong !== undefined) return `the source does not compile: ${wrong}`;
  const files = new Set(chosen.flatMap(({ tests }) => tests));
  const { failures, passed, trouble } = await runTests(folder, Array.from(files), []);
  if (failures.length > 0) return `a test fails without any mutant: ${failures[0]?.name}`;
  if (trouble !== undefined) return trouble;
  for (const { id, named = "" } of chosen)
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

const started = Date.now();
console.log(`${chosen.length} mutants; first all of their tests without any mutant`);
const copies = Array.from({ length: Math.min(atOnce, chosen.length) }, makeCopy);
/** As it was when the copies were made. */
const source = readSource(/** @type {string} */ (copies[0]));
const problem = await checkUnmutated(/** @type {string} */ (copies[0]));
if (problem !== undefined) {
  console.error(`Expected the tests to pass before anything is changed, but ${problem}`);
  process.exit(1);
}

/** @type {Result[]} */
const results = [];
const queue = [...chosen];
await Promise.all(
  copies.map(async (folder) => {
    for (let mutant = queue.shift(); mutant !== undefined; mutant = queue.shift()) {
      const from = Date.now();
      const judged = await judge(mutant, folder);
      results.push({ mutant, ...judged, seconds: (Date.now() - from) / 1000 });
      console.log(
        `${results.length}/${chosen.length} ${mutant.id}: ${judged.verdict} ${judged.by}`,
      );
    }
  }),
);
results.sort((a, b) => chosen.indexOf(a.mutant) - chosen.indexOf(b.mutant));
print(results);
const alive = results.filter(({ verdict }) => verdict !== "killed");
const seconds = Math.round((Date.now() - started) / 1000);
console.log(
  `\n${results.length - alive.length} of ${results.length} mutants killed in ${seconds} s`,
);
for (const { mutant, verdict } of alive) console.log(`${verdict}: ${mutant.id}: ${mutant.why}`);
process.exitCode = alive.length === 0 ? 0 : 1;
