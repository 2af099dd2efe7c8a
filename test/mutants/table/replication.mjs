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
    tests: ["sync/kill.test.ts"],
    named: "G5 a leader",
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
];
