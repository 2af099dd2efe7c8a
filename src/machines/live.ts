/*
 * live: tells replication when there may be something to pull. What it tells are hints; a pull finds out.
 *
 *  ┌─ wire ───────────────────────────────────────────────────────────────────────────────────────────────┐
 *  │ resting ─caught up─► streaming: connecting ─hello─► open ──silence, bye, end, refusal──► cooldown    │
 *  │    ▲                    ▲  │ no hello, 3 short ones, or not offered                          │       │
 *  │    │ rest               │  ▼                                          after(delay)           │       │
 *  │    │                    │ degraded: asking (long poll) ◄─► pausing ──not offered──► polling   │       │
 *  │    │                    └──degradeDelay──┘                                                    │       │
 *  │    │                    └────────────────────────────────────────────────────────────────────┘       │
 *  ├─ page ───────────────────────────────────────────────────────────────────────────────────────────────┤
 *  │ watched ──nobody looks──► leaving ──hiddenDelay──► unwatched (rest)                                  │
 *  └──────────────────────────────────────────────────────────────────────────────────────────────────────┘
 *
 * 1. Nothing is listened to before replication is caught up, nor while nobody looks for `hiddenDelay`, nor while the server
 *    refuses this device.
 * 2. After every connect there is a pull before pokes are trusted.
 * 3. No `hello` in `helloDelay`, or 3 streams in a row that end within 10 s without `bye`: something on the way does not
 *    let streams through. Long polls take their place, polls the place of those, and after `degradeDelay` it is tried again.
 * 4. Silence for 2.5 heartbeats: the stream is dead without a word. Cut it, pull, connect again.
 * 5. A `bye` is a healthy end: it does not count as a failure, and says when to come back. Only what lasted ends a row of
 *    pauses that double: a server that greets and says goodbye at once is not asked round and round.
 * 6. What follows a refusal is replication's: it pulls, and is refused the same way.
 */
import { assign, raise, sendTo, setup } from "xstate";
import { type LogPage } from "../protocol/index.ts";
import { atMostADay } from "../protocol/http.ts";
import { type Owned, longLived, maxIterations, promised } from "./common.ts";

/** Of `look` it sees whether somebody looks at the app; `wake`: somebody does. */
export type LiveEvent =
  | { readonly type: "caught.up" }
  | { readonly type: "rest" }
  | { readonly type: "wake" }
  | { readonly type: "look" }
  | { readonly type: "stream.hello"; readonly heartbeat: number }
  | { readonly type: "stream.alive" }
  | { readonly type: "stream.poke"; readonly head: number }
  | { readonly type: "stream.page"; readonly page: LogPage }
  | { readonly type: "stream.reset" }
  | ({ readonly type: "stream.ended" } & Ended);

/**
 * How a stream, or a long poll, ended: `bye` as it should, `short` too soon and without that, `unoffered` by an answer that
 * the server has no such thing, `cut` in any other way.
 */
export type LiveEnd = "bye" | "short" | "unoffered" | "cut";

export interface Ended {
  readonly how: LiveEnd;
  /** ms. */
  readonly retryAfter: number;
  /** Whether it went well before, for a while. */
  readonly lasted?: boolean;
}

export type LiveReport =
  | { readonly type: "live.due" }
  | { readonly type: "live.opened" }
  | { readonly type: "live.closed" }
  | { readonly type: "live.poked"; readonly head: number }
  | { readonly type: "live.page"; readonly page: LogPage };

/** What a long poll came to. `short`: it did not wait. */
export interface Polled extends Ended {
  readonly page?: LogPage | undefined;
}

export interface Input extends Owned {
  readonly mode: "stream" | "poll" | "none";
  readonly view: {
    /** Whether somebody looks at the app, here or in another tab. */
    watched(): boolean;
    /** From 0 to 1. */
    chance(): number;
  };
}

export interface Context extends Input {
  readonly heartbeat: number;
  /** Failures in a row. */
  readonly tries: number;
  /** Streams in a row that were short, or long polls. */
  readonly shorts: number;
  readonly retryAfter: number;
}

const mostShorts = 3;
const atOnce: Ended = { how: "cut", retryAfter: 0 };
/** Silence takes its time. */
const silent: Ended = { ...atOnce, lasted: true };

export const liveMachine = setup({
  types: {} as { context: Context; events: LiveEvent; input: Input },
  actors: {
    stream: longLived<{ readonly type: "none" }>(),
    longPoll: promised<Polled, void>(),
  },
  delays: {
    helloDelay: 10_000,
    silence: ({ context }) => 2.5 * context.heartbeat,
    hiddenDelay: 60_000,
    degradeDelay: 600_000,
    pollDelay: 10_000,
    retryDelay: ({ context: { tries, retryAfter, view } }) =>
      Math.ceil(
        Math.max(atMostADay(retryAfter), view.chance() * Math.min(60_000, 500 * 2 ** tries)) +
          (retryAfter > 0 ? 1000 * view.chance() : 0),
      ),
  },
  guards: {
    mayStream: ({ context: { mode, view } }) => mode === "stream" && view.watched(),
    mayPoll: ({ context: { mode, view } }) => mode === "poll" && view.watched(),
    isUnwatched: ({ context }) => !context.view.watched(),
    isEnd: (_, params: { how: LiveEnd; is: LiveEnd }) => params.how === params.is,
    isLastShort: ({ context }, params: { how: LiveEnd }) =>
      params.how === "short" && context.shorts + 1 >= mostShorts,
    isUseless: ({ context }, params: Polled) =>
      params.how === "unoffered" || (params.how === "short" && context.shorts + 1 >= mostShorts),
  },
  actions: {
    begin: assign({ shorts: 0, tries: 0, retryAfter: 0 }),
    greet: assign({
      heartbeat: (_, params: { heartbeat: number }) => Math.max(4000, params.heartbeat),
      retryAfter: 0,
    }),
    pause: assign(({ context }, params: Ended) => ({
      tries: params.lasted === true ? 0 : context.tries + 1,
      shorts: 0,
      retryAfter: params.retryAfter,
    })),
    fail: assign(({ context }, params: Ended) => ({
      tries: (params.lasted === true ? 0 : context.tries) + 1,
      shorts: params.how === "short" ? context.shorts + 1 : 0,
      retryAfter: params.retryAfter,
    })),
    notePolled: assign(({ context }, params: Polled) => ({
      tries: params.page === undefined ? context.tries + 1 : 0,
      shorts: params.how === "short" ? context.shorts + 1 : 0,
      retryAfter: params.retryAfter,
    })),
    tellDue: sendTo(({ context }) => context.owner, { type: "live.due" }),
    tellOpened: sendTo(({ context }) => context.owner, { type: "live.opened" }),
    tellClosed: sendTo(({ context }) => context.owner, { type: "live.closed" }),
    tellPoked: sendTo(
      ({ context }) => context.owner,
      (_, { head }: { head: number }) => ({ type: "live.poked", head }),
    ),
    tellPage: sendTo(
      ({ context }) => context.owner,
      (_, { page }: { page: LogPage }) => ({ type: "live.page", page }),
    ),
    tellPolled: sendTo(
      ({ context }) => context.owner,
      (_, { page }: Polled) =>
        page === undefined ? { type: "live.due" } : { type: "live.page", page },
    ),
    look: raise({ type: "look" }),
    rest: raise({ type: "rest" }),
  },
}).createMachine({
  id: "live",
  context: ({ input }) => ({ ...input, heartbeat: 20_000, tries: 0, shorts: 0, retryAfter: 0 }),
  type: "parallel",
  states: {
    page: {
      initial: "watched",
      states: {
        watched: {
          on: { look: { guard: "isUnwatched", target: "leaving", meta: { tid: "live.left" } } },
        },
        leaving: {
          on: { wake: { target: "watched", meta: { tid: "live.cameBack" } } },
          after: {
            hiddenDelay: { target: "unwatched", actions: "rest", meta: { tid: "live.hidden" } },
          },
        },
        unwatched: { on: { wake: { target: "watched", meta: { tid: "live.returned" } } } },
      },
    },
    wire: {
      initial: "resting",
      on: { rest: { target: ".resting", meta: { tid: "live.rest" } } },
      states: {
        resting: {
          on: {
            "caught.up": [
              {
                guard: "mayStream",
                target: "streaming",
                actions: "begin",
                meta: { tid: "live.start" },
              },
              {
                guard: "mayPoll",
                target: "degraded.polling",
                actions: "begin",
                meta: { tid: "live.poll" },
              },
            ],
          },
        },
        streaming: {
          initial: "connecting",
          invoke: {
            id: "stream",
            src: "stream",
            onError: {
              target: "cooldown",
              actions: { type: "fail", params: atOnce },
              meta: { tid: "live.streamFailed" },
            },
          },
          on: {
            "stream.ended": [
              {
                guard: { type: "isEnd", params: ({ event }) => ({ ...event, is: "bye" }) },
                target: "cooldown",
                actions: { type: "pause", params: ({ event }) => event },
                meta: { tid: "live.bye" },
              },
              {
                guard: { type: "isEnd", params: ({ event }) => ({ ...event, is: "unoffered" }) },
                target: "degraded",
                meta: { tid: "live.unoffered" },
              },
              {
                guard: { type: "isLastShort", params: ({ event }) => event },
                target: "degraded",
                meta: { tid: "live.short" },
              },
              {
                target: "cooldown",
                actions: [{ type: "fail", params: ({ event }) => event }, "tellDue"],
                meta: { tid: "live.ended" },
              },
            ],
          },
          states: {
            connecting: {
              on: {
                "stream.hello": {
                  target: "open",
                  actions: { type: "greet", params: ({ event }) => event },
                  meta: { tid: "live.hello" },
                },
              },
              after: {
                helloDelay: { target: "#live.wire.degraded", meta: { tid: "live.mute" } },
              },
            },
            open: {
              entry: "tellOpened",
              exit: "tellClosed",
              initial: "hearing",
              on: {
                "stream.poke": {
                  actions: { type: "tellPoked", params: ({ event }) => event },
                  meta: { tid: "live.poked" },
                },
                "stream.page": {
                  actions: { type: "tellPage", params: ({ event }) => event },
                  meta: { tid: "live.pageCame" },
                },
                "stream.reset": { actions: "tellDue", meta: { tid: "live.reset" } },
              },
              states: {
                hearing: {
                  on: {
                    "stream.alive": {
                      target: "hearing",
                      reenter: true,
                      actions: "look",
                      meta: { tid: "live.alive" },
                    },
                  },
                  after: {
                    silence: {
                      target: "#live.wire.cooldown",
                      actions: [{ type: "fail", params: silent }, "tellDue"],
                      meta: { tid: "live.silent" },
                    },
                  },
                },
              },
            },
          },
        },
        cooldown: {
          after: { retryDelay: { target: "streaming", meta: { tid: "live.again" } } },
        },
        degraded: {
          initial: "asking",
          entry: "begin",
          after: { degradeDelay: { target: "streaming", meta: { tid: "live.recover" } } },
          states: {
            asking: {
              invoke: {
                id: "longPoll",
                src: "longPoll",
                onDone: [
                  {
                    guard: { type: "isUseless", params: ({ event }) => event.output },
                    target: "polling",
                    actions: { type: "tellPolled", params: ({ event }) => event.output },
                    meta: { tid: "live.noWait" },
                  },
                  {
                    target: "pausing",
                    actions: [
                      { type: "tellPolled", params: ({ event }) => event.output },
                      { type: "notePolled", params: ({ event }) => event.output },
                    ],
                    meta: { tid: "live.polled" },
                  },
                ],
                onError: {
                  target: "polling",
                  meta: { tid: "live.pollFailed" },
                },
              },
            },
            pausing: {
              after: { retryDelay: { target: "asking", meta: { tid: "live.askAgain" } } },
            },
            polling: {
              after: {
                pollDelay: {
                  target: "polling",
                  reenter: true,
                  actions: "tellDue",
                  meta: { tid: "live.tick" },
                },
              },
            },
          },
        },
      },
    },
  },
  options: { maxIterations },
});
