import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

const read = (path: string): string =>
  readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
const all = (text: string, pattern: RegExp): string[] =>
  Array.from(text.matchAll(pattern), ({ 1: name = "" }) => name);

test("docs/testing.md names every export of sssync/testing, and all that a device and a page can do", () => {
  const exported = all(read("src/testing/index.ts"), /(\w+)(?=,? \}|,\n)/g);
  const members = ["device", "course", "page", "disk", "virtual-network"].flatMap((file) =>
    all(
      read(`src/testing/${file}.ts`).split("@internal")[0] ?? "",
      /^ {2}(?:readonly )?(\w+)[(<].*;$/gm,
    ),
  );
  const kinds = all(read("src/testing/fault-kinds.ts"), /\| "(\w+)"/g);
  const faults = all(read("src/testing/virtual-network.ts"), /^ {2}\| "(\w+)"/gm);
  expect(faults).toContain("html");
  expect(exported).toContain("createDevice");
  expect(members).toEqual(expect.arrayContaining(["clearSiteData", "freeze", "contents"]));
  expect(kinds).toContain("lostButStored");
  const page = read("docs/testing.md");
  const isNamed = (name: string): boolean => new RegExp(`\`[^\`\n]*\\b${name}\\b`).test(page);
  expect([...exported, ...members, ...kinds, ...faults].filter((name) => !isNamed(name))).toEqual(
    [],
  );
});
