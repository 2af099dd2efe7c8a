/**
 * The conformance suite, tested: the reference server passes it over HTTP, and each case is there for a reason: some bug
 * makes it fail. `npm run conform:matrix` runs all cases against all bugs.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startReference } from "../../src/conformance/listen.ts";
import { type Vault } from "../../src/conformance/reference.ts";
import { type ConformanceReport, runConformance } from "../../src/conformance/run.ts";
import { memoryVault, sqliteVault } from "../../src/conformance/vault.ts";
import { bugs, cases, runWith } from "./faulty.ts";

const notPassed = ({ results }: ConformanceReport): string[] =>
  results
    .filter((it) => it.status !== "passed")
    .map(({ id, status, reason }) => `${id} ${status}: ${reason}`);

// What takes long is made shorter, and times are long enough for a machine that is busy with other tests.
const effort = { histories: 2, soak: 0.4, bootstrap: 1200, slack: 5 };

/** Two processes, as it were, on the same data. */
async function reportOn(vault: Vault): Promise<ConformanceReport> {
  const [one, two] = [await startReference({ vault }), await startReference({ vault })];
  try {
    return await runConformance({ url: one.url, peer: two.url, level: "L3", effort });
  } finally {
    await one.close();
    await two.close();
  }
}

test.concurrent("the reference server passes L3 in memory over HTTP, nothing skipped", async () => {
  const report = await reportOn(memoryVault());
  expect(notPassed(report)).toEqual([]);
  expect(report).toMatchObject({ ok: true, passed: cases.length });
}, 300_000);

test.concurrent("the reference server passes L3 on SQLite over HTTP, nothing skipped", async () => {
  const folder = await mkdtemp(join(tmpdir(), "sssync-conformance-"));
  try {
    const report = await reportOn(sqliteVault(folder));
    expect(notPassed(report)).toEqual([]);
    expect(report).toMatchObject({ ok: true, passed: cases.length });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}, 300_000);

test("each case is failed by a bug, and each bug fails cases that there are", () => {
  const caught = new Set(Array.from(bugs.values(), (bug) => bug.caughtBy).flat());
  expect(cases.filter(({ id }) => !caught.has(id)).map(({ id }) => id)).toEqual([]);
  const known = new Set(cases.map(({ id }) => id));
  expect(Array.from(caught).filter((id) => !known.has(id))).toEqual([]);
  expect(Array.from(bugs).filter(([, bug]) => bug.caughtBy.length === 0)).toEqual([]);
});

test.concurrent.each(Array.from(bugs))(
  "a server with the bug %s is found out",
  async (_, bug) => {
    const report = await runWith(bug, bug.caughtBy);
    expect(report.ok).toBe(false);
    expect(report.results.map(({ id, status }) => [id, status])).toEqual(
      report.results.map(({ id }) => [id, "failed"]),
    );
    expect(report.results.length).toBe(bug.caughtBy.length);
  },
  300_000,
);
