/*
 * storage: one connection per tab, kept open.
 *
 *              opened ┌──────┐ suspected / closed by force ┌────────┐ always ┌───────────┐
 *          ┌─────────►│ open │────────────────────────────►│ losing │───────►│ reopening │
 *  closed  │          └──┬───┘                             └────────┘        └─────┬─────┘
 *    │open │             │ closed for an upgrade                 after reopenDelay │
 *    ▼     │             ▼                                                         │
 *  ┌─────────┐ newer ┌──────────┐                                                  │
 *  │ opening │──────►│ outdated │                                                  │
 *  └┬───▲──┬─┘       └──────────┘                                                  │
 *   │   │  └─ failed, tries left ─────────────► reopening ◄────────────────────────┘ (then opening)
 *   │   └── blocked ◄─ blocked                 unavailable ── after retryDelay ──► opening
 *   └────── failed, no tries left ────────────► unavailable
 *
 * 1. A dead handle is dropped, never tried again: `losing` closes it before anything is opened.
 * 2. A newer layout, or one that another tab upgrades to, is left alone: `outdated` opens nothing.
 * 3. Storage that cannot be opened is told, and tried again: `unavailable` is not the end.
 * 4. `blocked` waits: another tab holds an older connection; only a person can close it.
 */
import { assign, sendTo, setup } from "xstate";
import { type Failure, type Owned, backoff, longLived, maxIterations, tell } from "./common.ts";

export type ConnectorCommand = { readonly type: "open" } | { readonly type: "drop" };

export type StorageEvent =
  | { readonly type: "storage.open" }
  | { readonly type: "storage.suspected" }
  | { readonly type: "connection.opened" }
  | { readonly type: "connection.blocked" }
  | { readonly type: "connection.failed"; readonly failure: Failure }
  | { readonly type: "connection.closed"; readonly reason: "forced" | "deleted" | "upgraded" };

export type StorageReport =
  | { readonly type: "storage.opened" }
  | { readonly type: "storage.lost" }
  | { readonly type: "storage.blocked" }
  | { readonly type: "storage.unavailable" }
  | { readonly type: "storage.outdated" };

export interface Context extends Owned {
  readonly attempts: number;
}

export const storageMachine = setup({
  types: {} as { context: Context; events: StorageEvent; input: Owned },
  actors: { connector: longLived<ConnectorCommand>() },
  delays: {
    reopenDelay: ({ context }) => backoff(context.attempts - 1),
    retryDelay: 30_000,
    openDeadline: 10_000,
  },
  guards: {
    isNewer: ({ event }) => event.type === "connection.failed" && event.failure === "newer",
    isUpgraded: ({ event }) => event.type === "connection.closed" && event.reason === "upgraded",
    hasTriesLeft: ({ context }) => context.attempts < 4,
  },
  actions: {
    open: sendTo("connector", { type: "open" }),
    drop: sendTo("connector", { type: "drop" }),
    count: assign({ attempts: ({ context }) => context.attempts + 1 }),
    forget: assign({ attempts: 0 }),
    tellOpened: tell({ type: "storage.opened" }),
    tellLost: tell({ type: "storage.lost" }),
    tellBlocked: tell({ type: "storage.blocked" }),
    tellUnavailable: tell({ type: "storage.unavailable" }),
    tellOutdated: tell({ type: "storage.outdated" }),
  },
}).createMachine({
  id: "storage",
  context: ({ input }) => ({ owner: input.owner, attempts: 0 }),
  invoke: {
    id: "connector",
    src: "connector",
    onError: { target: ".unavailable", meta: { tid: "storage.connectorFailed" } },
  },
  initial: "closed",
  states: {
    closed: { on: { "storage.open": { target: "opening", meta: { tid: "storage.open" } } } },
    opening: {
      entry: ["count", "open"],
      on: {
        "connection.opened": { target: "open", meta: { tid: "storage.opened" } },
        "connection.blocked": { target: "blocked", meta: { tid: "storage.blocked" } },
        "connection.failed": [
          { guard: "isNewer", target: "outdated", meta: { tid: "storage.newer" } },
          { guard: "hasTriesLeft", target: "reopening", meta: { tid: "storage.openFailed" } },
          { target: "unavailable", meta: { tid: "storage.gaveUp" } },
        ],
      },
      after: { openDeadline: { target: "unavailable", meta: { tid: "storage.hung" } } },
    },
    blocked: {
      entry: "tellBlocked",
      on: {
        "connection.opened": { target: "open", meta: { tid: "storage.unblocked" } },
        "connection.failed": { target: "reopening", meta: { tid: "storage.blockedFailed" } },
      },
    },
    open: {
      entry: ["forget", "tellOpened"],
      on: {
        "connection.closed": [
          { guard: "isUpgraded", target: "outdated", meta: { tid: "storage.upgraded" } },
          { target: "losing", meta: { tid: "storage.closed" } },
        ],
        "storage.suspected": { target: "losing", meta: { tid: "storage.suspected" } },
      },
    },
    losing: {
      entry: ["drop", "tellLost", "count"],
      always: { target: "reopening", meta: { tid: "storage.dropped" } },
    },
    reopening: { after: { reopenDelay: { target: "opening", meta: { tid: "storage.reopen" } } } },
    unavailable: {
      entry: ["drop", "tellUnavailable"],
      after: { retryDelay: { target: "opening", meta: { tid: "storage.retry" } } },
      on: { "storage.open": { target: "opening", meta: { tid: "storage.retryNow" } } },
    },
    outdated: { entry: ["drop", "tellOutdated"] },
  },
  options: { maxIterations },
});
