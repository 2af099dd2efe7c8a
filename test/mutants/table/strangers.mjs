// @ts-check
/** What comes from outside: messages, stored bytes, time and chance. */

/** @import { Mutant } from "../apply.mjs" */

/** @type {readonly Mutant[]} */
export const strangers = [
  {
    id: "junk-throws",
    why: "A message that is none throws.",
    breaks: ["G12"],
    edits: [
      [
        "const result = v.safeParse(message, value);",
        "const result = { success: true, output: v.parse(message, value) };",
      ],
    ],
    tests: ["engine/channel.test.ts"],
    named: "G12",
  },
  {
    id: "junk-not-counted",
    why: "A message that is none is dropped without a trace.",
    breaks: ["G12"],
    edits: [["ignored += 1;", ""]],
    tests: ["engine/channel.test.ts"],
    named: "G12",
  },
  {
    id: "record-in-message-trusted",
    why: "The record in a message is applied as it is.",
    breaks: ["G12"],
    edits: [
      [
        "const admitted = admit(options.definition, message.record);",
        "const admitted = { record: message.record, damage: [] } as unknown as ReturnType<typeof admit>;",
      ],
    ],
    tests: ["engine/channel.test.ts"],
    named: "G12",
  },
  {
    id: "stored-payload-trusted",
    why: "A payload in the log goes to the materializer unchecked.",
    breaks: ["G12"],
    edits: [["createEntry(unit, record, invalid);", "createEntry(unit, record);"]],
    tests: ["engine/conflict.test.ts"],
    named: "G12",
  },
  {
    id: "incarnation-ignored",
    why: "A message about data that was deleted counts.",
    breaks: ["G12"],
    edits: [
      ["if (message.incarnation !== head.incarnation) {", 'if (message.incarnation === "") {'],
    ],
    tests: ["engine/channel.test.ts"],
    named: "G12",
  },
  {
    id: "writes-to-other-data",
    why: "Data that was cleared and begun anew is taken for the data of before.",
    breaks: ["G9", "G12"],
    edits: [
      [
        'incarnation !== "" && meta.incarnation !== incarnation;',
        'incarnation === "-" && meta.incarnation !== incarnation;',
      ],
    ],
    tests: ["engine/cleared.test.ts"],
    named: "G13",
  },
  {
    id: "undecided-events-cleared",
    why: "What was logged and undecided when the data was cleared is not written again.",
    breaks: ["G1", "G5"],
    edits: [["if (n > 0) written.set(", "if (n > 0 && item.entry.position === null) written.set("]],
    tests: ["engine/cleared.test.ts"],
    named: "G1 G7",
  },
  {
    id: "undecided-events-renumbered",
    why: "When the data was cleared, what is in flight is queued once more, under a new number.",
    breaks: ["G7"],
    edits: [
      [
        'queue = queue.filter((it) => "entry" in it);',
        'queue = [...flight.flatMap((it) => it.items), ...queue.filter((it) => "entry" in it)];',
      ],
    ],
    tests: ["engine/cleared.test.ts"],
    named: "G1 G7",
  },
  {
    id: "decided-events-come-back",
    why: "When the data was cleared, all that was in flight is written again, decided or not.",
    breaks: ["G5"],
    edits: [
      [
        "flight = Array.from(written, ([n, items]) => commitGroup(n, items));",
        "flight = [...flight, ...Array.from(written, ([n, items]) => commitGroup(n, items)).filter((it) => !flight.some((other) => other.n === it.n))];",
      ],
    ],
    tests: ["engine/cleared.test.ts"],
    named: "G5",
  },
  {
    id: "old-base-kept",
    why: "Rows that were only in data that was cleared stay.",
    breaks: ["G13"],
    edits: [["if (isOther(picture)) { for", "if (isOther(picture) && shown === undefined) { for"]],
    tests: ["engine/cleared.test.ts"],
    named: "G13",
  },
  {
    id: "answer-of-the-old-data",
    why: "A late answer about data that was cleared counts for the new.",
    breaks: ["G1", "G13"],
    edits: [
      [
        "if (asked === shared.recognised) return answer;",
        "if (asked !== undefined) return answer;",
      ],
    ],
    tests: ["engine/cleared.test.ts"],
    named: "G7",
  },
  {
    id: "users-run-together",
    why: "The name of a user is part of the database's as it is: one can be read as another.",
    breaks: ["G12"],
    edits: [["return encodeURIComponent(value);", "return value;"]],
    tests: ["engine/identity.test.ts"],
    named: "run into each other",
  },
  {
    id: "channel-of-all-users",
    why: "Tabs of different users talk to each other.",
    breaks: ["G12"],
    edits: [["port?.open(options.name, receive,", 'port?.open("sssync", receive,']],
    tests: ["engine/identity.test.ts"],
    named: "G12",
  },
  {
    id: "switch-without-asking",
    why: "Switching users leaves undecided events behind without a word.",
    breaks: ["G1"],
    edits: [['expectDecided("switchUser", how);', ""]],
    tests: ["engine/identity.test.ts"],
    named: "rejects while events are undecided",
  },
  {
    id: "deleted-under-the-next",
    why: "An engine that was stopped deletes the data under the one that came after it.",
    breaks: ["G1"],
    edits: [["if (!turn.isLatest()) {", "if (turn === undefined) {"]],
    tests: ["engine/destroy.test.ts"],
    named: "does not delete under",
  },
  {
    id: "next-before-the-deletion",
    why: "An engine begins when the one before has stopped, and its data is deleted under it.",
    breaks: ["G1"],
    edits: [["all.get(name) === mine && mine.stopping === stopping", "all.get(name) === mine"]],
    tests: ["engine/destroy.test.ts"],
    named: "waits for the deletion",
  },
  {
    id: "damage-bricks-the-load",
    why: "One bad row, and nothing loads.",
    breaks: ["G8"],
    edits: [
      [
        'params.report.tag === "unreadable",',
        'params.report.tag === "unreadable" || (params.report.tag === "read" && params.report.damaged > 0),',
      ],
    ],
    tests: ["engine/fold.test.ts"],
    named: "G8",
  },
  {
    id: "damage-thrown-away",
    why: "What could not be understood is not kept.",
    breaks: ["G8"],
    edits: [
      [
        "await keepDamage(connected(shared), picture, environment.clock.now());",
        "void keepDamage;",
      ],
    ],
    tests: ["engine/fold.test.ts"],
    named: "G8",
  },
  {
    id: "hole-passed-over",
    why: "Records that are gone from the log are not noticed.",
    breaks: ["G8"],
    edits: [["if (position !== next) {", "if (position < next) {"]],
    tests: ["engine/fold.test.ts"],
    named: "G8",
  },
  {
    id: "bad-row-shown",
    why: "A stored row that its table's schema refuses is shown.",
    breaks: ["G8", "G12"],
    edits: [
      [
        "const kept = rowOf(definition, table, raw, schema);",
        "const kept = { value: Object.freeze(raw) } as ReturnType<typeof rowOf>;",
      ],
    ],
    tests: ["engine/fold.test.ts"],
    named: "G8",
  },
  {
    id: "bad-image-shown",
    why: "A row image that its table's schema refuses is shown.",
    breaks: ["G8", "G12"],
    edits: [["return [table, id, null, pos];", "return image;"]],
    tests: ["engine/damage.test.ts", "model/admit.test.ts"],
    named: "image",
  },
  {
    id: "read-error-is-empty",
    why: "A read that fails gives an empty database.",
    breaks: ["G9"],
    edits: [
      [
        "throw thrown.length > 0 ? thrown[0] : error;",
        "if (thrown.length > 0) throw thrown[0];\nreturn { meta: new Map(), log: [], rejected: [], quarantine: [] };",
      ],
    ],
    tests: ["services/storage.test.ts"],
    named: "G9",
  },
  {
    id: "connection-per-operation",
    why: "Every write opens a connection of its own.",
    breaks: ["G2"],
    edits: [
      [
        "recognised(shared).append(",
        "(await shared.storage.open(shared.name, { blocked() {}, closed() {} })).append(",
      ],
    ],
    tests: ["engine/writing.test.ts"],
    named: "connection",
  },
  {
    id: "clock-of-its-own",
    why: "Commits take their time from the system.",
    breaks: ["G14"],
    edits: [["createEventId, clock.now());", "createEventId, Date.now());"]],
    tests: ["engine/injected.test.ts"],
    named: "G14",
  },
  {
    id: "chance-of-its-own",
    why: "Ids take their randomness from the system.",
    breaks: ["G14"],
    edits: [["environment.random.bytes(count);", "crypto.getRandomValues(new Uint8Array(count));"]],
    tests: ["engine/injected.test.ts"],
    named: "G14",
  },
  {
    id: "timers-of-their-own",
    why: "The machines wait by the system's timers.",
    breaks: ["G14"],
    edits: [["id: name, clock,", "id: name,"]],
    tests: ["engine/durability.test.ts"],
    named: "G2",
  },
  {
    id: "missing-rows-not-noticed",
    why: "A segment that holds fewer rows than it should passes for whole.",
    breaks: ["G8"],
    edits: [["if (segment.ids.length !== mark.count) {", "if (segment.ids.length > mark.count) {"]],
    tests: ["engine/fold.test.ts", "engine/damage.test.ts"],
    named: "G8",
  },
  {
    id: "heart-of-its-own",
    why: "A leader's heart beats by the system's timers.",
    breaks: ["G14"],
    edits: [
      [
        "timer = environment.clock.setTimeout(beat, beatEvery);",
        "timer = setTimeout(beat, beatEvery);",
      ],
    ],
    tests: ["engine/hints.test.ts"],
    named: "heartbeat",
  },
  {
    id: "spoilt-counter-trusted",
    why: "A position that cannot be one is taken from IndexedDB as it comes.",
    breaks: ["G7", "G8"],
    edits: [
      [
        "(key) => (isPosition(key, known) ? key : appendByHand(record, durability, [key])),",
        "(key) => key as number,",
      ],
    ],
    tests: ["services/storage.test.ts"],
    named: "G7",
  },
  {
    id: "used-up-keys-brick",
    why: "Where IndexedDB has no more keys for the log, every commit is refused.",
    breaks: ["G8"],
    edits: [["if (!isUsedUp(error)) throw error;", "throw error;"]],
    tests: ["services/storage.test.ts"],
    named: "G8",
  },
];
