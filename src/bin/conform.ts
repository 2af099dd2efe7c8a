/** `sssync conform`: the cases of `sssync/conformance` against a server, and a report. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Level, levels } from "../conformance/case.ts";
import { startReference } from "../conformance/listen.ts";
import { resultLine, summary } from "../conformance/report.ts";
import {
  type ConformanceOptions,
  type ConformanceReport,
  runConformance,
} from "../conformance/run.ts";
import { memoryVault, sqliteVault } from "../conformance/vault.ts";
import { type Command, type Io, UsageError } from "./command.ts";

const usage = `Usage: sssync conform URL [options]
       sssync conform --reference memory|sqlite [options]

Tests a server of sssync/1 at URL (https://host/sync) over HTTP, in whatever language it is written. It has to serve the app
of the suite; docs/conformance.md has it, and what each case asks. Exit code 0 only if no case of the level has failed.

  --level L1         L0 queries, L1 push, L2 pull, L3 live; each with those before it (default L3)
  --token-a TOKEN    bearer token of the user A (default A); likewise --token-b, of another user, --token-r, of one who may
                     only read, and --token-x, which has expired
  --control URL      control plane, for what cannot be brought about from outside: restarts, backups, compaction
                     (default URL/_test, if the server's info has the feature "test")
  --peer URL         a second process on the same data
  --query PATH       path below URL of a query of all items, with {space} in it (default /{space}/items, with a control plane)
  --origin ORIGIN    an origin that the server lets in (default https://app.example)
  --only P7,S        these cases only, or groups by their letter
  --all              what is skipped, since the server does not offer it, counts as failed
  --seed N           repeats all that is random (default 1)
  --histories N      random histories of each of C1, C2 and C3 (default 8)
  --soak SECONDS     how long L13 reads while others write (default 2)
  --bootstrap N      events that C8 starts from (default 10000)
  --slack N          multiplies the times of the protocol, on slow machines (default 1)
  --json             prints the report as JSON
  --reference KIND   starts the server of this package with a control plane, in memory or on SQLite, and tests that
  --help             this text
`;

const text = { type: "string" } as const;

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        level: { type: "string", default: "L3" },
        "token-a": text,
        "token-b": text,
        "token-r": text,
        "token-x": text,
        control: text,
        peer: text,
        query: text,
        origin: text,
        only: text,
        all: { type: "boolean", default: false },
        seed: text,
        histories: text,
        soak: text,
        bootstrap: text,
        slack: text,
        json: { type: "boolean", default: false },
        reference: text,
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

type Values = ReturnType<typeof parse>["values"];

function levelOf(name: string): Level {
  const level = levels.find((it) => it === name);
  if (level === undefined) throw new UsageError(`Expected --level to be L0 to L3, got "${name}"`);
  return level;
}

/** The options that are numbers, those that were given. */
function effortOf(values: Values): NonNullable<ConformanceOptions["effort"]> {
  const effort: Record<string, number> = {};
  for (const name of ["seed", "histories", "soak", "bootstrap", "slack"] as const) {
    const given = values[name];
    if (given === undefined) continue;
    const number = Number(given);
    const isWhole = name !== "soak" && name !== "slack";
    if (given === "" || !(number >= 0) || (isWhole && !Number.isSafeInteger(number)))
      throw new UsageError(`Expected --${name} to be a number, got "${given}"`);
    effort[name] = number;
  }
  return effort;
}

function urlOf(name: string, given: string): string {
  if (/^https?:\/\//.test(given) && URL.canParse(given)) return given;
  throw new UsageError(`Expected ${name} to be a URL, as https://host/sync, got "${given}"`);
}

/** What of the command line the runner takes as it is. */
function optionsOf(values: Values): Omit<ConformanceOptions, "url"> {
  const { control, peer, query, origin, only } = values;
  const tokens = {
    ...(values["token-a"] !== undefined && { A: values["token-a"] }),
    ...(values["token-b"] !== undefined && { B: values["token-b"] }),
    ...(values["token-r"] !== undefined && { R: values["token-r"] }),
    ...(values["token-x"] !== undefined && { X: values["token-x"] }),
  };
  return {
    level: levelOf(values.level),
    tokens,
    effort: effortOf(values),
    all: values.all,
    ...(control !== undefined && { control: urlOf("--control", control) }),
    ...(peer !== undefined && { peer: urlOf("--peer", peer) }),
    ...(query !== undefined && { query }),
    ...(origin !== undefined && { origin }),
    ...(only !== undefined && { only: only.split(",") }),
  };
}

async function report(options: ConformanceOptions, json: boolean, io: Io): Promise<number> {
  let made: ConformanceReport;
  if (json) {
    made = await runConformance(options);
    io.out(`${JSON.stringify(made, undefined, 2)}\n`);
  } else {
    const onResult: ConformanceOptions["onResult"] = (it) => io.out(`${resultLine(it)}\n`);
    made = await runConformance({ ...options, onResult });
    const failed = made.results.filter((it) => it.status === "failed");
    // Once more, where they are seen.
    if (failed.length > 0) io.out(`\nFailed:\n${failed.map(resultLine).join("\n")}\n`);
    io.out(`\n${summary(made)}\n`);
  }
  if (made.results.length === 0) io.err("Expected --only to name cases of the level, got none\n");
  return made.ok && !io.signal.aborted ? 0 : 1;
}

/** Starts two processes, as it were, on the same data, and tests them. */
async function testReference(
  kind: string,
  options: Omit<ConformanceOptions, "url">,
  json: boolean,
  io: Io,
): Promise<number> {
  const folder = kind === "sqlite" ? await mkdtemp(join(tmpdir(), "sssync-conform-")) : undefined;
  const vault = folder === undefined ? memoryVault() : sqliteVault(folder);
  const one = await startReference({ vault });
  const two = await startReference({ vault });
  try {
    return await report({ ...options, url: one.url, peer: two.url }, json, io);
  } finally {
    await one.close();
    await two.close();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  }
}

async function run(args: readonly string[], io: Io): Promise<number> {
  const { values, positionals } = parse(args);
  const [url, ...others] = positionals;
  const { reference, json } = values;
  const options = { ...optionsOf(values), signal: io.signal };
  if (others.length > 0)
    throw new UsageError(`Expected one URL, got "${others.join(" ")}" as well`);
  if (reference === undefined) {
    if (url === undefined) throw new UsageError("Expected the URL of a server, or --reference");
    return report({ ...options, url: urlOf("URL", url) }, json, io);
  }
  if (url !== undefined) throw new UsageError("Expected a URL or --reference, got both");
  if (reference !== "memory" && reference !== "sqlite")
    throw new UsageError(`Expected --reference to be memory or sqlite, got "${reference}"`);
  return testReference(reference, options, json, io);
}

export const conformCommand: Command = { usage, run };
