/** The words that the replication machine is written in: its events, services, guards and actions. */
import { assign, sendTo, setup } from "xstate";
import { type Answer, type Verdict } from "../model/verdict.ts";
import {
  type Info,
  type LogPage,
  type PullResponse,
  type PushRequest,
  type PushResponse,
  type SnapshotPage,
} from "../protocol/index.ts";
import { atMostADay } from "../protocol/http.ts";
import { type Owned, promised, suspectIfLost, tell } from "./common.ts";
import { type LiveReport, liveMachine } from "./live.ts";
import {
  type Hindrance,
  type Outcome,
  type Progress,
  type PushLimits,
  type ServerView,
  afterFailure,
  afterFault,
  afterInfo,
  afterPage,
  afterPush,
  afterReset,
  begun,
  isBehind,
  logged,
  mayAskAgain,
  pushed,
  snapped,
  startedOver,
  stuckAt,
  verdictIn,
  wordsOf,
} from "./progress.ts";

export type ReplicationEvent =
  | LiveReport
  | { readonly type: "handoff.serving" }
  | { readonly type: "handoff.suspended" }
  | { readonly type: "log.grew" }
  /** Somebody looks at the app, or there may be a network again. */
  | { readonly type: "wake" }
  /** Perhaps nobody looks at the app any more. */
  | { readonly type: "look" };

/** What the machine tells its owner. */
export type ReplicationReport =
  | { readonly type: "term.lost" }
  | { readonly type: "storage.suspected" };

export interface Input extends Owned {
  readonly server: ServerView;
}

export interface Context extends Input, Progress {}

/** A write, by what it is for. */
export type Step = "attempt" | "record" | "refuse" | "note" | "rotate" | "apply" | "swap" | "adopt";

const isOversize = (outcome: Outcome): boolean =>
  typeof outcome === "object" && "tag" in outcome && outcome.tag === "oversize";

export const words = setup({
  types: {} as {
    context: Context & { readonly step: Step };
    events: ReplicationEvent;
    input: Input;
    children: { live: "live" };
  },
  actors: {
    live: liveMachine,
    attempt: promised<Outcome, PushLimits>(),
    push: promised<Answer<PushResponse>, PushRequest>(),
    record: promised<Outcome, { readonly request: PushRequest; readonly answer: PushResponse }>(),
    note: promised<Outcome, number>(),
    refuse: promised<Outcome, Progress["refused"]>(),
    rotate: promised<Outcome, void>(),
    adopt: promised<Outcome, void>(),
    pull: promised<
      Answer<PullResponse>,
      { readonly cursor: string | null; readonly limit: number | undefined }
    >(),
    apply: promised<Outcome, LogPage | undefined>(),
    /** Keeps a page of a snapshot, and gives the next one: itself where there is none. */
    page: promised<Answer<SnapshotPage>, SnapshotPage | undefined>(),
    /** All pages that were kept take the place of the base. */
    swap: promised<Outcome, SnapshotPage | undefined>(),
    info: promised<Answer<Info>, void>(),
    /** Whether the app gave another token. */
    renew: promised<boolean, void>(),
  },
  delays: {
    delay: ({ context }) => context.delay,
    deadline: 30_000,
    watchdog: 60_000,
    authDelay: 30_000,
    slowDelay: 300_000,
  },
  guards: {
    isConfigured: ({ context }) => context.server.configured,
    mayAdopt: ({ context: { server } }) => server.look().blocked !== null && server.adopts,
    isBlocked: ({ context: { server } }) => server.look().blocked !== null,
    isEarly: ({ context: { floor, server } }) => server.now() < floor,
    isFree: ({ context: { floor, server } }) => server.now() >= floor,
    shallPull: ({ context }) =>
      isBehind(context, context.server) &&
      (context.pushedLast || context.server.look().undecided === 0),
    shallPush: ({ context }) => context.server.look().undecided > 0,
    isUninformed: ({ context }) => !context.informed,
    isWatched: ({ context }) => context.server.watched(),
    mayAskAgain: ({ context }) => mayAskAgain(context, context.server.now()),
    isSlack: ({ context: { server, askedAt } }) => Math.abs(server.now() - askedAt) >= 5000,
    isAhead: ({ context: { server } }, { head }: { head: number }) => head > server.look().pos,
    isNext({ context: { server } }, { page }: { page: LogPage }) {
      const { undecided, cursor } = server.look();
      return undecided === 0 && page.from === cursor;
    },
    is: ({ context }, { verdict }: { verdict: Verdict }) =>
      verdictIn(context, context.server) === verdict,
    isTakenPush: ({ context }) => pushed(context) !== undefined,
    isTakenPage: ({ context }) => logged(context) !== undefined,
    isLastPage: ({ context }) => snapped(context)?.next === null,
    isTakenSnapshot: ({ context }) => snapped(context) !== undefined,
    isOffline: ({ context: { server, tries, heard: it } }) =>
      it.tag === "offline" && (!server.online() || tries > 1),
    isWorthNoting: ({ context: { asked, delay, heard: it } }) =>
      asked === "push" && delay >= 5000 && it.tag !== "offline",
    isOften: ({ context }) => context.tries > 2,
    came: ({ context }, { step, outcome }: { step: Step; outcome: Outcome }) =>
      context.step === step && context.outcome === outcome,
    isNoted: ({ context }) => context.step === "note",
    isFenced: ({ context: { outcome } }) =>
      outcome === "fenced" ||
      (typeof outcome === "object" && "tag" in outcome && outcome.tag === "fenced"),
    isSend: ({ context: { outcome } }) =>
      typeof outcome === "object" && "tag" in outcome && outcome.tag === "send",
    isOversize: ({ context: { outcome } }) => isOversize(outcome),
    unseenOversize: ({ context }) =>
      isOversize(context.outcome) && isBehind(context, context.server),
    isStopped: ({ context }) =>
      context.step === "record" &&
      context.outcome === "done" &&
      pushed(context)?.stopped !== undefined,
    isPartly: ({ context: { outcome, limit } }) =>
      typeof outcome === "object" &&
      "before" in outcome &&
      outcome.before > 0 &&
      limit === undefined,
    isIncompatible: ({ context: { outcome } }) =>
      typeof outcome === "object" && "incompatible" in outcome,
    isEmptyPage: ({ context }) =>
      context.step === "apply" &&
      context.outcome === "nothing" &&
      logged(context)?.entries.length === 0,
    unseenRefusal: ({ context }) =>
      isBehind(context, context.server) &&
      ["tooLarge", "bad"].includes(verdictIn(context, context.server)),
    isForbidden: ({ context: { why } }) => why?.code === "forbidden",
    isRenewed: (_, { output }: { output: boolean }) => output,
  },
  actions: {
    begin: assign(({ context }) => begun(context, context.server)),
    step: assign({ step: (_, { step }: { step: Step }) => step }),
    hear: assign({
      heard: (_, { output }: { output: Progress["heard"] }) => output,
      outcome: "nothing",
    }),
    note: assign({ outcome: (_, { output }: { output: Outcome }) => output }),
    startPush: assign(({ context: { server } }) => ({
      asked: "push" as const,
      pushedLast: true,
      request: undefined,
      askedAt: server.now(),
    })),
    keepRequest: assign({
      request: ({ context: { outcome } }) =>
        typeof outcome === "object" && "request" in outcome ? outcome.request : undefined,
    }),
    startPull: assign(({ context: { server } }) => ({
      asked: "pull" as const,
      pushedLast: false,
      due: false,
      // What is heard from now on may be newer than the answer. After a restore there is less than there was.
      head: 0,
      askedAt: server.now(),
    })),
    startOver: assign(({ context }) => startedOver(context)),
    afterPush: assign(({ context }) => afterPush(context)),
    afterPage: assign(({ context }) => afterPage(context, context.server)),
    takePage: assign({
      asked: "pull",
      heard: (_, { page }: { page: LogPage }) => ({ tag: "ok" as const, value: page }),
    }),
    pullLess: assign({
      due: true,
      limit: ({ context: { outcome } }) =>
        typeof outcome === "object" && "before" in outcome ? outcome.before : undefined,
    }),
    keepPage: assign(({ context }) => ({ asked: "snapshot" as const, page: snapped(context) })),
    afterReset: assign(({ context }) => afterReset(context)),
    inform: assign(({ context }, { output }: { output: Answer<Info> }) =>
      afterInfo(context, output),
    ),
    split: assign({
      most: ({ context }) => Math.max(1, Math.floor((context.request?.events.length ?? 1) / 2)),
    }),
    one: assign({ most: 1 }),
    give: assign({
      refused: ({ context }, { code }: { code: "too_large" | "invalid" }) => ({
        ids: (context.request?.events ?? []).map(({ id }) => id),
        error: { code, message: wordsOf(context) },
      }),
      doubted: (_, { code }) => code === "invalid",
    }),
    giveOversize: assign({
      refused: ({ context: { outcome } }) => ({
        ids: typeof outcome === "object" && "ids" in outcome ? outcome.ids : [],
        error: { code: "too_large" as const },
      }),
    }),
    again: assign(({ context }) => ({ ...stuckAt(context), tries: context.tries + 1 })),
    refresh: assign(({ context }) => ({ ...stuckAt(context), renewed: true })),
    deny: assign({ denials: ({ context }) => context.denials + 1 }),
    hinder: assign({
      why: ({ context }, { code }: { code: Hindrance["code"] }) => ({
        code,
        // Where the app has no `adopt` there is nothing to add.
        message: code === "adoption_required" && context.step !== "adopt" ? "" : wordsOf(context),
      }),
    }),
    fail: assign(({ context }) => afterFailure(context, context.server)),
    probe: assign({
      delay: ({ context: { server, delay } }) => (server.online() ? delay : 60_000),
    }),
    untilFloor: assign({
      delay: ({ context: { floor, server } }) => atMostADay(floor - server.now()),
    }),
    // Whatever the clock says: it may have been set back meanwhile.
    waited: assign({ floor: 0 }),
    fault: assign(({ context }, { error }: { error: unknown }) => afterFault(context, error)),
    want: assign({ due: true }),
    noteHead: assign({ head: (_, { head }: { head: number }) => head }),
    suspectIfLost,
    tellSuspected: tell({ type: "storage.suspected" }),
    tellTermLost: tell({ type: "term.lost" }),
    liveMay: sendTo("live", { type: "caught.up" }),
    liveRest: sendTo("live", { type: "rest" }),
    forward: sendTo("live", ({ event }) => event),
  },
});

const errorIn = ({ event }: { event: object }): { error: unknown } => ({
  error: "error" in event ? event.error : undefined,
});
const outputIn = <T>({ event }: { event: { readonly output: T } }): { output: T } => event;

/** A write: what it comes to is weighed; when it fails nothing is known of it. */
export const storing = (tid: string, doneTid: string) =>
  ({
    onDone: {
      target: "#replication.on.weighing",
      actions: { type: "note", params: outputIn<Outcome> },
      meta: { tid: `replication.${doneTid}` },
    },
    onError: {
      target: "#replication.on.faulted",
      actions: [{ type: "fault", params: errorIn }, "suspectIfLost"],
      meta: { tid: `replication.${tid}Failed` },
    },
  }) as const;
/** One that is never answered. */
export const hanging = (tid: string) =>
  ({
    deadline: {
      target: "#replication.on.faulted",
      actions: [{ type: "fault", params: { error: undefined } }, "tellSuspected"],
      meta: { tid: `replication.${tid}Hung` },
    },
  }) as const;
/** A request: what is heard is judged. It never rejects. */
export const asking = (tid: string) =>
  ({
    onDone: {
      target: "#replication.on.judging",
      actions: { type: "hear", params: outputIn<Progress["heard"]> },
      meta: { tid: `replication.${tid}` },
    },
  }) as const;
/** Nothing is refused here before the server's log was looked at. */
export const see = <const What extends "Refusal" | "Oversize">(what: What) =>
  ({
    guard: `unseen${what}`,
    target: "pulling",
    meta: { tid: `replication.unseen${what}` },
  }) as const;
export const step = (name: Step) => ({ type: "step", params: { step: name } }) as const;
export const judged = <const Target extends string>(
  verdict: Verdict,
  target: Target,
  tid: string,
) =>
  ({
    guard: { type: "is", params: { verdict } },
    target,
    meta: { tid: `replication.${tid}` },
  }) as const;
export const came = <const Target extends string>(
  name: Step,
  outcome: Outcome,
  target: Target,
  tid: string,
) =>
  ({
    guard: { type: "came", params: { step: name, outcome } },
    target,
    meta: { tid: `replication.${tid}` },
  }) as const;
