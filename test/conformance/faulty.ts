/** Runs cases against the reference server with a bug, in this process and without HTTP between. */
import { type Reference, createReference } from "../../src/conformance/reference.ts";
import { type ConformanceReport, runConformance } from "../../src/conformance/run.ts";
import { memoryVault } from "../../src/conformance/vault.ts";
import { type Bug as CoreBug } from "../../src/server/bugs.ts";
import { type Bug } from "./bugs/kit.ts";

export { bugs } from "./bugs/index.ts";
export { cases } from "../../src/conformance/cases/index.ts";

/** So that what is counted in minutes against a real server is counted in seconds here. */
const effort = { histories: 3, soak: 0.3, bootstrap: 600, slack: 1 };

/** `only`: ids of cases; all without it. */
export async function runWith(bug: Bug, only?: readonly string[]): Promise<ConformanceReport> {
  const plain = memoryVault();
  const vault = bug.store?.(plain) ?? plain;
  const bugs = new Set<CoreBug>(bug.core === undefined ? [] : [bug.core]);
  const byOrigin = new Map<string, Reference>();
  for (const origin of ["http://one", "http://two"]) {
    const { fetch, close } = await createReference({ vault, bugs });
    byOrigin.set(origin, { fetch: bug.wrap?.(fetch) ?? fetch, close });
  }
  const report = await runConformance({
    url: "http://one/sync",
    peer: "http://two/sync",
    level: "L3",
    ...(only !== undefined && { only }),
    deadline: 15,
    effort,
    async fetch(input, init) {
      // As a network does, it gives others a turn: timers among them.
      await new Promise((resolve) => setImmediate(resolve));
      const request = new Request(input, init);
      const server = byOrigin.get(new URL(input).origin);
      if (server === undefined) throw new TypeError(`Expected a known server, got ${input}`);
      const { signal } = request;
      signal.throwIfAborted();
      const aborted = new Promise<never>((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
      });
      return Promise.race([server.fetch(request), aborted]);
    },
  });
  for (const server of byOrigin.values()) await server.close();
  return report;
}
