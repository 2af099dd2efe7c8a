// @ts-check
/** What random histories on the virtual device must find, though nobody wrote a test for it. */
import { commits } from "./commits.mjs";
import { leaders } from "./leaders.mjs";
import { strangers } from "./strangers.mjs";
import { versions } from "./versions.mjs";

/** @import { Mutant } from "../apply.mjs" */

const simulator = { tests: ["simulate/simulate.test.ts"], named: "whatever happens, after" };

const withServer = { ...simulator, named: "whatever happens with a server" };

/**
 * A mutant of another table, for the simulator to find.
 *
 * @param {string} id
 * @returns {Mutant}
 */
function again(id) {
  const found = [...commits, ...leaders, ...strangers, ...versions].find((it) => it.id === id);
  if (found === undefined) throw new Error(`Expected a mutant ${id}, got none`);
  return { ...found, ...simulator, id: `simulated-${id}` };
}

/** @type {readonly Mutant[]} */
export const simulated = [
  {
    id: "simulated-lead-lands-later",
    why: "The disk itself is wrong: a leader's write lands some time after its term was looked at.",
    breaks: ["G10"],
    edits: [
      [
        "const args = isReading(operation) ? given : keepArguments(given);",
        `const args = isReading(operation) ? given : keepArguments(given);
        const termNow = (): unknown => database.stores.meta.get('"term"')?.[1];
        if (operation === "lead" && termNow() === (args[0] as { term: number }).term)
          Object.defineProperty(args[0], "term", { get: termNow });`,
      ],
    ],
    ...simulator,
  },
  {
    id: "simulated-double-apply",
    why: "A fold writes rows and cuts base records, and leaves the commits that made them, undecided: they are applied again.",
    breaks: ["G6", "G7"],
    edits: [
      ["settled: planned.settled,", ""],
      ['writers: planned.writers as Meta["writers"],', ""],
      [
        "...ranges(planned.folded),",
        '...ranges(planned.folded.filter((it) => ledger.tail.get(it)?.kind === "base")),',
      ],
    ],
    ...simulator,
  },
  again("fold-of-base-and-overlay"),
  again("floor-before-segments"),
  again("added-again-without-lookup"),
  again("half-a-unit"),
  again("tried-again-twice"),
  again("writes-to-other-data"),
  again("old-tab-folds-after-migration"),
  {
    id: "simulated-acknowledged-is-gone",
    why: "What the server took in leaves the overlay with the answer, and comes back with a page: it flickers.",
    breaks: ["G5", "G13"],
    edits: [
      [
        'acked.push( result.status === "accepted" ? [id, result.pos] : [id, result.pos, result.of], );',
        "decided.push(id);",
      ],
    ],
    ...withServer,
  },
  {
    id: "simulated-cursor-without-rows",
    why: "The cursor is stored, and a row of its page is not.",
    breaks: ["G13"],
    edits: [
      [
        "changes, remote: { cursor, pos, epoch },",
        "changes: changes.slice(1), remote: { cursor, pos, epoch },",
      ],
    ],
    ...withServer,
    paths: ["paths/composition/server-leading.test.ts"],
  },
  {
    id: "simulated-unrecorded-attempt",
    why: "Events are sent under numbers that are on no record: whoever leads next gives them to others.",
    breaks: ["G5"],
    edits: [
      [
        "const appended = await lead.append([record], tail);",
        'const appended = [record, tail].length === 2 ? ("written" as Appended) : await lead.append([record], tail);',
      ],
    ],
    ...withServer,
    paths: ["paths/composition/server-leading.test.ts"],
  },
  {
    id: "simulated-decision-lost-at-fold",
    why: "A fold forgets what was rejected: a fresh tab does not list it.",
    breaks: ["G5"],
    edits: [["rejected.push(it); verdicts.push(", "verdicts.push("]],
    ...withServer,
  },
];
