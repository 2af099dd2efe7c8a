import * as v from "valibot";
import { expect, test } from "vitest";
import { create, remove, update, upsert } from "../../src/model/action.ts";
import { compile, defineEvent } from "../../src/model/definition.ts";
import { type Envelope, type Row } from "../../src/model/log.ts";
import { createMaterializer } from "../../src/model/materialize.ts";
import { type Table, createTable } from "../../src/model/table.ts";

type Run = (
  payload: unknown,
  context: {
    tables: Record<string, { get(id: string): unknown; has(id: string): boolean }>;
    event: { id: string; at: number };
  },
) => unknown;

const event = (payload: unknown = {}, id = "e1"): Envelope =>
  ({ id, name: "happened", v: 1, payload, at: 5 }) as Envelope;

/** One event whose materializer is `run`, on tables that hold `rows`. */
function start(run: Run, rows: readonly Row[] = [], development = true) {
  const things = v.object({ id: v.string(), x: v.number(), note: v.optional(v.string()) });
  const definition = compile(
    {
      tables: { things, others: v.object({ id: v.string(), any: v.optional(v.any()) }) },
      events: { happened: defineEvent({ schema: v.any() }) },
      materializers: { happened: run as never },
    },
    development,
  );
  const tables = new Map<string, Table>();
  for (const name of definition.tables.keys()) tables.set(name, createTable(name));
  const table = tables.get("things") as Table;
  for (const row of rows) table.set(row.id, Object.freeze(row));
  const materializer = createMaterializer(definition, tables, new Map());
  return {
    table,
    materializer,
    event,
    run: (...unit: readonly Envelope[]) =>
      materializer.run(unit.length > 0 ? unit : [event()], (it, id, row) => it.set(id, row)),
    rows: () => table.toArray(),
  };
}
const a: Row = { id: "a", x: 1, note: "n" };

test("G6 ignores an update of a missing row", () => {
  const it = start(() => [update("things", { id: "gone", x: 2 })], [a]);
  expect(it.run()).toMatchObject({
    tag: "applied",
    changes: [],
    noops: [{ action: "update", table: "things", id: "gone" }],
  });
  expect(it.rows()).toEqual([a]);
});

test("G7 never makes a second row for a create of an existing id", () => {
  const it = start(() => [create("things", { id: "a", x: 9 })], [a]);
  expect(it.run()).toMatchObject({
    tag: "applied",
    changes: [],
    noops: [{ action: "create", table: "things", id: "a" }],
  });
  expect(it.rows()).toEqual([a]);
});

test("G6 never makes a partial row", () => {
  for (const action of [create, upsert]) {
    const it = start(() => [action("things", { id: "b" })], [a]);
    expect(it.run()).toMatchObject({ tag: "failed", error: { code: "invalid_row" } });
    expect(it.rows()).toEqual([a]);
  }
  const it = start(() => [update("things", { id: "a", x: undefined })], [a]);
  expect(it.run()).toMatchObject({ tag: "failed", error: { code: "invalid_row" } });
});

test("merges an update shallowly, and takes an undefined property away", () => {
  const it = start(() => [update("things", { id: "a", x: 2, note: undefined })], [a]);
  expect(it.run()).toMatchObject({ tag: "applied", noops: [] });
  expect(it.rows()).toStrictEqual([{ id: "a", x: 2 }]);
});

test("changes nothing for a delete of a missing row, and for a row that stays as it is", () => {
  const same = start(
    () => [
      remove("things", "gone"),
      upsert("things", { ...a }),
      update("things", { id: "a", x: 1 }),
    ],
    [a],
  );
  expect(same.run()).toMatchObject({ tag: "applied", changes: [], noops: [] });
  expect(same.rows()[0]).toBe(same.table.rows.get("a"));
});

test("lets later actions and events of a unit see the earlier ones", () => {
  const it = start((payload, { tables }) => {
    const before = (tables["things"]?.get("b") as { x: number } | undefined)?.x ?? 0;
    expect(tables["things"]?.has("b")).toBe(before > 0);
    return [upsert("things", { id: "b", x: before + 1 })];
  });
  it.run(it.event(), it.event({}, "e2"), it.event({}, "e3"));
  expect(it.rows()).toEqual([{ id: "b", x: 3 }]);
});

test("G3 undoes the whole unit when a later event of it fails", () => {
  const it = start(
    (payload) => {
      if (payload === "fail") throw new Error("no");
      return [
        update("things", { id: "a", x: 7 }),
        create("things", { id: "b", x: 1 }),
        remove("things", "a"),
      ];
    },
    [a],
  );
  expect(it.run(it.event("go"), it.event("fail", "e2"))).toMatchObject({
    tag: "failed",
    error: { code: "materializer_failed" },
  });
  expect(it.rows()).toEqual([a]);
  expect(it.rows()[0]).toBe(a);
});

test("turns whatever a materializer throws into a failure", () => {
  const unshowable = {
    toString: () => {
      throw Object.create(null);
    },
  };
  for (const error of [
    new Error("no"),
    "text",
    undefined,
    Symbol("s"),
    Object.create(null),
    unshowable,
  ]) {
    const it = start(() => {
      throw error;
    });
    expect(it.run()).toMatchObject({ tag: "failed", error: { code: "materializer_failed" } });
    expect(it.materializer.running).toBe(false);
  }
});

test("refuses what is not a list of actions on rows of declared tables", () => {
  const wrong: readonly unknown[] = [
    undefined,
    null,
    "actions",
    { type: "create" },
    Promise.resolve([]),
    [null],
    [1],
    [{ type: "create", table: "nothing", row: { id: "a", x: 1 } }],
    [{ type: "create", table: "__proto__", row: { id: "a", x: 1 } }],
    [{ type: "merge", table: "things", row: { id: "b", x: 1 } }],
    [{ type: "create", table: "things" }],
    [{ type: "create", table: "things", row: null }],
    [{ type: "create", table: "things", row: { x: 1 } }],
    [{ type: "create", table: "things", row: { id: 1, x: 1 } }],
    [{ type: "create", table: "things", row: { id: "", x: 1 } }],
    [{ type: "create", table: "things", row: { id: "b", x: "1" } }],
  ];
  for (const actions of wrong)
    expect(start(() => actions).run()).toMatchObject({
      tag: "failed",
      error: { code: "invalid_row" },
    });
});

test("refuses rows that are not JSON, under that name also in development", () => {
  for (const any of [NaN, new Date(0), () => 1, Symbol("s"), 1n, new Map()]) {
    for (const development of [true, false]) {
      const it = start(() => [upsert("others", { id: "b", any })], [], development);
      expect(it.run()).toMatchObject({ tag: "failed", error: { code: "not_json" } });
    }
  }
});

test("finds an impure materializer in development", () => {
  let count = 0;
  const impure = (): unknown => [upsert("things", { id: "a", x: (count += 1) })];
  expect(start(impure).run()).toMatchObject({
    tag: "failed",
    error: { code: "impure_materializer" },
  });
  expect(start(impure, [], false).run()).toMatchObject({ tag: "applied" });
});

test("keeps nothing that the app can change, and gives it nothing that it can change", () => {
  const mine = { id: "b", any: { list: [1] } };
  const it = start(() => [upsert("others", mine)]);
  const outcome = it.run();
  mine.any.list.push(2);
  expect(outcome).toMatchObject({ tag: "applied", changes: [{ after: { any: { list: [1] } } }] });
  const nosy = start((payload, { tables }) => {
    (tables as Record<string, unknown>)["more"] = 1;
    return [];
  });
  expect(nosy.run()).toMatchObject({ tag: "failed" });
});

test("tells that a materializer runs, and that it ended", () => {
  let during = false;
  const it = start(() => {
    during = it.materializer.running;
    return [];
  });
  it.run();
  expect([during, it.materializer.running]).toEqual([true, false]);
});

test("rejects an event of an unknown kind", () => {
  const it = start(() => []);
  expect(it.run({ ...it.event(), name: "constructor" })).toMatchObject({
    tag: "failed",
    error: { code: "unknown_event" },
  });
});

test("reuses rows of the payload that are ours already, and only those", () => {
  const row = Object.freeze({ id: "b", x: 1 });
  const payload = Object.freeze({ rows: Object.freeze([row]) });
  const it = start((given) =>
    (given as { rows: Row[] }).rows.map((one) => create("things", one as never)),
  );
  it.run(it.event(payload));
  expect(it.rows()[0]).toBe(row);
  const other = start(() => [create("things", { id: "b", x: 1, extra: true } as never)]);
  other.run();
  expect(other.rows()).toStrictEqual([{ id: "b", x: 1 }]);
});
