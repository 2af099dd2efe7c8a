import * as v from "valibot";
import { expect, it } from "vitest";
import { admit } from "../../src/model/admit.ts";
import { compile } from "../../src/model/definition.ts";

const definition = compile(
  {
    tables: { things: v.object({ id: v.string(), size: v.optional(v.number(), 1) }) },
    events: {},
    materializers: {},
  },
  false,
);
const base = (...changes: unknown[]) => ({
  kind: "base",
  tab: "a",
  n: 1,
  schema: 1,
  term: 1,
  settled: { position: 0, index: 0 },
  changes,
  keys: [],
  rejected: [],
});

it("G12 an image that its table refuses is damage, and deletes the row", () => {
  const admitted = admit(
    definition,
    base(["things", "a", { id: "a", size: "big" }, 1], ["things", "b", { id: "b", size: 2 }, 2]),
  );
  expect(admitted?.record).toMatchObject({
    changes: [
      ["things", "a", null, 1],
      ["things", "b", { id: "b", size: 2 }, 2],
    ],
  });
  expect(admitted?.damage).toMatchObject([
    { key: "row/things/a", raw: { id: "a", size: "big" }, reason: expect.stringContaining("size") },
  ]);
});

it("G6 an image gets the defaults that its row will get in a segment", () => {
  const admitted = admit(definition, base(["things", "a", { id: "a" }, 1]));
  expect(admitted?.record).toMatchObject({ changes: [["things", "a", { id: "a", size: 1 }, 1]] });
  expect(admitted?.damage).toEqual([]);
});

it("lets deletions and images of unknown tables pass, and nothing that is no record", () => {
  const changes = [
    ["things", "a", null, 1],
    ["others", "b", { id: "b", size: "big" }, 2],
  ];
  expect(admit(definition, base(...changes))).toMatchObject({ record: { changes }, damage: [] });
  expect(admit(definition, base(["things", "a", { id: "b" }, 1]))).toBeUndefined();
  expect(admit(definition, "junk")).toBeUndefined();
});
