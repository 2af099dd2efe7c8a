import { describe, expect, test } from "vitest";
import { type Path } from "../../../src/testing/index.ts";
import { type Weakness, audit, pathsOf } from "./audit.ts";
import { weaknesses } from "./weaknesses.ts";

/** A machine without a way there is a failure of the audit, and not of this file. */
function planOf(weakness: Weakness): readonly (readonly [name: string, path: Path | Error])[] {
  try {
    return pathsOf(weakness).map((path) => [path.name, path]);
  } catch (error) {
    return [["has a path", error as Error]];
  }
}

describe.each(weaknesses.map((it) => [it.name, it] as const))("%s", (_, weakness) => {
  test.each(planOf(weakness))("%s", { timeout: 30_000 }, async (__, path) => {
    if (path instanceof Error) throw path;
    await expect(audit(weakness, path)).resolves.toBeUndefined();
  });
});
