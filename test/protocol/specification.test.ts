/** docs/protocol.md: what it asks of servers is tested by the cases that it names, and its traces are true. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { cases } from "../../src/conformance/cases/index.ts";
import {
  decodeErrorBody,
  decodePullResponse,
  decodePushResponse,
  defaultLimits,
  errorCodes,
  statusOf,
} from "../../src/protocol/index.ts";
import { mutants } from "./model/mutants.ts";
import { play, tracesOf } from "./traces.ts";

const page = readFileSync(new URL("../../docs/protocol.md", import.meta.url), "utf8");

interface Clause {
  readonly number: string;
  readonly text: string;
  readonly cases: readonly string[];
  readonly rules: readonly string[];
  readonly ofClient: boolean;
}

const clauses = Array.from(
  page.matchAll(/^\*\*(\d+\.\d+)\*\* (.*?)(?=\n\n)/gms),
  ({ 1: number = "", 2: text = "" }): Clause => {
    const proofs = /\(([^()]*)\)\s*$/.exec(text)?.[1] ?? "";
    const [named = "", rules = ""] = proofs.split("model: ");
    return {
      number,
      text,
      cases: named.match(/\b[A-Z]\d+\b/g) ?? [],
      rules: rules.match(/[\w-]+/g) ?? [],
      ofClient: /\bclient\b/.test(named),
    };
  },
);

/** In the table of limits. */
const limit = (what: string): string | undefined =>
  new RegExp(`^\\| ${what} +\\| (.*?) *\\|$`, "m").exec(page)?.[1];

describe("the specification", () => {
  test("is numbered: clauses follow each other within their sections", () => {
    expect(clauses.length).toBeGreaterThan(60);
    const counts = new Map<string, number>();
    for (const { number } of clauses) {
      const [section = "", item = ""] = number.split(".");
      expect(`${number}: ${item}`).toBe(`${number}: ${(counts.get(section) ?? 0) + 1}`);
      counts.set(section, Number(item));
      expect(page).toContain(`\n## ${section}. `);
    }
  });

  test("asks nothing that no case, no rule of the model and no client's test is about", () => {
    const bare = clauses.filter(
      (it) => it.text.includes("MUST") && !it.ofClient && it.cases.length + it.rules.length === 0,
    );
    expect(bare.map(({ number }) => number)).toEqual([]);
  });

  test("names cases that there are, and all of them", () => {
    const named = new Set(clauses.flatMap((it) => it.cases));
    expect(Array.from(named).toSorted()).toEqual(cases.map(({ id }) => id).toSorted());
  });

  test("is what each case says that it tests", () => {
    const wrong = cases.filter(({ id, clause }) => {
      const of = clauses.find(({ number }) => `§${number}` === clause);
      return of?.cases.includes(id) !== true;
    });
    expect(wrong.map(({ id, clause }) => `${id} ${clause}`)).toEqual([]);
  });

  test("names rules of the model that there are, and all of them", () => {
    const named = new Set(clauses.flatMap((it) => it.rules));
    expect(Array.from(named).toSorted()).toEqual(Object.keys(mutants).toSorted());
  });

  test("has every error with its status", () => {
    for (const code of errorCodes)
      expect(page).toMatch(new RegExp(`^\\| ${statusOf(code)} .*\`${code}\``, "m"));
  });

  test("has the limits that hold", () => {
    expect(limit("events of a push")).toBe(String(defaultLimits.batchEvents));
    expect(limit("an event, as JSON")).toBe(`${defaultLimits.eventBytes / 1024} KiB`);
    expect(limit("a body, unpacked")).toBe(`${defaultLimits.bodyBytes / 1024 ** 2} MiB`);
    expect(limit("a page")).toBe(`${defaultLimits.pageEntries}, 1 MiB`);
    expect(limit("levels of a payload")).toBe(String(defaultLimits.depth));
  });
});

describe("a trace", () => {
  const traces = tracesOf(page);

  test("is there for each recovery", () => {
    expect(traces.map(({ title }) => title)).toEqual([
      "A lost acknowledgement",
      "A rejection",
      "A copied profile",
      "A restore from a backup",
    ]);
  });

  test.each(traces.map((trace) => [trace.title, trace] as const))(
    "is what the server says: %s",
    async (_, trace) => {
      const answers = await play(trace);
      const exchanges = trace.steps.filter((step) => typeof step !== "number");
      expect(answers).toHaveLength(exchanges.length);
      for (const [index, exchange] of exchanges.entries()) {
        const { method, body: sent, answer, status: said } = exchange;
        const { status, body } = answers[index] ?? { status: 0, body: "{}" };
        expect(status).toBe(said);
        // The id of a request is for people only.
        const value = { ...(JSON.parse(body) as object), requestId: undefined };
        expect(value).toEqual({ ...(JSON.parse(answer) as object), requestId: undefined });
        const decoded =
          "error" in value
            ? decodeErrorBody(value)
            : method === "GET"
              ? decodePullResponse(value)
              : decodePushResponse(
                  value,
                  (JSON.parse(sent) as { events: { id: string }[] }).events,
                );
        expect(decoded).toHaveProperty("value");
      }
    },
  );
});
