import { expect, test } from "vitest";
import { type Placeable, isDecided, merge } from "../../src/model/rebase.ts";

/** How many entries are logged: they are the first ones. */
function loggedCount(overlay: readonly Placeable[]): number {
  let count = overlay.length;
  while (count > 0 && overlay[count - 1]?.position === null) count -= 1;
  return count;
}

const entry = (
  tab: string,
  n: number,
  position: number | null,
  offset = 0,
  length = 1,
): Placeable => ({
  tab,
  n,
  position,
  offset,
  unit: { length },
});
const arrival = (
  tab: string,
  n: number,
  position: number,
  kind: "commit" | "base" | "dismiss" = "commit",
) => ({
  kind,
  position,
  tab,
  n,
});
/** Two logged, then a commit in flight as record 3 of two units, one as record 4, and one that waits. */
const overlay = [
  entry("b", 1, 7),
  entry("a", 2, 8),
  entry("a", 3, null),
  entry("a", 3, null),
  entry("a", 4, null),
  entry("a", 0, null),
];

test.each([
  ["knows a record at its position", arrival("b", 1, 8), { tag: "known" }],
  ["knows an older record", arrival("b", 9, 1), { tag: "known" }],
  ["sees that a record is missing", arrival("b", 2, 11), { tag: "gap", from: 9, to: 10 }],
  [
    "confirms an own record that is first in line",
    arrival("a", 3, 9),
    { tag: "confirm", at: 2, count: 2 },
  ],
  [
    "moves an own record before one that is unknown",
    arrival("a", 4, 9),
    { tag: "overtake", at: 2, first: 4, count: 1 },
  ],
  ["puts another tab's commit before the local ones", arrival("b", 3, 9), { tag: "insert", at: 2 }],
  [
    "takes an own record that memory does not hold for another tab's",
    arrival("a", 9, 9),
    { tag: "insert", at: 2 },
  ],
  ["moves the base", arrival("b", 2, 9, "base"), { tag: "advance" }],
  ["notes a dismissal", arrival("b", 2, 9, "dismiss"), { tag: "note" }],
] as const)("%s", (_, arrived, expected) => {
  expect(merge(overlay, loggedCount(overlay), 8, arrived)).toEqual(expected);
});

test("decides a unit as a whole", () => {
  const unit = entry("a", 1, 5, 2, 3);
  expect(isDecided(unit, { position: 5, index: 0 })).toBe(true);
  expect(isDecided(unit, { position: 4, index: 5 })).toBe(true);
  expect(isDecided(unit, { position: 4, index: 4 })).toBe(false);
  expect(isDecided(unit, { position: 3, index: 9 })).toBe(false);
  expect(isDecided(entry("a", 1, null), { position: 9, index: 9 })).toBe(false);
});
