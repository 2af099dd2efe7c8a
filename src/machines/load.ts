/*
 * load: brings memory up to what is on disk, at the start and whenever something was missed.
 *
 *  ┌─────────┐ storage.opened ┌─────────┐ older schema ┌───────────┐
 *  │ waiting │───────────────►│ reading │─────────────►│ migrating │──► reading
 *  └───▲─────┘                └─┬──┬──┬─┘              └───────────┘
 *      │                        │  │  ├ damaged meta ──► repairing ── rebuilt ──► reading; not understood ──► failed
 *      │ connection lost        │  │  └ newer schema or format ──► outdated
 *      └────────────────────────┤  │ damaged pieces   ┌──────────────┐
 *                               │  └─────────────────►│ quarantining │──┐
 *                 cannot be read│ sound               └──────────────┘  │
 *                               ▼    ┌───────────┐ ◄───────────────────┘
 *                            failed  │ replaying │──► ready ── gap.found ──► reading
 *                                    └───────────┘
 *
 * 1. One readonly transaction gives the whole picture; memory changes in `replaying`, in one synchronous step.
 * 2. A read error is not an empty database: nothing is written after it (G9). What fails is read again after a growing pause
 *    (`rereading`); after a read that the connection did not answer, that is doubted as well (`doubting`).
 * 3. Damaged pieces are stored in quarantine, with their raw bytes, before `ready` (G8). Where there is no space for them
 *    they stay where they are; a leader does not fold before it has stored them.
 * 4. What is heard of while reading is only noted (`wanted`): if this round does not bring it, one more does. A round covers
 *    all that was heard before it began, so a position that is not in the log is asked for once.
 * 5. A connection is written to only after memory has taken over what it leads to. When that is other data than before, memory
 *    starts over, and keeps what this tab has still to store.
 * 6. With its connection a round is over: what an old one still reads is no news. The next connection begins a new round.
 * 7. A read that failed twice, was lost three times or was never answered is made record by record from then on: one record
 *    that is gone does not hide the others. Chromium says of a file that is cut short what it says of a lost connection.
 * 8. Damaged `meta` is rebuilt from what is readable, and then read; where nothing is understood, nothing is written.
 */
import { assign, setup } from "xstate";
import { type Owned, backoff, failureOf, maxIterations, promised, tell } from "./common.ts";

export type ReadMode = "first" | "again";

export type ReadReport =
  | { readonly tag: "read"; readonly damaged: number }
  | { readonly tag: "newer" }
  | { readonly tag: "older" }
  /** `meta` does not say what the rest is. */
  | { readonly tag: "damaged" }
  | { readonly tag: "unreadable" };

export type LoadEvent =
  | { readonly type: "storage.opened" }
  | { readonly type: "storage.lost" }
  | { readonly type: "gap.found"; readonly position: number };

export type LoadReport =
  | { readonly type: "load.ready" }
  | { readonly type: "load.outdated" }
  | { readonly type: "load.failed" }
  | { readonly type: "storage.suspected" };

export interface Context extends Owned {
  readonly mode: ReadMode;
  readonly attempts: number;
  /** Read record by record. */
  readonly careful: boolean;
  /** How often `meta` was rebuilt without a read that understood it. */
  readonly repairs: number;
  /** A position that memory has to reach. */
  readonly wanted: number;
}

export const loadMachine = setup({
  types: {} as { context: Context; events: LoadEvent; input: Owned },
  actors: {
    read: promised<ReadReport, { mode: ReadMode; careful: boolean }>(),
    /** Rebuilds `meta`; false when nothing is understood. */
    repair: promised<boolean, void>(),
    migrate: promised<void, void>(),
    quarantine: promised<void, void>(),
    /** Applies the picture; gives the position that memory has reached, -1 when memory is too far ahead of it. */
    replay: promised<number, void>(),
  },
  delays: {
    rereadDelay: ({ context }) => backoff(context.attempts),
    /** Short at first: what keeps it waiting may be one record. */
    readDeadline: ({ context }) => (context.careful ? 60_000 : 20_000),
    deadline: 60_000,
  },
  guards: {
    isNewer: (_, params: { report: ReadReport }) => params.report.tag === "newer",
    isOlder: (_, params: { report: ReadReport }) => params.report.tag === "older",
    isRepairable: ({ context }, params: { report: ReadReport }) =>
      params.report.tag === "damaged" && context.repairs < 3,
    isRepaired: (_, params: { repaired: boolean }) => params.repaired,
    isRefused: (_, params: { error: unknown }) => failureOf(params.error) === "refused",
    isUnreadable: (_, params: { report: ReadReport }) =>
      params.report.tag === "unreadable" || params.report.tag === "damaged",
    hasDamage: (_, params: { report: ReadReport }) =>
      params.report.tag === "read" && params.report.damaged > 0,
    hasTriesLeft: ({ context }) => context.mode === "again" || context.attempts < 6,
    isLost: (_, params: { error: unknown }) => failureOf(params.error) === "lost",
    isUnbridged: (_, params: { position: number }) => params.position < 0,
    isQuota: (_, params: { error: unknown }) => failureOf(params.error) === "quota",
    isBehind: ({ context }, params: { position: number }) => params.position < context.wanted,
  },
  actions: {
    want: assign({
      wanted: ({ context, event }) =>
        event.type === "gap.found" ? Math.max(context.wanted, event.position) : context.wanted,
    }),
    begin: assign({ wanted: 0 }),
    count: assign({ attempts: ({ context }) => context.attempts + 1 }),
    countRepair: assign({ repairs: ({ context }) => context.repairs + 1 }),
    /** A lost connection says nothing about records, unless each one is lost. */
    beCareful: assign({
      careful: ({ context }, params: { error: unknown }) =>
        context.careful || context.attempts > (failureOf(params.error) === "lost" ? 1 : 0),
    }),
    beMoreCareful: assign({ careful: true }),
    forget: assign({ attempts: 0, repairs: 0, mode: "again" }),
    /** A write failed, for want of space perhaps: that will pass, however long it takes. Only what cannot be read gives up. */
    spare: assign({ attempts: ({ context }) => Math.min(context.attempts, 1) }),
    tellSuspected: tell({ type: "storage.suspected" }),
    tellReady: tell({ type: "load.ready" }),
    tellOutdated: tell({ type: "load.outdated" }),
    tellFailed: tell({ type: "load.failed" }),
  },
}).createMachine({
  id: "load",
  context: ({ input }) => ({
    owner: input.owner,
    mode: "first",
    attempts: 0,
    careful: false,
    repairs: 0,
    wanted: 0,
  }),
  on: {
    "gap.found": { actions: "want", meta: { tid: "load.noted" } },
    "storage.lost": { target: ".waiting", meta: { tid: "load.lost" } },
  },
  initial: "waiting",
  states: {
    waiting: {
      on: { "storage.opened": { target: "reading", meta: { tid: "load.start" } } },
    },
    rereading: {
      entry: "count",
      after: {
        rereadDelay: { target: "reading", meta: { tid: "load.reread" } },
      },
    },
    doubting: {
      entry: "count",
      after: {
        // Nobody else may have noticed. After the pause: what opens at once and fails at once must not spin.
        rereadDelay: {
          target: "reading",
          actions: "tellSuspected",
          meta: { tid: "load.rereadDoubtful" },
        },
      },
    },
    reading: {
      entry: "begin",
      invoke: {
        id: "read",
        src: "read",
        input: ({ context }) => ({ mode: context.mode, careful: context.careful }),
        onDone: [
          {
            guard: { type: "isNewer", params: ({ event }) => ({ report: event.output }) },
            target: "outdated",
            meta: { tid: "load.newer" },
          },
          {
            guard: { type: "isOlder", params: ({ event }) => ({ report: event.output }) },
            target: "migrating",
            meta: { tid: "load.older" },
          },
          {
            guard: { type: "isRepairable", params: ({ event }) => ({ report: event.output }) },
            target: "repairing",
            meta: { tid: "load.metaDamaged" },
          },
          {
            guard: { type: "isUnreadable", params: ({ event }) => ({ report: event.output }) },
            target: "failed",
            meta: { tid: "load.unreadable" },
          },
          {
            guard: { type: "hasDamage", params: ({ event }) => ({ report: event.output }) },
            target: "quarantining",
            meta: { tid: "load.damaged" },
          },
          { target: "replaying", meta: { tid: "load.sound" } },
        ],
        onError: [
          {
            guard: { type: "isLost", params: ({ event }) => ({ error: event.error }) },
            target: "doubting",
            actions: { type: "beCareful", params: ({ event }) => ({ error: event.error }) },
            meta: { tid: "load.readLost" },
          },
          {
            guard: { type: "isQuota", params: ({ event }) => ({ error: event.error }) },
            target: "rereading",
            actions: "spare",
            meta: { tid: "load.full" },
          },
          {
            guard: "hasTriesLeft",
            target: "rereading",
            actions: { type: "beCareful", params: ({ event }) => ({ error: event.error }) },
            meta: { tid: "load.readFailed" },
          },
          { target: "failed", meta: { tid: "load.gaveUp" } },
        ],
      },
      after: {
        readDeadline: {
          target: "rereading",
          actions: ["beMoreCareful", "tellSuspected"],
          meta: { tid: "load.readHung" },
        },
      },
    },
    migrating: {
      invoke: {
        id: "migrate",
        src: "migrate",
        onDone: { target: "reading", meta: { tid: "load.migrated" } },
        onError: {
          target: "rereading",
          actions: "spare",
          meta: { tid: "load.migrationFailed" },
        },
      },
      after: {
        deadline: {
          target: "rereading",
          actions: "tellSuspected",
          meta: { tid: "load.migrationHung" },
        },
      },
    },
    repairing: {
      entry: "countRepair",
      invoke: {
        id: "repair",
        src: "repair",
        onDone: [
          {
            guard: { type: "isRepaired", params: ({ event }) => ({ repaired: event.output }) },
            target: "reading",
            meta: { tid: "load.repaired" },
          },
          { target: "failed", meta: { tid: "load.beyondRepair" } },
        ],
        onError: [
          {
            guard: { type: "isRefused", params: ({ event }) => ({ error: event.error }) },
            target: "failed",
            meta: { tid: "load.repairRefused" },
          },
          { target: "rereading", actions: "spare", meta: { tid: "load.repairFailed" } },
        ],
      },
      after: {
        deadline: {
          target: "rereading",
          actions: "tellSuspected",
          meta: { tid: "load.repairHung" },
        },
      },
    },
    quarantining: {
      invoke: {
        id: "quarantine",
        src: "quarantine",
        onDone: { target: "replaying", meta: { tid: "load.quarantined" } },
        onError: [
          {
            guard: { type: "isQuota", params: ({ event }) => ({ error: event.error }) },
            target: "replaying",
            meta: { tid: "load.noSpaceToKeep" },
          },
          { target: "rereading", actions: "spare", meta: { tid: "load.quarantineFailed" } },
        ],
      },
      after: {
        deadline: {
          target: "rereading",
          actions: "tellSuspected",
          meta: { tid: "load.quarantineHung" },
        },
      },
    },
    replaying: {
      invoke: {
        id: "replay",
        src: "replay",
        onDone: [
          {
            guard: { type: "isUnbridged", params: ({ event }) => ({ position: event.output }) },
            target: "rereading",
            meta: { tid: "load.unbridged" },
          },
          {
            guard: { type: "isBehind", params: ({ event }) => ({ position: event.output }) },
            target: "reading",
            actions: "forget",
            meta: { tid: "load.behind" },
          },
          { target: "ready", actions: "forget", meta: { tid: "load.replayed" } },
        ],
        onError: { target: "failed", meta: { tid: "load.replayFailed" } },
      },
    },
    ready: {
      entry: "tellReady",
      on: {
        "gap.found": { target: "reading", meta: { tid: "load.gap" } },
      },
    },
    outdated: {
      entry: "tellOutdated",
      on: {
        // What was committed before is still to be written, and a new connection is written to only after it was read.
        "storage.opened": { target: "reading", meta: { tid: "load.reopenedOutdated" } },
        "storage.lost": { meta: { tid: "load.lostOutdated" } },
      },
    },
    failed: {
      entry: "tellFailed",
      on: { "storage.lost": { meta: { tid: "load.lostFailed" } } },
    },
  },
  options: { maxIterations },
});
