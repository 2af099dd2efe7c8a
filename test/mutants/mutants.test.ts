import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { mutate, readSource } from "./apply.mjs";
import { mutants } from "./mutants.mjs";

const source = readSource(fileURLToPath(new URL("../..", import.meta.url)));
const exists = (file: string): boolean => existsSync(new URL(`../${file}`, import.meta.url));

test.each(mutants)("mutant $id applies to the source as it is now", (mutant) => {
  const changed = mutate(mutant, source);
  expect(changed.size).toBeGreaterThan(0);
  for (const [path, text] of changed) expect(text).not.toBe(source.get(path));
  expect(mutant.tests.filter((file) => !exists(file))).toEqual([]);
});

test("every guarantee that holds without a server has a mutant, and every mutant a name of its own", () => {
  const broken = new Set(mutants.flatMap(({ breaks }) => breaks));
  const guarantees = ["G1", "G2", "G3", "G4", "G6", "G7", "G8", "G9", "G10", "G11", "G12", "G13"];
  expect([...guarantees, "G14"].filter((it) => !broken.has(it))).toEqual([]);
  expect(new Set(mutants.map(({ id }) => id)).size).toBe(mutants.length);
});

test("a mutant that does not apply any more is an error", () => {
  const stale = { id: "stale", why: "", breaks: [], tests: [] };
  const files = new Map([
    ["a.ts", "one two one"],
    ["b.ts", "three"],
    ["c.ts", "three"],
  ]);
  for (const search of ["one", "three", "four"])
    expect(() => mutate({ ...stale, edits: [[search, ""]] }, files)).toThrow("no longer applies");
  const changed = mutate({ ...stale, edits: [["two", "2"]] }, files);
  expect(Array.from(changed)).toEqual([["a.ts", "one 2 one"]]);
  const broken = new Map([["a.ts", "f(\n  $1,\n)"]]);
  const edits = [["f( $1, )", "$&"]] as const;
  expect(mutate({ ...stale, edits }, broken).get("a.ts")).toBe("$&");
});
