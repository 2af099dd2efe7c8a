import * as fc from "fast-check";
import * as v from "valibot";
import { expect, test } from "vitest";
import { SyncError } from "../../src/errors.ts";
import { toJson } from "../../src/model/json.ts";
import { type AnySchema, createParser } from "../../src/model/schema.ts";

const codeOf = (schema: unknown): string => {
  try {
    createParser("it", schema as AnySchema);
    return "none";
  } catch (error) {
    if (!(error instanceof SyncError)) throw error;
    return error.code;
  }
};
const valueOf = (result: object): unknown => ("value" in result ? result.value : undefined);
const exclaim = v.transform((text: string) => `${text}!`);

test("finds a schema whose output does not parse to itself at definition", () => {
  expect(codeOf(v.pipe(v.string(), exclaim))).toBe("unstable_schema");
  expect(codeOf(v.object({ a: v.optional(v.pipe(v.string(), exclaim)) }))).toBe("unstable_schema");
  expect(codeOf(v.array(v.pipe(v.string(), v.transform(Number))))).toBe("unstable_schema");
  expect(codeOf(v.pipe(v.number(), v.transform(String)))).toBe("unstable_schema");
});

test("finds an unstable schema inside a pipe of a pipe", () => {
  expect(codeOf(v.pipe(v.pipe(v.string(), exclaim), v.minLength(1)))).toBe("unstable_schema");
});

test("finds an unstable or foreign schema behind lazy", () => {
  expect(codeOf(v.object({ a: v.lazy(() => v.pipe(v.string(), exclaim)) }))).toBe(
    "unstable_schema",
  );
  expect(codeOf(v.lazy(() => v.date()))).toBe("config");
  const tree: AnySchema = v.object({ id: v.string(), children: v.array(v.lazy(() => tree)) });
  expect(codeOf(tree)).toBe("none");
  const endless = (): AnySchema => v.object({ next: v.nullable(v.lazy(endless)) });
  expect(codeOf(endless())).toBe("none");
});

test("allows transformations that leave their result alone", () => {
  expect(codeOf(v.pipe(v.string(), v.trim(), v.toLowerCase()))).toBe("none");
  expect(codeOf(v.pipe(v.number(), v.toMinValue(0), v.toMaxValue(9)))).toBe("none");
  expect(codeOf(v.pipe(v.string(), v.brand("Name")))).toBe("none");
  expect(
    codeOf(
      v.pipe(
        v.string(),
        v.transform((text) => text.toUpperCase()),
      ),
    ),
  ).toBe("none");
});

test("refuses schemas of values that are not JSON, and asynchronous ones", () => {
  const foreign = [v.date(), v.bigint(), v.map(v.string(), v.string()), v.set(v.string()), v.nan()];
  for (const schema of foreign) {
    expect(codeOf(schema)).toBe("config");
    expect(codeOf(v.object({ a: v.nullable(schema) }))).toBe("config");
  }
  expect(codeOf(v.objectAsync({ a: v.string() }))).toBe("config");
  expect(
    codeOf(
      v.pipeAsync(
        v.string(),
        v.checkAsync(async () => true),
      ),
    ),
  ).toBe("config");
});

test("refuses what is not a schema", () => {
  for (const value of [undefined, null, {}, "string", () => true, { kind: "action", type: "trim" }])
    expect(codeOf(value)).toBe("config");
});

test("is not broken by a schema whose functions throw", () => {
  const part = v.transform((text: string): string => (text.split("-")[1] as string).trim());
  const parser = createParser("it", v.pipe(v.string(), part));
  expect(parser.take("nothing")).toMatchObject({ code: "invalid" });
  expect(parser.keep("nothing")).toMatchObject({ code: "invalid" });
  const checked = createParser(
    "it",
    v.pipe(
      v.object({ a: v.any() }),
      v.check((it) => it.a.b > 0),
    ),
  );
  expect(checked.take({ a: null })).toMatchObject({ code: "invalid" });
  expect(checked.keep({ a: null })).toMatchObject({ code: "invalid" });
});

test("finds an unstable schema that no sample shows when it is used", () => {
  const parser = createParser(
    "it",
    v.pipe(
      v.string(),
      v.transform((text) => (text.startsWith("#") ? `#${text}` : text)),
    ),
  );
  expect(parser.take("a")).toEqual({ value: "a" });
  expect(parser.take("#a")).toMatchObject({ code: "unstable_schema" });
});

test("keeps a private copy: what the app does to its value later changes nothing", () => {
  const schemas = [
    v.object({ a: v.array(v.string()) }),
    v.looseObject({}),
    v.object({ a: v.any() }),
    v.object({ a: v.custom<string[]>(() => true) }),
    v.record(v.string(), v.array(v.string())),
  ];
  for (const schema of schemas) {
    const given = { a: ["x"] };
    const taken = createParser("it", schema).take(given);
    given.a.push("y");
    expect(taken).toEqual({ value: { a: ["x"] } });
    expect(Object.isFrozen((taken as { value: { a: object } }).value.a)).toBe(true);
  }
});

test("does not freeze an object that a transformation shares", () => {
  const shared = { a: "x" };
  const parser = createParser(
    "it",
    v.pipe(
      v.object({ a: v.string() }),
      v.transform(() => shared),
    ),
  );
  expect(parser.take({ a: "y" })).toEqual({ value: { a: "x" } });
  expect(Object.isFrozen(shared)).toBe(false);
});

test("tells values that are not JSON from invalid ones", () => {
  expect(createParser("it", v.object({ a: v.any() })).take({ a: NaN })).toMatchObject({
    code: "not_json",
  });
  expect(createParser("it", v.object({ a: v.number() })).take({ a: Infinity })).toMatchObject({
    code: "not_json",
  });
  expect(createParser("it", v.object({ a: v.number() })).take({ a: NaN })).toMatchObject({
    code: "invalid",
  });
});

test("takes and keeps by the fast way exactly what valibot gives", () => {
  const schemas: readonly AnySchema[] = [
    v.object({ id: v.string(), n: v.number(), done: v.boolean() }),
    v.object({ id: v.string(), note: v.optional(v.string()), tag: v.nullable(v.number()) }),
    v.object({ a: v.array(v.object({ b: v.picklist(["x", "y"]) })), c: v.literal("z") }),
    v.object({ a: v.pipe(v.string(), v.minLength(2)), b: v.pipe(v.number(), v.integer()) }),
    v.strictObject({ a: v.string() }),
    v.looseObject({ a: v.string() }),
    v.array(v.array(v.nullable(v.boolean()))),
  ];
  const leaf = fc.oneof(
    fc.constantFrom("x", "y", "z", "", 0, -0, 1.5, NaN, Infinity, true, null, undefined, 1n),
    fc.string(),
    fc.anything(),
  );
  const key = fc.constantFrom("id", "n", "done", "note", "tag", "a", "b", "c", "more");
  const object = fc.dictionary(key, fc.oneof(leaf, fc.array(leaf), fc.dictionary(key, leaf)));
  const value = fc.oneof(
    object,
    fc.array(object),
    leaf,
    fc.record({ id: fc.string(), n: fc.integer(), done: fc.boolean() }),
  );
  fc.assert(
    fc.property(fc.constantFrom(...schemas), value, (schema, given) => {
      const parser = createParser("it", schema);
      const result = v.safeParse(schema, given);
      const json = result.success ? toJson(result.output) : {};
      expect(valueOf(parser.take(given))).toStrictEqual(valueOf(json));
      const stored = toJson(given);
      if (!("value" in stored)) return;
      const isValid = v.safeParse(schema, stored.value).success;
      const kept = parser.keep(structuredClone(stored.value));
      expect(valueOf(kept)).toStrictEqual(isValid ? stored.value : undefined);
    }),
    { numRuns: 300 },
  );
});
