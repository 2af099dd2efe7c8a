#!/usr/bin/env node
/** The command `sssync`. */
import process from "node:process";
import { runCli } from "./cli.ts";

const ended = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    // The second time it is meant: at once.
    if (ended.signal.aborted) process.exit(1);
    ended.abort();
  });
}

process.exitCode = await runCli(process.argv.slice(2), {
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
  signal: ended.signal,
}).catch((error: unknown) => {
  console.error(error);
  return 1;
});
