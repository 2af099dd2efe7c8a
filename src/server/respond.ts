/** Headers that every response has, and the responses to what went wrong. */
import {
  allowedHeaders,
  errorBody,
  exposedHeaders,
  headers,
  protocolVersion,
  statusOf,
} from "../protocol/index.ts";
import { Failure, HookFailure } from "./failure.ts";
import { type Kit } from "./kit.ts";

/** An error as a response; it says nothing of what was thrown. */
export function failureResponse(kit: Kit, error: unknown, requestId: string): Response {
  if (!(error instanceof Failure))
    kit.report(error, error instanceof HookFailure ? error.where : "server");
  const failure =
    error instanceof Failure
      ? error
      : new Failure(error instanceof HookFailure ? error.code : "internal", { retryAfter: 1000 });
  const { code, more } = failure;
  const extra: Record<string, string> = {};
  if (more.retryAfter !== undefined)
    extra["Retry-After"] = String(Math.ceil(more.retryAfter / 1000));
  if (code === "protocol_unsupported") extra["Upgrade"] = `sssync/${protocolVersion}`;
  if (code === "unauthorized" || code === "token_expired") extra["WWW-Authenticate"] = "Bearer";
  if (code === "method_not_allowed") extra["Allow"] = "GET, POST";
  return Response.json(errorBody(code, more, requestId), {
    status: failure.status ?? statusOf(code),
    headers: extra,
  });
}

function allowed({ options }: Kit, request: Request): string | undefined {
  const origin = request.headers.get("Origin");
  const { origins = [] } = options;
  return origin !== null && (origins.includes("*") || origins.includes(origin))
    ? origin
    : undefined;
}

/** Adds what every response has. */
export function finish(
  kit: Kit,
  request: Request,
  response: Response,
  requestId: string,
): Response {
  const add = (name: string, value: string): void => response.headers.set(name, value);
  add(headers.protocol, String(protocolVersion));
  add(headers.requestId, requestId);
  if (!response.headers.has("Cache-Control")) add("Cache-Control", "no-store");
  add("X-Content-Type-Options", "nosniff");
  const origin = allowed(kit, request);
  if ((kit.options.origins ?? []).length > 0) response.headers.append("Vary", "Origin");
  if (origin !== undefined) {
    add("Access-Control-Allow-Origin", origin);
    add("Access-Control-Expose-Headers", exposedHeaders);
    // Not for everybody: with cookies any site could act as the reader.
    if (!(kit.options.origins ?? []).includes("*")) add("Access-Control-Allow-Credentials", "true");
  }
  return response;
}

/** What a browser asks before it lets a page of another origin send our headers. */
export function preflight(kit: Kit, request: Request): Response | undefined {
  if (request.method !== "OPTIONS" || !request.headers.has("Access-Control-Request-Method"))
    return undefined;
  const more: Record<string, string> =
    allowed(kit, request) === undefined
      ? {}
      : {
          "Access-Control-Allow-Methods": "GET, POST",
          "Access-Control-Allow-Headers": allowedHeaders,
          "Access-Control-Max-Age": "600",
        };
  return new Response(null, { status: 204, headers: more });
}
