/** docs/conformance.md has each case and each option. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { conformCommand } from "../../src/bin/conform.ts";
import { cases } from "../../src/conformance/index.ts";

const page = readFileSync(new URL("../../docs/conformance.md", import.meta.url), "utf8");

test("each case stands in the documentation, with its clause, level and needs", () => {
  const list = page.slice(page.indexOf("\n## Cases\n"));
  const rows = Array.from(list.matchAll(/^\| ([A-Z]\d+) .*\|$/gm), ([row]) =>
    row
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
  expect(rows).toEqual(
    cases.map(({ id, title, clause, level, needs = [] }) => [
      id,
      title,
      clause,
      level,
      needs.join(", "),
    ]),
  );
});

/** Names of options in a text. Of the four tokens the first and the last stand for all. */
const optionsIn = (text: string): string[] =>
  Array.from(new Set(Array.from(text.matchAll(/--[a-z]+(?:-[a-z])?/g), ([it]) => it)))
    .filter((it) => it !== "--help" && !/--token-[br]/.test(it))
    .toSorted();

test("each option of the usage stands in the documentation, and the other way round", () => {
  const out = conformCommand.usage;
  const table = page.slice(page.indexOf("\n## Options\n"), page.indexOf("\n## The suite itself\n"));
  expect(optionsIn(table)).toEqual(optionsIn(out));
});
