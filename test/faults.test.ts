/** docs/faults.md: what it says is tested has a test of that name, and no code or state of the API is missing. */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), "utf8");
const page = read("docs/faults.md");

/** Cells of the rows, without headings and rules. */
const rows = page
  .split("\n")
  .filter((line) => line.startsWith("|") && !/^\|[\s|-]+\|$|^\| fault /.test(line))
  .map((line) =>
    line
      .slice(1, -1)
      .split("|")
      .map((cell) => cell.trim()),
  );

const tests = readdirSync(join(root, "test"), { recursive: true, encoding: "utf8" })
  .filter((file) => /(^|[./])(test|contract|indexeddb|suite)\.tsx?$/.test(file))
  .map((file) => read(join("test", file)))
  .join("\n");

/** The words of a union in a file of the source. */
const unionAt = (text: string, from: string): string[] => {
  const start = text.indexOf(from);
  expect(start).toBeGreaterThan(-1);
  const end = start + text.slice(start).indexOf(";");
  return Array.from(text.slice(start, end).matchAll(/"(\w+)"/g), ({ 1: word = "" }) => word);
};

test("every row of the table of faults has five cells, and names tests", () => {
  expect(rows.length).toBeGreaterThan(40);
  expect(rows.filter((cells) => cells.length !== 5 || cells.includes(""))).toEqual([]);
  expect(rows.filter((cells) => !/`[^`]{10,}`/.test(cells[4] ?? ""))).toEqual([]);
});

test("every test that the table of faults names exists", () => {
  const names = rows.flatMap((cells) =>
    Array.from((cells[4] ?? "").matchAll(/`([^`]+)`/g), ({ 1: name = "" }) => name),
  );
  expect(names.length).toBeGreaterThan(rows.length);
  expect(names.filter((name) => !tests.includes(`"${name}"`))).toEqual([]);
});

test("every fault code and every state of storage stands in the table of faults", () => {
  const api = read("src/api.ts");
  const codes = unionAt(api.slice(api.indexOf("export interface Fault ")), "code:");
  const storage = unionAt(api.slice(api.indexOf("export interface SyncStatus ")), "storage:");
  const phases = unionAt(api.slice(api.indexOf("export interface SyncStatus ")), "phase:");
  expect(codes).toContain("storage_lost");
  expect(storage).toContain("unavailable");
  const cells = rows.map((row) => row.slice(0, 4).join(" ")).join("\n");
  const told = new Set(Array.from(cells.matchAll(/`(\w+)`/g), ({ 1: word = "" }) => word));
  const quiet = new Set(["ready", "stopped"]);
  expect([...codes, ...storage, ...phases].filter((it) => !told.has(it) && !quiet.has(it))).toEqual(
    [],
  );
});
