import { readFileSync, readdirSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { type Schema, breaks } from "./compare.ts";
import { files } from "./files.ts";

const folder = new URL("../../../schemas/", import.meta.url);
const frozen = (name: string): string => readFileSync(new URL(name, folder), "utf8");

describe("the JSON Schemas of the messages", () => {
  test.each(files().map((file) => [file.name, file] as const))(
    "break nobody, and are as `npm run schemas` writes them: %s",
    (name, { text, breaksAgainst }) => {
      expect(breaksAgainst(frozen(name))).toEqual([]);
      expect(JSON.parse(frozen(name))).toEqual(JSON.parse(text));
    },
  );

  test("are all there is in their folder", () => {
    expect(readdirSync(folder).toSorted()).toEqual(
      files()
        .map(({ name }) => name)
        .toSorted(),
    );
  });
});

const text = (more: Schema = {}): Schema => ({ type: "string", ...more });
const object = (properties: Readonly<Record<string, Schema>>, required: string[]): Schema => ({
  type: "object",
  properties,
  required,
});
const base = object({ id: text({ maxLength: 9 }), note: text() }, ["id"]);
const variant = (...branches: Schema[]): Schema => ({ oneOf: branches });
const tagged = (tag: string, more: Readonly<Record<string, Schema>> = {}): Schema =>
  object({ tag: { const: tag }, ...more }, ["tag", ...Object.keys(more)]);

/** What happened to a message, as it was and as it is; `request`, `response`: whether that breaks one. */
const changes: readonly (readonly [
  what: string,
  was: Schema,
  is: Schema,
  request: boolean,
  response: boolean,
])[] = [
  ["nothing", base, base, false, false],
  [
    "a new optional member",
    base,
    object({ ...base.properties, more: text() }, ["id"]),
    false,
    false,
  ],
  [
    "a new required member",
    base,
    object({ ...base.properties, more: text() }, ["id", "more"]),
    true,
    true,
  ],
  [
    "a member that became required",
    base,
    object({ ...base.properties }, ["id", "note"]),
    true,
    true,
  ],
  ["a member that became optional", base, object({ ...base.properties }, []), false, true],
  [
    "an optional member that was removed",
    base,
    object({ id: text({ maxLength: 9 }) }, ["id"]),
    true,
    true,
  ],
  [
    "a shorter text",
    base,
    object({ id: text({ maxLength: 8 }), note: text() }, ["id"]),
    true,
    true,
  ],
  [
    "a longer text",
    base,
    object({ id: text({ maxLength: 10 }), note: text() }, ["id"]),
    false,
    true,
  ],
  ["a first limit", text(), text({ maxLength: 10 }), true, true],
  ["a least length", text(), text({ minLength: 1 }), true, true],
  ["a pattern", text(), text({ pattern: "^a" }), true, true],
  ["another pattern", text({ pattern: "^a" }), text({ pattern: "^b" }), true, true],
  ["a pattern less", text({ pattern: "^a" }), text(), false, true],
  [
    "a higher minimum",
    { type: "integer", minimum: 0 },
    { type: "integer", minimum: 1 },
    true,
    true,
  ],
  ["a first minimum", { type: "integer" }, { type: "integer", minimum: -5 }, true, true],
  ["another type", text(), { type: "number" }, true, true],
  ["whole numbers that can be fractions", { type: "integer" }, { type: "number" }, false, true],
  ["fractions that have to be whole", { type: "number" }, { type: "integer" }, true, true],
  ["anything that is now a text", {}, text(), true, true],
  ["a text that can now be anything", text(), {}, false, true],
  ["a value of a list less", { enum: ["a", "b"] }, { enum: ["a"] }, true, true],
  ["a value of a list more", { enum: ["a"] }, { enum: ["a", "b"] }, false, true],
  ["a constant that can be any text", { const: "a" }, text(), false, true],
  ["a text that has to be a constant", text(), { const: "a" }, true, true],
  ["null that is not allowed any more", { anyOf: [text(), { type: "null" }] }, text(), true, true],
  ["null that is allowed now", text(), { anyOf: [text(), { type: "null" }] }, false, true],
  ["an alternative less", variant(tagged("a"), tagged("b")), variant(tagged("a")), true, true],
  ["an alternative more", variant(tagged("a")), variant(tagged("a"), tagged("b")), false, true],
  [
    "alternatives in another order",
    variant(tagged("a", { n: text() }), tagged("b")),
    variant(tagged("b"), tagged("a", { n: text() })),
    false,
    false,
  ],
  [
    "a member removed from an alternative",
    variant(tagged("a", { n: text() }), tagged("b")),
    variant(tagged("a"), tagged("b")),
    true,
    true,
  ],
  [
    "narrower items",
    { type: "array", items: text() },
    { type: "array", items: text({ maxLength: 1 }) },
    true,
    true,
  ],
  ["fewer items", { type: "array", maxItems: 5 }, { type: "array", maxItems: 4 }, true, true],
  ["one item at least", { type: "array" }, { type: "array", minItems: 1 }, true, true],
  [
    "narrower values of a record",
    { type: "object", additionalProperties: {} },
    { type: "object", additionalProperties: text() },
    true,
    true,
  ],
  [
    "narrower names of a record",
    { type: "object" },
    { type: "object", propertyNames: { pattern: "^a" } },
    true,
    true,
  ],
  [
    "members that are not ignored any more",
    { type: "object" },
    { type: "object", additionalProperties: false },
    true,
    true,
  ],
  [
    "something deep inside",
    object({ a: { type: "array", items: base } }, []),
    object({ a: { type: "array", items: object({ id: text({ maxLength: 9 }) }, ["id"]) } }, []),
    true,
    true,
  ],
  ["a keyword that nobody knows", text(), { ...text(), format: "uuid" } as Schema, true, true],
];

describe("a change of a message", () => {
  test.each(changes)("by %s is seen for what it is", (_, was, is, request, response) => {
    expect(breaks(was, is, "request").length > 0).toBe(request);
    expect(breaks(was, is, "response").length > 0).toBe(response);
  });

  test("is seen in the real ones", () => {
    const request = JSON.parse(frozen("push-request.json")) as Schema;
    const { events: _, ...rest } = request.properties ?? {};
    const narrowed = { ...request, properties: rest };
    expect(breaks(request, narrowed, "request")).toContain("$.events: not there any more");
    const page = frozen("pull-response.json");
    const without = JSON.parse(page.replaceAll(`"tx"`, `"tx2"`)) as Schema;
    expect(breaks(JSON.parse(page) as Schema, without, "response")).toEqual([
      "$.entries[].tx: not there any more",
    ]);
  });
});
