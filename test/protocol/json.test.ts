import { describe, expect, test } from "vitest";
import { parseJson } from "../../src/protocol/index.ts";

const pathOf = (parsed: ReturnType<typeof parseJson>) =>
  "issue" in parsed ? parsed.issue.path : undefined;

const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
const wide = (keys: number) =>
  JSON.stringify({ a: Object.fromEntries(Array.from({ length: keys }, (_, at) => [at, 0])) });

describe("JSON of strangers", () => {
  test.each([
    ["null", null],
    [`[1,-0.5,1e300,"é\\u2028😀",{"a":{}}]`, [1, -0.5, 1e300, "é\u2028😀", { a: {} }]],
    [
      `{"id":"123456789012345678901234567890","n":9007199254740992}`,
      { id: "123456789012345678901234567890", n: 2 ** 53 },
    ],
    // As JSON.stringify writes them: not to the last digit, but read again they are the same.
    [JSON.stringify([2 ** 60, -(2 ** 64), 1e21]), [2 ** 60, -(2 ** 64), 1e21]],
  ])("comes out as it went in: %s", (text, value) => {
    expect(parseJson(text)).toEqual({ value });
    expect(parseJson(new TextEncoder().encode(text))).toEqual({ value });
  });

  test("keeps a property named constructor, unless it reaches a prototype", () => {
    const parsed = parseJson(`{"constructor":"Lego","prototype":1}`);
    expect(JSON.stringify(parsed)).toBe(`{"value":{"constructor":"Lego","prototype":1}}`);
    expect(pathOf(parseJson(`{"a":[{"constructor":{"prototype":{}}}]}`))).toBe(
      "$.a[0].constructor",
    );
  });

  test.each([0, 1, 2, 3, 4, 5])("refuses __proto__ at depth %i", (depth) => {
    const text = `${`{"a":`.repeat(depth)}{"__proto__":{"polluted":true}}${"}".repeat(depth)}`;
    expect(pathOf(parseJson(text))).toBe(`$${".a".repeat(depth)}.__proto__`);
    // However it is written.
    expect(pathOf(parseJson(text.replace("__proto", "\\u005f_proto")))).toBeDefined();
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  test.each([
    ["half of a pair", `["\\ud83d"]`, "$[0]"],
    ["half of a pair in a name", `{"\\ude00":1}`, "$.\ude00"],
    ["more than a double holds", `{"n":1e400}`, "$.n"],
    ["a whole number that changes", `{"n":[9007199254740993]}`, "$"],
    ["text that is none", `{"a":`, "$"],
    ["a web page", "<!doctype html>", "$"],
    ["nothing", "", "$"],
  ])("refuses %s", (_, text, path) => {
    expect(pathOf(parseJson(text))).toBe(path);
  });

  test("takes halves of pairs where it is told to, as escapes", () => {
    expect(parseJson(`{"\\ude00":"\\ud83d"}`, { halves: true })).toEqual({
      value: { "\ude00": "\ud83d" },
    });
    expect(pathOf(parseJson(`{"__proto__":"\\ud83d"}`, { halves: true }))).toBe("$.__proto__");
  });

  test("refuses bytes that are not UTF-8", () => {
    expect(pathOf(parseJson(Uint8Array.from([0x22, 0xff, 0x22])))).toBe("$");
  });

  test("refuses what is deep, wide or long, however deep", () => {
    expect(pathOf(parseJson(nested(72)))).toBeUndefined();
    expect(parseJson(nested(73))).toMatchObject({ issue: { reason: "at most 72 levels" } });
    expect(pathOf(parseJson(nested(100_000)))).toBeDefined();
    expect(pathOf(parseJson(wide(1000)))).toBeUndefined();
    expect(pathOf(parseJson(wide(1001)))).toBe("$.a");
    expect(pathOf(parseJson(`["abc"]`, { stringLength: 3 }))).toBeUndefined();
    expect(pathOf(parseJson(`["abcd"]`, { stringLength: 3 }))).toBe("$[0]");
    expect(pathOf(parseJson(`{"abcd":1}`, { stringLength: 3 }))).toBe("$.abcd");
  });
});
