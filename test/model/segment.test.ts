import * as fc from "fast-check";
import { expect, test } from "vitest";
import { type Row } from "../../src/model/log.ts";
import { decodeSegment, encodeSegment, salvageSegment } from "../../src/model/segment.ts";

const rows: readonly Row[] = [
  { id: "a", x: 1, tags: ["t"], gone: null },
  { id: "b", y: { deep: [1, { z: 2 }] } },
  { id: "c" },
];
const decoded = (value: unknown): unknown => {
  const segment = decodeSegment(value);
  return "reason" in segment ? segment.reason : segment.ids.map((_, at) => segment.row(at));
};

test("reads back what it wrote, with properties that only some rows have", () => {
  const stored = structuredClone(encodeSegment(rows, [4, 5, 4], 1));
  expect(decoded(stored)).toStrictEqual(rows);
  expect(stored.pos).toEqual([4, 5, 4]);
  expect(encodeSegment(rows, [4, 4, 4], 1).pos).toBe(4);
});

test("reads back any rows", () => {
  const row = fc
    .dictionary(
      fc.string().filter((key) => !["id", "__proto__"].includes(key)),
      fc.jsonValue(),
    )
    .map((it) => JSON.parse(JSON.stringify(it)) as object)
    .filter((it) => !JSON.stringify(it).includes("__proto__"));
  fc.assert(
    fc.property(fc.uniqueArray(fc.string({ minLength: 1 })), fc.array(row), (ids, parts) => {
      const all = ids
        .toSorted((a, b) => (a < b ? -1 : 1))
        .map((id, at) => Object.assign({}, parts[at % Math.max(1, parts.length)], { id }));
      const stored = structuredClone(
        encodeSegment(
          all as Row[],
          all.map((_, at) => at),
          1,
        ),
      );
      expect(decoded(stored)).toEqual(all);
    }),
  );
});

test("says what is wrong with a damaged segment", () => {
  const right = encodeSegment(rows, [1, 1, 1], 1);
  const wrong: readonly unknown[] = [
    undefined,
    null,
    [],
    "segment",
    { ...right, v: 2 },
    { ...right, ids: "abc" },
    { ...right, ids: ["b", "a", "c"] },
    { ...right, ids: ["a", "a", "c"] },
    { ...right, ids: ["", "b", "c"] },
    { ...right, ids: ["a", 2, "c"] },
    { ...right, ids: ["a", "b"] },
    { ...right, columns: null },
    { ...right, columns: [null] },
    { ...right, columns: [["x"]] },
    { ...right, columns: [["x", [1]]] },
    { ...right, columns: [["__proto__", [1, 2, 3]]] },
    { ...right, columns: [["id", ["x", "y", "z"]]] },
    {
      ...right,
      columns: [
        ["x", [1, 2, 3]],
        ["x", [1, 2, 3]],
      ],
    },
    { ...right, pos: "1" },
    { ...right, pos: NaN },
    { ...right, pos: 1.5 },
    { ...right, pos: [1, 2] },
    { ...right, pos: [1, 2, "3"] },
    // oxlint-disable-next-line no-sparse-arrays -- that is what is tried
    { ...right, pos: [1, , 3] },
  ];
  for (const value of wrong) expect(decoded(value)).toMatch(/^Expected/);
});

test("saves nothing of arrays that are longer than any segment, at once", () => {
  const endless: unknown[] = [];
  endless.length = 2 ** 32 - 1;
  const right = encodeSegment(rows, [1, 1, 1], 1);
  for (const part of ["ids", "columns", "pos"]) {
    const value = { ...right, [part]: endless };
    expect(decoded(value)).toMatch(/^Expected/);
    salvageSegment(value, 1, () => true);
  }
  // oxlint-disable-next-line no-sparse-arrays -- that is what is tried
  const holed = { ...right, columns: [, ["x", [1, 2, 3]]], pos: "1" };
  expect(salvageSegment(holed, 1, () => true).names).toEqual(["x"]);
});

test("never throws on junk", () => {
  const junk = fc.anything({ withSparseArray: true, withNullPrototype: true });
  const near = fc.record({
    v: fc.constant(1),
    ids: fc.array(fc.oneof(junk, fc.string())),
    columns: fc.array(fc.tuple(junk, fc.array(junk))),
    pos: junk,
  });
  fc.assert(
    fc.property(fc.oneof(junk, near), (value) => {
      expect(() => decoded(value)).not.toThrow();
    }),
  );
});
