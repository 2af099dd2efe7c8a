// @ts-check
/** From `commit()` to the disk. */

/** @import { Mutant } from "../apply.mjs" */

/** @type {readonly Mutant[]} */
export const commits = [
  {
    id: "ack-before-complete",
    why: "A transaction resolves on the success of its requests: it may still abort.",
    breaks: ["G1", "G2"],
    edits: [
      [
        "let end = await ended;",
        'let end = await Promise.race([ended, result.then((): "complete" => "complete", () => ended)]);',
      ],
    ],
    tests: ["services/storage.test.ts"],
    named: "outcome",
  },
  {
    id: "ack-append-before-complete",
    why: "A log record is acknowledged on the success of its request: its transaction may still abort.",
    breaks: ["G1", "G2"],
    edits: [
      [
        "request = tx.objectStore(store).add(value);",
        "request = tx.objectStore(store).add(value);\nrequest.onsuccess = () => resolve((request as IDBRequest<IDBValidKey>).result);",
      ],
    ],
    tests: ["services/storage.test.ts"],
  },
  {
    id: "ack-before-storage",
    why: "A receipt is durable as soon as its record is handed to storage.",
    breaks: ["G1", "G2"],
    edits: [
      [
        "flight.push(group);",
        "flight.push(group);\nfor (const it of group.items) it.durable.resolve();",
      ],
    ],
    tests: ["engine/durability.test.ts"],
    paths: ["paths/composition/product.test.ts", "paths/commit.test.ts"],
  },
  {
    id: "memory-is-durable",
    why: "Where storage is memory only, receipts are durable all the same.",
    breaks: ["G1"],
    edits: [["if (!memoryOnly || group.dismissal !== undefined) pipeline", "pipeline"]],
    tests: ["engine/lifecycle.test.ts"],
    named: "memory-if-unavailable",
  },
  {
    id: "only-leader-writes",
    why: "A tab that does not lead keeps its commits in memory.",
    breaks: ["G4", "G1"],
    edits: [
      [
        "const group = pipeline.take();",
        "if (shared.term === undefined) return;\nconst group = pipeline.take();",
      ],
    ],
    tests: ["engine/writing.test.ts"],
    named: "G4",
  },
  {
    id: "added-again-without-lookup",
    why: "After an unknown outcome the record is added again, whether it is in the log or not.",
    breaks: ["G2", "G7"],
    edits: [
      ["if (isIdentified(value)) known.set(identity(value), position);", "void [value, position];"],
    ],
    tests: ["engine/durability.test.ts"],
    named: "G2 an outcome",
  },
  {
    id: "added-again-after-fold",
    why: "After an unknown outcome the record is looked for in the log, but not among those that are folded.",
    breaks: ["G2", "G7"],
    edits: [
      [
        "if (isFolded(markOf(writers, record.tab), record.n)) return",
        "if (isFolded(markOf(null, record.tab), record.n)) return",
      ],
    ],
    tests: ["services/storage.test.ts"],
    named: "G7",
  },
  {
    id: "fold-forgets-writers",
    why: "A fold does not write down whose records it took: a lost one is added again.",
    breaks: ["G7"],
    edits: [['writers: planned.writers as Meta["writers"],', "writers: {},"]],
    tests: ["engine/durability.test.ts"],
    named: "G2 an unknown outcome",
  },
  {
    id: "given-up-on-suspicion",
    why: "A lost connection counts as a refusal: what may be stored is rolled back.",
    breaks: ["G2"],
    edits: [
      [
        '=> failed(event) === "refused",',
        '=> failed(event) === "refused" || failed(event) === "lost",',
      ],
    ],
    tests: ["engine/durability.test.ts"],
    named: "G2 an outcome",
  },
  {
    id: "no-rollback",
    why: "The rows of a refused commit stay on the screen.",
    breaks: ["G2"],
    edits: [["follower.remove(pipeline.refuse(", "void (pipeline.refuse("]],
    tests: ["engine/durability.test.ts"],
    named: "G2 a refused write",
  },
  {
    id: "rolled-back-but-promised",
    why: "The receipts of a refused commit are never told.",
    breaks: ["G2"],
    edits: [["for (const item of group.items) fail(item, error);", ""]],
    tests: ["engine/durability.test.ts"],
    named: "G2 a value",
  },
  {
    id: "no-watchdog",
    why: "A transaction that never tells its outcome is waited for for ever.",
    breaks: ["G2"],
    edits: [["watchdog: 5000,", "watchdog: 2 ** 30,"]],
    tests: ["engine/durability.test.ts"],
    named: "G2 an outcome",
  },
  {
    id: "silent-delay",
    why: "A write that is tried again is not told.",
    breaks: ["G2"],
    edits: [['entry: ["count", "tellDelayed"],', ""]],
    tests: ["engine/durability.test.ts"],
    named: "G2 an aborted write",
  },
  {
    id: "leaving-page-does-not-flush",
    why: "A page that goes away leaves what is queued behind a write in flight in memory.",
    breaks: ["G1"],
    edits: [
      [
        '"page.leaving": { guard: "hasQueued", actions: "flush", meta',
        '"page.leaving": { guard: "hasQueued", meta',
      ],
    ],
    tests: ["engine/writing.test.ts"],
    named: "leaves",
  },
  {
    id: "half-a-unit",
    why: "What the first events of a commit did stays when a later one fails.",
    breaks: ["G3"],
    edits: [
      [
        "for (const change of step.changes.toReversed()) set(change.table, change.id, change.before);",
        "",
      ],
    ],
    tests: ["engine/bad-input.test.ts"],
    named: "commit refuses",
  },
  {
    id: "unit-split-in-the-log",
    why: "Other tabs take the events of one commit one by one.",
    breaks: ["G3"],
    edits: [
      [
        "if (event.tx !== undefined && last?.[0]?.tx === event.tx)",
        'if (event.tx === "" && last !== undefined)',
      ],
    ],
    tests: ["engine/conflict.test.ts"],
    named: "G3",
  },
  {
    id: "told-row-by-row",
    why: "Listeners hear of the rows of one commit one at a time.",
    breaks: ["G3"],
    edits: [
      [
        "ofTable.call( Object.freeze( rows.map(",
        "for (const one of rows) ofTable.call(Object.freeze([one].map(",
      ],
    ],
    tests: ["engine/durability.test.ts"],
    named: "G3",
  },
  {
    id: "mutate-after-commit",
    why: "The engine keeps the app's own object: what the app does to it later is stored.",
    breaks: ["G3", "G6"],
    edits: [
      ["const taking = compileFast(schema, true);", "const taking = compileFast(schema, false);"],
      ["(Object.freeze(out) as Json) : slow", "(out as Json) : slow"],
    ],
    tests: ["engine/bad-input.test.ts"],
    named: "commit keeps",
  },
  {
    id: "commit-not-told",
    why: "A commit is told to nobody: other tabs learn of it when they look by themselves.",
    breaks: ["G13"],
    edits: [["tabs.changed(position, group.record);", ""]],
    tests: ["engine/durability.test.ts"],
    named: "G3 is one unit",
  },
  {
    id: "no-space-is-a-refusal",
    why: "A commit for which there is no space now is rolled back.",
    breaks: ["G2"],
    edits: [
      [
        'isRefused: ({ event }) => failed(event) === "refused",',
        'isRefused: ({ event }) => failed(event) === "refused" || failed(event) === "quota",',
      ],
    ],
    tests: ["engine/durability.test.ts"],
    named: "G2 without space",
  },
  {
    id: "stop-does-not-flush",
    why: "An engine that stops does not wait until its commits are durable.",
    breaks: ["G1"],
    edits: [['entry: "drainCommits",', 'entry: ["drainCommits", "drainLeader"],']],
    tests: ["engine/lifecycle.test.ts"],
    named: "stop",
  },
  {
    id: "gate-open-while-drained",
    why: "Commits pass while those before are written for the last time.",
    breaks: ["G2"],
    edits: [["closeGate: () => pipeline.setOpen(false),", "closeGate: () => undefined,"]],
    tests: ["paths/commit.test.ts"],
    paths: ["paths/commit.test.ts"],
  },
  {
    id: "stale-answer-counts",
    why: "An answer about a record that was looked up meanwhile counts as one about the record in flight.",
    breaks: ["G2"],
    edits: [["!context.queue.isInFlight(event.n),", "event.n < 0,"]],
    tests: ["paths/commit.test.ts"],
    paths: ["paths/commit.test.ts"],
  },
];
