import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { call, createWriter, request, serve } from "./app.ts";

test("says what it is and can do", async () => {
  const { body } = await call(serve(), "info", { token: null });
  expect(body).toMatchObject({ protocol: [1], deliver: "events", limits: { batchEvents: 100 } });
});

const push = "one/push";
const cases: readonly [string, string, Parameters<typeof request>[1], number, string][] = [
  ["no version", "info", { headers: { "Sssync-Protocol": "" } }, 426, "protocol_unsupported"],
  ["another version", "info", { headers: { "Sssync-Protocol": "9" } }, 426, "protocol_unsupported"],
  ["nobody", "one/pull", { token: null }, 401, "unauthorized"],
  ["a token in the address", "one/pull?token=ann", { token: null }, 401, "unauthorized"],
  ["a space of others", "no-entry/pull", {}, 403, "forbidden"],
  ["a bad name of a space", "a%20b/pull", {}, 400, "bad_request"],
  ["a space of dots", "%2e%2e/pull", {}, 404, "not_found"],
  ["an unknown path", "one/what", {}, 404, "not_found"],
  ["another method", push, { method: "GET" }, 405, "method_not_allowed"],
  ["OPTIONS", push, { method: "OPTIONS" }, 405, "method_not_allowed"],
  ["no JSON", push, { body: "{" }, 400, "bad_request"],
  ["no events", push, { body: { client: "client-aa", events: [] } }, 400, "bad_request"],
  [
    "text",
    push,
    { body: "{}", headers: { "Content-Type": "text/plain" } },
    415,
    "unsupported_media_type",
  ],
  [
    "another encoding",
    push,
    { body: "{}", headers: { "Content-Encoding": "br" } },
    415,
    "unsupported_media_type",
  ],
  ["no gzip", push, { body: "{}", headers: { "Content-Encoding": "gzip" } }, 400, "bad_request"],
  ["a long body", push, { body: `"${"a".repeat(1024 * 1024)}"` }, 413, "too_large"],
  ["a deep body", push, { body: "[".repeat(10_000) + "]".repeat(10_000) }, 400, "bad_request"],
  [
    "a prototype",
    push,
    { body: `{"client":"client-aa","events":[{"__proto__":{}}]}` },
    400,
    "bad_request",
  ],
  [
    "a bomb",
    push,
    { body: gzipSync(Buffer.alloc(20_000_000)), headers: { "Content-Encoding": "gzip" } },
    413,
    "too_large",
  ],
  [
    "an app of another time",
    "one/pull",
    { headers: { "Sssync-Schema": "1" } },
    409,
    "schema_unsupported",
  ],
];

test.each(cases)("answers %s with an error that parses", async (_, path, options, status, code) => {
  const server = serve({ schema: { min: 2, max: 3 } });
  const answer = await call(server, path, options);
  expect(answer).toMatchObject({ status, body: { error: { code } } });
  expect(answer.headers.get("Cache-Control")).toBe("no-store");
  expect(answer.headers.get("Sssync-Protocol")).toBe("1");
  expect(answer.body.requestId).toBe(answer.headers.get("X-Request-Id"));
});

test("takes compressed bodies", async () => {
  const { add, client } = createWriter();
  const body = gzipSync(JSON.stringify({ client, events: [add("a")] }));
  const { status } = await call(serve(), push, { body, headers: { "Content-Encoding": "gzip" } });
  expect(status).toBe(200);
});

test("lets pages of allowed origins in, and no others", async () => {
  const server = serve({ origins: ["https://app.example"] });
  const ask = (origin: string) =>
    server.fetch(
      request(push, {
        method: "OPTIONS",
        headers: { Origin: origin, "Access-Control-Request-Method": "POST" },
      }),
    );
  const allowed = (await ask("https://app.example")).headers;
  expect(allowed.get("Access-Control-Allow-Origin")).toBe("https://app.example");
  expect(allowed.get("Access-Control-Allow-Headers")).toContain("Sssync-Protocol");
  expect((await ask("https://evil.example")).headers.get("Access-Control-Allow-Origin")).toBeNull();
});

test("lets nobody push more than may be, and says when to come again", async () => {
  const server = serve({ limits: { eventsPerMinute: 2 } });
  const { add, push: send } = createWriter();
  await send(server, "one", [add("a"), add("b")]);
  const refused = await send(server, "one", [add("c")]);
  expect(refused).toMatchObject({ status: 429, body: { error: { code: "rate_limited" } } });
  expect(Number(refused.headers.get("Retry-After"))).toBeGreaterThan(0);
});

test("tells nothing of what was thrown", async () => {
  const server = serve({
    authorizeSpace: () => {
      throw new Error("secret");
    },
  });
  const answer = await call(server, "one/pull");
  expect(answer).toMatchObject({ status: 503, body: { error: { code: "unavailable" } } });
  expect(JSON.stringify(answer.body)).not.toContain("secret");
  expect(server.errors).toHaveLength(1);
});

test("asks for a new token when one has expired, and ends its stream then", async () => {
  let now = 0;
  const timers: (() => void)[] = [];
  const clock = {
    now: () => now,
    setTimeout: (fn: () => void) => timers.push(fn),
    clearTimeout: () => undefined,
  };
  const server = serve({ clock, authenticate: () => ({ id: "ann", expiresAt: 5000 }) });
  const live = await server.fetch(request("one/live"));
  const reader = (live.body as ReadableStream<Uint8Array>).getReader();
  const next = async () => new TextDecoder().decode((await reader.read()).value);
  expect(await next()).toContain(`"expiresIn":5000`);
  now = 5000;
  timers.at(-1)?.();
  expect(await next()).toContain(`"reason":"token_expired"`);
  expect((await reader.read()).done).toBe(true);
  expect(await call(server, "one/pull")).toMatchObject({
    status: 401,
    body: { error: { code: "token_expired" } },
  });
});
