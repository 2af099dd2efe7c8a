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
 *   │   ├── blocked ◄─ blocked                 unavailable ── after retryDelay ──► opening
 *   │   └── hung ◄─ no answer, after retryDelay    ▲
 *   └────── failed, no tries left ─────────────────┘
 *
 * 1. A dead handle is dropped, never tried again: `losing` closes it before anything is opened. However many failures it
 *    caused, it is lost once: suspicion counts in `open` alone, and there it is about the connection of now.
 * 2. A newer layout, or one that another tab upgrades to, is left alone: `outdated` opens nothing.
 * 3. Storage that cannot be opened is told, and tried again: `unavailable` is not the end. A page that comes back tries now.
 * 4. `blocked` waits: another tab holds an older connection; only a person can close it.
 * 5. An `open` without an answer is helped by a second one, then told (`hung`). Whichever is answered first is taken, however
 *    late and in whatever state; the connection of the other one is closed when it comes.
 * 6. Only a connection that lasts is a success: one that is lost again and again is opened after ever longer pauses.
 */
import { assign, sendTo, setup } from "xstate";
import {
  type Died,
  type Failure,
  type Owned,
  backoff,
  longLived,
  maxIterations,
  tell,
  tellDied,
} from "./common.ts";

export type ConnectorCommand = { readonly type: "open" } | { readonly type: "drop" };

export type StorageEvent =
  | { readonly type: "storage.open" }
  | { readonly type: "storage.suspected" }
  | { readonly type: "page.returned" }
  | { readonly type: "connection.opened" }
  | { readonly type: "connection.blocked" }
  | { readonly type: "connection.failed"; readonly failure: Failure }
  | { readonly type: "connection.closed"; readonly reason: "forced" | "deleted" | "upgraded" };

export type StorageReport =
  | Died
  | { readonly type: "storage.opened" }
  | { readonly type: "storage.lost" }
  | { readonly type: "storage.blocked" }
  | { readonly type: "storage.unavailable" }
  | { readonly type: "storage.outdated" };

export interface Context extends Owned {
  /** To open, since there was a connection. */
  readonly attempts: number;
  /** Connections that were lost, since one lasted. */
  readonly losses: number;
}

export const storageMachine = setup({
  types: {} as { context: Context; events: StorageEvent; input: Owned },
  actors: { connector: longLived<ConnectorCommand>() },
  delays: {
    reopenDelay: ({ context }) => backoff(Math.max(1, context.attempts, context.losses) - 1),
    retryDelay: 30_000,
    secondDelay: 3000,
    openDeadline: 10_000,
    provenDelay: 10_000,
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
    countLoss: assign({ losses: ({ context }) => context.losses + 1 }),
    forgive: assign({ losses: 0 }),
    tellOpened: tell({ type: "storage.opened" }),
    tellLost: tell({ type: "storage.lost" }),
    tellBlocked: tell({ type: "storage.blocked" }),
    tellUnavailable: tell({ type: "storage.unavailable" }),
    tellDied,
    tellOutdated: tell({ type: "storage.outdated" }),
  },
}).createMachine({
  id: "storage",
  context: ({ input }) => ({ owner: input.owner, attempts: 0, losses: 0 }),
  invoke: {
    id: "connector",
    src: "connector",
    onError: {
      target: ".unavailable",
      actions: "tellDied",
      meta: { tid: "storage.connectorFailed" },
    },
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
      after: {
        secondDelay: { actions: "open", meta: { tid: "storage.openSecond" } },
        openDeadline: { target: "hung", meta: { tid: "storage.hung" } },
      },
    },
    hung: {
      entry: "tellUnavailable",
      on: {
        "connection.opened": { target: "open", meta: { tid: "storage.openedHung" } },
        "connection.blocked": { target: "blocked", meta: { tid: "storage.blockedHung" } },
        "connection.failed": [
          { guard: "isNewer", target: "outdated", meta: { tid: "storage.newerHung" } },
          { target: "unavailable", meta: { tid: "storage.failedHung" } },
        ],
        "storage.open": { target: "opening", actions: "drop", meta: { tid: "storage.openHung" } },
        "page.returned": { target: "opening", meta: { tid: "storage.returnedHung" } },
      },
      after: { retryDelay: { target: "opening", meta: { tid: "storage.retryHung" } } },
    },
    blocked: {
      entry: "tellBlocked",
      on: {
        "connection.opened": { target: "open", meta: { tid: "storage.unblocked" } },
        "connection.failed": [
          { guard: "isNewer", target: "outdated", meta: { tid: "storage.blockedNewer" } },
          { target: "reopening", meta: { tid: "storage.blockedFailed" } },
        ],
      },
    },
    open: {
      entry: ["forget", "tellOpened"],
      after: { provenDelay: { actions: "forgive", meta: { tid: "storage.proven" } } },
      on: {
        "connection.closed": [
          { guard: "isUpgraded", target: "outdated", meta: { tid: "storage.upgraded" } },
          { target: "losing", meta: { tid: "storage.closed" } },
        ],
        "storage.suspected": { target: "losing", meta: { tid: "storage.suspected" } },
      },
    },
    losing: {
      entry: ["drop", "tellLost", "countLoss"],
      always: { target: "reopening", meta: { tid: "storage.dropped" } },
    },
    reopening: {
      on: {
        "connection.opened": { target: "open", meta: { tid: "storage.openedReopening" } },
        "page.returned": { target: "opening", meta: { tid: "storage.returnedReopening" } },
      },
      after: { reopenDelay: { target: "opening", meta: { tid: "storage.reopen" } } },
    },
    unavailable: {
      entry: "tellUnavailable",
      on: {
        "connection.opened": { target: "open", meta: { tid: "storage.openedUnavailable" } },
        "storage.open": { target: "opening", actions: "drop", meta: { tid: "storage.retryNow" } },
        "page.returned": { target: "opening", meta: { tid: "storage.returned" } },
      },
      after: { retryDelay: { target: "opening", meta: { tid: "storage.retry" } } },
    },
    outdated: { entry: ["drop", "tellOutdated"] },
  },
  options: { maxIterations },
});
