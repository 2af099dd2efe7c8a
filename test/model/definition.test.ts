import * as v from "valibot";
import { expect, test } from "vitest";
import { create } from "../../src/model/action.ts";
import { compile, defineEvent } from "../../src/model/definition.ts";
import { SyncError } from "../../src/errors.ts";

const row = v.object({ id: v.string() });
const added = defineEvent({ schema: row });
const right = {
  tables: { things: row },
  events: { added },
  materializers: { added: ({ id }: { id: string }) => [create("things", { id })] },
};
const errorOf = (config: unknown): string => {
  try {
    compile(config as typeof right, true);
    return "none";
  } catch (error) {
    if (!(error instanceof SyncError)) throw error;
    return `${error.code} ${error.message}`;
  }
};

test("takes a right definition", () => {
  expect(errorOf(right)).toBe("none");
  expect(compile(right, true).events.get("added")?.version).toBe(1);
});

test("says what is wrong with a definition", () => {
  expect(errorOf({ ...right, tables: undefined })).toMatch(/^config Expected tables/);
  expect(errorOf({ ...right, tables: [] })).toMatch(/^config Expected tables/);
  expect(errorOf({ ...right, events: null })).toMatch(/^config Expected events/);
  expect(errorOf({ ...right, materializers: 1 })).toMatch(/^config Expected materializers/);
  expect(errorOf({ ...right, materializers: {} })).toMatch(/to have a materializer, got undefined/);
  expect(errorOf({ ...right, materializers: { ...right.materializers, gone: () => [] } })).toMatch(
    /materializer "gone" to belong to an event/,
  );
  const event = (more: object) => ({ ...right, events: { added: { schema: row, ...more } } });
  expect(errorOf(event({ version: 0 }))).toMatch(/version of event "added"/);
  expect(errorOf(event({ version: 1.5 }))).toMatch(/version of event "added"/);
  expect(errorOf(event({ dedupe: "id" }))).toMatch(/dedupe of event "added" to be a function/);
  expect(errorOf(event({ coalesce: 1 }))).toMatch(/coalesce of event "added" to be a function/);
  expect(errorOf(event({ upcast: {} }))).toMatch(/upcast of event "added" to be a function/);
  expect(errorOf(event({ schema: {} }))).toMatch(/^config Expected event "added"/);
  expect(errorOf({ ...right, events: { added: undefined } })).toMatch(/^config/);
  const schema = (it: unknown) => errorOf({ ...right, schema: it });
  expect(schema({ version: 2, migrate: 1 })).toMatch(/schema.migrate to be a function, got 1/);
  expect(schema({ version: 0 })).toMatch(/schema.version to be 1 or more, got 0/);
  expect(schema({ version: null })).toMatch(/schema.version to be 1 or more, got null/);
  expect(schema(2)).toMatch(/^config Expected schema to be an object, got 2/);
});

test("refuses a table whose rows need not have a string id", () => {
  const wrong = [
    v.object({ name: v.string() }),
    v.object({ id: v.number() }),
    v.object({ id: v.optional(v.string()) }),
    v.object({ id: v.nullable(v.string()) }),
    v.object({ id: v.any() }),
    v.string(),
    v.array(v.object({ id: v.string() })),
    v.union([v.object({ id: v.string() }), v.object({ name: v.string() })]),
    v.variant("kind", [
      v.object({ kind: v.literal("a"), id: v.string() }),
      v.object({ kind: v.literal("b") }),
    ]),
    v.intersect([v.object({ a: v.string() }), v.object({ b: v.string() })]),
  ];
  for (const things of wrong)
    expect(errorOf({ ...right, tables: { things } })).toMatch(/^config Expected/);
  const fine = [
    v.union([v.object({ id: v.string() }), v.object({ id: v.string(), a: v.string() })]),
    v.intersect([v.object({ id: v.string() }), v.object({ b: v.string() })]),
    v.pipe(
      v.object({ id: v.pipe(v.string(), v.minLength(1)) }),
      v.check(() => true),
    ),
    v.object({ id: v.picklist(["a", "b"]) }),
  ];
  for (const things of fine) expect(errorOf({ ...right, tables: { things } })).toBe("none");
});

test("refuses names that have a place in an object, or that storage would not keep", () => {
  for (const name of ["__proto__", "constructor", "prototype", "", "a b", "1", "x".repeat(65)]) {
    const tables = JSON.parse(`{${JSON.stringify(name)}:0}`) as Record<string, unknown>;
    tables[name] = row;
    const entries = Object.fromEntries([[name, row]]);
    expect(errorOf({ ...right, tables: entries })).toMatch(/^config Expected the name of table/);
    const events = Object.fromEntries([[name, added]]);
    expect(errorOf({ ...right, events })).toMatch(/^config Expected the name of event/);
  }
});

test("finds an unstable schema at definition", () => {
  const schema = v.object({
    id: v.pipe(
      v.string(),
      v.transform((id) => `${id}!`),
    ),
  });
  expect(errorOf({ ...right, events: { added: { schema } } })).toMatch(/^unstable_schema/);
  expect(errorOf({ ...right, tables: { things: schema } })).toMatch(/^unstable_schema/);
});
