/**
 * What bugs are made of. A bug is a sentence, the cases that have to catch it, and how it is put around or into the
 * reference server; most sit between the server and HTTP, where those of real servers show.
 */
import type { PullResponse, PushRequest, PushResponse } from "../../../src/protocol/index.ts";
import type { Vault } from "../../../src/conformance/reference.ts";
import type { Bug as CoreBug } from "../../../src/server/bugs.ts";

export type Handler = (request: Request) => Promise<Response>;

export interface Bug {
  /** What the server does wrong. */
  readonly says: string;
  /** Ids of cases that fail because of it. Others may as well. */
  readonly caughtBy: readonly string[];
  /** A rule that the server leaves out. */
  readonly core?: CoreBug;
  /** Between HTTP and the server. Called for each server anew, so that it may keep things. */
  wrap?(next: Handler): Handler;
  /** Around what is stored. */
  store?(vault: Vault): Vault;
}

export const pathOf = (request: Request): string => new URL(request.url).pathname;
export const isPush = (request: Request): boolean => pathOf(request).endsWith("/push");
export const isPull = (request: Request): boolean => pathOf(request).endsWith("/pull");
export const isLive = (request: Request): boolean => pathOf(request).endsWith("/live");
export const isPage = (request: Request): boolean =>
  isPull(request) || pathOf(request).includes("/snapshot/");
export const spaceOf = (request: Request): string => pathOf(request).split("/").at(-2) ?? "";

export interface Changed {
  readonly url?: string;
  readonly method?: string;
  readonly headers?: Headers;
  readonly body?: BodyInit;
}

/** A request like another one, with something changed. */
export function changed(request: Request, { url, method, headers, body }: Changed): Request {
  return new Request(url ?? request.url, {
    method: method ?? request.method,
    headers: headers ?? request.headers,
    signal: request.signal,
    ...(body === undefined ? { body: request.body, duplex: "half" } : { body }),
  });
}

export const withHeader = (request: Request, name: string, value: string | null): Request => {
  const headers = new Headers(request.headers);
  if (value === null) headers.delete(name);
  else headers.set(name, value);
  return changed(request, { headers });
};

/** A request whose parameters are others. */
export function withQuery(request: Request, edit: (query: URLSearchParams) => void): Request {
  const url = new URL(request.url);
  edit(url.searchParams);
  return changed(request, { url: url.href });
}

/** The body of a push; undefined when it is none. */
export async function pushOf(request: Request): Promise<PushRequest | undefined> {
  if (!isPush(request) || request.headers.has("content-encoding")) return undefined;
  try {
    const body = (await request.clone().json()) as PushRequest;
    return Array.isArray(body.events) && typeof body.client === "string" ? body : undefined;
  } catch {
    return undefined;
  }
}

/** An answer whose body is another one. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- says what the body is, as `as` would
export async function edited<T>(response: Response, edit: (body: T) => unknown): Promise<Response> {
  let body: T;
  const { status, headers } = response;
  const text = await response.text();
  try {
    body = JSON.parse(text) as T;
  } catch {
    return new Response(text === "" ? null : text, { status, headers });
  }
  return new Response(JSON.stringify(edit(body)), { status, headers });
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type Loose<T> = T extends unknown ? Mutable<T> & Record<string, unknown> : never;

/** Changes requests before they are answered. */
export const asks =
  (edit: (request: Request) => Request | Promise<Request>) =>
  (next: Handler): Handler =>
  async (request) =>
    next(await edit(request));

/** Changes the text of bodies of pushes. */
export const bodies = (edit: (text: string) => string) =>
  asks(async (request) => {
    if (!isPush(request) || request.body === null || request.headers.has("content-encoding"))
      return request;
    return changed(request, { body: edit(await request.text()) });
  });

/** Changes pushes that can be read. */
export const pushes = (edit: (push: PushRequest, request: Request) => unknown) =>
  asks(async (request) => {
    const push = await pushOf(request);
    return push === undefined
      ? request
      : changed(request, { body: JSON.stringify(edit(push, request)) });
  });

/** Changes all answers. */
export const answers =
  (edit: (response: Response, request: Request) => Response | Promise<Response>) =>
  (next: Handler): Handler =>
  async (request) =>
    edit(await next(request), request);

/** Changes answers to pushes that were processed. */
export const results = (edit: (body: Loose<PushResponse>) => unknown) =>
  answers((response, request) =>
    isPush(request)
      ? edited<Loose<PushResponse>>(response, (body) =>
          Array.isArray(body.results) ? edit(body) : body,
        )
      : response,
  );

/** Changes pages of the log and of snapshots. */
export const pages = (edit: (page: Loose<PullResponse>, request: Request) => unknown) =>
  answers((response, request) =>
    isPage(request) && response.status === 200
      ? edited<Loose<PullResponse>>(response, (page) => edit(page, request))
      : response,
  );

/** Changes what comes over streams: blocks of text, each an event or a comment. */
export const streams = (edit: (block: string) => string | undefined) =>
  answers((response, request) => {
    if (!isLive(request) || response.status !== 200 || response.body === null) return response;
    const transform = new TransformStream<string, string>({
      transform(chunk, controller) {
        for (const block of chunk.split(/(?<=\n\n)/)) {
          const now = edit(block);
          if (now !== undefined) controller.enqueue(now);
        }
      },
    });
    const body = response.body
      .pipeThrough(new TextDecoderStream() as unknown as TransformStream<Uint8Array, string>)
      .pipeThrough(transform)
      .pipeThrough(new TextEncoderStream());
    return new Response(body, { status: 200, headers: response.headers });
  });

/** The control plane says that it did something, and did not. */
export const idle =
  (operation: string) =>
  (next: Handler): Handler =>
  async (request) =>
    pathOf(request).endsWith(`/_test/${operation}`) ? Response.json({}) : next(request);
