import * as fc from "fast-check";
import { expect, it } from "vitest";
import { type Row } from "../../src/model/log.ts";
import { createTable, lowerBound } from "../../src/model/table.ts";

const name = (at: number): string => `k${String(at).padStart(6, "0")}`;
const row = (id: string, x = 0): Row => Object.freeze({ id, x });

it("keeps the array while no row is another one", () => {
  const table = createTable("t");
  for (const id of ["b", "a", "c"]) table.set(id, row(id));
  const before = table.toArray();
  expect(before.map(({ id }) => id)).toEqual(["a", "b", "c"]);
  expect(Object.isFrozen(before)).toBe(true);
  const b = table.rows.get("b");
  // A rebase that undoes and replays.
  table.set("b", undefined);
  table.set("d", row("d"));
  table.set("b", b);
  table.set("d", undefined);
  expect(table.toArray()).toBe(before);
  table.set("b", row("b", 1));
  expect(table.toArray()).not.toBe(before);
});

it("patches the array to what sorting all rows gives", () => {
  const change = fc.tuple(fc.nat(60), fc.option(fc.nat(3)));
  fc.assert(
    fc.property(fc.array(fc.array(change, { maxLength: 40 }), { maxLength: 6 }), (rounds) => {
      const table = createTable("t");
      for (const changes of rounds) {
        for (const [at, x] of changes) {
          const id = `k${at}`;
          table.set(id, x === null ? undefined : row(id, x));
        }
        const all = Array.from(table.rows.values()).toSorted((a, b) => (a.id < b.id ? -1 : 1));
        expect(table.toArray()).toEqual(all);
      }
    }),
  );
});

it("changes 5,000 of 100,000 rows in the time of one pass", () => {
  const table = createTable("t");
  for (let at = 0; at < 100_000; at += 1) table.set(name(at), row(name(at)));
  table.toArray();
  for (let at = 0; at < 100_000; at += 20)
    table.set(name(at), at % 40 === 0 ? undefined : row(name(at), 1));
  const after = table.toArray();
  expect(after.length).toBe(97_500);
  expect(lowerBound(after, name(1))).toBe(0);
});
