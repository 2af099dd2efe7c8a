/*
 * election: at most one tab holds the device's lock, and whoever holds it is alive.
 *
 *               granted                         page leaves / lock lost / fenced
 *  ┌───────────┐───────►┌────────┐──────────────────────────────►┌─────────┐
 *  │ candidate │        │ leader │                               │ demoted │──after requeueDelay / page returned──► candidate
 *  └─┬──▲──────┘        └────────┘                               └─────────┘
 *    │  │ heartbeat         ▲ granted                                 ▲ page leaves (from candidate too: leaves the queue)
 *    │  └────────────┐      │
 *    │ silence,      │      │
 *    │ page visible  │      │
 *    └──►┌─────────────────────┐ nothing  ┌──────────┐ nothing
 *        │ probing: ask, queue │─────────►│ stealing │────────► candidate
 *        └─────────────────────┘          └──────────┘
 *
 * 1. A candidate queues for the lock; it never asks `ifAvailable` alone (that queue would never pass to it).
 * 2. The lock is released on `pagehide` and `freeze`: a leader that goes into the back/forward cache holding it is never
 *    relieved (measured, docs/storage-format.md). It is asked for again on `pageshow` and `resume`.
 * 3. A leader without heartbeat for `silence` is frozen. Only a visible tab judges: timers of hidden ones are throttled.
 *    Without a channel silence says nothing: a candidate only waits in the queue, and nobody relieves a frozen leader that was
 *    not told of it.
 * 4. First it is asked who holds the lock (which evicts a cached page), then the request is renewed (which pumps a stuck
 *    queue), then the lock is stolen (G11). The fence in the database keeps the old leader's late writes out (G10).
 * 5. A leader whose lock was taken, or who hears of a higher term, is `demoted` at once.
 * 6. Without Web Locks (`lockless`) the term is all there is: a visible tab that hears no leader for `silence` and a while of
 *    its own leads. Two may for a moment; the fence refuses the writes of one of them, and it waits again (G10).
 */
import { sendTo, setup } from "xstate";
import { type Owned, longLived, maxIterations, tell } from "./common.ts";

export type LockCommand =
  | { readonly type: "request" }
  | { readonly type: "query" }
  | { readonly type: "steal" }
  | { readonly type: "release" };

export type ElectionEvent =
  | { readonly type: "lock.granted" }
  | { readonly type: "lock.lost" }
  | { readonly type: "lock.failed" }
  | { readonly type: "heartbeat.seen" }
  | { readonly type: "election.start" }
  | { readonly type: "election.retire" }
  | { readonly type: "term.lost" }
  | { readonly type: "page.leaving" }
  | { readonly type: "page.returned" };

export type ElectionReport = { readonly type: "election.won" } | { readonly type: "election.lost" };

export interface Input extends Owned {
  readonly locks: {
    /** Whether there are locks here at all. */
    supported(): boolean;
    /** Whether a leader would be heard. */
    hears(): boolean;
    /** Whether the page is visible now. */
    visible(): boolean;
    /** From 0 to 1: this tab's own, so that not all tabs do the same at once. */
    spread(): number;
  };
}

export const electionMachine = setup({
  types: {} as { context: Input; events: ElectionEvent; input: Input },
  actors: { lock: longLived<LockCommand>(), heart: longLived<{ readonly type: "beat" }>() },
  delays: {
    silence: 10_000,
    ownSilence: ({ context }) => 10_000 + 5000 * context.locks.spread(),
    probeDelay: 1000,
    renewDelay: 2000,
    stealDelay: 2000,
    requeueDelay: 1000,
  },
  guards: {
    isUnsupported: ({ context }) => !context.locks.supported(),
    isVisible: ({ context }) => context.locks.visible(),
    mayJudge: ({ context }) => context.locks.hears() && context.locks.visible(),
  },
  actions: {
    request: sendTo("lock", { type: "request" }),
    query: sendTo("lock", { type: "query" }),
    steal: sendTo("lock", { type: "steal" }),
    release: sendTo("lock", { type: "release" }),
    tellWon: tell({ type: "election.won" }),
    tellLost: tell({ type: "election.lost" }),
    /** Provided: asks the leader to show itself. */
    poke: () => undefined,
  },
}).createMachine({
  id: "election",
  context: ({ input }) => ({ owner: input.owner, locks: input.locks }),
  invoke: {
    id: "lock",
    src: "lock",
    onError: { target: ".lockless", meta: { tid: "election.lockFailed" } },
  },
  initial: "starting",
  on: {
    "election.retire": {
      target: ".retired",
      actions: "release",
      meta: { tid: "election.retired" },
    },
  },
  states: {
    starting: {
      on: {
        "election.start": [
          { guard: "isUnsupported", target: "lockless", meta: { tid: "election.unsupported" } },
          { target: "candidate", meta: { tid: "election.start" } },
        ],
      },
    },
    retired: {},
    lockless: {
      entry: "poke",
      initial: "waiting",
      states: {
        waiting: {
          on: {
            "heartbeat.seen": {
              target: "waiting",
              reenter: true,
              meta: { tid: "election.heardLockless" },
            },
            "page.returned": {
              target: "waiting",
              reenter: true,
              actions: "poke",
              meta: { tid: "election.returnedLockless" },
            },
          },
          after: {
            ownSilence: [
              { guard: "isVisible", target: "leading", meta: { tid: "election.silentLockless" } },
              {
                target: "waiting",
                reenter: true,
                meta: { tid: "election.silentHiddenLockless" },
              },
            ],
          },
        },
        leading: {
          entry: "tellWon",
          exit: "tellLost",
          invoke: {
            id: "beat",
            src: "heart",
            onError: { target: "waiting", meta: { tid: "election.beatFailed" } },
          },
          on: {
            "term.lost": { target: "waiting", meta: { tid: "election.fencedLockless" } },
            "page.leaving": { target: "waiting", meta: { tid: "election.resignedLockless" } },
          },
        },
      },
    },
    candidate: {
      initial: "waiting",
      entry: ["request", "poke"],
      on: {
        "lock.granted": { target: "leader", meta: { tid: "election.granted" } },
        "lock.failed": { target: "demoted", meta: { tid: "election.failed" } },
        "page.leaving": { target: "demoted", actions: "release", meta: { tid: "election.left" } },
      },
      states: {
        waiting: {
          on: {
            "heartbeat.seen": { target: "waiting", reenter: true, meta: { tid: "election.heard" } },
          },
          after: {
            silence: [
              { guard: "mayJudge", target: "#election.probing", meta: { tid: "election.silent" } },
              { target: "waiting", reenter: true, meta: { tid: "election.unjudged" } },
            ],
          },
        },
      },
    },
    probing: {
      initial: "asking",
      on: {
        "lock.granted": { target: "leader", meta: { tid: "election.grantedProbing" } },
        "lock.failed": { target: "stealing", meta: { tid: "election.probeFailed" } },
        "heartbeat.seen": {
          target: "candidate",
          actions: "release",
          meta: { tid: "election.heardProbing" },
        },
        "page.leaving": {
          target: "demoted",
          actions: "release",
          meta: { tid: "election.leftProbing" },
        },
      },
      states: {
        asking: {
          entry: "query",
          after: { probeDelay: { target: "renewing", meta: { tid: "election.asked" } } },
        },
        renewing: {
          entry: ["release", "request"],
          after: {
            renewDelay: { target: "#election.stealing", meta: { tid: "election.renewed" } },
          },
        },
      },
    },
    stealing: {
      entry: ["release", "steal"],
      on: {
        "lock.granted": { target: "leader", meta: { tid: "election.stolen" } },
        "lock.failed": { target: "demoted", meta: { tid: "election.stealFailed" } },
        "page.leaving": {
          target: "demoted",
          actions: "release",
          meta: { tid: "election.leftStealing" },
        },
      },
      after: {
        stealDelay: {
          target: "candidate",
          actions: "release",
          meta: { tid: "election.stealHung" },
        },
      },
    },
    leader: {
      entry: "tellWon",
      exit: "tellLost",
      invoke: {
        id: "heart",
        src: "heart",
        onError: { target: "demoted", actions: "release", meta: { tid: "election.heartFailed" } },
      },
      on: {
        "lock.lost": { target: "demoted", meta: { tid: "election.lost" } },
        "term.lost": { target: "demoted", actions: "release", meta: { tid: "election.fenced" } },
        "page.leaving": {
          target: "demoted",
          actions: "release",
          meta: { tid: "election.resigned" },
        },
      },
    },
    demoted: {
      on: { "page.returned": { target: "candidate", meta: { tid: "election.returned" } } },
      after: { requeueDelay: { target: "candidate", meta: { tid: "election.requeued" } } },
    },
  },
  options: { maxIterations },
});
