// @ts-check
/** What rows come to: materializers, the overlay, the base. */

/** @import { Mutant } from "../apply.mjs" */

/** @type {readonly Mutant[]} */
export const rows = [
  {
    id: "partial-row",
    why: "An update of a missing row creates one with the properties that the update has.",
    breaks: ["G6"],
    edits: [
      [
        'if ((before === undefined) !== (type === "create")) {',
        'if (before !== undefined && type === "create") {',
      ],
    ],
    tests: ["engine/bad-input.test.ts", "engine/conflict.test.ts"],
    named: "G6|without effect",
  },
  {
    id: "update-not-merged",
    why: "An update replaces the row.",
    breaks: ["G6"],
    edits: [["before === undefined ? given : { ...before, ...(given as object) },", "given,"]],
    tests: ["engine/durability.test.ts"],
  },
  {
    id: "double-create",
    why: "A create of an existing id takes the place of the row.",
    breaks: ["G7", "G6"],
    edits: [
      [
        'if ((before === undefined) !== (type === "create")) {',
        'if (before === undefined && type === "update") {',
      ],
    ],
    tests: ["engine/bad-input.test.ts"],
    named: "without effect",
  },
  {
    id: "silent-noop",
    why: "An action without effect is not told.",
    breaks: ["G6"],
    edits: [['for (const it of noops) reporter.emit({ type: "noop", ...it });', "void noops;"]],
    tests: ["engine/bad-input.test.ts"],
    named: "without effect",
  },
  {
    id: "known-record-again",
    why: "A record that arrives again is applied again.",
    breaks: ["G7"],
    edits: [["if (arrival.position <= position) return", "if (arrival.position < 0) return"]],
    tests: ["engine/hints.test.ts"],
    named: "G7",
  },
  {
    id: "record-twice-in-the-log",
    why: "A record that an old tab added again counts again.",
    breaks: ["G7"],
    edits: [["if (numbers.has(n) || isFolded(markOf(tab), n)) return true;", ""]],
    tests: ["engine/convergence.test.ts"],
    named: "G7 a record",
  },
  {
    id: "key-not-restored",
    why: "A dedupe key stays taken when the commit that took it is undone.",
    breaks: ["G7", "G2"],
    edits: [["for (const it of entry.outcome.keys) taken.delete(keyOf(it.name, it.key));", ""]],
    tests: ["engine/coalesce.test.ts"],
    named: "dedupe",
  },
  {
    id: "fold-forgets-keys",
    why: "A dedupe key counts until the next fold.",
    breaks: ["G7"],
    edits: [['keys: follower.replica.keys() as Meta["keys"],', "keys: [],"]],
    tests: ["engine/writing.test.ts"],
    named: "G7",
  },
  {
    id: "coalesce-over-an-event",
    why: "A later event takes the place of an earlier one although something lies between.",
    breaks: ["G6"],
    edits: [
      [
        "const before = entries.at(-1);",
        "const before = entries.findLast((it) => it.coalesce !== undefined);",
      ],
    ],
    tests: ["engine/coalesce.test.ts"],
    named: "coalesce",
  },
  {
    id: "superseded-without-its-successor",
    why: "When a refused commit goes, what it had taken the place of stays without effect.",
    breaks: ["G6", "G2"],
    edits: [
      ['if (before?.outcome?.tag === "superseded") before.outcome = undefined;', "void before;"],
    ],
    tests: ["engine/coalesce.test.ts"],
    named: "coalesce",
  },
  {
    id: "missed-without-catch-up",
    why: "A tab that sees that it missed a record does not read it.",
    breaks: ["G6", "G13"],
    edits: [['if (received.tag === "gap") hear(position);', ""]],
    tests: ["engine/leader.test.ts"],
    named: "catch-up",
    paths: ["paths/audit/audit.test.ts"],
  },
  {
    id: "gap-passed-over",
    why: "A record is applied although one before it is missing.",
    breaks: ["G6", "G13"],
    edits: [["if (arrival.position > position + 1)", "if (arrival.position > 1e15)"]],
    tests: ["engine/leader.test.ts"],
    named: "catch-up",
  },
  {
    id: "catch-up-by-log-alone",
    why: "A tab that missed what is folded by now reads only what is left of the log.",
    breaks: ["G6", "G13"],
    edits: [
      [
        "if (!whole && (meta.floor > options.after || hole))",
        "if (!whole && hole && meta.floor < 0)",
      ],
    ],
    tests: ["engine/leader.test.ts"],
    named: "catch-up",
  },
  {
    id: "other-tabs-commits-on-top",
    why: "Another tab's commit goes on top of this tab's own that are not logged: orders differ.",
    breaks: ["G6", "G13"],
    edits: [
      [
        'if (first === overlay.length) return { tag: "insert", at: logged };',
        'if (first === overlay.length) return { tag: "insert", at: overlay.length };',
      ],
    ],
    tests: ["engine/convergence.test.ts"],
    paths: ["paths/composition/product.test.ts"],
  },
  {
    id: "decided-event-runs-again",
    why: "A tab keeps what its own materializers made of a decided event, in place of the after-images.",
    breaks: ["G6", "G13"],
    edits: [["if (!turns && agrees(entries, done, record)) {", "if (done.size > 0) {"]],
    tests: ["engine/conflict.test.ts"],
    named: "decided",
  },
  {
    id: "decided-waits-after-clearing",
    why: "What the device decided waits again, for ever, when its data is cleared and made anew with a server.",
    breaks: ["G13"],
    edits: [
      [
        "if (turns) for (const entry of entries) entry.told = false;",
        "if (turns) for (const entry of mine) entry.told = false;",
      ],
    ],
    tests: ["sync/adopt.test.ts"],
    named: "G13",
  },
  {
    id: "decided-event-loads-again",
    why: "A fresh tab does not apply the after-images of a base record that is in the log.",
    breaks: ["G6"],
    edits: [
      [
        "if (byServer) remote.take(record); for (const it of record.changes) image(publication, it);",
        "if (byServer) remote.take(record);",
      ],
    ],
    tests: ["engine/conflict.test.ts"],
    named: "decided",
  },
  {
    id: "rebase-tells-of-nothing",
    why: "A rebase tells of rows that end as they began, as new objects.",
    breaks: ["G3"],
    edits: [
      [
        "if (before !== undefined && sameJson(before, after)) table.set(id, before); else changes.push",
        "changes.push",
      ],
    ],
    tests: ["engine/conflict.test.ts"],
    named: "rebase",
  },
  {
    id: "listener-sees-the-middle",
    why: "What a rebase undid is told as the state before.",
    breaks: ["G3"],
    edits: [
      [
        "if (!befores.has(id)) befores.set(id, table.rows.get(id));",
        "befores.set(id, table.rows.get(id));",
      ],
    ],
    tests: ["engine/conflict.test.ts"],
    named: "rebase",
  },
];
