/** docs/testing-your-app.md, followed word by word on a copy of the demo. */
import { execFile } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AppPathError, appPaths } from "../../src/testing/index.ts";
import type * as demo from "../../examples/todo/todo.paths.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const page = readFileSync(join(root, "docs/testing-your-app.md"), "utf8");

/** The block that is this file. */
function block(file: string): string {
  const from = page.indexOf(`\`\`\`typescript\n// ${file}\n`);
  expect(from).toBeGreaterThan(-1);
  const text = page.slice(page.indexOf("\n", from + 15) + 1);
  return text.slice(0, text.indexOf("```\n"));
}

const [, diff = ""] = /^```diff\n(.*?)^```$/ms.exec(page) ?? [];
const side = (sign: "+" | "-"): string =>
  diff
    .split("\n")
    .filter((line) => line.startsWith(sign))
    .map((line) => line.slice(1))
    .join("\n");

let folder = "";
/** A copy of the demo, with the bug of the page or without. */
function copy(name: "planted" | "mended"): string {
  const todo = join(folder, name);
  mkdirSync(todo);
  for (const file of ["server.ts", "src/model.ts"])
    cpSync(join(root, "examples/todo", file), join(todo, file));
  writeFileSync(join(todo, "todo.paths.ts"), block("examples/todo/todo.paths.ts"));
  const model = join(todo, "src/model.ts");
  const text = readFileSync(model, "utf8");
  expect(text.split(side("-"))).toHaveLength(2);
  if (name === "planted")
    writeFileSync(
      model,
      text.replace(side("-"), () => side("+")),
    );
  return todo;
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "sssync-guide-"));
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"), "junction");
  const names = ["server/sqlite", "server", "testing"];
  const alias = [...names.map((it) => [`sssync/${it}`, it]), ["sssync", ""]].map(([find, it]) => ({
    find,
    replacement: join(root, "src", it === "server/sqlite" ? `${it}.ts` : `${it}/index.ts`),
  }));
  writeFileSync(join(folder, "package.json"), `{ "type": "module" }`);
  writeFileSync(
    join(folder, "vitest.config.js"),
    `export default ${JSON.stringify({ resolve: { alias } })};`,
  );
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Results {
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message: string;
  }[];
}

test("shows the files of the demo as they are", () => {
  for (const file of ["examples/todo/todo.paths.ts", "examples/todo/todo.test.ts"])
    expect(block(file)).toBe(readFileSync(join(root, file), "utf8"));
});

test("finds the planted bug; the test that it prints, and the page shows, fails until it is mended", async () => {
  const [planted, mended] = [copy("planted"), copy("mended")];
  const { config, options } = (await import(join(planted, "todo.paths.ts"))) as typeof demo;
  const error: unknown = await appPaths(config, options).catch((it: unknown) => it);
  expect(error).toBeInstanceOf(AppPathError);
  const { message, test: source } = error as AppPathError;
  expect(message).toContain("Expected in the end: a todo is as it was last marked, got: id-1 is");
  expect(message.endsWith(source)).toBe(true);
  expect(source.match(/sync\.commit/g)?.length).toBeLessThanOrEqual(4);

  for (const todo of [planted, mended]) {
    writeFileSync(join(todo, "printed.test.ts"), source);
    writeFileSync(join(todo, "shown.test.ts"), block("examples/todo/found.test.ts"));
  }
  const results = join(folder, "results.json");
  const vitest = join(root, "node_modules/vitest/vitest.mjs");
  // In one process that loads the library once: that is most of what such a run costs.
  const once = ["--no-isolate", "--maxWorkers=1", "--reporter=json", `--outputFile=${results}`];
  const args = [vitest, "run", "--root", folder, ...once];
  await new Promise((resolve) => execFile(process.execPath, args, resolve));
  const { testResults } = JSON.parse(readFileSync(results, "utf8")) as Results;
  const told = testResults.map(({ name, status }) => `${name.slice(folder.length + 1)} ${status}`);
  expect(told.toSorted()).toEqual([
    "mended/printed.test.ts passed",
    "mended/shown.test.ts passed",
    "planted/printed.test.ts failed",
    "planted/shown.test.ts failed",
  ]);
}, 240_000);
