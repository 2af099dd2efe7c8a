/** Routes requests: who asks, for what space, whether they may; then to the endpoint. */
import { type EventDefinitions, type TableSchemas } from "../model/definition.ts";
import {
  type EventResult,
  type Info,
  headers,
  isSpace,
  protocolVersion,
} from "../protocol/index.ts";
import { compact, newEpoch } from "./compact.ts";
import { type Bugs, noBugs } from "./bugs.ts";
import { Failure, HookFailure } from "./failure.ts";
import { type Deadline } from "./hooks.ts";
import { type AnyOptions, type Kit, type Visit, createKit } from "./kit.ts";
import { type Live, createLive } from "./live.ts";
import { type Principal, type SyncServerOptions } from "./options.ts";
import { handlePull, handleSnapshot } from "./pull.ts";
import { type OwnEvent, append, handlePush } from "./push.ts";
import { type QueryHandler, handleQuery } from "./query.ts";
import { isPrincipalId } from "./readable.ts";
import { failureResponse, finish, preflight } from "./respond.ts";

/** A server: give `fetch` to whatever speaks HTTP. */
export interface SyncServer<
  P extends Principal = Principal,
  T extends TableSchemas = TableSchemas,
  Tx = unknown,
> {
  /** Answers `…/info` and `…/{space}/push`, `/pull`, `/live`, `/snapshot/{id}`, below any path. Never rejects. */
  fetch(request: Request): Promise<Response>;
  /**
   * Makes a handler of an app's own address: it adds the position of the log to what `handler` answers, and an ETag, by
   * which an answer that has not changed is not sent again.
   */
  query(handler: QueryHandler<P, T, Tx>): (request: Request, space: string) => Promise<Response>;
  /**
   * Appends events of the server itself, as one commit that no permission is needed for. `as` says whose they are. Throws
   * `SyncError` (`unknown_event`, `invalid_payload`; `config` for a space or an author that cannot be).
   */
  append(
    space: string,
    events: readonly OwnEvent[],
    options?: { readonly as?: string },
  ): Promise<readonly EventResult[]>;
  /**
   * Makes a snapshot where the server can (`materializers`, or `snapshot`), and drops what is older than `retention`, or than
   * `logDays`. Call it once a day.
   */
  compact(space: string, options?: { readonly logDays?: number }): Promise<void>;
  /** Throws the log of a space away, on purpose: all readers start anew. */
  newEpoch(space: string): Promise<void>;
  /** Tells live readers of a space that there is something new. `tags` say what, for queries that carry one of them. */
  poke(space: string, tags?: readonly string[]): Promise<void>;
  /** Asks `authorizeSpace` again for live readers, of a space or of all: call it when permissions have changed. */
  recheck(space?: string): Promise<void>;
  /** Ends live streams and long polls, refuses new requests and slow bodies; resolves when those under way are answered. */
  drain(): Promise<void>;
  /** Live streams that are open. */
  readonly streams: number;
}

type AnyHandler = QueryHandler<Principal, TableSchemas, unknown>;
type Notes = Visit["notes"];

interface Route {
  readonly endpoint: string;
  readonly space?: string;
  /** Of a snapshot. */
  readonly id?: string;
}

/** The end of the path says all: in front of it may be what the app likes. */
function routeOf(path: string): Route | undefined {
  const of = /\/([^/]+)\/(push|pull|live)$/.exec(path);
  if (of !== null) return { endpoint: of[2] as string, space: of[1] as string };
  const page = /\/([^/]+)\/snapshot\/([^/]+)$/.exec(path);
  if (page !== null)
    return { endpoint: "snapshot", space: page[1] as string, id: page[2] as string };
  return path.endsWith("/info") ? { endpoint: "info" } : undefined;
}

function info({ options, limits, deliver, clock, states }: Kit): Info {
  const { batchEvents, eventBytes, bodyBytes, pageEntries, pageBytes, depth } = limits;
  const canSnapshot = states !== undefined || options.snapshot !== undefined;
  return {
    protocol: [protocolVersion],
    server: "sssync",
    ...(options.schema === undefined ? {} : { schema: { ...options.schema } }),
    live: ["sse", "wait"],
    deliver,
    features: [
      "tx",
      "key",
      "wait",
      ...(canSnapshot ? ["snapshot"] : []),
      ...(deliver === "events" ? [] : ["actions"]),
    ],
    limits: { batchEvents, eventBytes, bodyBytes, pageEntries, pageBytes, depth },
    now: clock.now(),
  };
}

function checkProtocol(request: Request): void {
  const version = request.headers.get(headers.protocol);
  if (version === null)
    throw new Failure("bad_request", { message: `Expected the header ${headers.protocol}` });
  if (version !== String(protocolVersion)) {
    const supported = { min: protocolVersion, max: protocolVersion };
    throw new Failure("protocol_unsupported", { supported });
  }
}

/** Who asks; refuses those who may not, before anything else of the request is looked at. */
async function admit(
  kit: Kit,
  request: Request,
  url: URL,
  route: Route,
  notes: Notes,
): Promise<Visit> {
  const { options, clock } = kit;
  const deadline = kit.deadline();
  const found = await deadline.call("authenticate", () => options.authenticate(request));
  // Undefined, too: what a `Map` gives for a token that it does not have.
  const principal = found ?? null;
  if (principal === null) throw new Failure("unauthorized");
  // It stands in the log.
  if (!isPrincipalId(principal.id))
    throw new HookFailure("authenticate", "unavailable", "no id of 1 to 256 characters");
  notes.principal = principal.id;
  if ((principal.expiresAt ?? Infinity) <= clock.now()) throw new Failure("token_expired");
  const name = decode(route.space ?? "");
  const space = isSpace(name) ? await resolve(kit, deadline, principal, name) : name;
  if (!isSpace(space))
    throw new Failure("bad_request", { message: "Expected the name of a space" });
  notes.space = space;
  const access = route.endpoint === "push" ? "write" : "read";
  const may = await deadline.call("authorizeSpace", () =>
    options.authorizeSpace(principal, space, access),
  );
  if (!may) throw new Failure("forbidden");
  return { request, url, space, principal, deadline, notes };
}

const resolve = async (
  { options }: Kit,
  deadline: Deadline,
  principal: Principal,
  name: string,
): Promise<string> =>
  options.spaceFor === undefined
    ? name
    : deadline.call("spaceFor", () => options.spaceFor?.(principal, name) ?? name);

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return "";
  }
}

async function answer(kit: Kit, live: Live, request: Request, notes: Notes): Promise<Response> {
  const url = new URL(request.url);
  const route = routeOf(url.pathname);
  if (route === undefined) throw new Failure("not_found");
  notes.endpoint = route.endpoint;
  if (request.method !== (route.endpoint === "push" ? "POST" : "GET"))
    throw new Failure("method_not_allowed");
  checkProtocol(request);
  kit.closing.check();
  if (route.endpoint === "info") return Response.json(info(kit));
  const visit = await admit(kit, request, url, route, notes);
  if (route.endpoint === "push") return handlePush(kit, visit);
  if (route.endpoint === "pull") return handlePull(kit, visit);
  if (route.endpoint === "live") return live.handle(visit);
  return handleSnapshot(kit, visit, decode(route.id ?? ""));
}

/** As `createSyncServer`, with bugs: for tests of tests. */
export function createFaultyServer<
  P extends Principal,
  E extends EventDefinitions,
  T extends TableSchemas = TableSchemas,
  Tx = unknown,
>(given: SyncServerOptions<P, T, E, Tx>, bugs: Bugs): SyncServer<P, T, Tx> {
  // The hooks get what the app's own schemas made.
  const options = given as unknown as AnyOptions;
  const kit = createKit(options, bugs);
  const live = createLive(kit);
  const { clock, hub } = kit;
  const stop = options.storage.watch(
    (space, head) => hub.tell(space, head),
    (error) => kit.report(error, "the storage"),
  );
  const pending = new Set<Promise<Response>>();

  function tell(
    notes: Notes,
    id: string,
    request: Request,
    response: Response,
    since: number,
  ): void {
    const { method } = request;
    const { status } = response;
    const ms = clock.now() - since;
    try {
      options.onRequest?.({ endpoint: "?", ...notes, id, method, status, ms });
    } catch (error) {
      kit.report(error, "onRequest");
    }
  }

  async function respond(
    request: Request,
    find: (notes: Notes) => Promise<Response>,
  ): Promise<Response> {
    const since = clock.now();
    const id = kit.newId();
    const notes: Notes = {};
    let response: Response;
    try {
      response = preflight(kit, request) ?? (await find(notes));
    } catch (error) {
      if (error instanceof Failure) notes.code = error.code;
      response = failureResponse(kit, error, id);
    }
    tell(notes, id, request, response, since);
    return finish(kit, request, response, id);
  }

  function track(response: Promise<Response>): Promise<Response> {
    const tracked = response.finally(() => pending.delete(tracked));
    pending.add(tracked);
    return tracked;
  }

  return {
    fetch(request) {
      return track(respond(request, (notes) => answer(kit, live, request, notes)));
    },
    query: (handler) => (request, space) =>
      track(
        respond(request, async (notes) => {
          notes.endpoint = "query";
          if (request.method !== "GET") throw new Failure("method_not_allowed");
          kit.closing.check();
          const url = new URL(request.url);
          const visit = await admit(kit, request, url, { endpoint: "query", space }, notes);
          return handleQuery(kit, visit, handler as unknown as AnyHandler);
        }),
      ),
    append: (space, list, { as } = {}) => append(kit, space, list, as),
    compact: (space, how) => compact(kit, space, how),
    newEpoch: (space) => newEpoch(kit, space),
    async poke(space, tags) {
      const head = (await options.storage.heads([space])).get(space)?.head ?? 0;
      hub.tell(space, head, tags);
    },
    recheck: live.recheck,
    async drain() {
      kit.closing.begin();
      live.close();
      await Promise.all(pending);
      stop();
    },
    get streams() {
      return live.size;
    },
  };
}

/**
 * Makes a server of sssync/1. Throws `SyncError` (`config`, `unstable_schema`) when the options cannot work.
 *
 * @example
 * const server = createSyncServer({
 *   storage: memory(),
 *   events: { todoAdded: defineEvent({ schema: v.object({ id: v.string(), text: v.string() }) }) },
 *   authenticate: (request) => (request.headers.has("Authorization") ? { id: "ann" } : null),
 *   authorizeSpace: (principal, space) => space === principal.id,
 * });
 * const response = await server.fetch(new Request("https://host/sync/info"));
 */
export function createSyncServer<
  P extends Principal,
  E extends EventDefinitions,
  T extends TableSchemas = TableSchemas,
  Tx = unknown,
>(options: SyncServerOptions<P, T, E, Tx>): SyncServer<P, T, Tx> {
  return createFaultyServer(options, noBugs);
}
