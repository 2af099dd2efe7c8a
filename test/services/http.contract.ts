/** What holds of the transport on every network: `serve` puts a function behind it, and gives the address of a space. */
import { describe, expect, test } from "vitest";
import { type HttpOptions, createHttp } from "../../src/services/http.ts";
import { type NetworkPort } from "../../src/services/ports.ts";
import { createVirtualClock } from "../../src/testing/virtual-clock.ts";
import { type Handler } from "../../src/testing/virtual-network.ts";

export interface Surroundings {
  readonly network: NetworkPort;
  serve(handler: Handler): Promise<string>;
  /** Lets go on what has to. */
  run<T>(promise: Promise<T>): Promise<T>;
}

const client = "client-1";
const event = { id: "event-00001", seq: 1, name: "made", payload: { a: 1 }, at: 5 };
const results = [{ id: event.id, status: "accepted", pos: 1 }];
const page = {
  mode: "log",
  epoch: "e",
  from: null,
  cursor: "c1",
  pos: 0,
  head: 0,
  more: false,
  entries: [],
};
const never = new AbortController().signal;
const refusing = (): Promise<Response> => Promise.reject(new TypeError("fetch failed"));
const sessionless = (): Promise<string> => Promise.reject(new Error("no session"));
const html = { "content-type": "text/html" };
const json = { "content-type": "application/json" };

const stream = (...chunks: readonly string[]): Handler => {
  const bytes = chunks.map((chunk) => new TextEncoder().encode(chunk));
  return () =>
    new Response(
      new ReadableStream<Uint8Array>({
        start(controller) {
          for (const chunk of bytes) controller.enqueue(chunk);
          controller.close();
        },
      }),
      { headers: { "content-type": "text/event-stream" } },
    );
};

export function httpContract(open: () => Promise<Surroundings>): void {
  async function serve(handler: Handler, over: Partial<HttpOptions> = {}) {
    const place = await open();
    const clock = createVirtualClock({ now: 1_000_000 });
    const url = await place.serve(handler);
    const http = createHttp({
      network: place.network,
      clock,
      online: () => true,
      url,
      schema: 3,
      auth: undefined,
      ...over,
    });
    return { http, clock, run: place.run };
  }
  const pull = async (handler: Handler, over?: Partial<HttpOptions>) => {
    const { http, run } = await serve(handler, over);
    return await run(http.pull("c0", never));
  };

  const push = async (status: number, body: object) => {
    const { http, run } = await serve(() => Response.json(body, { status }));
    return await run(http.push({ client, events: [event] }, never));
  };
  const live = async (handler: Handler) => {
    const { http, run } = await serve(handler);
    return await run(http.live(null, () => undefined, never));
  };

  test("sends what a server needs to know, and gives what it answered", async () => {
    const seen: unknown[] = [];
    const { http, run } = await serve(
      async (request) => {
        const { pathname, search } = new URL(request.url);
        const names = ["sssync-protocol", "sssync-schema", "authorization", "content-type"];
        seen.push([
          request.method,
          pathname + search,
          ...names.map((name) => request.headers.get(name)),
          await request.text(),
        ]);
        return pathname.endsWith("push")
          ? Response.json({ epoch: "e", head: 1, results })
          : Response.json(page);
      },
      { auth: () => "t0ken" },
    );
    const request = { client, events: [event] };
    expect(await run(http.push(request, never))).toEqual({
      tag: "ok",
      value: { epoch: "e", head: 1, results },
    });
    expect(await run(http.pull("c0", never, { wait: 25_000, limit: 9 }))).toEqual({
      tag: "ok",
      value: page,
    });
    expect(await run(http.pull(null, never))).toEqual({ tag: "ok", value: page });
    const head = ["1", "3", "Bearer t0ken"];
    expect(seen).toEqual([
      ["POST", "/sync/me/push", ...head, "application/json", JSON.stringify(request)],
      ["GET", "/sync/me/pull?cursor=c0&limit=9&wait=25", ...head, null, ""],
      ["GET", "/sync/me/pull", ...head, null, ""],
    ]);
  });

  test("tells no network, portals, redirects, and halves of answers as offline", async () => {
    const text = JSON.stringify(page);
    const answers: readonly Handler[] = [
      () => new Response("<p>Welcome", { headers: html }),
      () => new Response(text),
      () => new Response(null, { status: 204 }),
      () => new Response(null, { status: 302, headers: { location: "/elsewhere" } }),
      () => new Response(text.slice(0, 40), { headers: json }),
      () => new Response("", { headers: json }),
    ];
    for (const answer of answers) expect(await pull(answer)).toMatchObject({ tag: "offline" });
    const asked = pull(() => Response.json(page), { network: { fetch: refusing } });
    expect(await asked).toMatchObject({ tag: "offline" });
    expect(await pull(() => Response.json(page), { network: null })).toMatchObject({
      tag: "offline",
    });
  });

  test("tells JSON that it does not understand, and what is too long, as invalid", async () => {
    const answers: readonly string[] = [
      JSON.stringify({ ...page, mode: "riddle" }),
      JSON.stringify({ ...page, pos: -1 }),
      JSON.stringify({ ...page, pos: 1, entries: [{ pos: 3, ts: 1 }] }),
      `{"__proto__":{},${JSON.stringify(page).slice(1)}`,
      `${"[".repeat(500)}${"]".repeat(500)}`,
      `"${"x".repeat(17 * 1024 * 1024)}"`,
    ];
    for (const body of answers)
      expect(await pull(() => new Response(body, { headers: json }))).toMatchObject({
        tag: "invalid",
      });
    expect(({} as { epoch?: unknown }).epoch).toBeUndefined();
  });

  test("takes results for the events that were sent, also with 409, and no others", async () => {
    const stopped = { code: "client_conflict" };
    expect(await push(409, { epoch: "e", head: 1, results: [], stopped })).toMatchObject({
      tag: "ok",
      value: { stopped },
    });
    expect(await push(500, { epoch: "e", head: 1, results })).toMatchObject({ tag: "refused" });
    const other = [{ ...results[0], id: "event-00002" }];
    expect(await push(200, { epoch: "e", head: 1, results: other })).toMatchObject({
      tag: "invalid",
    });
    expect(await push(200, { epoch: "e", head: 1, results: [] })).toMatchObject({
      tag: "invalid",
    });
  });

  test("gives the error of a refusal, and what the status says where there is none", async () => {
    const error = { code: "rate_limited", retryAfter: 500 };
    const busy = () => Response.json({ error }, { status: 429, headers: { "retry-after": "7" } });
    expect(await pull(busy)).toEqual({
      tag: "refused",
      status: 429,
      known: true,
      error: { code: "rate_limited", retryAfter: 7000 },
    });
    const codes = [
      [401, "unauthorized"],
      [403, "forbidden"],
      [404, "not_found"],
      [413, "too_large"],
      [418, "bad_request"],
      [502, "unavailable"],
      [503, "unavailable"],
    ] as const;
    for (const [status, code] of codes)
      expect(await pull(() => new Response("<p>No", { status, headers: html }))).toEqual({
        tag: "refused",
        status,
        known: false,
        error: { code, retryAfter: 0 },
      });
  });

  test("asks for a token once, and anew when it is told to", async () => {
    let given = 0;
    const tokens: (string | null)[] = [];
    const { http, run } = await serve(
      (request) => {
        tokens.push(request.headers.get("authorization"));
        return Response.json(page);
      },
      { auth: async () => `t${(given += 1)}` },
    );
    await run(Promise.all([http.pull(null, never), http.pull(null, never)]));
    expect(await run(http.renew())).toBe(true);
    await run(http.pull(null, never));
    expect(tokens).toEqual(["Bearer t1", "Bearer t1", "Bearer t2"]);
  });

  test("sends nothing without a token that can be sent, and says that it is the token", async () => {
    let arrived = 0;
    const count: Handler = () => {
      arrived += 1;
      return Response.json(page);
    };
    const bad = ["a\nb", "", "a b", 5] as readonly string[];
    const denied = { tag: "refused", status: 401, known: false };
    for (const token of bad) expect(await pull(count, { auth: () => token })).toMatchObject(denied);
    expect(await pull(count, { auth: sessionless })).toMatchObject(denied);
    expect(await pull(count, { auth: sessionless, online: () => false })).toMatchObject({
      tag: "offline",
    });
    expect(arrived).toBe(0);
    expect(await pull(count, { auth: () => undefined })).toMatchObject({ tag: "ok" });
  });

  test("gives up in time, and when it is told to", async () => {
    const { http, clock, run } = await serve(() => new Promise<Response>(() => undefined));
    const slow = run(http.pull(null, never));
    clock.advance(30_000);
    expect(await slow).toEqual({ tag: "timeout" });
    const controller = new AbortController();
    const aborted = run(http.pull(null, controller.signal));
    controller.abort();
    expect(await aborted).toMatchObject({ tag: "offline" });
  });

  describe("a live stream", () => {
    test("gives its events and signs of life, in order, and nothing that is none", async () => {
      const heard: string[] = [];
      const { http, run } = await serve(
        stream(
          `event: hello\ndata: {"epoch":"e","head":1,"heartbeat":20000}\n\nevent: riddle\ndata: 5\n\n`,
          `: hb\n\nevent: poke\ndata: {"epoch":"e","head":2}\n\nevent: bye\ndata: {"reason"`,
        ),
      );
      const ended = await run(http.live("c1", (sign) => heard.push(sign.event), never));
      expect(ended).toEqual({ tag: "ok", value: "ended" });
      expect(heard.filter((it) => it !== "alive")).toEqual(["hello", "poke"]);
      expect(heard).toContain("alive");
    });

    test("is refused as others are", async () => {
      expect(
        await live(() => Response.json({ error: { code: "forbidden" } }, { status: 403 })),
      ).toMatchObject({ tag: "refused", known: true });
      expect(await live(() => Response.json(page))).toMatchObject({ tag: "offline" });
    });

    test("ends when it is told to", async () => {
      const { http, run } = await serve(
        () =>
          new Response(
            new ReadableStream({
              start: (controller) => controller.enqueue(new TextEncoder().encode(": hb\n\n")),
            }),
            {
              headers: { "content-type": "text/event-stream" },
            },
          ),
      );
      const controller = new AbortController();
      const ended = http.live(null, () => controller.abort(), controller.signal);
      expect(await run(ended)).toMatchObject({ tag: "offline" });
    });
  });
}
