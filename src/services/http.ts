/**
 * sssync/1 over HTTP: one request, one classified answer. Knows nothing of retries: the machine decides those.
 *
 * Failure modes, each told by its tag, none by a rejection:
 * - `offline`: no answer that could be the server's. No network, a cut connection, half an answer, a redirect, or a page where
 *   JSON should be, as hotels and trains send it with status 200: what was asked may or may not have happened.
 * - `timeout`: no whole answer in time. The same.
 * - `refused`: not 2xx. `known` when it has the body of an error of the protocol; without one it may be a proxy's.
 * - `invalid`: JSON, but none that this version understands.
 */
import {
  type ErrorBody,
  type Info,
  type LiveEvent,
  type Parsed,
  type PullResponse,
  type PushRequest,
  type PushResponse,
  type SnapshotPage,
  type WireError,
  createLiveParser,
  decodeErrorBody,
  decodeInfo,
  decodePullResponse,
  decodePushResponse,
  decodeSnapshotPage,
  endpointsOf,
  errorCodes,
  fixedLimits,
  headers as names,
  parseJson,
  protocolVersion,
  statusOf,
} from "../protocol/index.ts";
import { bytesOf } from "../protocol/bytes.ts";
import { atMostADay } from "../protocol/http.ts";
import { answerLimits } from "../protocol/json.ts";
import { type Answer } from "../model/verdict.ts";
import { type ClockPort, type NetworkPort } from "./ports.ts";

type NoAnswer = Exclude<Answer<never>, { readonly tag: "ok" }>;

/** Of a stream: what it gave, and any sign of life. */
export type LiveSign = LiveEvent | { readonly event: "alive" };

export interface Http {
  push(request: PushRequest, signal: AbortSignal): Promise<Answer<PushResponse>>;
  /** `wait`: ms to wait for something new; `limit`: most entries. */
  pull(
    cursor: string | null,
    signal: AbortSignal,
    more?: { readonly wait?: number; readonly limit?: number },
  ): Promise<Answer<PullResponse>>;
  snapshot(id: string, page: string, signal: AbortSignal): Promise<Answer<SnapshotPage>>;
  info(signal: AbortSignal): Promise<Answer<Info>>;
  /** Resolves when the stream has ended. */
  live(
    cursor: string | null,
    heard: (sign: LiveSign) => void,
    signal: AbortSignal,
  ): Promise<Answer<"ended">>;
  /** Asks the app for a token in place of the last one, once for all who ask. Whether it gave another one. */
  renew(): Promise<boolean>;
}

export interface HttpOptions {
  readonly network: NetworkPort | null;
  readonly clock: ClockPort;
  /** Whether the browser believes that there is a network. */
  online(): boolean;
  /** Of the space. */
  readonly url: string;
  /** Version of the app's schema. */
  readonly schema: number;
  readonly auth: (() => string | undefined | Promise<string | undefined>) | undefined;
}

/** Longer answers are not read. */
const mostBytes = 16 * 1024 * 1024;

const offline = (reason: string): { readonly tag: "offline"; readonly reason: string } => ({
  tag: "offline",
  reason,
});

const refused = (status: number, error: WireError, known: boolean): NoAnswer => ({
  tag: "refused",
  status,
  error,
  known,
});

/** `Retry-After` in ms: seconds, or a date. */
function retryAfterOf(header: string | null, now: number): number {
  if (header === null) return 0;
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - now;
  return ms > 0 ? atMostADay(ms) : 0;
}

const isJson = (response: Response): boolean =>
  /^application\/([\w.-]+\+)?json\b/i.test(response.headers.get("content-type") ?? "");

/** What a status means that came without a code: the first error that is told by it. */
const codeOf = (status: number): string =>
  errorCodes.find((code) => statusOf(code) === status) ??
  (status < 500 ? "bad_request" : "unavailable");

export function createHttp(options: HttpOptions): Http {
  const { network, clock, auth } = options;
  const at = endpointsOf(options.url);
  const { requestMs } = fixedLimits;
  /** As the app gave it last; undefined: ask. */
  let token: Promise<string | undefined> | undefined;

  /** Rejects where the app gives none in time: of a question that is never answered nobody could ask again. */
  function askToken(): Promise<string | undefined> {
    const asked = new Promise<string | undefined>((resolve, reject) => {
      const timer = clock.setTimeout(
        () => reject(new Error("Expected a token in time, got none")),
        requestMs,
      );
      void Promise.resolve()
        .then(() => auth?.())
        .then(resolve, reject)
        .finally(() => clock.clearTimeout(timer));
    });
    // The app could not give one: the next request asks again.
    asked.catch(() => {
      if (token === asked) token = undefined;
    });
    return asked;
  }

  /** Undefined: the app has no token that could be sent. */
  async function headersOf(more: Record<string, string>): Promise<Record<string, string> | null> {
    const all: Record<string, string> = {
      [names.protocol]: `${protocolVersion}`,
      [names.schema]: `${options.schema}`,
      ...more,
    };
    if (auth === undefined) return all;
    try {
      const given: unknown = await (token ??= askToken());
      if (given === undefined) return all;
      if (typeof given !== "string" || !/^[\x21-\x7e]+$/.test(given)) return null;
      return { ...all, Authorization: `Bearer ${given}` };
    } catch {
      return null;
    }
  }

  /** Runs until it is done, `signal` is aborted, or `ms` have passed. */
  async function within<T>(
    signal: AbortSignal,
    ms: number | undefined,
    work: (signal: AbortSignal) => Promise<Answer<T>>,
  ): Promise<Answer<T>> {
    const controller = new AbortController();
    let timer: unknown;
    let cut: (() => void) | undefined;
    const ended = new Promise<Answer<T>>((resolve) => {
      const end = (answer: Answer<T>): void => {
        resolve(answer);
        controller.abort();
      };
      cut = () => end(offline("aborted"));
      if (signal.aborted) cut();
      signal.addEventListener("abort", cut);
      if (ms !== undefined) timer = clock.setTimeout(() => end({ tag: "timeout" }), ms);
    });
    const doing = work(controller.signal).catch((error: unknown) => offline(String(error)));
    const answer = await Promise.race([doing, ended]);
    clock.clearTimeout(timer);
    if (cut !== undefined) signal.removeEventListener("abort", cut);
    return answer;
  }

  async function ask(
    url: string,
    signal: AbortSignal,
    more: Record<string, string>,
    init: RequestInit = {},
  ): Promise<Response | NoAnswer> {
    if (network === null) return offline("no network port");
    const headers = await headersOf(more);
    if (headers === null)
      return options.online()
        ? refused(401, { code: "unauthorized", message: "The app gave no token" }, false)
        : offline("no token");
    const response = await network.fetch(url, {
      ...init,
      headers,
      signal,
      cache: "no-store",
      redirect: "manual",
    });
    const { status, type } = response;
    if (type === "opaqueredirect" || response.redirected || (status >= 300 && status < 400))
      return offline("a redirect");
    return response;
  }

  /** What is in an answer that was read whole. `also`: a status besides 2xx whose body may be of this kind. */
  async function readAnswer<T>(
    response: Response,
    decode: (value: unknown) => Parsed<T>,
    also?: (status: number, value: object) => boolean,
  ): Promise<Answer<T>> {
    const { ok, status } = response;
    const retryAfter = retryAfterOf(response.headers.get("retry-after"), clock.now());
    const bytes = await bytesOf(response.body, mostBytes);
    const parsed =
      bytes !== undefined && isJson(response) ? parseJson(bytes, answerLimits) : undefined;
    const value = parsed !== undefined && "value" in parsed ? parsed.value : undefined;
    if (ok || (typeof value === "object" && value !== null && also?.(status, value) === true)) {
      if (bytes === undefined) return { tag: "invalid", reason: "an answer that is too long" };
      if (parsed === undefined) return offline("an answer that is not JSON");
      if ("issue" in parsed) {
        // Half an answer is none; a whole one that must not be read is the server's.
        return parsed.issue.path === "$" && parsed.issue.reason.startsWith("JSON")
          ? offline("an answer that is cut off")
          : { tag: "invalid", reason: `${parsed.issue.path} ${parsed.issue.reason}` };
      }
      const decoded = decode(parsed.value);
      if ("value" in decoded) return { tag: "ok", value: decoded.value };
      return { tag: "invalid", reason: `${decoded.issue.path} ${decoded.issue.reason}` };
    }
    const body: Parsed<ErrorBody> | undefined =
      value === undefined ? undefined : decodeErrorBody(value);
    const known = body !== undefined && "value" in body;
    const error: WireError = known ? body.value.error : { code: codeOf(status) };
    return refused(
      status,
      { ...error, retryAfter: Math.max(error.retryAfter ?? 0, retryAfter) },
      known,
    );
  }

  function exchange<T>(
    url: string,
    outer: AbortSignal,
    ms: number,
    decode: (value: unknown) => Parsed<T>,
    init?: RequestInit,
    also?: (status: number, value: object) => boolean,
  ): Promise<Answer<T>> {
    return within(outer, ms, async (signal) => {
      const type = init?.body === undefined ? {} : { "Content-Type": "application/json" };
      const response = await ask(url, signal, { Accept: "application/json", ...type }, init);
      return "tag" in response ? response : await readAnswer(response, decode, also);
    });
  }

  return {
    push: (request, signal) =>
      exchange(
        at.push,
        signal,
        requestMs,
        (value) => decodePushResponse(value, request.events),
        { method: "POST", body: JSON.stringify(request) },
        (status, value) => status === 409 && Object.hasOwn(value, "results"),
      ),
    pull(cursor, signal, { wait, limit } = {}) {
      const query = new URLSearchParams();
      if (cursor !== null) query.set("cursor", cursor);
      if (limit !== undefined) query.set("limit", `${limit}`);
      if (wait !== undefined) query.set("wait", `${Math.round(wait / 1000)}`);
      const text = query.toString();
      const url = text === "" ? at.pull : `${at.pull}?${text}`;
      return exchange(url, signal, requestMs + (wait ?? 0), decodePullResponse);
    },
    snapshot: (id, page, signal) =>
      exchange(at.snapshot(id, page), signal, requestMs, decodeSnapshotPage),
    info: (signal) => exchange(at.info, signal, requestMs, decodeInfo),
    live: (cursor, heard, outer) =>
      within(outer, undefined, async (signal) => {
        const last = cursor === null ? {} : { [names.lastEventId]: cursor };
        const response = await ask(at.live, signal, { Accept: "text/event-stream", ...last });
        if ("tag" in response) return response;
        if (!response.ok)
          return await readAnswer<"ended">(response, () => ({
            issue: { path: "$", reason: "no stream" },
          }));
        if (!/^text\/event-stream\b/i.test(response.headers.get("content-type") ?? ""))
          return offline("an answer that is no stream");
        const parser = createLiveParser();
        const reader = response.body?.getReader();
        for (;;) {
          const { done = true, value } = (await reader?.read()) ?? {};
          if (done || value === undefined || signal.aborted) return { tag: "ok", value: "ended" };
          heard({ event: "alive" });
          for (const item of parser.push(value)) if (item.kind === "event") heard(item.event);
        }
      }),
    async renew() {
      // The app has none to give: cookies may be others by now.
      if (auth === undefined) return true;
      const before = token;
      const asked = askToken();
      token = asked;
      try {
        const [old, given] = await Promise.all([before?.catch(() => undefined), asked]);
        return given !== undefined && given !== old;
      } catch {
        return false;
      }
    },
  };
}
