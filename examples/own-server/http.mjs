// @ts-nocheck
/** The same over HTTP: who asks, what they may, how large it is, what it says; in this order. */
import { randomUUID } from "node:crypto";
import { createCore, fail } from "./core.mjs";

const limits = {
  batchEvents: 100,
  eventBytes: 65_536,
  bodyBytes: 1_048_576,
  pageEntries: 500,
  pageBytes: 1_048_576,
  depth: 64,
};
const status = {
  bad_request: 400,
  unauthorized: 401,
  token_expired: 401,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  reset_required: 409,
  schema_unsupported: 409,
  too_large: 413,
  unsupported_media_type: 415,
  protocol_unsupported: 426,
  timeout: 504,
};

/** What would come out as it went in, and reaches no prototype. */
function isPlain(it, depth = limits.depth + 8) {
  if (typeof it === "string") return it.isWellFormed();
  if (typeof it === "number") return Math.abs(it) <= Number.MAX_SAFE_INTEGER;
  if (typeof it !== "object" || it === null) return true;
  return (
    depth > 0 &&
    Object.entries(it).every(([key, value]) => {
      if (key === "__proto__") return false;
      if (key === "constructor" && Object.hasOwn(Object(value), "prototype")) return false;
      return isPlain(key) && isPlain(value, depth - 1);
    })
  );
}

async function readBody(request) {
  const { "content-type": type, "content-encoding": encoding } = request.headers;
  if (type?.split(";")[0] !== "application/json" || encoding) fail("unsupported_media_type");
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > limits.bodyBytes) fail("too_large", { limits });
    chunks.push(chunk);
  }
  let body;
  try {
    body = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(chunks)));
  } catch {
    fail("bad_request");
  }
  return typeof body === "object" && body !== null && isPlain(body) ? body : fail("bad_request");
}

const info = () => {
  const features = ["key"];
  return { protocol: [1], live: [], deliver: "events", features, limits, now: Date.now() };
};

/** A listener for `node:http`. `app`: `store`, `origins`, `who`, `may`, `judge`, `key`. */
export function createListener(db, app) {
  const { push, pull } = createCore(db, app, limits);

  async function answer(request) {
    const { pathname, searchParams } = new URL(request.url, "http://host");
    const { authorization, "sssync-protocol": version } = request.headers;
    if (request.method === "OPTIONS" && request.headers["access-control-request-method"])
      return [204];
    if (version === undefined) fail("bad_request");
    if (version !== "1") fail("protocol_unsupported", { supported: { min: 1, max: 1 } });
    if (pathname.endsWith("/info"))
      return request.method === "GET" ? [200, info()] : fail("method_not_allowed");
    const user = app.who(authorization?.replace("Bearer ", "")) ?? fail("unauthorized");
    if (user.expired) fail("token_expired");
    const [space = "", endpoint] = pathname.split("/").slice(-2);
    if (endpoint !== "push" && endpoint !== "pull") fail("not_found");
    if (request.method !== (endpoint === "push" ? "POST" : "GET")) fail("method_not_allowed");
    if (!/^[A-Za-z0-9._~-]{1,128}$/.test(space)) fail("bad_request");
    if (!app.may(user, space, endpoint === "push" ? "write" : "read")) fail("forbidden");
    if (endpoint === "pull") return pull(space, searchParams);
    return push(space, user, await readBody(request));
  }

  return async (request, response) => {
    const [code, body] = await answer(request).catch(({ code: name, more }) => [
      status[name] ?? 500,
      { error: { code: Object.hasOwn(status, name) ? name : "internal", ...more } },
    ]);
    const { origin } = request.headers;
    response.writeHead(code, {
      "Content-Type": "application/json",
      "Cache-Control": "no-store",
      "Sssync-Protocol": "1",
      "X-Request-Id": randomUUID(),
      Vary: "Origin",
      ...(app.origins.includes(origin) && {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Methods": "GET, POST",
        "Access-Control-Allow-Headers":
          "Authorization, Content-Type, Sssync-Protocol, Sssync-Schema, traceparent, Content-Encoding, If-None-Match, Sssync-After, Last-Event-ID",
        "Access-Control-Expose-Headers":
          "ETag, Retry-After, X-Request-Id, Sssync-Protocol, Sssync-Pos, Sssync-Token",
      }),
    });
    response.end(body && JSON.stringify(body));
  };
}
