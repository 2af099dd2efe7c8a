/** Every transition of the product of two tabs, and of three that only stop, go on, crash and leave. */
import { describe, expect, test } from "vitest";
import { edgePaths } from "../../../src/testing/index.ts";
import { transitionsOf } from "../../../src/testing/transitions.ts";
import { runProduct } from "./product-run.ts";
import { type Verb, productMachine } from "./product.ts";

const three: readonly Verb[] = ["stops", "goes on", "waits", "crashes", "leaves"];
const products = [
  [2, productMachine(2)],
  [3, productMachine(3, three)],
] as const;

describe.each(products)("G1 G6 G10 G13 of the product of %i tabs the path", (count, machine) => {
  const paths = edgePaths(machine);
  const taken = new Set<string>();

  const named = paths.map((path) => [path.name, path] as const);
  test.each(named)("%s", { timeout: 30_000 }, async (_, path) => {
    await expect(runProduct(path, count)).resolves.toBeUndefined();
    for (const { tids } of path.steps) for (const tid of tids) taken.add(tid);
  });

  test("takes all transitions, together with the others", () => {
    const all = transitionsOf(machine).length;
    console.log(
      `product of ${count} tabs: ${Object.keys(machine.states).length} states, ${paths.length} paths, ${taken.size} of ${all} transitions`,
    );
    expect(taken.size).toBe(all);
  });
});
