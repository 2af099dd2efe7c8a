import { createServer } from "node:http";
import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "libsql";
import * as v from "valibot";
import { expect, test } from "vitest";
import { type EventDefinition } from "../../src/model/definition.ts";
import { type Json } from "../../src/model/json.ts";
import { createListener } from "../../examples/own-server/http.mjs";
import * as conformance from "../../src/conformance/app.ts";
import { runConformance } from "../../src/conformance/run.ts";

interface Sent {
  readonly id: string;
  readonly name: keyof typeof conformance.events;
  readonly v?: number;
  readonly payload: unknown;
}

const refuseLarge = { code: "too_large" };

/** The rules of the conformance app, as a server of one's own would have them. */
const app = {
  store: "a",
  origins: conformance.origins,
  who(token: string | undefined) {
    const headers = new Headers({ Authorization: `Bearer ${token}` });
    const user = conformance.authenticate(new Request("http://host", { headers }));
    return user && { ...user, expired: (user.expiresAt ?? Infinity) < Date.now() };
  },
  may: conformance.authorizeSpace,
  async judge(event: Sent, space: string): Promise<object | undefined> {
    const { id, name, v: version = 1, payload } = event;
    if (!Object.hasOwn(conformance.events, name)) return { code: "unknown_event" };
    if (JSON.stringify(event).length > 65_536) return refuseLarge;
    const { version: own = 1, upcast, schema } = conformance.events[name] as EventDefinition;
    // Newer code than this: later, perhaps.
    if (version > own) throw Object.assign(new Error("newer"), { code: "schema_unsupported" });
    const current = version < own ? upcast?.((payload ?? {}) as Json, version) : payload;
    const { success, issues } = v.safeParse(schema, current);
    if (!success) return { code: "invalid", path: `$.${v.getDotPath(issues[0]) ?? ""}` };
    const late = new Promise<never>((_, reject) => {
      const refuse = (): void => reject(Object.assign(new Error("late"), { code: "timeout" }));
      setTimeout(refuse, conformance.limits.requestMs).unref();
    });
    const verdict = conformance.authorize({ event: { id, name, payload: current }, space });
    const known = verdict instanceof Promise ? await Promise.race([verdict, late]) : verdict;
    late.catch(() => undefined);
    return known === true ? undefined : known;
  },
  key: ({ name, payload }: Sent) =>
    name.endsWith(".once") ? `${name} ${(payload as { id: string }).id}` : undefined,
};

test("a server of one's own passes what its level asks for", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sssync-own-"));
  const db = new Database(join(folder, "own.db"));
  // Nobody cuts the power in a test.
  db.pragma("synchronous = off");
  const listener = createListener(db, app);
  const server = createServer((request, response) => void listener(request, response));
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  try {
    const effort = { histories: 1, soak: 0.2, bootstrap: 300, slack: 5 };
    const url = `http://127.0.0.1:${port}/sync`;
    const { results } = await runConformance({ url, level: "L2", effort });
    const failed = results.filter(({ status }) => status === "failed");
    expect(failed.map(({ id, reason }) => `${id}: ${reason}`)).toEqual([]);
    expect(results.filter(({ status }) => status === "passed").length).toBeGreaterThan(50);
  } finally {
    server.closeAllConnections();
    server.close();
    db.close();
    rmSync(folder, { recursive: true, force: true });
  }
}, 60_000);
