/** Bugs in how queries are answered. */
import type { SyncResponse } from "../../../src/protocol/index.ts";
import { type Bug, answers, edited, isPush, pathOf, spaceOf, withHeader } from "./kit.ts";

type Body = Record<string, unknown> & Partial<SyncResponse>;

const isQuery = (request: Request): boolean => pathOf(request).endsWith("/items");

/** Changes answers to queries that have a body. */
const queries = (edit: (body: Body) => unknown) =>
  answers((response, request) =>
    isQuery(request) && response.status === 200 ? edited<Body>(response, edit) : response,
  );

const header = (name: string, value: string | undefined) =>
  answers((response, request) => {
    if (!isQuery(request)) return response;
    const { status } = response;
    const headers = new Headers(response.headers);
    if (value === undefined) headers.delete(name);
    else headers.set(name, value);
    return new Response(status === 304 ? null : response.body, { status, headers });
  });

export const queryingBugs: Readonly<Record<string, Bug>> = {
  "rows-alone": {
    says: "a query gives rows without saying what they are",
    caughtBy: ["Q1"],
    wrap: queries(({ data }) => data),
  },
  "no-position": {
    says: "a query does not say when it was read",
    caughtBy: ["Q2"],
    wrap: queries(({ pos: _pos, token: _token, ...rest }) => rest),
  },
  "token-of-nowhere": {
    says: "the token of a query is not a place in the log",
    caughtBy: ["Q3"],
    wrap: queries((body) => ({ ...body, token: "elsewhere" })),
  },
  "bare-304": {
    says: "304 does not say as of when nothing has changed",
    caughtBy: ["Q4"],
    wrap: header("sssync-pos", undefined),
  },
  "one-etag": {
    says: "the ETag is the same whatever is in it",
    caughtBy: ["Q5"],
    wrap(next) {
      const known = new Set<string>();
      return async (request) => {
        const space = spaceOf(request);
        const has = request.headers.get("if-none-match") === `"one"` && known.has(space);
        known.add(space);
        if (isQuery(request) && has)
          return new Response(null, { status: 304, headers: { "sssync-pos": "1", etag: `"one"` } });
        return header("etag", `"one"`)(next)(request);
      };
    },
  },
  "position-after-rows": {
    says: "the rows are read before the position",
    caughtBy: ["Q6"],
    wrap(next) {
      const before = new Map<string, SyncResponse["data"]>();
      return async (request) => {
        const response = await next(request);
        if (!isQuery(request) || response.status !== 200) return response;
        return edited<Body>(response, (body) => {
          const data = before.get(spaceOf(request)) ?? body.data;
          before.set(spaceOf(request), body.data as SyncResponse["data"]);
          return { ...body, data };
        });
      };
    },
  },
  "stale-query": {
    says: "an answer is given again to who has seen newer entries",
    caughtBy: ["Q7"],
    wrap(next) {
      const kept = new Map<string, Response>();
      return async (request) => {
        if (!isQuery(request)) return next(request);
        const old = kept.get(request.url);
        const response = old ?? (await next(withHeader(request, "if-none-match", null)));
        kept.set(request.url, response.clone());
        return response;
      };
    },
  },
  "keeps-deleted": {
    says: "rows that were deleted are still in a query",
    caughtBy: ["Q8"],
    wrap(next) {
      const created = new Map<string, { readonly id: string }>();
      return async (request) => {
        if (isPush(request)) {
          const { events } = (await request.clone().json()) as {
            events: { name: string; payload: { id: string } }[];
          };
          for (const { name, payload } of events)
            if (name === "item.create") created.set(payload.id, { id: payload.id });
        }
        return queries((body) => ({
          ...body,
          mode: "snapshot",
          data: { item: Array.from(created.values()) },
        }))(next)(request);
      };
    },
  },
  "public-query": {
    says: "what depends on the user may be kept by any cache",
    caughtBy: ["Q9"],
    wrap: header("cache-control", "public, max-age=60"),
  },
  "snapshot-as-actions": {
    says: "a query in actions leaves changes out",
    caughtBy: ["Q10"],
    wrap: queries((body) =>
      body.mode === "actions" ? { ...body, data: body.data?.slice(1) } : body,
    ),
  },
};
