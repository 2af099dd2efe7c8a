/** Bugs in how requests are read. */
import {
  type Bug,
  answers,
  asks,
  bodies,
  changed,
  edited,
  idle,
  isLive,
  isPull,
  isPush,
  pathOf,
  pushOf,
  pushes,
  spaceOf,
  withHeader,
  withQuery,
} from "./kit.ts";

const tokenOf = (request: Request): string | null => request.headers.get("authorization");
const withToken = (request: Request, token: string): Request =>
  withHeader(request, "authorization", `Bearer ${token}`);

/** JSON in which each string, key and nesting was looked at. */
const rewrite = (text: string, reviver: (key: string, value: unknown) => unknown): string => {
  try {
    return JSON.stringify(JSON.parse(text, reviver));
  } catch {
    return text;
  }
};

const depthOf = (value: unknown): number => {
  let depth = 0;
  for (let level = [value]; level.length > 0; depth += 1)
    level = level.flatMap((it) => (typeof it === "object" && it !== null ? Object.values(it) : []));
  return depth;
};

export const requestBugs: Readonly<Record<string, Bug>> = {
  "info-of-another-version": {
    says: "info does not list protocol 1",
    caughtBy: ["H1"],
    wrap: answers((response, request) =>
      pathOf(request).endsWith("/info")
        ? edited<object>(response, (info) => ({ ...info, protocol: [2] }))
        : response,
    ),
  },
  "no-protocol-is-fine": {
    says: "the header Sssync-Protocol may be missing",
    caughtBy: ["H2"],
    wrap: asks((request) =>
      request.headers.has("sssync-protocol")
        ? request
        : withHeader(request, "sssync-protocol", "1"),
    ),
  },
  "any-protocol": {
    says: "each version of the protocol is taken for its own",
    caughtBy: ["H3"],
    wrap: asks((request) =>
      request.headers.has("sssync-protocol")
        ? withHeader(request, "sssync-protocol", "1")
        : request,
    ),
  },
  "strict-members": {
    says: "members that it does not know are refused",
    caughtBy: ["H5"],
    wrap: bodies((text) => (text.includes(`"later"`) ? "{" : text)),
  },
  "any-content-type": {
    says: "the content type is not looked at",
    caughtBy: ["H6"],
    wrap: asks((request) =>
      isPush(request) ? withHeader(request, "content-type", "application/json") : request,
    ),
  },
  "mends-json": {
    says: "JSON that is cut off is completed",
    caughtBy: ["H7"],
    wrap: bodies((text) => {
      try {
        JSON.parse(text);
        return text;
      } catch {
        return `${text}}`;
      }
    }),
  },
  "gzip-fails": {
    says: "a compressed body is a 500",
    caughtBy: ["H9", "X10"],
    wrap: (next) => async (request) =>
      request.headers.has("content-encoding")
        ? Response.json({ error: { code: "internal" } }, { status: 500 })
        : next(request),
  },
  "any-method": {
    says: "other methods do what POST and GET do",
    caughtBy: ["H10"],
    wrap: asks((request) =>
      request.method === "DELETE" || request.method === "PUT"
        ? changed(request, { method: isPush(request) ? "POST" : "GET", body: "" }).method === "GET"
          ? changed(request, { method: "GET" })
          : changed(request, { method: "POST", body: "{}" })
        : request,
    ),
  },
  "any-space": {
    says: "each name is a name of a space",
    caughtBy: ["H11"],
    wrap: asks((request) => {
      const url = new URL(request.url);
      url.pathname = url.pathname
        .split("/")
        .map((part) =>
          /^[\w.~-]{1,128}$/.test(part) ? part : part.replaceAll(/[^\w.~-]/g, "_").slice(0, 128),
        )
        .join("/");
      return changed(request, { url: url.href });
    }),
  },
  "normalizes-text": {
    says: "text is put into normal form",
    caughtBy: ["H12"],
    wrap: bodies((text) => text.normalize("NFC")),
  },
  "rounds-numbers": {
    says: "numbers go through a double without being checked",
    caughtBy: ["H13"],
    wrap: bodies((text) => rewrite(text, (_, value) => value)),
  },
  "any-schema": {
    says: "the version of the app's schema is not looked at",
    caughtBy: ["H14", "S13"],
    wrap: asks((request) => withHeader(request, "sssync-schema", null)),
  },
  "empty-is-fine": {
    says: "a push without events is answered 200",
    caughtBy: ["P22"],
    wrap: (next) => async (request) => {
      const push = await pushOf(request);
      return push?.events.length === 0
        ? Response.json({ epoch: "e", head: 0, results: [] })
        : next(request);
    },
  },
  "unknown-event-refuses-all": {
    says: "an unknown event makes the whole push a 400",
    caughtBy: ["P12"],
    wrap: (next) => async (request) =>
      ((await pushOf(request))?.events ?? []).some((it) => it.name === "no.such.event")
        ? Response.json({ error: { code: "bad_request" } }, { status: 400 })
        : next(request),
  },
  "ignores-versions": {
    says: "the version of an event is not looked at",
    caughtBy: ["P32"],
    wrap: bodies((text) => text.replaceAll(/,"v":\d+/g, "")),
  },
  "large-event-fails": {
    says: "an event that is too large is a 500, again and again",
    caughtBy: ["P19"],
    wrap: (next) => async (request) =>
      ((await pushOf(request))?.events ?? []).some((it) => JSON.stringify(it).length > 65_536)
        ? Response.json({ error: { code: "internal" } }, { status: 500 })
        : next(request),
  },
  "limits-untold": {
    says: "413 does not say what the limits are",
    caughtBy: ["P20"],
    wrap: answers((response) =>
      response.status === 413
        ? edited<object>(response, () => ({ error: { code: "too_large" } }))
        : response,
    ),
  },
  "reads-all": {
    says: "a body is read to its end before its size is looked at",
    caughtBy: ["P21"],
    wrap: asks(async (request) =>
      isPush(request) && request.body !== null
        ? changed(request, { body: await request.arrayBuffer() })
        : request,
    ),
  },
  "no-wait": {
    says: "a long poll does not wait",
    caughtBy: ["L11"],
    wrap: asks((request) => withQuery(request, (query) => query.delete("wait"))),
  },
  "seen-ignored": {
    says: "`seen` is not looked at",
    caughtBy: ["L15"],
    wrap: asks((request) => withQuery(request, (query) => query.delete("seen"))),
  },
  "limit-fails": {
    says: "a limit that is no number is a 500",
    caughtBy: ["L16"],
    wrap: (next) => async (request) =>
      Number.isNaN(Number(new URL(request.url).searchParams.get("limit")))
        ? Response.json({ error: { code: "internal" } }, { status: 500 })
        : next(request),
  },
  "odd-is-500": {
    says: "what it does not expect is a 500",
    caughtBy: ["C7"],
    wrap: answers((response) =>
      response.status === 400
        ? Response.json({ error: { code: "internal" } }, { status: 500 })
        : response,
    ),
  },
  anyone: {
    says: "who has no token is let in",
    caughtBy: ["X1", "Q9"],
    wrap: asks((request) => (tokenOf(request) === null ? withToken(request, "A") : request)),
  },
  "expired-is-fine": {
    says: "tokens do not expire",
    caughtBy: ["X2"],
    wrap: asks((request) => (tokenOf(request) === "Bearer X" ? withToken(request, "A") : request)),
  },
  "open-spaces": {
    says: "each user may use each space",
    caughtBy: ["X3"],
    wrap: asks((request) =>
      tokenOf(request) === "Bearer B" && spaceOf(request).startsWith("a.")
        ? withToken(request, "A")
        : request,
    ),
  },
  "client-of-anyone": {
    says: "a client id may be used by each user",
    caughtBy: ["X4"],
    wrap(next) {
      const owners = new Map<string, string>();
      return async (request) => {
        const client = (await pushOf(request))?.client ?? "";
        const token = tokenOf(request)?.slice("Bearer ".length) ?? "";
        const owner = owners.get(client) ?? token;
        owners.set(client, owner);
        return next(client === "" || token === "" ? request : withToken(request, owner));
      };
    },
  },
  "readers-write": {
    says: "who may read may write",
    caughtBy: ["X5"],
    wrap: asks((request) =>
      isPush(request) && tokenOf(request) === "Bearer R" ? withToken(request, "A") : request,
    ),
  },
  "drops-proto": {
    says: "__proto__ is left out without a word",
    caughtBy: ["X6"],
    wrap: bodies((text) => text.replaceAll(`"__proto__"`, `"proto"`)),
  },
  "drops-constructor": {
    says: "fields named constructor are left out",
    caughtBy: ["X7"],
    wrap: bodies((text) =>
      text.includes("constructor") &&
      text.startsWith(`{"client"`) &&
      !text.includes(`"name":"constructor"`)
        ? rewrite(text, (key, value) => (key === "constructor" ? undefined : value))
        : text,
    ),
  },
  "finds-inherited-names": {
    says: "events are looked up in a plain object, where toString is found",
    caughtBy: ["X8", "P12"],
    wrap: pushes((push) => ({
      ...push,
      events: push.events.map((it) =>
        it.name in {} ? { ...it, name: "item.create", payload: { id: it.id, title: "" } } : it,
      ),
    })),
  },
  "flattens-depth": {
    says: "what is nested too deep is cut off",
    caughtBy: ["X9"],
    wrap: bodies((text) => {
      try {
        return depthOf(JSON.parse(text)) > 64
          ? text.replaceAll(/\[{50,}\]{50,}|(?:\{"a":){50,}1\}{50,}/g, "1")
          : text;
      } catch {
        return text;
      }
    }),
  },
  "unpacks-all": {
    says: "a compressed body is unpacked before its size is looked at, and then trimmed",
    caughtBy: ["X10"],
    wrap: asks(async (request) => {
      if (!request.headers.has("content-encoding") || request.body === null) return request;
      const plain = request.body.pipeThrough(new DecompressionStream("gzip"));
      const text = (await new Response(plain).text()).trim();
      return changed(
        withHeader(
          new Request(request.url, { method: "POST", headers: request.headers }),
          "content-encoding",
          null,
        ),
        { body: text },
      );
    }),
  },
  "no-limit-of-rate": {
    says: "who pushes too much may go on",
    caughtBy: ["X11"],
    wrap: idle("limit"),
  },
  "token-in-url": {
    says: "a token is also taken from the address",
    caughtBy: ["X12"],
    wrap: asks((request) => {
      const token = new URL(request.url).searchParams.get("token");
      return tokenOf(request) === null && token !== null ? withToken(request, token) : request;
    }),
  },
  "any-id": {
    says: "ids are cleaned up where they should be refused",
    caughtBy: ["X13"],
    wrap: bodies((text) =>
      rewrite(text, (key, value) =>
        (key === "id" || key === "client" || key === "tx") && typeof value === "string"
          ? value
              .replaceAll(/[^\w-]/g, "-")
              .padEnd(8, "-")
              .slice(0, 64)
          : value,
      ),
    ),
  },
  "permission-stays": {
    says: "a permission that is taken away stays until the token does",
    caughtBy: ["X15"],
    wrap: idle("revoke"),
  },
  "cursor-in-header-ignored": {
    says: "a stream does not look at where the reader stands",
    caughtBy: ["V4", "V12"],
    wrap: asks((request) =>
      isLive(request) ? withHeader(request, "last-event-id", null) : request,
    ),
  },
  "tiny-pages": {
    says: "pages have ten entries at most",
    caughtBy: ["C8"],
    wrap: asks((request) =>
      isPull(request)
        ? withQuery(request, (query) => {
            const limit = Number(query.get("limit") ?? 10);
            query.set("limit", String(Math.min(10, limit)));
          })
        : request,
    ),
  },
};
