/** Headers, addresses and limits of sssync/1. */
import { type Info } from "./messages.ts";

/** The version that this code speaks. */
export const protocolVersion = 1;

/** Names of headers. */
export const headers = {
  /** On every request and response. On requests it also keeps other sites' forms away: they cannot set it. */
  protocol: "Sssync-Protocol",
  /** Version of the app's schema that the client runs. */
  schema: "Sssync-Schema",
  /** On a query: answer not older than this cursor. */
  after: "Sssync-After",
  /** On the answer to a query: position and cursor of what was read; on a 304, of what is unchanged. */
  pos: "Sssync-Pos",
  token: "Sssync-Token",
  requestId: "X-Request-Id",
  /** On a live stream: where the client stands. */
  lastEventId: "Last-Event-ID",
} as const;

/** Headers of responses that scripts of other origins may read. */
export const exposedHeaders = [
  "ETag",
  "Retry-After",
  headers.requestId,
  headers.protocol,
  headers.pos,
  headers.token,
].join(", ");

/** Headers of requests that scripts of other origins may set. */
export const allowedHeaders = [
  "Authorization",
  "Content-Type",
  "Content-Encoding",
  "If-None-Match",
  "traceparent",
  headers.protocol,
  headers.schema,
  headers.after,
  headers.lastEventId,
].join(", ");

export type Limits = Info["limits"];

/** Limits that hold unless `info` tells others. Bytes are of UTF-8, after decompression. */
export const defaultLimits = {
  /** Events of a push. */
  batchEvents: 100,
  /** One event, as JSON. */
  eventBytes: 64 * 1024,
  /** A request's body. */
  bodyBytes: 1024 * 1024,
  /** Entries of a page; a commit of several is never split, so a page may be longer by one of them. */
  pageEntries: 500,
  pageBytes: 1024 * 1024,
  /** Levels of a payload or row: what the engine takes on a device, so that none is refused for it later. */
  depth: 64,
} as const satisfies Limits;

/** Limits that are the same everywhere. Times in ms. */
export const fixedLimits = {
  keysPerObject: 1000,
  stringLength: 256 * 1024,
  /** Levels that a message has around a payload or row. */
  envelopeDepth: 8,
  seen: 8,
  tags: 32,
  /** The longest long poll. */
  waitMs: 30_000,
  requestMs: 30_000,
  heartbeatMs: 20_000,
  /** What browsers send while a page closes. */
  keepaliveBytes: 60 * 1024,
} as const;

/** What a space answers to. */
export type Endpoint = "push" | "pull" | "live" | "snapshot";

/** The addresses of a space, by its own: `https://host/sync/me` has `https://host/sync/me/push` and `https://host/sync/info`. */
export function endpointsOf(spaceUrl: string): {
  readonly push: string;
  readonly pull: string;
  readonly live: string;
  readonly info: string;
  snapshot(id: string, page: string): string;
} {
  const own = spaceUrl.replace(/\/+$/, "");
  const base = own.slice(0, own.lastIndexOf("/"));
  return {
    push: `${own}/push`,
    pull: `${own}/pull`,
    live: `${own}/live`,
    info: `${base}/info`,
    snapshot: (id, page) =>
      `${own}/snapshot/${encodeURIComponent(id)}?page=${encodeURIComponent(page)}`,
  };
}

/** A wait, in ms, that the other side asks for. */
export const atMostADay = (ms: number): number => Math.min(ms, 24 * 3600_000);
