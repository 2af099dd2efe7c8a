// @ts-check
/** Storage that fails: connections, opens that hang, no space. */

/** @import { Mutant } from "../apply.mjs" */

/** @type {readonly Mutant[]} */
export const storage = [
  {
    id: "late-connection-leaks",
    why: "The connection of an `open` that was given up stays open: it is in the way of every deletion.",
    breaks: ["G4"],
    edits: [["if (mine !== round) { connection.close(); return; }", "if (mine !== round) return;"]],
    tests: ["engine/connection.test.ts"],
    named: "comes after",
  },
  {
    id: "lost-over-one-record",
    why: "However often a read is lost, it is never made record by record: one file that was cut short hides all.",
    breaks: ["G8"],
    edits: [
      [
        '(failureOf(params.error) === "lost" ? 1 : 0)',
        '(failureOf(params.error) === "lost" ? Infinity : 0)',
      ],
    ],
    tests: ["engine/loading.test.ts"],
    named: "as if the connection was lost",
  },
  {
    id: "hung-over-one-record",
    why: "A read that is never answered is made again as it was: one record hides all.",
    breaks: ["G8"],
    edits: [['actions: ["beMoreCareful", "tellSuspected"],', 'actions: "tellSuspected",']],
    tests: ["testing/device.test.ts"],
    named: "never answered",
  },
  {
    id: "slow-is-unreadable",
    why: "A record that is only slow counts as one that cannot be read.",
    breaks: ["G9"],
    edits: [
      ["await inTime(clock, Promise.all(waiting.values()));", ""],
      ["    await readKeys();\n", ""],
    ],
    tests: ["services/silent.test.ts"],
    named: "only slow",
  },
  {
    id: "hung-holds-on",
    why: "A connection that is dropped over a read that is never answered leaves its transaction open: no tab can write.",
    breaks: ["G4"],
    edits: [["abortAll(db);\n      db.close();", "db.close();"]],
    tests: ["services/silent.test.ts"],
    named: "keeps nobody waiting",
  },
  {
    id: "unread-is-deleted",
    why: "A fold deletes a log record that nobody could read: no later read gets it.",
    breaks: ["G9"],
    edits: [["      lost.push(position);\n      continue;\n", ""]],
    tests: ["engine/late.test.ts"],
    named: "stays where it is",
  },
  {
    id: "late-is-in-time",
    why: "A record that can be read only when others were decided counts as decided with them: its events are lost without a word.",
    breaks: ["G2", "G9"],
    edits: [
      [
        'const isLate = at <= (record.kind === "commit" ? decided : floor);',
        "const isLate = false;",
      ],
    ],
    tests: ["engine/late.test.ts", "model/late.test.ts"],
    named: "too late|is damage",
  },
  {
    id: "bytes-unread-again",
    why: "A record that cannot be read once more takes the place of its bytes in quarantine.",
    breaks: ["G9"],
    edits: [["(it) => it.raw !== null || ", "(it) => true || "]],
    tests: ["engine/late.test.ts"],
    named: "keeps the bytes",
  },
  {
    id: "twin-vanishes",
    why: "A tab that meets another record of a known name takes it for a repetition: its events are gone with the next fold.",
    breaks: ["G2", "G7"],
    edits: [
      [
        "const isTwin = position === replica.position() + 1 && replica.isTaken(arrived);",
        "const isTwin = false as boolean;",
      ],
    ],
    tests: ["engine/twins.test.ts"],
    named: "goes to quarantine",
  },
  {
    id: "repetition-is-a-twin",
    why: "The same record twice is told as damage.",
    breaks: ["G7"],
    edits: [
      [
        "if (first === undefined || areSame(first, record)) return [at, record];",
        "if (first === undefined) return [at, record];",
      ],
    ],
    tests: ["engine/twins.test.ts"],
    named: "is no loss",
  },
  {
    id: "stuck-on-newer-data",
    why: "An outdated tab never stores what it has still to store, once newer code has made cleared data anew.",
    breaks: ["G2"],
    edits: [
      [
        'if (follower.incarnation !== "") shared.recognised = connection;',
        "if (meta.incarnation === follower.incarnation) shared.recognised = connection;",
      ],
    ],
    tests: ["engine/outdated.test.ts"],
    named: "made anew by newer code",
  },
  {
    id: "no-second-open",
    why: "An `open` without an answer is waited for alone.",
    breaks: ["G8"],
    edits: [['secondDelay: { actions: "open", meta', "secondDelay: { meta"]],
    tests: ["engine/connection.test.ts"],
    named: "second one",
  },
  {
    id: "reopened-without-pause",
    why: "Each connection that opens counts as a success, though it is lost at once: opening spins.",
    breaks: ["G4"],
    edits: [['entry: ["drop", "tellLost", "countLoss"],', 'entry: ["drop", "tellLost"],']],
    tests: ["engine/connection.test.ts"],
    named: "longer pauses",
  },
  {
    id: "leader-waits-on-a-dead-handle",
    why: "A leader does not hear that its connection is lost: what it waits for closes the next one.",
    breaks: ["G4"],
    edits: [['"storage.lost": { target: ".stalled", meta: { tid: "handoff.storageLost" } },', ""]],
    tests: ["engine/connection.test.ts"],
    named: "took its place",
  },
  {
    id: "old-round-is-news",
    why: "A read of a connection that is gone counts as one of the connection that is awaited.",
    breaks: ["G9"],
    edits: [['"storage.lost": { target: ".waiting", meta: { tid: "load.lost" } },', ""]],
    tests: ["engine/connection.test.ts"],
    named: "awaited",
  },
  {
    id: "nothing-evicted",
    why: "Where there is no space, cached queries are kept.",
    breaks: ["G2"],
    edits: [["evicted = await recognised(shared).evict();", "evicted = 0;"]],
    tests: ["engine/quota.test.ts"],
    named: "makes space",
  },
  {
    id: "rejected-on-suspicion",
    why: "With `reject`, what was lost is taken back as well, though it may be stored.",
    breaks: ["G2"],
    edits: [
      [
        'isQuota: ({ event }) => failed(event) === "quota",',
        'isQuota: ({ event }) => failed(event) === "quota" || failed(event) === "lost",',
      ],
    ],
    tests: ["engine/quota.test.ts"],
    named: "may be stored",
  },
  {
    id: "full-leader-fences-again",
    why: "A leader without space to fold claims and reads all of it again, every two seconds.",
    breaks: ["G4"],
    edits: [
      [
        'target: "full", meta: { tid: "handoff.foldFull" },',
        'target: "#handoff.leading.stalled", meta: { tid: "handoff.foldFull" },',
      ],
    ],
    tests: ["engine/quota.test.ts"],
    named: "G5 a leader",
  },
  {
    id: "damage-blocks-a-full-device",
    why: "Damage that there is no space to keep stops the load.",
    breaks: ["G8"],
    edits: [
      [
        'target: "replaying", meta: { tid: "load.noSpaceToKeep" },',
        'target: "rereading", meta: { tid: "load.noSpaceToKeep" },',
      ],
    ],
    tests: ["engine/quota.test.ts"],
    named: "G8 G9",
  },
  {
    id: "full-disk-is-never-told",
    why: "A disk that is full is told as a lost connection, for ever.",
    breaks: ["G2"],
    edits: [["context.attempts > 1,", "context.attempts < 0,"]],
    tests: ["engine/quota.test.ts"],
    named: "told as full",
  },
  {
    id: "closing-hides-full",
    why: "A full disk that closes the connection right after it said so is told as a lost connection, for ever.",
    breaks: ["G2"],
    edits: [
      [
        'entry: "evict",\n              on: {',
        'entry: "evict",\n              on: {\n                "storage.lost": { target: "#commit.open.retrying", meta: { tid: "commit.evictingLost" } },',
      ],
    ],
    tests: ["engine/quota.test.ts"],
    named: "closes the connection",
  },
  {
    id: "full-for-good",
    why: "A commit that is stored after one was rejected does not end that the device is told as full.",
    breaks: ["G2"],
    edits: [["context.attempts > 0,", "context.attempts < 0,"]],
    tests: ["engine/quota.test.ts"],
    named: "G2 rejects what",
  },
  {
    id: "delay-hides-full",
    why: "A full device is told as a delay, when a write fails in another way.",
    breaks: ["G2"],
    edits: [
      [
        '"commit.flowing": { target: "flowing", meta: { tid: "sync.flowingAgain" } }',
        '"commit.delayed": { target: "delayed", meta: { tid: "sync.hidden" } }, "commit.flowing": { target: "flowing", meta: { tid: "sync.flowingAgain" } }',
      ],
    ],
    tests: ["engine/quota.test.ts"],
    named: "whatever else goes wrong",
  },
  {
    id: "late-answer-not-heard",
    why: "What a leaving page wrote while another write was looked up waits for the watchdog.",
    breaks: ["G1"],
    edits: [
      [
        'actions: "acknowledge", meta: { tid: "commit.lateDone" },',
        'meta: { tid: "commit.lateDone" },',
      ],
    ],
    tests: ["engine/connection.test.ts"],
    named: "watchdog",
  },
  {
    id: "silent-death",
    why: "A service that throws ends the commits, and nobody is told.",
    breaks: ["G2"],
    edits: [
      [
        'onError: { target: ".failed", meta: { tid: "sync.commitDied" } },',
        'onError: { meta: { tid: "sync.commitDied" } },',
      ],
    ],
    tests: ["engine/connection.test.ts"],
    named: "persister",
  },
  {
    id: "heard-while-reading",
    why: "What is heard of while a round reads is forgotten.",
    breaks: ["G6"],
    edits: [
      [
        'event.type === "gap.found" ? Math.max(context.wanted, event.position) : context.wanted,',
        'event.type === "gap.found" ? Math.min(context.wanted, event.position) : context.wanted,',
      ],
    ],
    tests: ["paths/load.test.ts"],
    paths: ["paths/load.test.ts"],
  },
  {
    id: "repair-writes-nothing",
    why: "What says what the rest is was rebuilt, as is told, and nothing of that was written.",
    breaks: ["G8"],
    edits: [
      ["return { puts, deletes };", "return puts.length < 0 ? { puts, deletes } : undefined;"],
    ],
    tests: ["paths/load.test.ts"],
    paths: ["paths/load.test.ts"],
  },
];
