import * as fc from "fast-check";
import { expect, test } from "vitest";
import { type Json, maxDepth, sameJson, show, toJson } from "../../src/model/json.ts";

const issueOf = (value: unknown): string => {
  const result = toJson(value);
  return "issue" in result ? `${result.issue.path} ${result.issue.reason}` : "none";
};
const valueOf = (value: unknown): Json | undefined => {
  const result = toJson(value);
  return "value" in result ? result.value : undefined;
};
const nested = (depth: number): unknown => {
  let value: unknown = 1;
  for (let level = 0; level < depth; level += 1) value = { deeper: value };
  return value;
};

const throwing = (error: unknown) => ({
  get a(): unknown {
    throw error;
  },
});

test("copies JSON deeply and freezes the copy", () => {
  const given = { list: [{ x: 1 }], text: "a" };
  const copy = valueOf(given) as typeof given;
  expect(copy).toEqual(given);
  expect(copy.list[0]).not.toBe(given.list[0]);
  expect(Object.isFrozen(copy) && Object.isFrozen(copy.list) && Object.isFrozen(copy.list[0])).toBe(
    true,
  );
  given.list[0] = { x: 2 };
  expect(copy.list[0]).toEqual({ x: 1 });
});

test("copies what JSON.stringify keeps", () => {
  fc.assert(
    fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
      // A key named "__proto__" is refused: it has a place in an object.
      if (JSON.stringify(value).includes('"__proto__"')) return;
      expect(JSON.stringify(valueOf(value))).toBe(JSON.stringify(value));
    }),
  );
});

test("says where and why a value is not JSON", () => {
  expect(issueOf({ a: [1, NaN] })).toBe("$.a[1] a finite number, got NaN");
  expect(issueOf({ a: -Infinity })).toBe("$.a a finite number, got -Infinity");
  expect(issueOf({ at: new Date(0) })).toBe("$.at a plain object, got Date");
  expect(issueOf(new Map())).toBe("$ a plain object, got Map");
  expect(issueOf([undefined])).toBe("$[0] a JSON value, got undefined");
  expect(issueOf({ a: 1n })).toBe("$.a a JSON value, got bigint");
  expect(issueOf({ a: () => 1 })).toBe("$.a a JSON value, got function");
  expect(issueOf({ a: Symbol("s") })).toBe("$.a a JSON value, got symbol");
  expect(issueOf(JSON.parse('{"__proto__":{"admin":true}}'))).toBe('$ no key named "__proto__"');
  expect(issueOf(undefined)).toBe("$ a JSON value, got undefined");
});

test("leaves out undefined properties and makes -0 a zero", () => {
  expect(valueOf({ a: undefined, b: 1 })).toEqual({ b: 1 });
  expect(Object.keys(valueOf({ a: undefined }) as object)).toEqual([]);
  expect(Object.is(valueOf(-0), 0)).toBe(true);
  expect(Object.is((valueOf({ a: [-0] }) as { a: number[] }).a[0], 0)).toBe(true);
});

test("refuses cycles and what is too deep", () => {
  const cycle: { self?: unknown } = {};
  cycle.self = [cycle];
  expect(issueOf(cycle)).toContain("at most");
  expect(issueOf(nested(maxDepth))).toBe("none");
  expect(issueOf(nested(maxDepth + 1))).toContain("at most");
});

test("turns what a getter or proxy throws into an issue, whatever it throws", () => {
  expect(issueOf(throwing(new Error("no")))).toContain("a readable value");
  expect(issueOf(throwing(Object.create(null)))).toContain("a readable value");
  expect(issueOf(new Proxy({}, { ownKeys: () => [] }))).toBe("none");
});

test("never throws, and what it takes is JSON", () => {
  fc.assert(
    fc.property(fc.anything({ withBigInt: true, withDate: true, withMap: true }), (value) => {
      const result = toJson(value);
      if (!("value" in result)) return;
      expect(sameJson(JSON.parse(JSON.stringify(result.value)) as Json, result.value)).toBe(true);
    }),
  );
});

test("compares JSON whatever the order of keys", () => {
  expect(sameJson({ a: 1, b: [1, { c: null }] }, { b: [1, { c: null }], a: 1 })).toBe(true);
  expect(sameJson({ a: 1 }, { b: 1 })).toBe(false);
  expect(sameJson([1], { 0: 1 })).toBe(false);
  expect(sameJson([1, 2], [1])).toBe(false);
  expect(sameJson(null, {})).toBe(false);
  expect(sameJson({}, undefined)).toBe(false);
  expect(sameJson({ toString: 1 }, { valueOf: 1 })).toBe(false);
});

test("shows any value in a few words", () => {
  const all = [undefined, null, 1, 1n, "x".repeat(99), Symbol("s"), () => 1, [1, 2], {}, Object];
  for (const value of all) expect(show(value).length).toBeLessThan(70);
});
