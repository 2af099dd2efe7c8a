// @ts-check
/** A mutant is a weakness that the engine does not have, as the smallest change of the source that puts it back. */

/**
 * @typedef {object} Mutant
 * @property {string} id
 * @property {string} why What is wrong with it, in one sentence.
 * @property {readonly string[]} breaks The guarantees that it breaks: `G1` … `G14`.
 * @property {string} file Where the edits are, under `src/`.
 * @property {readonly (readonly [search: string, replacement: string, file?: string])[]} edits Each text has to stand in its file exactly once.
 * @property {readonly string[]} tests The test files, under `test/`, that have to find it.
 * @property {string} [named] Only the tests whose names match this.
 * @property {string} [hangs] Why a test that runs out of time is the right way to notice it. Without this that does not count.
 */

/**
 * The source with the mutant in it: path → text.
 *
 * @param {Mutant} mutant
 * @param {(path: string) => string} read
 * @returns {Map<string, string>}
 */
export function mutate({ id, file, edits }, read) {
  /** @type {Map<string, string>} */
  const changed = new Map();
  for (const [search, replacement, other] of edits) {
    const path = `src/${other ?? file}`;
    const text = changed.get(path) ?? read(path);
    const parts = text.split(search);
    if (parts.length !== 2) {
      throw new Error(
        `mutant "${id}" no longer applies: Expected one match in ${path}, got ${parts.length - 1} of: ${search}`,
      );
    }
    changed.set(path, parts.join(replacement));
  }
  return changed;
}
