import { createServer } from "node:http";
import { type AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { runCli } from "../../src/bin/cli.ts";
import { startReference } from "../../src/conformance/listen.ts";
import { memoryVault } from "../../src/conformance/vault.ts";

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function conform(...args: readonly string[]) {
  const told = { out: "", err: "" };
  const code = await runCli(["conform", ...args], {
    out: (it) => void (told.out += it),
    err: (it) => void (told.err += it),
    signal: new AbortController().signal,
  });
  return { code, ...told };
}

async function reference(): Promise<string> {
  const { url, close } = await startReference({ vault: memoryVault() });
  closing.push(close);
  return url;
}

test("a server that conforms gives a line per case, a summary, and exit code 0", async () => {
  const url = await reference();
  const { code, out } = await conform(`${url}/`, "--level", "L1", "--only", "H1,P6,L1");
  expect(out).toMatch(/^ok {3}H1 {3}info parses/m);
  expect(out).toMatch(/^ok {3}P6 /m);
  // Of a higher level.
  expect(out).not.toMatch(/^.{4} L1 /m);
  expect(out).toContain("conforms to L1: 2 passed, 0 failed, 0 skipped");
  expect(code).toBe(0);
});

test("the report as JSON has all results, and can be parsed", async () => {
  const url = await reference();
  const { code, out } = await conform(url, "--json", "--only", "H1,V14", "--seed", "7");
  expect(JSON.parse(out)).toMatchObject({
    level: "L3",
    ok: true,
    passed: 1,
    skipped: 1,
    seed: 7,
    results: [
      { id: "H1", status: "passed" },
      { id: "V14", status: "skipped", reason: "needs --peer" },
    ],
  });
  expect(code).toBe(0);
});

test("what is skipped is no pass with --all", async () => {
  const url = await reference();
  const { code, out } = await conform(url, "--all", "--only", "H1,V14");
  expect(out).toContain("does NOT conform to L3: 1 passed, 0 failed, 1 skipped");
  expect(code).toBe(1);
});

test("--only that names no case of the level is no pass", async () => {
  const { code, err } = await conform(await reference(), "--level", "L1", "--only", "V1");
  expect(err).toContain("Expected --only to name cases");
  expect(code).toBe(1);
});

test("the reference server is started and tested in one go", async () => {
  const { code, out } = await conform("--reference", "memory", "--only", "H1,V14");
  expect(out).toContain("2 passed, 0 failed, 0 skipped");
  expect(code).toBe(0);
});

test("where no server is no case passes, and each says why", async () => {
  const { code, out } = await conform("http://127.0.0.1:1/sync", "--only", "H");
  expect(out).toMatch(/FAIL H1 .*\n.*TypeError: fetch failed/);
  expect(out).toContain("0 passed, 13 failed, 1 skipped");
  expect(code).toBe(1);
});

test("a server that says nothing fails its cases when their time is over", async () => {
  const { runConformance } = await import("../../src/conformance/run.ts");
  const info = await (
    await fetch(`${await reference()}/info`, { headers: { "Sssync-Protocol": "1" } })
  ).text();
  // It answers info, and then nothing any more.
  const silent = createServer((request, response) => {
    if (request.url === "/sync/info") response.end(info);
  });
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  closing.push(
    () =>
      new Promise((resolve) => {
        silent.close(() => resolve());
        silent.closeAllConnections();
      }),
  );
  const { port } = silent.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}/sync`;
  const report = await runConformance({ url, level: "L1", only: ["H2", "P1"], deadline: 0.2 });
  expect(report.results.map(({ id, status, reason }) => [id, status, reason])).toEqual([
    ["H2", "failed", "Error: no end within 0.2 s"],
    ["P1", "failed", "Error: no end within 0.2 s"],
  ]);
});

test("a server that does not even answer info is not waited for in each case", async () => {
  const { runConformance } = await import("../../src/conformance/run.ts");
  const report = await runConformance({
    url: "http://host/sync",
    only: ["H2"],
    level: "L1",
    fetch: (url) =>
      url.endsWith("/info")
        ? Promise.reject(new DOMException("", "TimeoutError"))
        : new Promise(() => undefined),
  });
  expect(report.results[0]?.reason).toBe("Error: no end within 0.5 s");
});

test.each([
  [["http://host/sync", "--level", "L4"], "Expected --level to be L0 to L3"],
  [["host/sync"], "Expected URL to be a URL"],
  [[], "Expected the URL of a server, or --reference"],
  [["http://host/sync", "--reference", "memory"], "got both"],
  [["--reference", "cloud"], "Expected --reference to be memory or sqlite"],
  [["http://host/sync", "--seed", "x"], "Expected --seed to be a number"],
  [["http://host/sync", "--nonsense"], "--nonsense"],
  [["http://host/a", "http://host/b"], "Expected one URL"],
])("the command line %j is refused with the usage", async (args, message) => {
  const { code, err } = await conform(...args);
  expect(err).toContain(message);
  expect(err).toContain("Usage: sssync conform URL");
  expect(code).toBe(2);
});
