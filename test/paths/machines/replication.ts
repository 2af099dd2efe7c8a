/**
 * Paths of the leader's work with the server. Requests wait until a path says how they are answered; what the leader writes is
 * on disk at once, unless the path says how that goes.
 */
import { expect } from "vitest";
import { type SyncStatus } from "../../../src/index.ts";
import { createEmptyActor } from "xstate";
import { type Context, type Step } from "../../../src/machines/replication-words.ts";
import { replicationMachine } from "../../../src/machines/replication.ts";
import { type LogPage, type PushRequest, fixedLimits } from "../../../src/protocol/index.ts";
import { type FaultKind, type PathCase, type PathState } from "../../../src/testing/index.ts";
import { type RequestKind, type Stimuli } from "../stimuli.ts";
import { expectInStep, expectSound, kinds } from "./replication-oracles.ts";
import { type Cause, type MachineSuite, type Model } from "../suite.ts";
import {
  type Case,
  type World,
  after,
  broken,
  elsewhere,
  epoch,
  isTrouble,
  start,
  topics,
} from "./replication-cases.ts";

const sizeOf = ({ request }: Context): number => request?.events.length ?? 0;

function isPossible(it: Case, { value, context, world: around }: PathState): boolean {
  const world = around as World;
  const { type, title = "" } = it;
  const { floor, tries } = context as Context;
  if (isTrouble(it) && world.trouble === 0) return false;
  // At first there are others whose timers are as long.
  if (type === broken) return title !== "" && value === "on.pulling.asking" && tries > 0;
  // What is written is answered at once, or never.
  if (Object.values(steps).some((step) => type.endsWith(`.actor.${step}`))) return false;
  // Only what the topic has cases of.
  if (
    /^(live\.|log|wake|look|xstate\.done\.actor\.(pull|push|page))/.test(type) &&
    it.title === undefined
  )
    return (
      world.streams &&
      (type === "live.opened"
        ? world.caughtUp && !world.open
        : world.open && /^live\.(closed|due)$/.test(type))
    );
  if (it.world?.large === true && !world.small) return false;
  switch (type) {
    case "log.grew":
      return world.undecided === 0;
    case "handoff.serving":
      return value === "off";
    case "look":
      return world.watched;
    case "wake":
      return (it.world?.now ?? 0) > world.now || it.world === undefined;
    case "live.poked":
      return world.open;
    case "live.page":
      if (!title.startsWith("next")) return world.open;
      return world.open && value === "on.idle" && world.undecided === 0 && world.cursor === "c";
    case after("watchdog", "idle"):
      return true;
    case "xstate.done.actor.push": {
      const { length } = (it.output as { value?: { results?: object[] } }).value?.results ?? [];
      if (it.reply === "stopped") return sizeOf(context as Context) === 2;
      // It is the number of what was taken in, and is not in the log yet.
      if (title === "push sequence_gap") return world.acked;
      return it.reply !== "ok" || length === sizeOf(context as Context);
    }
    case "xstate.done.actor.pull":
      // A page that is not understood is asked for again, only as far as it is.
      if ((context as Context).limit !== undefined)
        return title.endsWith("as far as it is understood");
      if (title.endsWith("as far as it is understood")) return false;
      if (title.endsWith("not understood any more") || world.strange)
        return world.strange && title.endsWith("not understood any more");
      return it.reply !== "stale" || world.cursor !== null;
    default:
      return floor <= world.now || !type.includes("retryAfter");
  }
}

/** Where something is written, and what. */
const steps: Readonly<Record<string, Step>> = {
  "on.pushing.attempting": "attempt",
  "on.pushing.recording": "record",
  "on.pushing.refusing": "refuse",
  "on.pushing.noting": "note",
  "on.pulling.applying": "apply",
  "on.resetting.swapping": "swap",
  "on.rotating": "rotate",
  "on.adopting": "adopt",
};
const writing = Object.keys(steps).map((state) => state.slice("on.".length));

/** What follows when a machine comes to where it writes. */
function written(world: World, to: string, context: Context, cause: Case): PathCase | void {
  const step = steps[to];
  if (step === undefined) return undefined;
  const how = world.write;
  const answer = (output: unknown) => ({ type: `xstate.done.actor.${step}`, output });
  const { heard } = context;
  const isEmpty =
    step === "apply" &&
    heard.tag === "ok" &&
    "entries" in heard.value &&
    heard.value.entries.length === 0 &&
    world.cursor !== null &&
    !world.acked;
  // Nothing is written of a page that says nothing, nor of one that begins elsewhere.
  if (cause.reply === "stale" && step === "apply") return answer("stale");
  if (isEmpty) return answer("nothing");
  const isSecond = world.second;
  world.second = false;
  if (!isSecond) world.write = "done";
  if (how === "hung" && !isSecond) return undefined;
  if (how === "aborted" && !isSecond)
    return { type: `xstate.error.actor.${step}`, error: { kind: how } };
  if (how === "fenced" && !isSecond) return answer(step === "attempt" ? { tag: how } : how);
  switch (step) {
    case "attempt": {
      if (world.large) {
        world.large = false;
        return answer({ tag: "oversize", ids: ["event-0"] });
      }
      const events = Array.from({ length: Math.min(context.most, world.undecided) }, (_, at) => ({
        id: `event-${at}`,
      })) as unknown as PushRequest["events"];
      return answer({ tag: "send", request: { client: "c", schema: 1, events } });
    }
    case "record": {
      if (heard.tag === "refused") {
        const { code } = heard.error;
        return answer(code === "client_conflict" ? "rotate" : "resend");
      }
      if (heard.tag === "ok" && "results" in heard.value)
        world.undecided -= heard.value.results.length;
      world.acked = true;
      return answer("done");
    }
    case "refuse":
      world.undecided -= context.refused.ids.length;
      return answer("done");
    case "note":
      world.notBefore = 60_000;
      return answer("done");
    case "apply":
      if (cause.before !== undefined) {
        world.strange = true;
        return answer({ incompatible: "", before: cause.before });
      }
      if (heard.tag === "ok" && "entries" in heard.value) {
        world.acked = false;
        world.cursor = heard.value.cursor;
        world.pos = heard.value.pos;
      }
      return answer("done");
    case "swap":
      world.cursor = "s";
      world.pos = 1;
      return answer("done");
    case "rotate":
      return answer("done");
    case "adopt":
      world.own = false;
      return answer("done");
  }
}

interface Setting {
  readonly topic?: string;
  /** Answers that are none, in one path. */
  readonly trouble?: number;
  readonly local?: "adopts" | "stays";
  readonly ends?: readonly string[];
  /** What the app gives when it is asked for another token. Default: it gives none at all. */
  readonly token?: World["token"];
}

function modelOf(
  name: string,
  { topic = name, local, token, ends = [], trouble = 2 }: Setting = {},
): Model {
  const world: World = {
    undecided: 0,
    cursor: null,
    pos: 0,
    own: local !== undefined,
    watched: true,
    now: 0,
    notBefore: 0,
    write: "done",
    second: false,
    token: token ?? "new",
    trouble,
    small: false,
    large: false,
    acked: false,
    strange: false,
    caughtUp: false,
    streams: topic === "live",
    open: false,
  };
  let cause: Case = { type: "" };
  return {
    name,
    world,
    ends,
    limit: 20_000,
    input: {
      owner: createEmptyActor(),
      server: {
        configured: true,
        live: "stream",
        schema: 1,
        adopts: local === "adopts",
        look: () => ({
          undecided: world.undecided,
          unseen: 0,
          cursor: world.cursor,
          pos: world.pos,
          epoch: null,
          notBefore: world.notBefore,
          attempt: 0,
          blocked: world.own ? "adoption" : null,
        }),
        now: () => world.now,
        chance: () => 0,
        online: () => true,
        watched: () => world.watched,
      },
    },
    cases: [...start, ...(topics[topic] ?? [])],
    open: { live: true, ...(local && { local }), ...(token && { auth: true }) },
    identify(it) {
      const { due, pushedLast, from, resetting, limit, tries, stuck, floor, delay, ...rest } =
        it as Context;
      const { renewed, denials, doubted, asked, informed, most, why } = rest;
      return [
        [due, pushedLast, from, resetting, limit !== undefined, Math.min(tries, 3), stuck],
        [floor > world.now, delay >= 5000, renewed, Math.min(denials, 2), doubted, asked],
        [informed, Math.min(most, 2), why?.code, sizeOf(rest as Context)],
      ];
    },
    filter: isPossible,
    react({ event, from, to, tids }, it): PathCase | void {
      if (/^xstate\.done\.actor\.(push|pull|page|info)$|^log\.grew$|^wake$|after/.test(event.type))
        cause = event;
      if (isTrouble(event)) world.trouble -= 1;
      if (to === "on.idle") world.caughtUp = true;
      if (to === "off") world.caughtUp = false;
      if (event.type === "live.opened") world.open = true;
      // Whoever was cut off may have missed something.
      if (event.type === "live.closed") {
        world.open = false;
        return { type: "live.due" };
      }
      // Meanwhile the stream was given up.
      if (event.type === after("watchdog", "idle")) world.caughtUp = false;
      if (tids.some((tid) => tid.endsWith("Hung") && tid !== "replication.renewHung"))
        return { type: "handoff.suspended" };
      if (tids.includes("replication.fenced")) return { type: "handoff.suspended" };
      if (from === to) return undefined;
      if (to === "on.refreshing" && world.token !== "never")
        return { type: "xstate.done.actor.renew", output: world.token === "new" };
      return written(world, to, it as Context, cause);
    },
  };
}

/** What the path says of the next write. */
async function prepareWrite({ disk, rival }: Stimuli, { world }: Case): Promise<void> {
  const write = world?.write ?? "done";
  if (world?.second === true) return await disk.hold("lead");
  if (write === "aborted") await disk.failNext("lead", write satisfies FaultKind);
  if (write === "hung") await disk.holdNext("lead");
  if (write === "fenced") await rival.claims();
}

const reply =
  (kind: RequestKind): Cause =>
  async (stimuli, { event }, _, model) => {
    const it = event as Case;
    await prepareWrite(stimuli, it);
    if (it.grows !== undefined) await stimuli.server.grow(it.grows === "unknown");
    const { token } = model.world as World;
    if (it.reply !== "ok" && token !== "same") await stimuli.server.setToken(token);
    await stimuli.server.answer(kind, it.reply);
    if (it.world?.second !== true) return;
    await stimuli.time.settle();
    await stimuli.disk.answer("lead");
    await stimuli.time.settle();
    if (it.world.write === "aborted") await stimuli.disk.release("lead", "aborted");
  };

/** What the status says where the machine rests. */
const words: readonly (readonly [state: string, shown: readonly SyncStatus["sync"][]])[] = [
  ["off", ["off"]],
  ["on.idle", ["idle", "live"]],
  ["on.pushing", ["pushing"]],
  ["on.pulling", ["pulling"]],
  ["on.resetting", ["pulling"]],
  ["on.adopting", ["pulling"]],
  ["on.backoff", ["backoff"]],
  ["on.faulted", ["backoff"]],
  ["on.offline", ["offline"]],
  ["on.denied.unauthorized", ["unauthorized"]],
  ["on.denied.forbidden", ["forbidden"]],
  ["on.incompatible", ["incompatible"]],
];

export const replicationSuite: MachineSuite = {
  machine: replicationMachine,
  models: [
    modelOf("pulls"),
    modelOf("resets", { trouble: 3 }),
    modelOf("pushes"),
    modelOf("recoveries"),
    modelOf("unheard", { ends: ["replication.backOff"] }),
    modelOf("rejections", { ends: ["replication.decided"] }),
    modelOf("live", { trouble: 0 }),
    modelOf("the same token", { topic: "tokens", token: "same", trouble: 3 }),
    modelOf("another token", { topic: "tokens", token: "new" }),
    modelOf("no token", { topic: "tokens", token: "never" }),
    modelOf("oversize"),
    modelOf("data of its own", { topic: "tokens", local: "stays" }),
    modelOf("adopts", { local: "adopts" }),
  ],

  async prepare({ open, lock, server }, model) {
    await lock.rivalAsks();
    for (const kind of kinds) await server.hold(kind);
    await open(model.open);
  },

  drive: {
    "handoff.serving": async (stimuli, { event }) => {
      const { lock, time } = stimuli;
      await time.pass(1500);
      if ((event as Case).world?.undecided === 1) await stimuli.commit();
      await prepareWrite(stimuli, event);
      await lock.rivalLeaves();
      await time.settle();
      await lock.rivalAsks();
    },
    "handoff.suspended": ({ lock }) => lock.rivalSteals(),
    "log.grew": async (stimuli, { event }) => {
      await prepareWrite(stimuli, event);
      const { undecided = 0, large = false } = (event as Case).world ?? {};
      await (large ? stimuli.rival.commits(5000) : stimuli.commit(undecided));
    },
    look: ({ page: tab }) => tab.hide(),
    wake: async ({ rival, time }, { event }) => {
      if ((event as Case).world?.now !== undefined) await time.pass(6000);
      await rival.pokes();
    },
    [after("delay", "backoff")]: async ({ commit, rival }, { event }, wait) => {
      const { undecided = 0, large = false } = (event as Case).world ?? {};
      if (large) await rival.commits(5000);
      else if (undecided > 0) await commit();
      await wait();
    },
    // The connection is doubted, and dropped.
    ...Object.fromEntries(
      writing.map((state): [string, Cause] => [
        after("deadline", state),
        async ({ disk }, _, wait) => {
          await disk.hold("open");
          await wait();
        },
      ]),
    ),
    [broken]: { ahead: ({ time }) => time.breakNext(fixedLimits.requestMs) },
    "xstate.done.actor.pull": reply("pull"),
    "xstate.done.actor.push": reply("push"),
    "xstate.done.actor.page": reply("snapshot"),
    "xstate.done.actor.info": reply("info"),
    "live.opened": async ({ server, time }) => {
      await server.answer("live");
      await time.settle();
      await server.say({ event: "hello", data: { epoch, head: 0, heartbeat: 120_000 } });
    },
    "live.closed": ({ server }) => server.hangUp(),
    "live.poked": ({ server }, { event }) =>
      server.say({ event: "poke", data: { epoch, head: (event as Case).head ?? 0 } }),
    "live.due": ({ server }) => server.say({ event: "reset", data: { code: "reset_required" } }),
    "live.page": ({ server }, { event }) =>
      event.title?.startsWith("next") === true
        ? server.sayPage()
        : server.say({ event: "page", id: "d", data: elsewhere as LogPage }),
  },

  check(reading, state, { tids }) {
    const { status, commits, onServer, rejected, requested } = reading;
    expectSound(reading);
    const shown = words.find(([part]) => state.startsWith(part))?.[1];
    if (shown !== undefined) expect(shown).toContain(status?.sync);
    const isHindered = /denied|incompatible/.test(state);
    if (isHindered)
      expect(status?.fault?.code).toMatch(/unauthorized|forbidden|incompatible|adoption/);
    // Whatever the server says, what was committed is on disk.
    for (const { durable } of commits) expect(durable).toBe("resolved");
    if (
      tids.includes("replication.decided") &&
      commits.every(({ settled }) => settled !== "rejected")
    )
      expect(onServer).not.toEqual([]);
    if (tids.includes("replication.gaveUp"))
      expect(rejected).toContain(tids.includes("replication.bad") ? "invalid" : "too_large");
    if (state === "off" && tids.every((tid) => tid === "replication.suspended"))
      expect(requested).toEqual([]);
  },

  atEnd: (stimuli, _, model) => expectInStep(stimuli, model),
};
