/** Paths of what tells that there may be something to pull: streams, long polls, and whether anybody looks. */
import { expect } from "vitest";
import { createEmptyActor } from "xstate";
import { type Context, type LiveEnd, liveMachine } from "../../../src/machines/live.ts";
import {
  type LogPage,
  type LiveEvent as StreamEvent,
  fixedLimits,
} from "../../../src/protocol/index.ts";
import { type PathCase, type PathState } from "../../../src/testing/index.ts";
import { type Reply } from "../stimuli.ts";
import { type MachineSuite, type Model } from "../suite.ts";

interface World {
  watched: boolean;
  /** It has just begun to connect once more. */
  again: boolean;
}

/** What the server does, and what follows from it. */
interface Case extends PathCase {
  readonly says?: StreamEvent;
  readonly reply?: Reply;
  readonly how?: LiveEnd;
  readonly retryAfter?: number;
  readonly head?: number;
  readonly page?: LogPage;
  readonly heartbeat?: number;
  readonly output?: object;
}

/** ms that a long poll has: what the server waits, and what any request takes. */
const pollMs = 25_000 + fixedLimits.requestMs;

const epoch = "e";
const page: LogPage = {
  mode: "log",
  epoch,
  from: null,
  cursor: "c",
  pos: 0,
  head: 0,
  more: false,
  entries: [],
};
const says: Readonly<Record<string, StreamEvent>> = {
  poke: { event: "poke", data: { epoch, head: 1 } },
  page: { event: "page", id: "c", data: page },
  reset: { event: "reset", data: { code: "reset_required" } },
  bye: { event: "bye", data: { reason: "lifetime", retryAfter: 0 } },
};
/** What follows from what the stream said. */
const follows: Readonly<Record<string, Case>> = {
  poke: { type: "stream.poke", head: 1 },
  page: { type: "stream.page", page },
  reset: { type: "stream.reset" },
  bye: { type: "stream.ended", how: "bye", retryAfter: 0 },
};

/** Longer than it is degraded. */
const long = 900_000;
const after = (delay: string, state: string): string => `xstate.after.${delay}.live.wire.${state}`;
const [hearing, pausing] = ["streaming.open.hearing", "degraded.pausing"];
const hidden = "xstate.after.hiddenDelay.live.page.leaving";

const cases: readonly Case[] = [
  { type: "look", title: "nobody looks", world: { watched: false } },
  { type: "wake", title: "somebody looks", world: { watched: true } },
  { type: "stream.hello", heartbeat: 60_000 },
  { type: "stream.alive", title: "a sign of life" },
  ...Object.entries(says).map(([title, it]): Case => ({ type: "stream.alive", title, says: it })),
  { type: "stream.ended", title: "stream ends at once", how: "short", retryAfter: 0 },
  {
    type: "stream.ended",
    title: "stream is refused for now",
    how: "cut",
    retryAfter: 0,
    reply: { code: "unavailable" },
  },
  {
    type: "stream.ended",
    title: "stream is not offered",
    how: "unoffered",
    retryAfter: 0,
    reply: { code: "not_found" },
  },
  ...(
    [
      ["comes with a page", { how: "bye", retryAfter: 0, page }, "ok"],
      ["comes at once", { how: "short", retryAfter: 0, page }, "at once"],
      ["is not offered", { how: "unoffered", retryAfter: 0 }, { code: "not_found" }],
      ["is put off", { how: "cut", retryAfter: long }, { code: "unavailable", retryAfter: long }],
    ] as const
  ).map(([title, output, reply]): Case => ({
    type: "xstate.done.actor.longPoll",
    title: `long poll ${title}`,
    output,
    reply,
  })),
];

const isIn = (value: string, state: string): boolean => value.includes(`wire.${state}`);

function isPossible({ type, how }: Case, { value, context, world }: PathState): boolean {
  const { watched, again } = world as World;
  const { retryAfter } = context as Context;
  switch (type) {
    case "look":
      return watched;
    case "wake":
      return !watched;
    // What a leader has caught up with is told again with each pull.
    case "caught.up":
      return isIn(value, "resting");
    // Of what comes before the first stream others ask the clock as well.
    case "xstate.error.actor.stream":
      return again && isIn(value, "streaming.connecting");
    case "stream.ended":
      return how === "short" ? isIn(value, "streaming.open") : isIn(value, "streaming.connecting");
    case after("retryDelay", pausing):
      return retryAfter < long;
    case after("degradeDelay", "degraded"):
      return isIn(value, pausing) && retryAfter === long;
    case hidden:
      // Elsewhere other timers come first.
      return isIn(value, hearing);
    default:
      return true;
  }
}

function modelOf(mode: "stream" | "poll"): Model {
  const world: World = { watched: true, again: false };
  return {
    name: mode,
    world,
    input: {
      owner: createEmptyActor(),
      mode,
      view: { watched: () => world.watched, chance: () => 0 },
    },
    cases,
    open: { live: mode === "stream" ? true : "poll" },
    identify(context) {
      const { shorts, retryAfter } = context as Context;
      return { shorts, retryAfter };
    },
    filter: isPossible,
    react({ event, tids }): PathCase | void {
      const { type, title = "" } = event;
      world.again = tids.includes("live.again");
      if (type === "stream.alive") return follows[title];
      // What was missed meanwhile is pulled.
      if (tids.includes("live.returned")) return { type: "caught.up" };
      return undefined;
    },
  };
}

export const liveSuite: MachineSuite = {
  machine: liveMachine,
  models: [modelOf("stream"), modelOf("poll")],

  async prepare({ server, open }, model) {
    await server.hold("pull");
    await server.hold("live");
    await server.hold("wait");
    await open(model.open);
  },

  change: async ({ page: tab }, world) =>
    (world as World).watched ? await tab.show() : await tab.hide(),

  drive: {
    "caught.up": ({ server }) => server.release("pull"),
    // What it wants to push is refused.
    rest: async ({ server, commit }) => {
      await server.replyNext("push", { code: "protocol_unsupported" });
      await commit();
    },
    look: async () => undefined,
    wake: async () => undefined,
    "stream.hello": async ({ server, time }) => {
      await server.answer("live");
      await time.settle();
      await server.say({ event: "hello", data: { epoch, head: 0, heartbeat: 60_000 } });
    },
    "stream.alive": async ({ server }, { event }) => {
      await server.say((event as Case).says);
      if (event.title === "bye") await server.hangUp();
    },
    "stream.ended": async ({ server }, { event }) => {
      const { reply } = event as Case;
      await (reply === undefined ? server.hangUp() : server.answer("live", reply));
    },
    // Its clock does not tell what time it is.
    "xstate.error.actor.stream": { ahead: ({ time }) => time.breakNow() },
    "xstate.error.actor.longPoll": { ahead: ({ time }) => time.breakNext(pollMs) },
    "xstate.done.actor.longPoll": async ({ server }, { event }) => {
      if (event.title === "long poll comes with a page") await server.grow();
      await server.answer("wait", (event as Case).reply);
    },
  },

  check({ status, requested }, state, { tids }) {
    if (!tids.includes("live.rest"))
      expect(status?.sync === "live").toBe(isIn(state, hearing) && status?.sync !== "pulling");
    if (isIn(state, "resting")) expect(requested).not.toContain("wait");
    if (tids.includes("live.hello")) expect(requested).toContain("pull");
  },
};
