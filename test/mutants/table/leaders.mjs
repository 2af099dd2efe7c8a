// @ts-check
/** Leaders: the fence, deciding, folding, handing over. */

/** @import { Mutant } from "../apply.mjs" */

/** @type {readonly Mutant[]} */
export const leaders = [
  {
    id: "term-check-after-commit",
    why: "A leader's write is committed before the term is known: the abort comes too late.",
    breaks: ["G10"],
    edits: [
      ["const stored = await currentTerm;", "tx.commit();\nconst stored = await currentTerm;"],
      ["const placed = await position; tx.commit();", "const placed = await position;"],
    ],
    tests: ["engine/leader.test.ts"],
    named: "G10 a stale leader",
  },
  {
    id: "no-term-check",
    why: "A leader's write lands whoever leads by then.",
    breaks: ["G10"],
    edits: [["if (stored !== term) return", "if (stored === undefined) return"]],
    tests: ["engine/leader.test.ts"],
    named: "G10 a stale leader",
  },
  {
    id: "asleep-with-a-log",
    why: "What was decided while a fold was written stays in the log until somebody commits again.",
    breaks: [],
    edits: [["(ledger?.moves ?? 0) > 0 ||", ""]],
    tests: ["engine/fold.test.ts"],
  },
  {
    id: "base-record-applied-too-early",
    why: "A leader applies its base record before it knows that it was written.",
    breaks: ["G1", "G13"],
    edits: [
      [
        "const [append, ...also] = records as [LogRecord, ...LogRecord[]];",
        "const [append, ...also] = records as [LogRecord, ...LogRecord[]]; follower.receive(follower.position() + 1, append);",
      ],
    ],
    tests: ["engine/hints.test.ts"],
    named: "G1 G13",
  },
  {
    id: "plan-of-an-earlier-term",
    why: "A fold that was planned before this tab lost and regained leadership is written.",
    breaks: ["G10", "G6"],
    edits: [
      ["if (signal.aborted || planned === undefined ||", "if (planned === undefined ||"],
      [
        'lead.write({ puts, deletes, durability: "strict" }, term)',
        'lead.write({ puts, deletes, durability: "strict" }, shared.term ?? term)',
      ],
    ],
    tests: ["engine/leader.test.ts"],
    named: "G10 a fold",
  },
  {
    id: "lock-kept-on-pagehide",
    why: "A leader whose page leaves holds on to the lock.",
    breaks: ["G11"],
    edits: [
      [
        'actions: "release", meta: { tid: "election.resigned" },',
        'meta: { tid: "election.resigned" },',
      ],
    ],
    tests: ["engine/leader.test.ts"],
    named: "page leaves",
    paths: ["paths/composition/product.test.ts"],
  },
  {
    id: "pagehide-not-heard",
    why: "Only `freeze` counts as leaving, not `pagehide`: the back/forward cache keeps the lock.",
    breaks: ["G11"],
    edits: [['new Set(["pagehide", "freeze"])', 'new Set(["freeze"])']],
    tests: ["engine/writing.test.ts"],
    named: "back/forward",
  },
  {
    id: "frozen-leader-stays",
    why: "Nobody judges a leader without heartbeat.",
    breaks: ["G11"],
    edits: [["silence: 10_000,", "silence: 2 ** 30,"]],
    tests: ["engine/leader.test.ts"],
    named: "G11",
    paths: ["paths/composition/product.test.ts"],
  },
  {
    id: "deaf-tab-steals",
    why: "Where no leader can be heard, the lock is stolen from live leaders again and again.",
    breaks: ["G10", "G11"],
    edits: [["context.locks.hears() && context.locks.visible()", "context.locks.visible()"]],
    tests: ["engine/election.test.ts"],
    named: "cannot be heard",
  },
  {
    id: "demoted-for-good",
    why: "A tab that lost the lock never asks for it again by itself.",
    breaks: ["G11"],
    edits: [
      ['after: { requeueDelay: { target: "candidate", meta: { tid: "election.requeued" } } },', ""],
    ],
    tests: ["engine/election.test.ts"],
    named: "locks: true",
  },
  {
    id: "lockless-stays-candidate",
    why: "Without locks nobody ever leads.",
    breaks: ["G11"],
    edits: [
      [
        'target: "leading", meta: { tid: "election.silentLockless" }',
        'target: "waiting", reenter: true, meta: { tid: "election.silentLockless" }',
      ],
    ],
    tests: ["engine/election.test.ts"],
    named: "without locks",
  },
  {
    id: "later-term-not-heard",
    why: "A leader goes on though it hears of a later term.",
    breaks: ["G10"],
    edits: [["term > shared.term) send", "term < shared.term) send"]],
    tests: ["engine/election.test.ts"],
    named: "later term",
  },
  {
    id: "resigned-but-beating",
    why: "A demoted leader keeps its term and shows itself as leader.",
    breaks: ["G10"],
    edits: [["shared.term = undefined; follower.stopLeading();", "follower.stopLeading();"]],
    tests: ["engine/leader.test.ts"],
    named: "G10",
  },
  {
    id: "recovers-from-memory",
    why: "A new leader decides what it has in memory, without reading the log.",
    breaks: ["G6", "G13"],
    edits: [
      [
        "if (follower.adopt(picture, quarantineEntries(picture, environment.clock.now()))) break;",
        "break;",
      ],
    ],
    tests: ["engine/leader.test.ts"],
    named: "handoff",
    paths: ["paths/composition/alone.test.ts"],
  },
  {
    id: "heartbeat-without-position",
    why: "A follower takes the heartbeat for a sign of life only, and not for how long the log is.",
    breaks: ["G13"],
    edits: [
      [
        "options.leader(true, message.term, message.server);",
        "options.leader(true, message.term, message.server);\n        if (head.p === 1) return;",
      ],
    ],
    tests: ["engine/hints.test.ts"],
    named: "heartbeat",
  },
  {
    id: "dead-tabs-record-not-looked-for",
    why: "A record that a tab wrote and told nobody of is found only by the next load.",
    breaks: ["G13"],
    edits: [["if (beats % lookEvery === 0)", "if (beats % lookEvery === -1)"]],
    tests: ["engine/leader.test.ts"],
    named: "catch-up",
  },
  {
    id: "fold-of-base-and-overlay",
    why: "A fold writes what is shown: commits that nobody stored become rows.",
    breaks: ["G6"],
    edits: [
      [
        "const underlay = replica.underlay(table);",
        "const underlay = new Map<string, Row | undefined>();",
      ],
    ],
    tests: ["engine/fold.test.ts"],
    named: "writes the base",
  },
  {
    id: "fold-deletes-undecided",
    why: "A fold deletes every record up to its floor, decided or not.",
    breaks: ["G1", "G6"],
    edits: [
      [
        'if (record.kind === "commit" ? position > settled.position : position > floor) continue;',
        "if (position > floor) continue;",
      ],
    ],
    tests: ["engine/writing.test.ts"],
    named: "G1 a fold",
  },
  {
    id: "floor-before-segments",
    why: "The floor moves in a transaction of its own, before the segments.",
    breaks: ["G6", "G1"],
    edits: [
      [
        'await lead.write({ puts, deletes, durability: "strict" }, term);',
        `await lead
        .write({ puts: puts.filter((it) => it.store === "meta"), durability: "strict" }, term)
        .then(() => lead.write({ puts, deletes, durability: "strict" }, term));`,
      ],
    ],
    tests: ["engine/writing.test.ts"],
    named: "G6 a leader that dies",
  },
  {
    id: "log-deleted-before-segments",
    why: "The log is cut in a transaction of its own, before the segments hold what was in it.",
    breaks: ["G1"],
    edits: [
      [
        'await lead.write({ puts, deletes, durability: "strict" }, term);',
        `await lead
        .write({ deletes, durability: "strict" }, term)
        .then(() => lead.write({ puts, durability: "strict" }, term));`,
      ],
    ],
    tests: ["engine/writing.test.ts"],
    named: "G6 a leader that dies",
    paths: ["paths/composition/alone.test.ts"],
  },
  {
    id: "conflict-without-record",
    why: "An event that is decided against leaves no record that the app could list.",
    breaks: ["G5"],
    edits: [
      [
        "for (const event of unit) refusals.push({ event, code, message });",
        "void [code, message];",
      ],
    ],
    tests: ["engine/conflict.test.ts"],
    named: "G3",
  },
  {
    id: "lock-released-while-writing",
    why: "A leader that stops lets go of the lock while its write is in flight.",
    breaks: ["G10"],
    edits: [["await lead.idle();", "void lead.idle();"]],
    tests: ["engine/lifecycle.test.ts"],
    named: "while the leader writes",
  },
  {
    id: "open-place-decided",
    why: "The last event of a coalescing run is decided although another tab has just taken its place.",
    breaks: ["G6", "G13"],
    edits: [
      ["tail: open ? replica.position() : undefined,", "tail: open ? undefined : undefined,"],
    ],
    tests: ["engine/hints.test.ts"],
    named: "whose place",
  },
  {
    id: "channel-open-in-the-cache",
    why: "A page in the back/forward cache listens: the first message would evict it.",
    breaks: ["G11"],
    edits: [["tabs.close();", ""]],
    tests: ["engine/writing.test.ts"],
    named: "back/forward",
  },
  {
    id: "back-without-a-look",
    why: "A page that comes back does not ask what was said meanwhile.",
    breaks: ["G13"],
    edits: [['if (follower.incarnation !== "") follower.look();', ""]],
    tests: ["engine/hints.test.ts"],
    named: "comes back",
  },
  {
    id: "deaf-while-loading",
    why: "What is told while the first load reads is not heard.",
    breaks: ["G13"],
    edits: [['if ("position" in message) options.heard(message.position);', ""]],
    tests: ["engine/hints.test.ts"],
    named: "loads",
  },
  {
    id: "newer-record-applied",
    why: "A tab applies records of newer code.",
    breaks: ["G9", "G12"],
    edits: [["if (arrived.schema > schema) {", "if (arrived.schema < 0) {"]],
    tests: ["engine/channel.test.ts"],
    named: "newer schema",
  },
];
