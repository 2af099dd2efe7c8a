import * as v from "valibot";
import { expect, it } from "vitest";
import { createParser } from "../../src/model/schema.ts";

const parser = createParser(
  "table",
  v.object({ id: v.string(), size: v.optional(v.number(), 1), note: v.optional(v.string()) }),
);

it("G6 gives a stored row the defaults that a replayed event would give it", () => {
  const stored = { id: "a", note: "n" };
  const replayed = parser.take(stored);
  expect(parser.keep({ ...stored })).toEqual(replayed);
  expect(replayed).toEqual({ value: { id: "a", size: 1, note: "n" } });
});

it("keeps what a stored row has, and properties that the schema does not know", () => {
  const kept = parser.keep({ id: "a", size: 2, older: true });
  expect(kept).toEqual({ value: { id: "a", size: 2, older: true } });
  expect("value" in kept && Object.isFrozen(kept.value)).toBe(true);
});
