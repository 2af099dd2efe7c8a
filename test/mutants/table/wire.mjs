// @ts-check
/** What client and server say to each other. */

/** @import { Mutant } from "../apply.mjs" */

/** @type {readonly Mutant[]} */
export const wire = [
  {
    id: "polluted-constructor",
    why: "A constructor that reaches a prototype is let in.",
    breaks: ["G12"],
    edits: [
      [
        `key === "__proto__" || (key === "constructor" && hasPrototype(item))`,
        `key === "__proto__"`,
      ],
    ],
    tests: ["protocol/json.test.ts"],
  },
  {
    id: "rounded-number",
    why: "A whole number comes out as another one.",
    breaks: ["G12"],
    edits: [
      [
        "const lost = big ? inexact(text) : undefined;",
        "const lost = undefined as string | undefined; void big; void inexact;",
      ],
    ],
    tests: ["protocol/json.test.ts"],
  },
  {
    id: "results-of-others",
    why: "Results are taken for events that they are not about.",
    breaks: ["G5", "G12"],
    edits: [
      [
        "const other = results.findIndex(({ id }, index) => id !== sent[index]?.id);",
        "const other = -1 as number;",
      ],
    ],
    tests: ["protocol/decode.test.ts"],
  },
  {
    id: "torn-commit-on-the-wire",
    why: "The events of one commit may stand apart.",
    breaks: ["G3", "G12"],
    edits: [
      ["if (tx !== undefined && closed.has(tx))", "if (tx !== undefined && closed.has(name))"],
    ],
    tests: ["protocol/decode.test.ts"],
  },
  {
    id: "cr-then-lf",
    why: "A line break that is cut in two ends an event twice.",
    breaks: ["G12"],
    edits: [[`if (afterCr && text.startsWith("\\n")) text = text.slice(1);`, ""]],
    tests: ["protocol/live.test.ts"],
  },
  {
    id: "endless-event",
    why: "A server can fill the memory with one event.",
    breaks: ["G12"],
    edits: [
      ["if (length + line.length + part.length > maxLength) {", "if (part.length > maxLength) {"],
    ],
    tests: ["protocol/live.test.ts"],
  },
  {
    id: "half-refused-from-a-server",
    why: "Half of a character that a server gives makes a page unreadable: the device stands before it for good.",
    breaks: ["G12", "G13"],
    edits: [["return !limits.halves && half.test(value)", "return half.test(value)"]],
    tests: ["protocol/json.test.ts", "server/given.test.ts"],
  },
  {
    id: "large-number-refused",
    why: "A number above 2^53 is refused that would come out as it went in.",
    breaks: ["G5"],
    edits: [["|| token === String(Number(token))) continue;", ") continue;"]],
    tests: ["protocol/json.test.ts"],
  },
];
