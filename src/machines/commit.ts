/*
 * commit: from memory to disk. `commit()` itself sends nothing here: it reads the gate, applies to memory and queues; one
 * `batch.ready` per microtask comes for all of it.
 *
 *  ┌────────┐ gate.open  ┌─ open ──────────────────────────────────────────────────────────────────┐
 *  │ closed │───────────►│ idle ──batch.ready──► persisting ──done──► idle (at once on, if more)     │
 *  └───▲────┘            │                        │    │    └─refused──► rollingBack ──► idle        │
 *      │ drained         │  aborted, lost,        │    │                                            │
 *      └─────────────────│  no answer             │    └─no space──► blocked.evicting                │
 *                        │          ▼─────────────┘    something went │ │ nothing went               │
 *                        │   retrying.waiting ──after / reopened──►   │ ├─reject──► rejecting ──► idle │
 *                        │   retrying.ensuring ◄──────────────────────┘ └─keep──► blocked.waiting     │
 *                        │     │ │ ▲                 after / page seen / reopened   │    ▲           │
 *                        │     │ │ └────────────────────────────────────────────────┘    │           │
 *                        │     │ └─lost again────────────────────────────────────────────┘           │
 *                        │     └─done──► idle;  refused──► rollingBack;  no space──► blocked.evicting │
 *                        └─────────────────────────────────────────────────────────────────────────┘
 *
 * 1. Group commit: what arrives while a transaction runs goes into the next one; one is in flight at a time. Only a page
 *    that goes away does not wait (`page.leaving`); answers about what it wrote then count in every state that waits.
 * 2. A commit is acknowledged on the transaction's `complete` (`write.done`), never before (G1, G2).
 * 3. After anything but success the outcome is looked up and the record added if absent, in one transaction (`ensuring`):
 *    never added again on suspicion, never given up on suspicion (G2, G7).
 * 4. Rolled back is only what was seen to abort: refused for good, or, where the app wants it, for lack of space.
 * 5. When the data was cleared, `idle` may find what has to be written again in flight, and `ensuring` nothing any more.
 * 6. The gate is open exactly in `open`, until `drain`. While storage is away commits flow into memory, and it is said.
 * 7. Where there is no space, cached queries go first, and the app hears of it only if none were left. Then commits wait, or
 *    are rejected, as the app chose; that is one failure, however many are rejected in a row.
 * 8. A write that is lost again after a reopen counts as one without space: a full disk closes connections (measured), on SQLite
 *    right after it said so: then no query went, and it stays the lack of space that is told.
 * 9. `commit.delayed` and `commit.full` hold until `commit.flowing`, which is told when nothing is left to look for, and by
 *    the first success after a rejection.
 */
import { assign, sendTo, setup } from "xstate";
import { type Failure, type Owned, backoff, longLived, maxIterations, tell } from "./common.ts";

export type PersisterCommand =
  | { readonly type: "write" }
  | { readonly type: "ensure" }
  | { readonly type: "flush" }
  /** Makes space for group `n`. */
  | { readonly type: "evict"; readonly n: number };

export type CommitEvent =
  | { readonly type: "gate.open" }
  | { readonly type: "drain" }
  | { readonly type: "batch.ready" }
  | { readonly type: "write.done"; readonly n: number; readonly position: number | null }
  | { readonly type: "write.failed"; readonly n: number; readonly failure: Failure }
  | { readonly type: "ensure.done"; readonly n: number; readonly position: number | null }
  | { readonly type: "ensure.failed"; readonly n: number; readonly failure: Failure }
  | { readonly type: "evict.done"; readonly n: number; readonly evicted: number }
  | { readonly type: "storage.opened" }
  | { readonly type: "storage.lost" }
  | { readonly type: "page.leaving" }
  | { readonly type: "page.returned" };

export type CommitReport =
  | { readonly type: "storage.suspected" }
  | { readonly type: "commit.delayed" }
  | { readonly type: "commit.full" }
  | { readonly type: "commit.flowing" }
  | { readonly type: "commit.closed" };

/** The queue of commits, by reference: the machine only asks. */
export interface QueueView {
  /** Whether commits wait to be written. */
  hasQueued(): boolean;
  /** Whether group `n` is in flight, and no other is. */
  isLastInFlight(n: number): boolean;
  isInFlight(n: number): boolean;
  hasInFlight(): boolean;
  /** Whether `commit()` passes. */
  isOpen(): boolean;
}

export interface Input extends Owned {
  readonly queue: QueueView;
  /** What becomes of commits for which there is no space. */
  readonly whenFull: "keep" | "reject";
}

export interface Context extends Input {
  /** Failures since something was stored. */
  readonly attempts: number;
}

const failed = (event: CommitEvent): Failure | undefined =>
  event.type === "write.failed" || event.type === "ensure.failed" ? event.failure : undefined;

export const commitMachine = setup({
  types: {} as { context: Context; events: CommitEvent; input: Input },
  actors: { persister: longLived<PersisterCommand>() },
  delays: {
    retryDelay: ({ context }) => backoff(context.attempts - 1),
    fullDelay: 5000,
    /** Some transactions settle neither way when a connection is closed by force. */
    watchdog: 5000,
  },
  guards: {
    hasQueued: ({ context }) => context.queue.hasQueued(),
    mayWrite: ({ context }) => context.queue.hasQueued() && !context.queue.hasInFlight(),
    isStale: ({ context, event }) =>
      (event.type === "write.done" || event.type === "write.failed") &&
      !context.queue.isInFlight(event.n),
    hasMoreInFlight: ({ context, event }) =>
      (event.type === "write.done" || event.type === "ensure.done") &&
      !context.queue.isLastInFlight(event.n),
    hasFailed: ({ context }) => context.attempts > 0,
    hasInFlight: ({ context }) => context.queue.hasInFlight(),
    isNothingInFlight: ({ context }) => !context.queue.hasInFlight(),
    isGateClosed: ({ context }) => !context.queue.isOpen(),
    isRefused: ({ event }) => failed(event) === "refused",
    isQuota: ({ event }) => failed(event) === "quota",
    isLostAgain: ({ context, event }) => failed(event) === "lost" && context.attempts > 1,
    hasEvicted: ({ event }) => event.type === "evict.done" && event.evicted > 0,
    isRejecting: ({ context }) => context.whenFull === "reject",
  },
  actions: {
    write: sendTo("persister", { type: "write" }),
    ensure: sendTo("persister", { type: "ensure" }),
    flush: sendTo("persister", { type: "flush" }),
    evict: sendTo("persister", ({ event }) => ({ type: "evict", n: "n" in event ? event.n : 0 })),
    /** Provided: the group is durable: receipts, other tabs. */
    acknowledge: () => undefined,
    /** Provided: takes the refused group out of memory and rejects its receipts. */
    rollBack: (_args, _params: { code: "storage_failed" | "storage_full" }) => undefined,
    /** Provided: `commit()` may pass. */
    openGate: () => undefined,
    /** Provided: `commit()` may not pass. */
    closeGate: () => undefined,
    count: assign({ attempts: ({ context }) => context.attempts + 1 }),
    forget: assign({ attempts: 0 }),
    tellSuspected: tell({ type: "storage.suspected" }),
    suspectIfLost: ({ context, event }) => {
      if (failed(event) === "lost") context.owner.send({ type: "storage.suspected" });
    },
    tellDelayed: tell({ type: "commit.delayed" }),
    tellFull: tell({ type: "commit.full" }),
    tellFlowing: tell({ type: "commit.flowing" }),
    tellClosed: tell({ type: "commit.closed" }),
  },
}).createMachine({
  id: "commit",
  context: ({ input }) => ({ ...input, attempts: 0 }),
  invoke: { id: "persister", src: "persister" },
  initial: "closed",
  states: {
    closed: {
      entry: ["closeGate", "tellClosed"],
      on: {
        drain: { actions: "tellClosed", meta: { tid: "commit.drainClosed" } },
        "gate.open": { target: "open", meta: { tid: "commit.opened" } },
      },
    },
    open: {
      entry: "openGate",
      initial: "idle",
      on: {
        drain: { actions: "closeGate", meta: { tid: "commit.drain" } },
        "page.leaving": { guard: "hasQueued", actions: "flush", meta: { tid: "commit.flushed" } },
      },
      states: {
        idle: {
          always: [
            {
              guard: "hasInFlight",
              target: "retrying.ensuring",
              meta: { tid: "commit.startedOver" },
            },
            { guard: "hasQueued", target: "persisting", meta: { tid: "commit.next" } },
            { guard: "isGateClosed", target: "#commit.closed", meta: { tid: "commit.drained" } },
          ],
          on: {
            "batch.ready": {
              guard: "mayWrite",
              target: "persisting",
              meta: { tid: "commit.batch" },
            },
          },
        },
        persisting: {
          entry: "write",
          on: {
            "write.done": [
              { guard: "isStale", meta: { tid: "commit.staleDone" } },
              {
                guard: "hasMoreInFlight",
                actions: "acknowledge",
                meta: { tid: "commit.doneOfSeveral" },
              },
              {
                guard: "hasFailed",
                target: "idle",
                actions: ["acknowledge", "forget", "tellFlowing"],
                meta: { tid: "commit.doneAgain" },
              },
              { target: "idle", actions: "acknowledge", meta: { tid: "commit.done" } },
            ],
            "write.failed": [
              { guard: "isStale", meta: { tid: "commit.staleFailed" } },
              { guard: "isRefused", target: "rollingBack", meta: { tid: "commit.refused" } },
              { guard: "isQuota", target: "blocked", meta: { tid: "commit.quota" } },
              { target: "retrying", actions: "suspectIfLost", meta: { tid: "commit.failed" } },
            ],
            "storage.lost": { target: "retrying", meta: { tid: "commit.storageLost" } },
          },
          after: {
            watchdog: {
              target: "retrying",
              actions: "tellSuspected",
              meta: { tid: "commit.watchdog" },
            },
          },
        },
        rollingBack: {
          entry: { type: "rollBack", params: { code: "storage_failed" } },
          always: [
            {
              guard: "hasInFlight",
              target: "retrying.ensuring",
              meta: { tid: "commit.rolledBackOne" },
            },
            {
              target: "idle",
              actions: ["forget", "tellFlowing"],
              meta: { tid: "commit.rolledBack" },
            },
          ],
        },
        rejecting: {
          entry: [
            { type: "rollBack", params: { code: "storage_full" } },
            "forget",
            "count",
            "tellFull",
          ],
          always: { target: "idle", meta: { tid: "commit.rejected" } },
        },
        retrying: {
          initial: "waiting",
          on: {
            // A page that left wrote past what is looked up, or an answer came late: it is an answer.
            "write.done": [
              { guard: "isStale", meta: { tid: "commit.lateStale" } },
              {
                guard: "hasMoreInFlight",
                actions: "acknowledge",
                meta: { tid: "commit.lateDone" },
              },
              {
                target: "idle",
                actions: ["acknowledge", "forget", "tellFlowing"],
                meta: { tid: "commit.lateLast" },
              },
            ],
          },
          states: {
            waiting: {
              entry: ["count", "tellDelayed"],
              after: { retryDelay: { target: "ensuring", meta: { tid: "commit.retry" } } },
              on: {
                "storage.opened": { target: "ensuring", meta: { tid: "commit.reopened" } },
                "page.returned": { target: "ensuring", meta: { tid: "commit.hurried" } },
              },
            },
            ensuring: {
              entry: "ensure",
              always: {
                guard: "isNothingInFlight",
                target: "#commit.open.idle",
                actions: ["forget", "tellFlowing"],
                meta: { tid: "commit.nothingLeft" },
              },
              on: {
                "ensure.done": [
                  {
                    guard: "hasMoreInFlight",
                    actions: "acknowledge",
                    meta: { tid: "commit.ensuredOfSeveral" },
                  },
                  {
                    target: "#commit.open.idle",
                    actions: ["acknowledge", "forget", "tellFlowing"],
                    meta: { tid: "commit.ensured" },
                  },
                ],
                "ensure.failed": [
                  {
                    guard: "isRefused",
                    target: "#commit.open.rollingBack",
                    meta: { tid: "commit.ensureRefused" },
                  },
                  {
                    guard: "isQuota",
                    target: "#commit.open.blocked",
                    meta: { tid: "commit.ensureQuota" },
                  },
                  {
                    guard: "isLostAgain",
                    target: "#commit.open.blocked.waiting",
                    actions: "tellSuspected",
                    meta: { tid: "commit.ensureLostAgain" },
                  },
                  {
                    target: "waiting",
                    actions: "suspectIfLost",
                    meta: { tid: "commit.ensureFailed" },
                  },
                ],
                "storage.lost": { target: "waiting", meta: { tid: "commit.ensureStorageLost" } },
              },
              after: {
                watchdog: {
                  target: "waiting",
                  actions: "tellSuspected",
                  meta: { tid: "commit.ensureWatchdog" },
                },
              },
            },
          },
        },
        blocked: {
          initial: "evicting",
          states: {
            evicting: {
              entry: "evict",
              on: {
                "evict.done": [
                  {
                    guard: "hasEvicted",
                    target: "#commit.open.retrying.ensuring",
                    meta: { tid: "commit.evicted" },
                  },
                  {
                    guard: "isRejecting",
                    target: "#commit.open.rejecting",
                    meta: { tid: "commit.rejecting" },
                  },
                  { target: "waiting", meta: { tid: "commit.nothingToEvict" } },
                ],
              },
              after: {
                watchdog: {
                  target: "#commit.open.retrying",
                  actions: "tellSuspected",
                  meta: { tid: "commit.evictHung" },
                },
              },
            },
            waiting: {
              entry: "tellFull",
              after: {
                fullDelay: {
                  target: "#commit.open.retrying.ensuring",
                  meta: { tid: "commit.tryAgain" },
                },
              },
              on: {
                "page.returned": {
                  target: "#commit.open.retrying.ensuring",
                  meta: { tid: "commit.pageReturned" },
                },
                "storage.opened": {
                  target: "#commit.open.retrying.ensuring",
                  meta: { tid: "commit.reopenedFull" },
                },
                // A page that left wrote what was queued: there is space.
                "write.done": {
                  target: "#commit.open.retrying.ensuring",
                  actions: "acknowledge",
                  meta: { tid: "commit.spaceFound" },
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
