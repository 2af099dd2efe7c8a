/** The server under test: where it is, who may speak to it, and how a request is made and read. */
import { type Info, headers as names } from "../protocol/index.ts";

export type Fetch = (input: string, init?: RequestInit) => Promise<Response>;
/** Two users, one that may only read, and one whose token has expired. */
export type TokenName = "A" | "B" | "R" | "X";

export interface Target {
  /** `https://host/sync`, without a slash at its end. */
  readonly base: string;
  /** Of a second process on the same data. */
  readonly peer?: string | undefined;
  readonly fetch: Fetch;
  readonly tokens: Readonly<Record<TokenName, string>>;
  /** An origin that the server lets in. */
  readonly origin: string;
  /** Path below the base of a query of all items of a space, with `{space}` in it. */
  readonly query?: string | undefined;
  /** Where the control plane is, without a slash at its end. */
  readonly control?: string | undefined;
}

export interface Ask {
  readonly method?: string;
  /** Who asks; null for nobody. Default A. */
  readonly as?: TokenName | null;
  /** In place of the token of `as`. */
  readonly bearer?: string;
  /** Default "1"; null leaves the header out. */
  readonly protocol?: string | null;
  readonly schema?: number;
  /** Content type. Default JSON when there is a body. */
  readonly type?: string;
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as it is. */
  readonly body?: string | Uint8Array | ReadableStream<Uint8Array>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** An answer, read whole. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Undefined when it is not JSON. */
  readonly json: unknown;
}

/** Starts a request; `path` is below the base, or a whole URL. */
export function send(target: Target, path: string, ask: Ask = {}): Promise<Response> {
  const { as = "A", protocol = "1", json, body } = ask;
  const all = new Headers(ask.headers);
  const token = ask.bearer ?? (as === null ? undefined : target.tokens[as]);
  if (token !== undefined) all.set("authorization", `Bearer ${token}`);
  if (protocol !== null) all.set(names.protocol, protocol);
  if (ask.schema !== undefined) all.set(names.schema, String(ask.schema));
  const content = json === undefined ? body : JSON.stringify(json);
  if (content !== undefined && !all.has("content-type"))
    all.set("content-type", ask.type ?? "application/json");
  const stream = content instanceof ReadableStream;
  return target.fetch(path.startsWith("/") ? target.base + path : path, {
    method: ask.method ?? (content === undefined ? "GET" : "POST"),
    headers: all,
    redirect: "manual",
    ...(content === undefined ? {} : { body: content as BodyInit }),
    ...(stream ? { duplex: "half" } : {}),
    ...(ask.signal === undefined ? {} : { signal: ask.signal }),
  });
}

export async function read(response: Response): Promise<Answer> {
  const text = await response.text();
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  return { status: response.status, headers: response.headers, text, json };
}

/** What is assumed of a server whose info cannot be read; H1 says that it cannot. */
export const unknownInfo: Info = {
  protocol: [1],
  live: ["sse", "wait"],
  deliver: "events",
  features: [],
  limits: {
    batchEvents: 100,
    eventBytes: 65_536,
    bodyBytes: 1_048_576,
    pageEntries: 500,
    pageBytes: 1_048_576,
    depth: 32,
  },
  now: 0,
};
