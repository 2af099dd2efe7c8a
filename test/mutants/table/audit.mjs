// @ts-check
/**
 * The weaknesses that `docs/audit.md` is about, each put back: what programs of this kind do that were written in a hurry. Each is
 * found by the path of its name, which is made from the machines.
 */

/** @import { Mutant } from "../apply.mjs" */

const tests = ["paths/audit/audit.test.ts"];

/** @type {readonly Mutant[]} */
export const audit = [
  {
    id: "W1-write-failure",
    why: "Writes are sent off and forgotten: whether they fail nobody asks.",
    breaks: ["G1", "G2"],
    edits: [
      [
        "position: await answered( shared, recognised(shared).append(encodeRecord(group.record), durability), ),",
        "position: (recognised(shared).append(encodeRecord(group.record), durability).catch(() => undefined), null),",
      ],
    ],
    tests,
    paths: tests,
    named: "W1 write-failure",
  },
  {
    id: "W2-leader-handoff",
    why: "The leader keeps what it commits in memory, and takes it along when it dies.",
    breaks: ["G1", "G4"],
    edits: [
      [
        'const { n } = group; try { sendBack({ type: "write.done",',
        'const { n } = group; if (shared.term !== undefined) { sendBack({ type: "write.done", n, position: null }); return; } try { sendBack({ type: "write.done",',
      ],
    ],
    tests,
    paths: tests,
    named: "W2 leader-handoff",
  },
  {
    id: "W3-update-missing-row",
    why: "An update of a row that is missing writes a row of its own, of which only the update is known.",
    breaks: ["G6"],
    edits: [
      [
        'if ((before === undefined) !== (type === "create")) {',
        'if (before !== undefined && type === "create") {',
      ],
    ],
    tests,
    paths: tests,
    named: "W3 update-missing-row",
  },
  {
    id: "W4-invalid-row-on-load",
    why: "A stored row that its schema refuses ends the load.",
    breaks: ["G8"],
    edits: [
      [
        "const kept = rowOf(definition, table, raw, schema);",
        'const kept = rowOf(definition, table, raw, schema); if (Object.hasOwn(kept, "issue")) throw new Error("Expected a row, got none");',
      ],
    ],
    tests,
    paths: tests,
    named: "W4 invalid-row-on-load",
  },
  {
    id: "W5-replayed-create",
    why: "What may have been stored is stored once more, and nobody looks whether it is there.",
    breaks: ["G2", "G7"],
    edits: [
      ["if (isIdentified(value)) known.set(identity(value), position);", "void [value, position];"],
    ],
    tests,
    paths: tests,
    named: "W5 replayed-create",
  },
  {
    id: "W6-one-connection",
    why: "Each write opens a connection.",
    breaks: ["G2", "G4"],
    edits: [
      [
        "recognised(shared).append(",
        "(await shared.storage.open(shared.name, { blocked() {}, closed() {} })).append(",
      ],
    ],
    tests,
    paths: tests,
    named: "W6 one-connection",
  },
  {
    id: "W7-invalid-broadcast",
    why: "What other tabs say is taken for true as it is.",
    breaks: ["G12"],
    edits: [
      [
        "const admitted = admit(options.definition, message.record);",
        "const admitted = { record: message.record, damage: [] } as unknown as ReturnType<typeof admit>;",
      ],
    ],
    tests,
    paths: tests,
    named: "W7 invalid-broadcast",
  },
  {
    id: "stale-leader-writes",
    why: "A leader that was replaced while it was stopped writes on when it goes on.",
    breaks: ["G10", "G13"],
    edits: [["if (current !== term)", "if (current === undefined)"]],
    tests: ["paths/composition/alone.test.ts"],
    named: "and is stopped",
    paths: ["paths/composition/alone.test.ts"],
  },
];
