// @ts-check
/** @import { Mutant } from "../apply.mjs" */

/**
 * Weaknesses of what tests servers, and of what it has found.
 *
 * @type {readonly Mutant[]}
 */
export const conformance = [
  {
    id: "skipped-is-passed",
    why: "A run in which a case was skipped counts as passed, although nothing may be.",
    breaks: [],
    edits: [
      [
        "ok: failed === 0 && passed > 0 && (skipped === 0 || options.all !== true)",
        "ok: failed === 0 && passed > 0",
      ],
    ],
    tests: ["bin/conform.test.ts"],
    named: "with --all",
  },
  {
    id: "nothing-is-passed",
    why: "A run without a case proves that the server conforms.",
    breaks: [],
    edits: [["ok: failed === 0 && passed > 0 &&", "ok: failed === 0 &&"]],
    tests: ["bin/conform.test.ts"],
    named: "names no case",
  },
  {
    id: "levels-not-kept",
    why: "Cases of higher levels are asked of a server that does not claim them.",
    breaks: [],
    edits: [["covers(level, it.level) && (only", "(only"]],
    tests: ["bin/conform.test.ts"],
    named: "a line per case",
  },
  {
    id: "writers-starve-queries",
    why: "A query is refused for as long as others write without a pause.",
    breaks: [],
    edits: [
      [
        "const lock = tries === 0 ? undefined : kit.states?.lock;",
        "const lock = tries < 9 ? undefined : kit.states?.lock;",
      ],
    ],
    tests: ["server/query.test.ts"],
    named: "without a pause",
  },
];
