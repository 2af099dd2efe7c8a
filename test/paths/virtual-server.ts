/** The sync server in memory, with gates in front of it: the real kit answers what no test answers in its place. */
import * as v from "valibot";
import { defineEvent } from "../../src/index.ts";
import {
  type LogEntry,
  type LogPage,
  type PushRequest,
  type PushResponse,
  type SnapshotPage,
  encodeLiveEvent,
  errorBody,
  headers as names,
  heartbeat,
  statusOf,
} from "../../src/protocol/index.ts";
import { createSyncServer, memory } from "../../src/server/index.ts";
import { type World } from "../../src/testing/index.ts";
import { todoEvents } from "../support/todos.ts";
import { type Reply, type RequestKind, type ServerStimuli } from "./stimuli.ts";

const space = "me";

function kindOf({ url }: Request): RequestKind {
  const { pathname, searchParams } = new URL(url);
  if (searchParams.has("wait")) return "wait";
  return pathname.includes("/snapshot") ? "snapshot" : (pathname.split("/").at(-1) as RequestKind);
}

export function createVirtualServer(world: World) {
  const storage = memory();
  const real = createSyncServer({
    storage,
    events: { ...todoEvents, archived: defineEvent({ schema: v.object({}) }) },
    authenticate: () => ({ id: "anna" }),
    authorizeSpace: () => true,
    authorize: () => (refuses ? { code: "app", message: "Refused" } : true),
    limits: { eventBytes: 1000 },
    clock: world.clock,
    random: world.random,
    onError(error, where) {
      throw new Error(`Unexpected in ${where}`, { cause: error });
    },
  });
  const held = new Set<RequestKind>();
  const waiting = new Map<RequestKind, ((reply: Reply) => void)[]>();
  const planned = new Map<RequestKind, Reply>();
  const encoder = new TextEncoder();
  let requested: RequestKind[] = [];
  let stream: ReadableStreamDefaultController<Uint8Array> | undefined;
  let grown = 0;
  let refuses = false;
  let token = "token";
  /** As the tab was given it last. */
  let cursor: string | null = null;

  function queueOf(kind: RequestKind): ((reply: Reply) => void)[] {
    const queue = waiting.get(kind) ?? [];
    waiting.set(kind, queue);
    return queue;
  }
  function openStream(): Response {
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        stream = controller;
      },
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  }
  /** What the server says to a pull from there. */
  async function pull(from: string | null): Promise<LogPage> {
    const query = from === null ? "" : `?cursor=${encodeURIComponent(from)}`;
    const headers = { accept: "application/json", [names.protocol]: "1", [names.schema]: "1" };
    const response = await real.fetch(
      new Request(`https://device.test/sync/${space}/pull${query}`, { headers }),
    );
    return (await response.json()) as LogPage;
  }
  /** Of the base as it is: an empty one, from which the log goes on. */
  async function snapshotOf(next: string | null): Promise<SnapshotPage> {
    const { entries: _, more: __, ...rest } = await pull(null);
    return { ...rest, mode: "snapshot", data: {}, next, snapshot: "snapshot-1" };
  }
  async function answerWhole(request: Request): Promise<Response> {
    const response = await real.fetch(request);
    if (kindOf(request) === "pull" && response.ok)
      ({ cursor } = (await response.clone().json()) as LogPage);
    return response;
  }
  async function stopAfterFirst(request: Request): Promise<Response> {
    const body = (await request.json()) as PushRequest;
    const first = new Request(request.url, {
      method: "POST",
      headers: request.headers,
      body: JSON.stringify({ ...body, events: body.events.slice(0, 1) }),
    });
    const taken = (await (await real.fetch(first)).json()) as PushResponse;
    return Response.json({ ...taken, stopped: { code: "unavailable" } }, { status: 409 });
  }

  async function handle(request: Request): Promise<Response> {
    const kind = kindOf(request);
    requested.push(kind);
    let reply = planned.get(kind) ?? "ok";
    planned.delete(kind);
    if (held.has(kind)) reply = await new Promise((resolve) => queueOf(kind).push(resolve));
    if (reply === "offline") throw new TypeError("fetch failed");
    if (reply === "at once") {
      const url = new URL(request.url);
      url.searchParams.delete("wait");
      return await real.fetch(new Request(url, request));
    }
    if (reply === "stopped") return await stopAfterFirst(request);
    if (reply === "unheard") {
      await real.fetch(request);
      throw new TypeError("fetch failed");
    }
    if (reply === "rejected") {
      refuses = true;
      return await real.fetch(request).finally(() => (refuses = false));
    }
    if (reply === "snapshot") return Response.json(await snapshotOf(null));
    if (reply === "first page") return Response.json(await snapshotOf("page-2"));
    if (reply === "stale") return Response.json({ ...(await pull(null)), from: "elsewhere" });
    if (reply !== "ok") {
      const { code, ...more } = reply;
      return Response.json(errorBody(code, more), { status: statusOf(code) });
    }
    return kind === "live" ? openStream() : await answerWhole(request);
  }
  async function answer(kind: RequestKind, reply: Reply = "ok"): Promise<void> {
    for (const go of queueOf(kind).splice(0)) go(reply);
    await Promise.resolve();
  }
  async function give(bytes: string): Promise<void> {
    if (stream === undefined) throw new Error("Expected a stream to speak on, got none");
    stream.enqueue(encoder.encode(bytes));
    await Promise.resolve();
  }

  async function growBy(count: number): Promise<void> {
    for (let left = count; left > 0; left -= 1) {
      grown += 1;
      const payload = { id: `theirs-${grown}`, text: "Tea" };
      await real.append(space, [{ name: "todoAdded", payload }]);
    }
  }

  world.network.serve(handle);
  const server: ServerStimuli = {
    async hold(kind) {
      held.add(kind);
      await Promise.resolve();
    },
    async release(kind, reply) {
      held.delete(kind);
      await answer(kind, reply);
    },
    answer,
    async replyNext(kind, reply) {
      planned.set(kind, reply);
      await Promise.resolve();
    },
    async grow(unknown = false) {
      await growBy(unknown ? 2 : 1);
      if (unknown) await real.append(space, [{ name: "archived", payload: {} }]);
    },
    async sayPage() {
      await growBy(1);
      const data = await pull(cursor);
      await give(encodeLiveEvent({ event: "page", id: data.cursor, data }));
    },
    async setToken(given) {
      token = given;
      await Promise.resolve();
    },
    say: (event) => give(event === undefined ? heartbeat : encodeLiveEvent(event)),
    async hangUp() {
      stream?.close();
      stream = undefined;
      await Promise.resolve();
    },
  };
  return {
    server,
    url: `/sync/${space}`,
    auth: (): Promise<string> =>
      token === "never" ? new Promise(() => undefined) : Promise.resolve(token),
    /** Requests since the last call. */
    requested(): readonly RequestKind[] {
      const all = requested;
      requested = [];
      return all;
    },
    /** What the storage of the server says, and not the server. */
    async log(): Promise<readonly string[]> {
      const { rows } = await storage.read(space, { after: 0, limit: 100_000, size: 1e9 });
      return rows.map(({ entry }) => {
        const { name = "", payload } = JSON.parse(entry) as LogEntry;
        return (payload as { readonly id?: string }).id ?? name;
      });
    },
    /** Nothing is held any more. */
    async mend(): Promise<void> {
      held.clear();
      planned.clear();
      for (const kind of waiting.keys()) await answer(kind, "offline");
    },
  };
}
