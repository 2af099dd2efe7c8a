/*
 * handoff: what a tab does from the moment it holds the lock. All it needs is on disk: nothing comes from the memory of the
 * leader before.
 *
 *  ┌───────────┐ won  ┌─ leading ──────────────────────────────────────────────────────────────────────────┐
 *  │ following │─────►│ fencing ─term+1─► recovering ─log read─► replaying ─outbox decided─► serving:       │
 *  └───▲───────┘      │   ▲   └──failed──────┴────────────────────┴──┐      ┌──► resting ──idle, or log long─┐ │
 *      │              │   │ retryDelay                             ▼      │ log.grew                    ▼ │
 *      │ lost, or     │   └───────────────────────────────────── stalled  asleep ◄── folding ◄── deciding │
 *      │ fenced, or   │                                                      └ nothing left                  │
 *      └─newer────────┴───────────────────────────────────────────────────────────────────────────────────┘
 *  anywhere ── drain ──► draining: the write in flight ends ──► drained
 *
 * 1. Fence first: the term in the database is raised before anything is read, so a late write of the old leader is refused.
 * 2. Recover from the log: it is read whole, and segments that others wrote are read again.
 * 3. Replay: what is undecided is decided in log order. With no server the leader is its own server.
 * 4. Every write of a leader is fenced. A refusal means that somebody else leads: `term.lost`, and follow.
 * 5. Decide and fold when the page rests, or when the log is long: bounded tail at load, bounded write amplification.
 * 6. Graceful end: the write in flight ends before the lock is released.
 * 7. What began under one term has no effect under another: services stop at the signal of the state that asked for them.
 * 8. A new connection, or a write that is never answered: fence and recover again. Without a connection, wait for one.
 * 9. Where there is no space to decide or fold, commits go on, and it is tried again after `fullDelay`: nothing was changed.
 */
import { assign, sendTo, setup } from "xstate";
import {
  type Owned,
  backoff,
  failureOf,
  maxIterations,
  promised,
  suspectIfLost,
  tell,
} from "./common.ts";

/** How a fenced write went. */
export type LeaderResult = "done" | "more" | "nothing" | "fenced";

/** What a new leader found: `newer` data is not for this version to lead. */
export type Recovered = "recovered" | "newer";

export type HandoffEvent =
  | { readonly type: "election.won" }
  | { readonly type: "election.lost" }
  | { readonly type: "log.grew" }
  | { readonly type: "storage.opened" }
  | { readonly type: "storage.lost" }
  | { readonly type: "drain" };

export type HandoffReport =
  | { readonly type: "handoff.serving" }
  /** It serves no longer, for now or for good. */
  | { readonly type: "handoff.suspended" }
  | { readonly type: "handoff.following" }
  | { readonly type: "handoff.drained" }
  | { readonly type: "term.lost" }
  | { readonly type: "schema.newer" }
  | { readonly type: "storage.suspected" };

export interface Input extends Owned {
  readonly log: { isLong(): boolean; hasLeft(): boolean };
}

export interface Context extends Input {
  readonly attempts: number;
}

export const handoffMachine = setup({
  types: {} as { context: Context; events: HandoffEvent; input: Input },
  actors: {
    claim: promised<void, void>(),
    recover: promised<Recovered, void>(),
    decide: promised<LeaderResult, void>(),
    fold: promised<LeaderResult, void>(),
    /** Resolves when no write of this leader is in flight. */
    settle: promised<void, void>(),
  },
  delays: {
    retryDelay: ({ context }) => backoff(context.attempts),
    idleDelay: 2000,
    fullDelay: 30_000,
    deadline: 30_000,
  },
  guards: {
    isFenced: (_, params: { result: LeaderResult }) => params.result === "fenced",
    hasMore: (_, params: { result: LeaderResult }) => params.result === "more",
    isQuota: (_, params: { error: unknown }) => failureOf(params.error) === "quota",
    isLong: ({ context }) => context.log.isLong(),
    hasLeft: ({ context }) => context.log.hasLeft(),
    isNewer: (_, params: { result: Recovered }) => params.result === "newer",
  },
  actions: {
    count: assign({ attempts: ({ context }) => context.attempts + 1 }),
    forget: assign({ attempts: 0 }),
    tellServing: sendTo(({ context }) => context.owner, { type: "handoff.serving" }),
    tellSuspended: sendTo(({ context }) => context.owner, { type: "handoff.suspended" }),
    tellFollowing: tell({ type: "handoff.following" }),
    tellDrained: tell({ type: "handoff.drained" }),
    tellTermLost: tell({ type: "term.lost" }),
    tellNewer: tell({ type: "schema.newer" }),
    tellSuspected: tell({ type: "storage.suspected" }),
    suspectIfLost,
    /** Provided: this tab has no term, and keeps no books of a leader. */
    resign: () => undefined,
  },
}).createMachine({
  id: "handoff",
  context: ({ input }) => ({ owner: input.owner, log: input.log, attempts: 0 }),
  initial: "following",
  on: { drain: { target: ".draining", meta: { tid: "handoff.drain" } } },
  states: {
    following: {
      entry: ["resign", "tellFollowing"],
      on: { "election.won": { target: "leading", meta: { tid: "handoff.won" } } },
    },
    leading: {
      initial: "fencing",
      on: {
        "election.lost": { target: "following", meta: { tid: "handoff.lost" } },
        "storage.opened": { target: ".fencing", meta: { tid: "handoff.reopened" } },
        "storage.lost": { target: ".stalled", meta: { tid: "handoff.storageLost" } },
      },
      states: {
        fencing: {
          invoke: {
            id: "claim",
            src: "claim",
            onDone: { target: "recovering", meta: { tid: "handoff.fenced" } },
            onError: { target: "stalled", meta: { tid: "handoff.claimFailed" } },
          },
          after: {
            deadline: {
              target: "stalled",
              actions: "tellSuspected",
              meta: { tid: "handoff.claimHung" },
            },
          },
        },
        recovering: {
          invoke: {
            id: "recover",
            src: "recover",
            onDone: [
              {
                guard: { type: "isNewer", params: ({ event }) => ({ result: event.output }) },
                target: "#handoff.following",
                actions: "tellNewer",
                meta: { tid: "handoff.newer" },
              },
              { target: "replaying", meta: { tid: "handoff.recovered" } },
            ],
            onError: { target: "stalled", meta: { tid: "handoff.recoverFailed" } },
          },
          after: {
            deadline: {
              target: "stalled",
              actions: "tellSuspected",
              meta: { tid: "handoff.recoverHung" },
            },
          },
        },
        replaying: {
          invoke: {
            id: "replay",
            src: "decide",
            onDone: [
              {
                guard: { type: "isFenced", params: ({ event }) => ({ result: event.output }) },
                target: "#handoff.following",
                actions: "tellTermLost",
                meta: { tid: "handoff.replayFenced" },
              },
              {
                guard: { type: "hasMore", params: ({ event }) => ({ result: event.output }) },
                target: "replaying",
                reenter: true,
                meta: { tid: "handoff.replayMore" },
              },
              { target: "serving", actions: "forget", meta: { tid: "handoff.replayed" } },
            ],
            onError: [
              {
                guard: { type: "isQuota", params: ({ event }) => ({ error: event.error }) },
                target: "serving.full",
                meta: { tid: "handoff.replayFull" },
              },
              { target: "stalled", meta: { tid: "handoff.replayFailed" } },
            ],
          },
          after: {
            deadline: {
              target: "stalled",
              actions: "tellSuspected",
              meta: { tid: "handoff.replayHung" },
            },
          },
        },
        stalled: {
          entry: ["count", "suspectIfLost"],
          after: { retryDelay: { target: "fencing", meta: { tid: "handoff.retry" } } },
        },
        serving: {
          entry: "tellServing",
          exit: "tellSuspended",
          initial: "resting",
          states: {
            resting: {
              on: {
                "log.grew": {
                  guard: "isLong",
                  target: "deciding",
                  meta: { tid: "handoff.long" },
                },
              },
              after: { idleDelay: { target: "deciding", meta: { tid: "handoff.idle" } } },
            },
            deciding: {
              invoke: {
                id: "decide",
                src: "decide",
                onDone: [
                  {
                    guard: { type: "isFenced", params: ({ event }) => ({ result: event.output }) },
                    target: "#handoff.following",
                    actions: "tellTermLost",
                    meta: { tid: "handoff.decideFenced" },
                  },
                  {
                    guard: { type: "hasMore", params: ({ event }) => ({ result: event.output }) },
                    target: "deciding",
                    reenter: true,
                    meta: { tid: "handoff.decideMore" },
                  },
                  { target: "folding", meta: { tid: "handoff.decided" } },
                ],
                onError: [
                  {
                    guard: { type: "isQuota", params: ({ event }) => ({ error: event.error }) },
                    target: "full",
                    meta: { tid: "handoff.decideFull" },
                  },
                  {
                    target: "#handoff.leading.stalled",
                    meta: { tid: "handoff.decideFailed" },
                  },
                ],
              },
              after: {
                deadline: {
                  target: "#handoff.leading.stalled",
                  actions: "tellSuspected",
                  meta: { tid: "handoff.decideHung" },
                },
              },
            },
            folding: {
              invoke: {
                id: "fold",
                src: "fold",
                onDone: [
                  {
                    guard: { type: "isFenced", params: ({ event }) => ({ result: event.output }) },
                    target: "#handoff.following",
                    actions: "tellTermLost",
                    meta: { tid: "handoff.foldFenced" },
                  },
                  // Of a migration; what was committed meanwhile is decided first.
                  {
                    guard: { type: "hasMore", params: ({ event }) => ({ result: event.output }) },
                    target: "deciding",
                    meta: { tid: "handoff.foldMore" },
                  },
                  // What was logged meanwhile has nobody else who would think of it.
                  { guard: "hasLeft", target: "resting", meta: { tid: "handoff.grown" } },
                  { target: "asleep", meta: { tid: "handoff.folded" } },
                ],
                onError: [
                  {
                    guard: { type: "isQuota", params: ({ event }) => ({ error: event.error }) },
                    target: "full",
                    meta: { tid: "handoff.foldFull" },
                  },
                  {
                    target: "#handoff.leading.stalled",
                    meta: { tid: "handoff.foldFailed" },
                  },
                ],
              },
              after: {
                deadline: {
                  target: "#handoff.leading.stalled",
                  actions: "tellSuspected",
                  meta: { tid: "handoff.foldHung" },
                },
              },
            },
            full: {
              after: { fullDelay: { target: "deciding", meta: { tid: "handoff.tryAgain" } } },
            },
            asleep: { on: { "log.grew": { target: "resting", meta: { tid: "handoff.woke" } } } },
          },
        },
      },
    },
    draining: {
      invoke: {
        id: "settle",
        src: "settle",
        onDone: { target: "drained", meta: { tid: "handoff.drained" } },
        onError: { target: "drained", meta: { tid: "handoff.drainFailed" } },
      },
    },
    drained: { entry: "tellDrained" },
  },
  options: { maxIterations },
});
