/**
 * The network in memory: between pages, and a server that is any function of a request. Requests and answers arrive when the
 * schedule says so, and can be lost, doubled, held back, cut off or replaced by what networks send instead.
 */
import { type NetworkPort } from "../services/ports.ts";
import { type Draw } from "./scheduler.ts";
import { type Schedule, type VirtualTab, createMailbox } from "./virtual-tab.ts";

/** A server, as `createSyncServer({…}).fetch` is one. */
export type Handler = (request: Request) => Promise<Response> | Response;

/**
 * What becomes of a request. `requestLost` never arrives and `answerLost` did, and the page is told of an error; of the two
 * that hang it is told nothing. `doubled` arrives twice. `html` (a captive portal), `redirect`, `wrongType`, `oversized`,
 * `prototype` (JSON with a key `__proto__`) and a number (a status, as of a proxy) come in the server's place; `truncated` is
 * half of its answer.
 */
export type NetworkFault =
  | "requestLost"
  | "requestHung"
  | "answerLost"
  | "answerHung"
  | "doubled"
  | "html"
  | "redirect"
  | "wrongType"
  | "oversized"
  | "prototype"
  | "truncated"
  | number;

/** A request on its way. */
export interface Sent {
  readonly method: string;
  readonly url: URL;
}

/** Which requests a fault is for: all, or those of the last part of the path (`push`, `pull`, `live`, …). */
export type WhichRequest = string | ((sent: Sent) => boolean) | undefined;

/** The network of one tab. `setOnline`: offline nothing arrives, and what is under way is cut. */
export interface VirtualNetworkTab extends NetworkPort, VirtualTab {
  setOnline(online: boolean): void;
}

export interface VirtualNetwork {
  openTab(own?: Schedule): VirtualNetworkTab;
  /** From now on this answers; nothing does when it is undefined. */
  serve(handler: Handler | undefined): void;
  /** The next request meets this. */
  next(fault: NetworkFault, which?: WhichRequest): void;
  /** Every request meets this, until the returned function is called. */
  always(fault: NetworkFault, which?: WhichRequest): () => void;
  /** Holds requests back, until the returned function is called: then they all go on. */
  delay(which?: WhichRequest): () => void;
  /** Streams that are open go silent, or go on, without an end. */
  mute(muted: boolean): void;
  /** Cuts what is under way, live streams too. */
  cut(): void;
}

interface Rule {
  readonly fault: NetworkFault;
  readonly which: WhichRequest;
}

const isFor =
  ({ url, method }: Sent) =>
  ({ which }: Pick<Rule, "which">): boolean =>
    which === undefined ||
    (typeof which === "string" ? url.pathname.split("/").includes(which) : which({ url, method }));

const json = { "content-type": "application/json" };

const instead: ReadonlyMap<NetworkFault, () => Response> = new Map([
  [
    "html",
    () =>
      new Response("<html>Accept our terms</html>", {
        headers: { "content-type": "text/html; charset=utf-8" },
      }),
  ],
  [
    "redirect",
    () => new Response(null, { status: 302, headers: { location: "https://portal.test/" } }),
  ],
  ["wrongType", () => new Response("{}", { headers: { "content-type": "text/plain" } })],
  ["oversized", () => new Response(" ".repeat(17 * 1024 * 1024), { headers: json })],
  ["prototype", () => new Response(`{"__proto__":{"epoch":"x"},"mode":"log"}`, { headers: json })],
]);

/** What comes in the server's place. */
function substitute(fault: NetworkFault): Response | undefined {
  if (typeof fault === "number")
    return new Response("<h1>Bad luck</h1>", {
      status: fault,
      headers: { "content-type": "text/html" },
    });
  return instead.get(fault)?.();
}

/** Half of an answer, under the headers of all of it. */
const half = (bytes: Uint8Array): Uint8Array => bytes.slice(0, Math.floor(bytes.length / 2));

const failure = (): TypeError => new TypeError("fetch failed");
const abortion = (): DOMException => new DOMException("This operation was aborted", "AbortError");

/** Creates a network without a server. `schedule` decides when each thing happens; default: a microtask. */
export function createVirtualNetwork({
  schedule: common = queueMicrotask,
  draw = () => 0,
}: { readonly schedule?: Schedule; readonly draw?: Draw } = {}): VirtualNetwork {
  let handler: Handler | undefined;
  const planned: Rule[] = [];
  const standing = new Set<Rule>();
  const delays = new Set<{ readonly which: WhichRequest; readonly held: (() => void)[] }>();
  const cuts = new Set<() => void>();
  let muted = false;

  function meet(sent: Sent): NetworkFault | undefined {
    const at = planned.findIndex(isFor(sent));
    const [rule] = at === -1 ? [] : planned.splice(at, 1);
    return (rule ?? Array.from(standing).find(isFor(sent)))?.fault;
  }

  function openTab(schedule: Schedule = common): VirtualNetworkTab {
    const mailbox = createMailbox(schedule);
    const own = new Map<() => void, AbortController>();
    let online = true;

    function fetch(url: string, init: RequestInit): Promise<Response> {
      const sent: Sent = {
        method: init.method ?? "GET",
        url: new URL(url, "https://device.test"),
      };
      const what = `${sent.method} ${sent.url.pathname}`;
      const { signal } = init;
      /** Of the server's side: aborted when nobody listens any more. */
      const gone = new AbortController();
      const request = (): Request =>
        new Request(sent.url, {
          method: sent.method,
          signal: gone.signal,
          ...(init.headers === undefined ? {} : { headers: init.headers }),
          ...(init.body === undefined ? {} : { body: init.body }),
        });

      return new Promise((resolve, reject) => {
        let over = false;
        /** Of the body, when it is a stream. */
        let stream: ReadableStreamDefaultController<Uint8Array> | undefined;
        function end(): void {
          over = true;
          own.delete(cut);
          cuts.delete(cut);
          signal?.removeEventListener("abort", aborted);
          gone.abort();
        }
        function fail(error: Error): void {
          if (over) return;
          end();
          stream?.error(error);
          reject(error);
        }
        const cut = (): void => mailbox.hand(() => fail(failure()), `${what} failed`);
        const aborted = (): void => fail(abortion());
        if (signal?.aborted === true) {
          reject(abortion());
          return;
        }
        signal?.addEventListener("abort", aborted);
        own.set(cut, gone);
        cuts.add(cut);

        async function pump(body: ReadableStream<Uint8Array>): Promise<void> {
          const reader = body.getReader();
          gone.signal.addEventListener("abort", () => void reader.cancel().catch(() => undefined));
          for (;;) {
            const { done, value } = await reader.read();
            if (over) return;
            if (done) {
              mailbox.hand(() => {
                if (over) return;
                stream?.close();
                end();
              }, `${what} ended`);
              return;
            }
            mailbox.hand(() => {
              if (!over && !muted) stream?.enqueue(value);
            }, `${what} chunk`);
          }
        }

        async function deliver(response: Response, isHalf: boolean): Promise<void> {
          const { status, headers, body } = response;
          const isStream = headers.get("content-type")?.startsWith("text/event-stream") === true;
          if (isStream && body !== null) {
            const piped = new ReadableStream<Uint8Array>({
              start(controller) {
                stream = controller;
              },
            });
            mailbox.hand(() => {
              if (!over) resolve(new Response(piped, { status, headers }));
            }, `${what} opened`);
            await pump(body);
            return;
          }
          const all = new Uint8Array(await response.arrayBuffer());
          const bytes = isHalf ? half(all) : all;
          mailbox.hand(() => {
            if (over) return;
            end();
            resolve(
              new Response(bytes.length === 0 ? null : (bytes as BodyInit), { status, headers }),
            );
          }, `${what} answered`);
        }

        async function arrive(): Promise<void> {
          // The page may have died on the way: what it sent may be there all the same.
          if (over || (mailbox.dead() && draw(2) === 0)) return;
          const fault = meet(sent);
          if (!online || handler === undefined || fault === "requestLost") {
            cut();
            return;
          }
          if (fault === "requestHung") return;
          const other = fault === undefined ? undefined : substitute(fault);
          if (other !== undefined) {
            await deliver(other, false);
            return;
          }
          const response = await handler(request());
          if (fault === "doubled") await handler(request());
          if (fault === "answerHung") return;
          if (fault === "answerLost") cut();
          else await deliver(response, fault === "truncated");
        }

        const go = (): void => schedule(() => void arrive().catch(cut), `${what} sent`);
        const delay = Array.from(delays).find(isFor(sent));
        if (delay === undefined) go();
        else delay.held.push(go);
      });
    }

    return {
      fetch,
      setOnline(value) {
        online = value;
        if (!online) for (const cut of own.keys()) cut();
      },
      freeze: mailbox.freeze,
      thaw: mailbox.thaw,
      die() {
        mailbox.die();
        // The server sees the connection end.
        for (const [cut, gone] of own) {
          cuts.delete(cut);
          gone.abort();
        }
        own.clear();
      },
    };
  }

  return {
    openTab,
    serve(value) {
      handler = value;
    },
    next: (fault, which) => planned.push({ fault, which }),
    always(fault, which) {
      const rule: Rule = { fault, which };
      standing.add(rule);
      return () => {
        standing.delete(rule);
      };
    },
    delay(which) {
      const delay = { which, held: [] as (() => void)[] };
      delays.add(delay);
      return () => {
        delays.delete(delay);
        for (const go of delay.held.splice(0)) go();
      };
    },
    mute(value) {
      muted = value;
    },
    cut() {
      for (const cut of cuts) cut();
    },
  };
}
