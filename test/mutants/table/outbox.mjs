// @ts-check
/** What waits for a server, and what becomes of it. */

/** @import { Mutant } from "../apply.mjs" */

const tests = ["replicator/replicator.test.ts"];

/** @type {readonly Mutant[]} */
export const outbox = [
  {
    id: "decided-at-acknowledgement",
    why: "An event leaves the overlay when the server took it in, before it is seen in its log.",
    breaks: ["G5"],
    edits: [["acked.push(", "(decided.push(id), acked).push("]],
    tests,
    named: "keeps what is acknowledged on screen",
  },
  {
    id: "acknowledged-position-trusted",
    why: "An event counts as seen when the log has passed the position where it was said to be.",
    breaks: ["G5"],
    edits: [
      [
        "else if (ack !== undefined && ack[1] <= to) lost.add(id);",
        "else if (ack !== undefined && ack[1] <= to) take(id, ack);",
      ],
    ],
    tests,
    named: "not in the log where it was said to be",
  },
  {
    id: "short-log-awaited",
    why: "What was taken in by a server that was put back to a backup waits until others have written as much as was lost.",
    breaks: ["G5"],
    edits: [["return isLost ? Infinity : pos;", "return pos;"]],
    tests: ["sync/reset.test.ts"],
    named: "though nobody else writes",
  },
  {
    id: "place-taken-after-attempt",
    why: "A later event takes the place of one that was sent.",
    breaks: ["G5", "G6"],
    edits: [
      [
        'before.outcome?.tag === "applied" && !before.attempted;',
        'before.outcome?.tag === "applied";',
      ],
    ],
    tests,
    named: "nothing takes the place",
  },
  {
    id: "log-decides-for-the-server",
    why: "A leader decides events that are for a server to decide.",
    breaks: ["G5"],
    edits: [["if (replica.byServer()) return withoutServer(replica);", ""]],
    tests,
    named: "decides nothing",
  },
  {
    id: "settled-before-the-server",
    why: "A receipt says that an event is accepted as soon as it is logged, although a server decides.",
    breaks: ["G5"],
    edits: [["if (byServer) return settlements;", ""]],
    tests,
    named: "keeps what is acknowledged on screen",
  },
  {
    id: "old-answer-rotates",
    why: "An answer to what was sent under another client id makes the device another client again.",
    breaks: ["G5"],
    edits: [
      [
        "if (first === undefined || client !== remote.client) return undefined;",
        "if (first === undefined) return undefined;",
      ],
      ["if (!isOpen || remote.numberOf(first.id) !== first.seq) return undefined;", ""],
    ],
    tests,
    named: "an old answer",
  },
  {
    id: "numbers-go-on-after-rotation",
    why: "A client that the server does not know begins with another number than 1.",
    breaks: ["G5"],
    edits: [["scalars = { ...scalars, next: 1 };", ""]],
    tests,
    named: "a restored server has lost",
  },
  {
    id: "page-from-elsewhere",
    why: "A page is applied to a base that is not where it goes on from.",
    breaks: ["G13"],
    edits: [
      ["if (page.from !== place.cursor || page.pos < place.pos)", "if (page.pos < place.pos)"],
    ],
    tests,
    named: "stops before an entry",
  },
  {
    id: "rest-of-a-record-decided",
    why: "When the log is read again, what is left of a record takes the places of what was decided of it.",
    breaks: ["G5"],
    edits: [["if (count === record.events.length) {", "if (count > 0) {"]],
    tests,
    named: "what is left of a record",
  },
  {
    id: "siblings-of-a-refused-event-stay",
    why: "Of a commit of several events one is refused, and the others are sent.",
    breaks: ["G3"],
    edits: [
      [': refusal(event, { ...error, code: "tx_aborted", data: undefined }),', ": [],"],
      [
        "const rejected = units.flatMap(({ unit }) => unit",
        "const rejected = units.flatMap(({ unit }): RejectedEvent[] => unit",
      ],
      [".map((event) => wanted.has(event.id)", ".flatMap((event) => wanted.has(event.id)"],
    ],
    tests,
    named: "G3 sends a commit",
  },
  {
    id: "cursor-believed-after-damage",
    why: "A record of the log is damaged, and the place in the server's log that later ones name is believed.",
    breaks: ["G8", "G13"],
    edits: [["doubted = true;", ""]],
    tests: ["replicator/replicator.test.ts"],
    named: "G8 a later place",
  },
  {
    id: "page-in-doubt",
    why: "A page from the beginning is taken as it is where a record of the log is damaged, and its place is not believed: the next one begins there again.",
    breaks: ["G8", "G13"],
    edits: [["remote.doubted || hasBase()", "hasBase()"]],
    tests: ["sync/remote-damage.test.ts"],
    named: "follows a server whose log comes to nothing on its first page",
  },
  {
    id: "strange-kind-folded",
    why: "A fold deletes a record of a kind that only other code knows.",
    breaks: ["G9"],
    edits: [
      ["why !== undefined || (admitted === undefined && isStrange(value))", "why !== undefined"],
    ],
    tests,
    named: "G9 a fold leaves",
  },
];
