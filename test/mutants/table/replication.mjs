// @ts-check
/** With a server: what is asked, and what follows from the answers. */

/** @import { Mutant } from "../apply.mjs" */

/** @type {readonly Mutant[]} */
export const replication = [
  {
    id: "poke-while-pulling-lost",
    why: "What a poke said while a pull was under way is forgotten with its answer, until the watchdog pulls.",
    breaks: ["G13"],
    edits: [
      [
        "head: more ? Math.max(progress.head, page.head) : progress.head,",
        "head: more ? page.head : 0,",
      ],
    ],
    tests: ["paths/composition/server-leading.test.ts"],
    named: "and is killed",
  },
  {
    id: "pull-forgives-push",
    why: "A pull that succeeds ends the pauses between pushes that do not: the device goes round and round.",
    breaks: [],
    edits: [["stuck === undefined || stuck === what", "what !== undefined || stuck === what"]],
    tests: ["sync/errors.test.ts"],
    named: "an error that answers a push",
  },
  {
    id: "compared-under-another-term",
    why: "A leader that was frozen while it compared a new base writes it when it leads again, onto a base that others moved.",
    breaks: ["G10", "G13"],
    edits: [
      [
        "if (shared.term === undefined || shared.term !== term) return",
        "if (shared.term === undefined) return",
      ],
    ],
    tests: ["replicator/terms.test.ts"],
  },
  {
    id: "refused-unseen",
    why: "An event is rejected for its size, although the answer to a request that had it may have been lost.",
    breaks: ["G5"],
    edits: [["isOversize(context.outcome) && isBehind(context, context.server),", "false,"]],
    tests: ["sync/errors.test.ts"],
    named: "limits that another tab knows",
  },
  {
    id: "refusal-unseen",
    why: "An event is rejected because its server says so, although an earlier request may have had it taken in.",
    breaks: ["G5"],
    edits: [['["tooLarge", "bad"].includes(', '[""].includes(']],
    tests: ["sync/errors.test.ts"],
    named: "a server that takes less by now",
  },
  {
    id: "no-step-to-more",
    why: "A page that says that there is more, and gives nothing, is asked for again at once, for ever.",
    breaks: [],
    edits: [['if (page.more && page.pos <= begin) return "stale";', ""]],
    tests: ["sync/waits.test.ts"],
    named: "gives nothing",
  },
  {
    id: "pages-in-a-circle",
    why: "Pages of a snapshot that go round in a circle are read for ever.",
    breaks: [],
    edits: [["&& pages.every((it) => it.next !== next)", ""]],
    tests: ["sync/waits.test.ts"],
    named: "in a circle",
  },
  {
    id: "wait-without-end",
    why: "A server makes a device wait for as long as it likes.",
    breaks: ["G5"],
    edits: [
      [
        "export const atMostADay = (ms: number): number => Math.min(ms, 24 * 3600_000);",
        "export const atMostADay = (ms: number): number => ms;",
      ],
    ],
    tests: ["sync/waits.test.ts"],
    named: "a day at most",
  },
  {
    id: "clock-makes-wait",
    why: "A clock that is set back by a year makes a device wait for a year.",
    breaks: ["G5"],
    edits: [["waited: assign({ floor: 0 }),", "waited: assign({}),"]],
    tests: ["sync/waits.test.ts"],
    named: "set back by a year",
  },
  {
    id: "proxy-costs-events",
    why: "An event is given up on the word of a proxy: its status is taken for the server's.",
    breaks: ["G5"],
    edits: [['return known ? "tooLarge" : "wait";', 'return "tooLarge";']],
    tests: ["model/verdict.test.ts"],
    named: "costs an event",
  },
  {
    id: "bad-request-costs-all",
    why: "A server that calls every request bad has every event of the outbox rejected.",
    breaks: ["G5"],
    edits: [['return asked.doubted ? "incompatible" : "bad";', 'return "bad";']],
    tests: ["model/verdict.test.ts"],
    named: "second one in a row",
  },
  {
    id: "token-never-renewed",
    why: "A token that has expired is not asked for anew: the person has to sign in each time.",
    breaks: [],
    edits: [['return asked.renewed ? "unauthorized" : "refresh";', 'return "unauthorized";']],
    tests: ["sync/faults.test.ts"],
    named: "nobody sees it",
  },
  {
    id: "pause-not-kept",
    why: "A server that asks for a pause is asked again as soon as somebody comes back to the page.",
    breaks: [],
    edits: [["floor: asked > 0 ? server.now() + asked : 0,", "floor: 0,"]],
    tests: ["sync/faults.test.ts"],
    named: "asks for a pause",
  },
  {
    id: "silent-stream-lives",
    why: "A stream that is dead without a word is listened to for ever.",
    breaks: ["G13"],
    edits: [["2.5 * context.heartbeat", "250 * context.heartbeat"]],
    tests: ["sync/live.test.ts"],
    named: "silent",
  },
  {
    id: "hidden-tab-listens",
    why: "A device that nobody looks at keeps its stream, and the browser keeps its page awake for it.",
    breaks: [],
    edits: [["hiddenDelay: 60_000,", "hiddenDelay: 6_000_000,"]],
    tests: ["sync/live.test.ts"],
    named: "hidden",
  },
  {
    id: "remote-gone-unseen",
    why: "What is known of the server is gone from the disk, and the device takes itself for one that the server never saw.",
    breaks: ["G8"],
    edits: [['sound["remote"] === undefined)', 'sound["format"] === undefined)']],
    tests: ["sync/remote-damage.test.ts"],
    named: "all of it is gone",
  },
  {
    id: "adopted-in-two-writes",
    why: "A leader that dies while it adopts the device's data has taken it out of the base, and sent none of it.",
    breaks: ["G5"],
    edits: [
      [
        "return done(await lead.append(bodies, position));",
        "await lead.append(bodies.slice(0, 1), position); return done(await lead.append(bodies.slice(1)));",
      ],
    ],
    tests: ["sync/adopt.test.ts"],
    named: "leader is killed",
  },
  {
    id: "fold-forgets-numbers",
    why: "A fold does not say which events were sent: the next leader gives their numbers to others.",
    breaks: ["G5"],
    edits: [
      [
        "? replica.remote.store() : undefined",
        "? { ...replica.remote.store(), numbers: [] } : undefined",
      ],
    ],
    tests: ["sync/kill-fold.test.ts", "sync/remote-damage.test.ts"],
  },
  {
    id: "one-denial-stops",
    why: "One refusal of a proxy stops syncing until the app gives another token, or for minutes.",
    breaks: [],
    edits: [["denials === 0 || Math.abs(now - askedAt) >=", "Math.abs(now - askedAt) >="]],
    tests: ["sync/faults.test.ts"],
    named: "of a proxy",
  },
];
