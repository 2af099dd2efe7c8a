/** docs/audit.md: the weaknesses, paths, transitions, states and mutants that it names exist, and none is left out. */
import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { transitionsOf } from "../../../src/testing/transitions.ts";
import { createDevice } from "../../../src/testing/index.ts";
import { mutants } from "../../mutants/mutants.mjs";
import { pathsOf } from "./audit.ts";
import { weaknesses } from "./weaknesses.ts";

const page = readFileSync(new URL("../../../docs/audit.md", import.meta.url), "utf8");

const quoted = (text = ""): string[] =>
  Array.from(text.matchAll(/`([^`]+)`/g), ({ 1: name = "" }) => name);

/** Cells of the rows, without heading and rule. */
const rows = page
  .split("\n")
  .filter((line) => line.startsWith("| `"))
  .map((line) => line.slice(1, -1).split("|"));

test("the audit has a row for each weakness, with all its paths and no other", () => {
  const names = Array.from(new Set(weaknesses.map(({ name }) => name)));
  expect(rows.flatMap(([name]) => quoted(name))).toEqual(expect.arrayContaining(names));
  expect(rows).toHaveLength(names.length);
  for (const [name, , , paths] of rows) {
    const own = weaknesses.filter((it) => it.name === quoted(name)[0]);
    const generated = own.flatMap(pathsOf).map((path) => path.name);
    expect(quoted(paths).toSorted()).toEqual(generated.toSorted());
  }
});

test("the transitions, states, files and mutants that the audit names exist, and its paths take those transitions", () => {
  for (const [name, , prevents, , tests] of rows) {
    const own = weaknesses.filter((it) => it.name === quoted(name)[0]);
    const machines = own.map((it) => it.suite(createDevice()).machine);
    const tids = new Set(machines.flatMap(transitionsOf).map(({ tid }) => tid));
    const states = JSON.stringify(machines.map(({ definition }) => definition));
    const named = quoted(prevents);
    const taken = named.filter((it) => it.includes("."));
    expect(taken.filter((it) => !tids.has(it))).toEqual([]);
    expect(taken.toSorted()).toEqual(
      Array.from(new Set(own.flatMap(({ cover }) => cover))).toSorted(),
    );
    for (const state of named.filter((it) => !it.includes(".")))
      expect(states).toContain(`"key":"${state}"`);
    const [file = "", mutant] = quoted(tests);
    expect(existsSync(new URL(`../../${file}`, import.meta.url))).toBe(true);
    expect(mutants.map(({ id }) => id)).toContain(mutant);
  }
});
