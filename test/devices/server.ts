/** `sssync serve` in a process of its own, on a SQLite file: killed, started again, and put back to a copy of its file. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "vite";
import { type LogEntry, decodePullResponse } from "../../src/protocol/index.ts";

const module = `import * as v from "valibot";
export const events = {
  entryAdded: { schema: v.object({ id: v.string(), refuse: v.optional(v.boolean()) }) },
};
export const authorize = ({ event }) =>
  event.payload.refuse === true ? { code: "app", message: "It asked for it" } : true;
`;

export async function createServerProcess() {
  const root = fileURLToPath(new URL("../..", import.meta.url));
  const folder = mkdtempSync(join(tmpdir(), "sssync-devices-"));
  const [data, copy, outDir] = ["data", "copy", "bin"].map((it) => join(folder, it)) as [
    string,
    string,
    string,
  ];
  mkdirSync(data);
  writeFileSync(join(folder, "events.mjs"), module);
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"), "junction");
  await build({
    root,
    configFile: false,
    logLevel: "silent",
    build: { ssr: join(root, "src/bin/sssync.ts"), outDir, minify: false },
  });
  let child: ChildProcess | undefined;
  let port = 0;
  let log = "";

  const server = {
    port: () => port,
    log: () => log,
    async start(token = "first"): Promise<void> {
      const args = ["serve", "--port", "0", "--events", join(folder, "events.mjs")];
      const more = ["--sqlite", join(data, "list.db"), "--token", `${token}=anna`];
      const started = spawn(process.execPath, [join(outDir, "sssync.js"), ...args, ...more]);
      child = started;
      started.stderr.on("data", (text) => (log += String(text)));
      const [address] = (await Promise.race([
        once(started.stdout, "data"),
        once(started, "exit").then(() => {
          throw new Error(`Expected the server to start, got\n${log}`);
        }),
      ])) as [Buffer];
      port = Number(new URL(String(address).trim()).port);
    },
    async stop(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
      if (child === undefined) return;
      const exited = once(child, "exit");
      child.kill(signal);
      await exited;
      child = undefined;
    },
    /** Keeps a copy of the files, or puts it in their place. The server must not run. */
    backUp: () => cpSync(data, copy, { recursive: true }),
    putBack(): void {
      rmSync(data, { recursive: true });
      cpSync(copy, data, { recursive: true });
    },
    /** Everything that was ever accepted. */
    async entries(token = "first"): Promise<readonly LogEntry[]> {
      const all: LogEntry[] = [];
      for (let cursor = ""; ;) {
        const response = await fetch(`http://127.0.0.1:${port}/sync/list/pull${cursor}`, {
          headers: { "Sssync-Protocol": "1", Authorization: `Bearer ${token}` },
        });
        const page = decodePullResponse(await response.json());
        if (!("value" in page) || page.value.mode !== "log") throw new Error(JSON.stringify(page));
        all.push(...page.value.entries);
        if (!page.value.more) return all;
        cursor = `?cursor=${encodeURIComponent(page.value.cursor)}`;
      }
    },
    async end(): Promise<void> {
      await server.stop("SIGKILL");
      rmSync(folder, { recursive: true, force: true });
    },
  };
  await server.start();
  return server;
}
