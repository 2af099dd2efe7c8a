// @ts-check
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

/** A mutant is a weakness that the engine does not have, as the smallest change of the source that puts it back. */

/**
 * @typedef {object} Mutant
 * @property {string} id
 * @property {string} why What is wrong with it, in one sentence.
 * @property {readonly string[]} breaks The guarantees that it breaks: `G1` … `G14`.
 * @property {readonly (readonly [search: string, replacement: string])[]} edits Each text has to stand in the source exactly once, wherever, and however it is broken into lines.
 * @property {readonly string[]} tests The test files, under `test/`, that have to find it.
 * @property {readonly string[]} [paths] Files of generated paths that have to find it as well, by the matrix of paths and mutants.
 * @property {string} [named] Only the tests whose names match this.
 * @property {string} [hangs] Why a test that runs out of time is the right way to notice it. Without this that does not count.
 */

/**
 * The files of the source: path → text.
 *
 * @param {string} root
 * @returns {Map<string, string>}
 */
export function readSource(root) {
  const all = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" });
  const paths = all.filter((path) => path.endsWith(".ts")).map((path) => join("src", path));
  return new Map(paths.map((path) => [path, readFileSync(join(root, path), "utf8")]));
}

/** @param {string} text */
const anywhere = (text) => {
  const words = text.trim().split(/\s+/);
  return new RegExp(words.map((word) => word.replaceAll(/[^\w]/g, "\\$&")).join("\\s+"));
};

/**
 * The files that the mutant changes, with the mutant in them: path → text.
 *
 * @param {Mutant} mutant
 * @param {ReadonlyMap<string, string>} source
 * @returns {Map<string, string>}
 */
export function mutate({ id, edits }, source) {
  /** @type {Map<string, string>} */
  const changed = new Map();
  for (const [search, replacement] of edits) {
    const found = Array.from(source, ([path, before]) => {
      const text = changed.get(path) ?? before;
      return { path, parts: text.split(anywhere(search)) };
    }).filter(({ parts }) => parts.length > 1);
    const count = found.reduce((sum, { parts }) => sum + parts.length - 1, 0);
    const [only] = found;
    if (only === undefined || count !== 1) {
      const where = found.map(({ path }) => path).join(", ");
      throw new Error(
        `mutant "${id}" no longer applies: Expected one match in src, got ${count} (${where}) of: ${search}`,
      );
    }
    changed.set(only.path, only.parts.join(replacement));
  }
  return changed;
}
