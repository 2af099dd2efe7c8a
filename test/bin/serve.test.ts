import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runCli } from "../../src/bin/cli.ts";

let folder = "";
let events = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "sssync-serve-"));
  const write = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  // As `v.any()`: the app's own valibot would be this one.
  const any = `{ kind: "schema", type: "any", reference: () => {}, expects: "any", async: false,
    "~standard": { version: 1, vendor: "valibot" }, "~run": (dataset) => ({ ...dataset, typed: true }) }`;
  events = write("events.mjs", `export const events = { added: { schema: ${any} } };`);
  write("none.mjs", "export const other = 1;");
  write("broken.mjs", "throw new Error('half of it is missing');");
  write("text.db", "Shopping list\n".repeat(1000));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs a command to its end. */
async function run(...args: readonly string[]) {
  const text = { out: "", err: "" };
  const io = {
    out: (it: string) => void (text.out += it),
    err: (it: string) => void (text.err += it),
    signal: AbortSignal.abort(),
  };
  return { code: await runCli(args, io), ...text };
}

/** Runs a server until `stop`. */
function start(...args: readonly string[]) {
  const ended = new AbortController();
  const text = { err: "" };
  let heard: (url: string) => void;
  const url = new Promise<string>((resolve) => {
    heard = resolve;
  });
  const io = {
    out: (it: string) => heard(it.trim()),
    err: (it: string) => void (text.err += it),
    signal: ended.signal,
  };
  const code = runCli(["serve", "--port", "0", "--events", events, ...args], io);
  return { url, code, text, stop: () => ended.abort() };
}

const call = (url: string, init: { token?: string; body?: unknown } = {}): Promise<Response> => {
  const { token, body } = init;
  const headers: Record<string, string> = {
    "Sssync-Protocol": "1",
    "Content-Type": "application/json",
  };
  if (token !== undefined) headers["Authorization"] = `Bearer ${token}`;
  return fetch(
    url,
    body === undefined ? { headers } : { headers, method: "POST", body: JSON.stringify(body) },
  );
};

const batch = (id: string) => ({
  client: "client-aa",
  events: [{ id, seq: 1, name: "added", payload: { secret: 1 }, at: 1 }],
});

test("serves what it kept, to those who have a token, and ends when it is told to", async () => {
  const file = join(folder, "kept.db");
  const args = ["--sqlite", file, "--token", "t1=ann", "--token", "t2=bob"];
  const first = start(...args);
  const url = await first.url;
  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/sync$/);
  expect((await call(`${url}/info`)).status).toBe(200);
  expect((await call(`${url}/me/pull`)).status).toBe(401);
  const pushed = await call(`${url}/me/push`, { token: "t1", body: batch("event-01") });
  expect(await pushed.json()).toMatchObject({ head: 1 });
  expect((await call(`${url}/~ann/pull`, { token: "t2" })).status).toBe(403);
  expect(await (await call(`${url}/me/pull`, { token: "t2" })).json()).toMatchObject({ head: 0 });
  expect((await fetch(url.replace("/sync", "/"))).status).toBe(404);
  const live = await call(`${url}/me/live`, { token: "t1" });
  const reader = (live.body as ReadableStream<Uint8Array>).getReader();
  await reader.read();
  first.stop();
  const { value } = await reader.read();
  expect(new TextDecoder().decode(value)).toContain(`"reason":"shutdown"`);
  expect(await first.code).toBe(0);
  expect(first.text.err).toMatch(/POST push ~ann ann 200 - \d+ ms 1\/1 events/);
  expect(first.text.err).not.toContain("secret");
  expect(first.text.err).not.toContain("anonymous");

  const second = start(...args);
  const again = await call(`${await second.url}/me/pull`, { token: "t1" });
  expect(await again.json()).toMatchObject({ entries: [{ id: "event-01", by: "ann" }] });
  second.stop();
  expect(await second.code).toBe(0);
});

test("lets everybody in without tokens, and says so", async () => {
  const server = start("--memory");
  const url = await server.url;
  const pushed = await call(`${url}/list/push`, { body: batch("event-01") });
  expect(await pushed.json()).toMatchObject({ head: 1 });
  server.stop();
  expect(await server.code).toBe(0);
  expect(server.text.err).toContain("anonymous");
});

test.each([
  [[], "Usage: sssync <command>"],
  [["what"], `Expected a command, got "what"`],
  [["serve"], "Expected --events MODULE"],
  [["serve", "--what"], "'--what'"],
  [["serve", "--events", "a.ts"], "Expected --events to be a .js or .mjs file"],
  [["serve", "--events", "a.js", "--port", "http"], "Expected --port to be a port"],
  [["serve", "--events", "a.js", "--memory", "--sqlite", "a.db"], "got both"],
  [["serve", "--events", "a.js", "--token", "abc"], "Expected --token TOKEN=PRINCIPAL"],
])("says how it is called after %j", async (args, message) => {
  const { code, err, out } = await run(...args);
  expect([code, out]).toEqual([2, ""]);
  expect(err).toContain(message);
  expect(err).toContain("Usage: sssync");
});

test("tells what can be said", async () => {
  expect(await run("--help")).toMatchObject({ code: 0, err: "" });
  const { code, out } = await run("serve", "--help");
  expect(code).toBe(0);
  expect(out).toContain("--token TOKEN=PRINCIPAL");
});

test("fails with a reason", async () => {
  const missing = await run("serve", "--memory", "--events", join(folder, "missing.mjs"));
  expect(missing).toMatchObject({ code: 1, err: expect.stringContaining("missing.mjs") as string });
  const none = await run("serve", "--memory", "--events", join(folder, "none.mjs"));
  expect(none).toMatchObject({
    code: 1,
    err: expect.stringContaining("to export `events`") as string,
  });
  const broken = await run("serve", "--memory", "--events", join(folder, "broken.mjs"));
  expect(broken.code).toBe(1);
  expect(broken.err).toMatch(/broken\.mjs to load, got Error: half of it is missing\n$/);
  const text = await run("serve", "--sqlite", join(folder, "text.db"), "--events", events);
  expect(text.code).toBe(1);
  expect(text.err).toMatch(/text\.db to open, got .*not a database/);
  const nowhere = await run("serve", "--sqlite", "", "--events", events);
  expect([nowhere.code, nowhere.err]).toEqual([1, `Expected the path of a file, got ""\n`]);
  const taken = createServer();
  await new Promise<void>((resolve) => {
    taken.listen(0, "127.0.0.1", resolve);
  });
  const { port } = taken.address() as { port: number };
  const other = await run("serve", "--memory", "--events", events, "--port", String(port));
  expect(other).toMatchObject({ code: 1, err: expect.stringContaining("EADDRINUSE") as string });
  taken.close();
});
