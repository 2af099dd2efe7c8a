/**
 * The documentation is true: its code type-checks against `src`, what it says a line gives is what the line gives, its links
 * lead somewhere, and it names all there is.
 *
 * A block marked `ts` or `tsx` is complete when it imports something, and a fragment of a function otherwise. A block that
 * begins with `// name.ts` can be imported by the others of its page; `store.ts` is README's everywhere, unless a page has
 * its own. Complete `ts` blocks are run, and so is every fragment with `expression; // → value`, which is compared.
 */
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { IDBFactory } from "fake-indexeddb";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import * as core from "../src/index.ts";
import * as solid from "../src/adapters/solid.ts";
import { commitMachine } from "../src/machines/commit.ts";
import { electionMachine } from "../src/machines/election.ts";
import { handoffMachine } from "../src/machines/handoff.ts";
import { liveMachine } from "../src/machines/live.ts";
import { loadMachine } from "../src/machines/load.ts";
import { replicationMachine } from "../src/machines/replication.ts";
import { storageMachine } from "../src/machines/storage.ts";
import { syncMachine } from "../src/machines/sync.ts";
import * as protocol from "../src/protocol/index.ts";
import * as server from "../src/server/index.ts";
import * as sqlite from "../src/server/sqlite.ts";
import { decodeSegment } from "../src/model/segment.ts";
import { decodeMeta, decodeRecord, format, freshMeta } from "../src/model/stored.ts";
import "fake-indexeddb/auto";

const root = fileURLToPath(new URL("..", import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), "utf8");
const list = (folder: string, ending: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(ending))
    .map((file) => `${folder}/${file}`)
    .toSorted();

const pages = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "bench/README.md"].concat(
  list("docs", ".md"),
);

interface Block {
  /** Where it is, for messages. */
  readonly where: string;
  readonly page: string;
  readonly language: "ts" | "tsx";
  readonly code: string;
}

function blocksOf(page: string): Block[] {
  const text = read(page);
  return Array.from(
    text.matchAll(/^```(tsx?)\n(.*?)^```$/gms),
    ({ 1: language, 2: code, index }) => ({
      where: `${page}:${text.slice(0, index).split("\n").length}`,
      page,
      language: language as Block["language"],
      code: code as string,
    }),
  );
}

/** The `@example` blocks of docstrings, in `src`. */
function examplesOf(file: string): Block[] {
  const text = read(file);
  return Array.from(text.matchAll(/\/\*\*.*?\*\//gs)).flatMap(({ 0: comment, index }) =>
    comment
      .split(/^\s*\* @example\s*$/m)
      .slice(1)
      .map((example) => ({
        where: `${file}:${text.slice(0, index).split("\n").length}`,
        page: file,
        language: "tsx" as const,
        code: example.replace(/\*\/$/, "").replace(/^\s*\* ?/gm, ""),
      })),
  );
}

const blocks = pages.flatMap(blocksOf);
const examples = list("src", ".ts").flatMap(examplesOf);

const isComplete = ({ code }: Block): boolean => /^import /m.test(code);
const named = ({ code }: Block): string | undefined => /^\/\/ ([\w-]+\.tsx?)\n/.exec(code)?.[1];
const arrow = /^(\s*)(.+?);\s*\/\/ → (.+)$/gm;

/** What a fragment may use without saying so. Its own names hide these. */
const known: readonly (readonly [names: string, from: string])[] = [
  ["* as v", "valibot"],
  [
    "{ create, createId, createSyncActor, defineEvent, remove, update, upsert, SyncError }",
    "sssync",
  ],
  ["{ createSyncServer, memory }", "sssync/server"],
  ["{ sqlite }", "sssync/server/sqlite"],
  ["{ sync }", "./store.ts"],
];
const knownOfSolid: typeof known = [
  ["{ fromStatus, fromTable, useSelector }", "sssync/solid"],
  ["{ createSignal, For, Show }", "solid-js"],
];

const importsFor = ({ language }: Block): string =>
  [...known, ...(language === "tsx" ? knownOfSolid : [])]
    .map(([names, from]) => `import ${names} from "${from}";`)
    .join("\n");

/** A block as a module. Line numbers of complete blocks stay what they are. */
function moduleOf(block: Block): string {
  const { code } = block;
  if (!isComplete(block))
    return `${importsFor(block)}\nexport async function fragment() {\n${code}\n}\n`;
  return /from "(react|@xstate\/react)"/.test(code)
    ? `/** @jsxImportSource react */ ${code}`
    : code;
}

/** The same, which compares. */
const runnable = (block: Block): string =>
  moduleOf(block).replaceAll(arrow, "$1globalThis.expectThat($2).toEqual($3);");

let folder = "";
const fileOf = new Map<Block, string>();

function write(file: string, code: string): string {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, code);
  return file;
}

const slugOf = (path: string): string => path.replaceAll(/\W+/g, "-");

beforeAll(() => {
  // Outside of the repository: whoever lints or formats it meanwhile does not see these files.
  folder = mkdtempSync(join(tmpdir(), "sssync-docs-"));
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"), "junction");
  write(join(folder, "package.json"), `{ "type": "module" }`);
  const store = blocks.find((block) => named(block) === "store.ts");
  for (const [at, block] of [...blocks, ...examples].entries()) {
    const own = join(folder, slugOf(block.page));
    if (store !== undefined && !existsSync(join(own, "store.ts")))
      write(join(own, "store.ts"), moduleOf(store));
    fileOf.set(block, write(join(own, named(block) ?? `${at}.${block.language}`), moduleOf(block)));
  }
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("code", () => {
  afterEach(() => {
    vi.unstubAllGlobals();
    vi.restoreAllMocks();
  });

  test("type-checks, in pages and in docstrings", () => {
    expect(blocks.length).toBeGreaterThan(0);
    expect(examples.length).toBeGreaterThan(0);
    const config = {
      extends: join(root, "tsconfig.json"),
      compilerOptions: { noUnusedLocals: false },
      files: Array.from(new Set(fileOf.values())),
      include: [],
    };
    write(join(folder, "tsconfig.json"), JSON.stringify(config));
    let output = "";
    try {
      execFileSync(join(root, "node_modules/.bin/tsc"), ["-p", folder, "--pretty", "false"], {
        encoding: "utf8",
        shell: process.platform === "win32",
      });
    } catch (error) {
      output = String((error as { stdout?: unknown }).stdout ?? error);
    }
    for (const [block, file] of fileOf)
      output = output.replaceAll(relative(process.cwd(), file), `${block.where} (its block)`);
    expect(output).toBe("");
  }, 120_000);

  const run = blocks.filter(
    (block) => block.language === "ts" && (isComplete(block) || block.code.search(arrow) !== -1),
  );
  test.each(run.map((block) => [block.where, block] as const))("runs %s", async (_, block) => {
    vi.resetModules();
    vi.spyOn(console, "log").mockReturnValue(undefined);
    vi.stubGlobal("indexedDB", new IDBFactory());
    vi.stubGlobal("expectThat", expect);
    const file = fileOf.get(block) as string;
    const usesStore = !isComplete(block) || block.code.includes(`"./store.ts"`);
    const store = usesStore ? await open(join(dirname(file), "store.ts")) : {};
    if (!isComplete(block)) await store.sync?.ready;
    const module = await open(write(`${file}.run.ts`, runnable(block)));
    await module.fragment?.();
    await Promise.all([store.sync?.stop(), module.sync?.stop()]);
    // Each value was compared: none stands where it is not seen.
    expect(block.code.match(arrow)?.length).toBe(block.code.match(/→/g)?.length);
  });
});

interface Opened {
  readonly sync?: { readonly ready: Promise<void>; stop(): Promise<void> };
  fragment?(): Promise<void>;
}

const open = (file: string): Promise<Opened> => import(file) as Promise<Opened>;

/** As GitHub makes anchors of headings. */
function anchorsOf(text: string): Set<string> {
  const anchors = new Set<string>();
  for (const { 1: heading = "" } of text
    .replaceAll(/^```.*?^```$/gms, "")
    .matchAll(/^#+ (.+)$/gm)) {
    const plain = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase();
    const anchor = plain.replaceAll(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-");
    let free = anchor;
    for (let next = 1; anchors.has(free); next += 1) free = `${anchor}-${next}`;
    anchors.add(free);
  }
  return anchors;
}

describe("links", () => {
  test.each(pages)("of %s lead to files and headings that exist", (page) => {
    const text = read(page).replaceAll(/^```.*?^```$/gms, "");
    const broken = Array.from(text.matchAll(/\]\(([^)\s]+)\)/g), ({ 1: link = "" }) => link).filter(
      (link) => {
        if (link.startsWith("https:")) return false;
        const [path = "", anchor] = link.split("#");
        const target = path === "" ? page : relative(root, join(root, dirname(page), path));
        if (!existsSync(join(root, target))) return true;
        return anchor !== undefined && !anchorsOf(read(target)).has(anchor);
      },
    );
    expect(broken).toEqual([]);
  });
});

/** The part of a page below a heading, to the next one of the same level or above. */
function section(page: string, heading: string): string {
  const level = /^#+/.exec(heading)?.[0].length ?? 0;
  const text = `${read(page)}\n`;
  const from = text.indexOf(`\n${heading}\n`) + heading.length + 1;
  const to = text.slice(from).search(new RegExp(`^#{1,${level}} `, "m"));
  return to === -1 ? text.slice(from) : text.slice(from, from + to);
}

const machines = {
  sync: syncMachine,
  storage: storageMachine,
  load: loadMachine,
  commit: commitMachine,
  election: electionMachine,
  handoff: handoffMachine,
  replication: replicationMachine,
  live: liveMachine,
};

interface Node {
  readonly key: string;
  readonly states: Readonly<Record<string, Node>>;
  readonly transitions: ReadonlyMap<string, readonly unknown[]>;
  readonly always?: readonly unknown[] | undefined;
}

const statesOf = (node: Node): Node[] => {
  const children = Object.values(node.states);
  return children.concat(children.flatMap(statesOf));
};
const countTransitions = (node: Node): number =>
  Array.from(node.transitions.values()).flat().length + (node.always?.length ?? 0);

/** Members of a union of literals, or of an interface, by the text of its declaration. */
const wordsIn = (file: string, from: string, pattern: RegExp): string[] => {
  const text = read(file);
  const start = text.indexOf(from);
  expect(start).toBeGreaterThan(-1);
  const end = text.slice(start).search(from.startsWith("export type S") ? /;\n/ : /^}/m);
  return Array.from(text.slice(start, start + end).matchAll(pattern), ({ 1: word = "" }) => word);
};

/** To tens, as one says it: one more transition is no change of the page. */
const roundDown = (count: number): number => Math.floor((count - 1) / 10) * 10;

const missingIn = (text: string, words: readonly string[]): string[] =>
  words.filter((word) => !text.includes(`\`${word}`) && !text.includes(`# ${word}\n`));

describe("what there is", () => {
  test("is named in the API page: exports, options, codes, status", () => {
    const exported = Array.from(read("src/index.ts").matchAll(/\{([^}]+)\}/g)).flatMap(
      ({ 1: names = "" }) => names.split(",").map((name) => name.trim()),
    );
    const page = read("docs/api.md");
    const names = [
      ...exported,
      ...[core, solid, protocol, server, sqlite].flatMap(Object.keys),
    ].filter(Boolean);
    expect(names.length).toBeGreaterThan(40);
    expect(missingIn(page, names)).toEqual([]);

    const codes = wordsIn("src/errors.ts", "export type SyncErrorCode", /\| "(\w+)"/g);
    expect(codes.length).toBeGreaterThan(15);
    expect(missingIn(section("docs/api.md", "## Errors"), codes)).toEqual([]);
    const faults = wordsIn("src/api.ts", "export interface Fault", /\| "(\w+)"/g);
    expect(faults.length).toBeGreaterThan(5);
    expect(missingIn(section("docs/api.md", "### Faults"), faults)).toEqual([]);

    const status = section("docs/api.md", "## Status");
    const fields = wordsIn("src/api.ts", "export interface SyncStatus", /readonly (\w+):/g);
    const values = wordsIn("src/api.ts", "export interface SyncStatus", /"(\w+)"/g);
    expect(missingIn(status, [...fields, ...values])).toEqual([]);
    const options = wordsIn("src/api.ts", "export interface SyncConfig", /readonly (\w+)\?:/g);
    expect(options).toContain("durability");
    expect(missingIn(section("docs/api.md", "### Options"), options)).toEqual([]);
    const members = wordsIn(
      "src/api.ts",
      "export interface SyncActor",
      /^ {2}(?:readonly )?(\w+)[(:<]/gm,
    );
    expect(members).toContain("destroy");
    expect(missingIn(section("docs/api.md", "## The actor"), members)).toEqual([]);
  });

  test.each(Object.entries(machines))(
    "is drawn in the page of machines: %s",
    (name, { root: top }) => {
      const drawing = section("docs/machines.md", `## ${name}`);
      const states = statesOf(top as unknown as Node).map(({ key }) => key);
      expect(states.filter((state) => !new RegExp(`\\b${state}\\b`).test(drawing))).toEqual([]);
    },
  );

  test("is counted in README: machines, states, transitions", () => {
    const tops = Object.values(machines).map((machine) => machine.root as unknown as Node);
    const states = tops.flatMap(statesOf);
    const transitions = [...tops, ...states].reduce((sum, it) => sum + countTransitions(it), 0);
    const claim = /(\d+) XState machines, more than (\d+) states and (\d+) transitions/.exec(
      read("README.md"),
    );
    const [, ...claimed] = (claim ?? []).map(Number);
    expect(claimed).toEqual([tops.length, roundDown(states.length), roundDown(transitions)]);
  });

  test("is what the examples of stored records are: they decode", () => {
    const page = read("docs/storage-format.md");
    const stored = Array.from(
      page.matchAll(/^```json\n(.*?)^```$/gms),
      ({ 1: text = "" }) => JSON.parse(text) as Readonly<Record<string, unknown>>,
    );
    const records = stored.filter((it) => "kind" in it);
    const segments = stored.filter((it) => "columns" in it);
    expect(new Set(records.map(({ kind }) => kind))).toEqual(
      new Set(["commit", "base", "dismiss", "attempt"]),
    );
    expect(records.length + segments.length).toBe(stored.length);
    for (const it of records) expect(decodeRecord(it)).toMatchObject({ kind: it["kind"] });
    for (const it of segments) expect(decodeSegment(it)).not.toHaveProperty("reason");

    const meta = new Map<string, unknown>();
    for (const { 1: key = "", 2: value = "" } of section(
      "docs/storage-format.md",
      "## Meta",
    ).matchAll(/^\| `(\w+)` +\| `(.+?)` +\|/gm))
      meta.set(key, JSON.parse(value));
    expect(Array.from(meta.keys()).toSorted()).toEqual(
      [...freshMeta(1, "a", "b").keys(), "remote"].toSorted(),
    );
    expect(decodeMeta(meta)).toMatchObject({ meta: { format } });
  });
});
