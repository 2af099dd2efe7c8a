/*
 * sync: the root. Starts and supervises the others, and says in one word how this tab is.
 *
 *  ┌─────────┐ load.ready ┌─ live: both at once ────────────────────────────────────┐ stop ┌──────────┐ all durable, ┌─────────┐
 *  │ loading │───────────►│ connection: connected ── lost ──► disconnected         │─────►│ stopping │─────────────►│ stopped │
 *  └─┬────┬──┘            │                ▲── opened and read ───┘                │      └────▲─────┘ handed over  └─────────┘
 *    │    │               │ commits: flowing ──► delayed ──► full ── stored ──► flowing        │       or stopDeadline
 *    │    │               └──────┬─────────────────────────────────────────────────┘           │
 *    │    └ load.failed ► failed │ newer schema, layout or format              stop from every state
 *    └───── outdated ◄───────────┘
 *
 * 1. The children live as long as the root; what they report comes here, and goes on from here to whom it concerns.
 * 2. The gate opens with `load.ready`, and the election starts then: a tab that cannot read does not lead. A new connection
 *    is for `load` first: commits and leadership go on when memory is in step with what is there.
 * 3. Data that was cleared is `data.replaced`: memory has started over, and commits and leadership begin anew on it.
 * 4. `outdated` and `failed` change nothing on disk: the gate is closed and the election retires.
 * 5. `stopping`: first the commits become durable, then leadership is handed over, then everything is released. A storage
 *    that does not answer does not keep the app from stopping. Newer code decides what is written after it was seen, here
 *    as in `outdated`.
 * 6. The connection and the commits go wrong independently of each other: neither hides what became of the other.
 * 7. What takes long is told: `loading` after `slowDelay`, and goes on.
 */
import { type AnyActorRef, assign, sendTo, setup } from "xstate";
import { commitMachine } from "./commit.ts";
import { type CommitReport, type QueueView } from "./commit.ts";
import { type Died, maxIterations } from "./common.ts";
import { type Input as ElectionInput, type ElectionReport, electionMachine } from "./election.ts";
import { type HandoffReport, handoffMachine } from "./handoff.ts";
import { type LoadReport, loadMachine } from "./load.ts";
import { type ServerView } from "./progress.ts";
import { type ReplicationReport } from "./replication-words.ts";
import { replicationMachine } from "./replication.ts";
import { type StorageReport, storageMachine } from "./storage.ts";

export type SyncEvent =
  | StorageReport
  | LoadReport
  | CommitReport
  | ElectionReport
  | HandoffReport
  | ReplicationReport
  | Died
  | { readonly type: "gap.found"; readonly position: number }
  | { readonly type: "log.grew" }
  | { readonly type: "data.replaced" }
  | { readonly type: "heartbeat.seen" }
  | { readonly type: "schema.newer" }
  | { readonly type: "page.leaving" }
  | { readonly type: "page.returned" }
  | { readonly type: "wake" }
  | { readonly type: "look" }
  | { readonly type: "stop" };

export interface SyncInput {
  readonly queue: QueueView;
  readonly locks: ElectionInput["locks"];
  readonly log: { isLong(): boolean; hasLeft(): boolean };
  readonly server: ServerView;
  readonly whenFull: "keep" | "reject";
  /** Whether the app wants memory where storage is unavailable. */
  readonly memory: { allowed(): boolean };
}

interface Context extends SyncInput {
  readonly self: AnyActorRef;
  /** Loading takes long. */
  readonly slow: boolean;
}

export const syncMachine = setup({
  types: {} as {
    context: Context;
    events: SyncEvent;
    input: SyncInput;
    children: {
      storage: "storage";
      load: "load";
      commit: "commit";
      election: "election";
      handoff: "handoff";
      replication: "replication";
    };
  },
  actors: {
    storage: storageMachine,
    load: loadMachine,
    commit: commitMachine,
    election: electionMachine,
    handoff: handoffMachine,
    replication: replicationMachine,
  },
  delays: { stopDeadline: 5000, slowDelay: 10_000 },
  guards: { mayUseMemory: ({ context }) => context.memory.allowed() },
  actions: {
    beSlow: assign({ slow: true }),
    beQuick: assign({ slow: false }),
    openStorage: sendTo("storage", { type: "storage.open" }),
    suspectStorage: sendTo("storage", { type: "storage.suspected" }),
    loadOpened: sendTo("load", { type: "storage.opened" }),
    commitOpened: sendTo("commit", { type: "storage.opened" }),
    handoffOpened: sendTo("handoff", { type: "storage.opened" }),
    loadLost: sendTo("load", { type: "storage.lost" }),
    commitLost: sendTo("commit", { type: "storage.lost" }),
    handoffLost: sendTo("handoff", { type: "storage.lost" }),
    forwardGap: sendTo("load", ({ event }) => event),
    openGate: sendTo("commit", { type: "gate.open" }),
    drainCommits: sendTo("commit", { type: "drain" }),
    drainLeader: sendTo("handoff", { type: "drain" }),
    startElection: sendTo("election", { type: "election.start" }),
    retire: sendTo("election", { type: "election.retire" }),
    tellStorage: sendTo("storage", ({ event }) => event),
    tellElection: sendTo("election", ({ event }) => event),
    tellHandoff: sendTo("handoff", ({ event }) => event),
    tellReplication: sendTo("replication", ({ event }) => event),
    tellCommit: sendTo("commit", ({ event }) => event),
    /** Provided: from now on storage is memory. */
    useMemory: () => undefined,
    /** Provided: resolves `ready`. */
    ready: () => undefined,
    /** Provided: rejects `ready` and what waits for disk. */
    unusable: (_args, _params: { code: "outdated" | "load_failed" }) => undefined,
  },
}).createMachine({
  id: "sync",
  context: ({ input, self }) => ({ ...input, self, slow: false }),
  invoke: [
    {
      id: "storage",
      src: "storage",
      input: ({ context }) => ({ owner: context.self }),
      onError: { target: ".failed", meta: { tid: "sync.storageDied" } },
    },
    {
      id: "load",
      src: "load",
      input: ({ context }) => ({ owner: context.self }),
      onError: { target: ".failed", meta: { tid: "sync.loadDied" } },
    },
    {
      id: "commit",
      src: "commit",
      input: ({ context }) => ({
        owner: context.self,
        queue: context.queue,
        whenFull: context.whenFull,
      }),
      onError: { target: ".failed", meta: { tid: "sync.commitDied" } },
    },
    {
      id: "election",
      src: "election",
      input: ({ context }) => ({ owner: context.self, locks: context.locks }),
      onError: { target: ".failed", meta: { tid: "sync.electionDied" } },
    },
    {
      id: "handoff",
      src: "handoff",
      input: ({ context }) => ({ owner: context.self, log: context.log }),
      onError: { target: ".failed", meta: { tid: "sync.handoffDied" } },
    },
    {
      id: "replication",
      src: "replication",
      input: ({ context }) => ({ owner: context.self, server: context.server }),
      onError: { target: ".failed", meta: { tid: "sync.replicationDied" } },
    },
  ],
  on: {
    stop: { target: ".stopping", meta: { tid: "sync.stop" } },
    "storage.opened": { actions: "loadOpened", meta: { tid: "sync.storageOpened" } },
    "storage.suspected": { actions: "suspectStorage", meta: { tid: "sync.storageSuspected" } },
    "storage.lost": {
      actions: ["loadLost", "commitLost", "handoffLost"],
      meta: { tid: "sync.storageLost" },
    },
    "service.died": { target: ".failed", meta: { tid: "sync.serviceDied" } },
    "storage.outdated": { target: ".outdated", meta: { tid: "sync.layoutNewer" } },
    "load.outdated": { target: ".outdated", meta: { tid: "sync.dataNewer" } },
    "schema.newer": { target: ".outdated", meta: { tid: "sync.schemaNewer" } },
    "gap.found": { actions: "forwardGap", meta: { tid: "sync.gap" } },
    "heartbeat.seen": { actions: "tellElection", meta: { tid: "sync.heartbeat" } },
    "term.lost": { actions: "tellElection", meta: { tid: "sync.termLost" } },
    "election.won": { actions: "tellHandoff", meta: { tid: "sync.won" } },
    "election.lost": { actions: "tellHandoff", meta: { tid: "sync.lost" } },
    "log.grew": { actions: "tellHandoff", meta: { tid: "sync.grew" } },
    "handoff.serving": { actions: "tellReplication", meta: { tid: "sync.serving" } },
    "handoff.suspended": { actions: "tellReplication", meta: { tid: "sync.suspended" } },
    wake: { actions: "tellReplication", meta: { tid: "sync.wake" } },
    look: { actions: "tellReplication", meta: { tid: "sync.look" } },
    "page.leaving": { actions: ["tellCommit", "tellElection"], meta: { tid: "sync.leaving" } },
    "page.returned": {
      actions: ["tellStorage", "tellCommit", "tellElection"],
      meta: { tid: "sync.returned" },
    },
  },
  initial: "loading",
  entry: "openStorage",
  states: {
    loading: {
      exit: "beQuick",
      after: { slowDelay: { actions: "beSlow", meta: { tid: "sync.slow" } } },
      on: {
        "load.ready": {
          target: "live",
          actions: ["openGate", "startElection", "ready"],
          meta: { tid: "sync.loaded" },
        },
        "load.failed": { target: "failed", meta: { tid: "sync.loadFailed" } },
        // Not later: memory would begin empty, under rows that are shown already.
        "storage.unavailable": {
          guard: "mayUseMemory",
          actions: ["useMemory", "openStorage"],
          meta: { tid: "sync.memory" },
        },
      },
    },
    live: {
      type: "parallel",
      on: {
        "load.failed": { target: "failed", meta: { tid: "sync.recoveryFailed" } },
        "data.replaced": {
          actions: ["commitOpened", "handoffOpened"],
          meta: { tid: "sync.startedOver" },
        },
      },
      states: {
        connection: {
          initial: "connected",
          states: {
            connected: {
              on: {
                "storage.lost": {
                  target: "disconnected",
                  actions: ["loadLost", "commitLost", "handoffLost"],
                  meta: { tid: "sync.disconnected" },
                },
              },
            },
            disconnected: {
              on: {
                "load.ready": {
                  target: "connected",
                  actions: ["commitOpened", "handoffOpened"],
                  meta: { tid: "sync.reconnected" },
                },
              },
            },
          },
        },
        commits: {
          initial: "flowing",
          states: {
            flowing: {
              on: {
                "commit.delayed": { target: "delayed", meta: { tid: "sync.delayed" } },
                "commit.full": { target: "full", meta: { tid: "sync.full" } },
              },
            },
            delayed: {
              on: {
                "commit.full": { target: "full", meta: { tid: "sync.delayedFull" } },
                "commit.flowing": { target: "flowing", meta: { tid: "sync.flowing" } },
              },
            },
            // Whatever else goes wrong meanwhile: it is told as full until something is stored.
            full: {
              on: { "commit.flowing": { target: "flowing", meta: { tid: "sync.flowingAgain" } } },
            },
          },
        },
      },
    },
    outdated: {
      entry: ["drainCommits", "retire", { type: "unusable", params: { code: "outdated" } }],
      on: {
        "load.outdated": { meta: { tid: "sync.stillOutdated" } },
        "schema.newer": { meta: { tid: "sync.stillNewer" } },
      },
    },
    failed: {
      entry: ["drainCommits", "retire", { type: "unusable", params: { code: "load_failed" } }],
    },
    stopping: {
      entry: "drainCommits",
      on: {
        "commit.closed": { actions: "drainLeader", meta: { tid: "sync.flushed" } },
        "handoff.drained": { target: "stopped", meta: { tid: "sync.handedOver" } },
        "load.ready": { actions: "commitOpened", meta: { tid: "sync.stoppingReconnected" } },
        "storage.outdated": { meta: { tid: "sync.stoppingOutdated" } },
        "load.outdated": {
          actions: { type: "unusable", params: { code: "outdated" } },
          meta: { tid: "sync.stoppingDataNewer" },
        },
        "schema.newer": {
          actions: { type: "unusable", params: { code: "outdated" } },
          meta: { tid: "sync.stoppingSchemaNewer" },
        },
        "service.died": { meta: { tid: "sync.stoppingDied" } },
      },
      after: { stopDeadline: { target: "stopped", meta: { tid: "sync.stopDeadline" } } },
    },
    stopped: { type: "final" },
  },
  options: { maxIterations },
});
