// @ts-check
/** Tests that are generated, for machines and for apps: they would find less, or something that is not there. */

/** @import { Mutant } from "../apply.mjs" */

/** @type {readonly Mutant[]} */
export const generated = [
  {
    id: "pause-between-lines",
    why: "Promises go on between two steps of a run, and not between the two lines of the test that it prints.",
    breaks: ["G14"],
    edits: [["if (done !== undefined) await done;", "await done;"]],
    tests: ["testing/app-printed.test.ts"],
    named: "in the printed test as well",
  },
  {
    id: "no-invariants-in-the-end",
    why: "Invariants are not asked once more when all have heard of all.",
    breaks: ["G13"],
    edits: [['expectHolds(scene, converged.tables, "in the end", "end.tables", [ended]);', ""]],
    tests: ["testing/app-printed.test.ts"],
    named: "in the end as well",
  },
  {
    id: "unheard-promise",
    why: "A check that answers later counts as one that says nothing.",
    breaks: ["G13"],
    edits: [['if (typeof said === "boolean" || said instanceof Promise)', "if (false)"]],
    tests: ["testing/app-paths.test.ts"],
    named: "could not hear",
  },
  {
    id: "history-forgotten",
    why: "Two states are one where only history differs: paths lead where no actor goes.",
    breaks: ["G14"],
    edits: [[".map(([id, nodes]) => [id, nodes.map((node) => node.id)]),", ".map(() => null),"]],
    tests: ["testing/paths-kinds.test.ts"],
    named: "history leads",
  },
  {
    id: "done-because-told",
    why: "That a state is done counts as an event that may come at any time.",
    breaks: ["G14"],
    edits: [[' && !type.startsWith("xstate.done.state.")', ""]],
    tests: ["testing/paths-kinds.test.ts"],
    named: "done when all of it is",
  },
];
