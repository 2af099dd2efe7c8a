/** The sync server in memory, with gates in front of it: the real kit answers what no test answers in its place. */
import { encodeLiveEvent, errorBody, heartbeat, statusOf } from "../../src/protocol/index.ts";
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
    events: todoEvents,
    authenticate: () => ({ id: "anna" }),
    authorizeSpace: () => true,
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
  async function handle(request: Request): Promise<Response> {
    const kind = kindOf(request);
    requested.push(kind);
    let reply = planned.get(kind) ?? "ok";
    planned.delete(kind);
    if (held.has(kind)) reply = await new Promise((resolve) => queueOf(kind).push(resolve));
    if (reply === "offline") throw new TypeError("fetch failed");
    if (reply === "portal")
      return new Response("<html>", { headers: { "content-type": "text/html" } });
    if (reply === "at once") {
      const url = new URL(request.url);
      url.searchParams.delete("wait");
      return await real.fetch(new Request(url, request));
    }
    if (reply !== "ok") {
      const { code, ...more } = reply;
      return Response.json(errorBody(code, more), { status: statusOf(code) });
    }
    return kind === "live" ? openStream() : await real.fetch(request);
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
    async grow() {
      grown += 1;
      await real.append(space, [
        { name: "todoAdded", payload: { id: `theirs-${grown}`, text: "Tea" } },
      ]);
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
    /** Requests since the last call. */
    requested(): readonly RequestKind[] {
      const all = requested;
      requested = [];
      return all;
    },
    async size(): Promise<number> {
      const { rows } = await storage.read(space, { after: 0, limit: 100_000, size: 1e9 });
      return rows.length;
    },
    /** Nothing is held any more. */
    async mend(): Promise<void> {
      held.clear();
      planned.clear();
      for (const kind of waiting.keys()) await answer(kind, "offline");
    },
  };
}
