import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { mutate } from "./apply.mjs";
import { mutants } from "./mutants.mjs";

const read = (path: string): string =>
  readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");

test.each(mutants)("mutant $id applies to the source as it is now", (mutant) => {
  const changed = mutate(mutant, read);
  expect(changed.size).toBeGreaterThan(0);
  for (const [path, text] of changed) expect(text).not.toBe(read(path));
  expect(
    mutant.tests.filter((file) => !existsSync(new URL(`../${file}`, import.meta.url))),
  ).toEqual([]);
});

test("every guarantee that holds without a server has a mutant, and every mutant a name of its own", () => {
  const broken = new Set(mutants.flatMap(({ breaks }) => breaks));
  const guarantees = ["G1", "G2", "G3", "G4", "G6", "G7", "G8", "G9", "G10", "G11", "G12", "G13"];
  expect([...guarantees, "G14"].filter((it) => !broken.has(it))).toEqual([]);
  expect(new Set(mutants.map(({ id }) => id)).size).toBe(mutants.length);
});

test("a mutant that does not apply any more is an error", () => {
  const stale = { id: "stale", why: "", breaks: [], file: "a.ts", tests: [] };
  const twice = (): string => "one one two";
  for (const search of ["one", "three"])
    expect(() => mutate({ ...stale, edits: [[search, ""]] }, twice)).toThrow("no longer applies");
  expect(mutate({ ...stale, edits: [["two", "3"]] }, twice).get("src/a.ts")).toBe("one one 3");
});
