/** What sync does with each event in each state. */
import { type Table } from "../table.ts";

export const syncTable: Table = {
  handled: {
    machine: {
      stop: ["sync.stop"],
      "storage.opened": ["sync.storageOpened"],
      "storage.suspected": ["sync.storageSuspected"],
      "storage.lost": ["sync.storageLost"],
      "service.died": ["sync.serviceDied"],
      "storage.outdated": ["sync.layoutNewer"],
      "load.outdated": ["sync.dataNewer"],
      "schema.newer": ["sync.schemaNewer"],
      "gap.found": ["sync.gap"],
      "heartbeat.seen": ["sync.heartbeat"],
      "term.lost": ["sync.termLost"],
      "election.won": ["sync.won"],
      "election.lost": ["sync.lost"],
      "log.grew": ["sync.grew"],
      "handoff.serving": ["sync.serving"],
      "handoff.suspended": ["sync.suspended"],
      wake: ["sync.wake"],
      look: ["sync.look"],
      "page.leaving": ["sync.leaving"],
      "page.returned": ["sync.returned"],
      "xstate.error.actor.storage": ["sync.storageDied"],
      "xstate.error.actor.load": ["sync.loadDied"],
      "xstate.error.actor.commit": ["sync.commitDied"],
      "xstate.error.actor.election": ["sync.electionDied"],
      "xstate.error.actor.handoff": ["sync.handoffDied"],
      "xstate.error.actor.replication": ["sync.replicationDied"],
    },
    loading: {
      "load.ready": ["sync.loaded"],
      "load.failed": ["sync.loadFailed"],
      "storage.unavailable": ["sync.memory"],
      "xstate.after.slowDelay.sync.loading": ["sync.slow"],
    },
    live: {
      "load.failed": ["sync.recoveryFailed"],
      "data.replaced": ["sync.startedOver"],
    },
    "live.connection.connected": {
      "storage.lost": ["sync.disconnected"],
    },
    "live.connection.disconnected": {
      "load.ready": ["sync.reconnected"],
    },
    "live.commits.flowing": {
      "commit.delayed": ["sync.delayed"],
      "commit.full": ["sync.full"],
    },
    "live.commits.delayed": {
      "commit.full": ["sync.delayedFull"],
      "commit.flowing": ["sync.flowing"],
    },
    "live.commits.full": {
      "commit.flowing": ["sync.flowingAgain"],
    },
    outdated: {
      "load.outdated": ["sync.stillOutdated"],
      "schema.newer": ["sync.stillNewer"],
    },
    stopping: {
      "commit.closed": ["sync.flushed"],
      "handoff.drained": ["sync.handedOver"],
      "load.ready": ["sync.stoppingReconnected"],
      "storage.outdated": ["sync.stoppingOutdated"],
      "load.outdated": ["sync.stoppingDataNewer"],
      "schema.newer": ["sync.stoppingSchemaNewer"],
      "service.died": ["sync.stoppingDied"],
      "xstate.after.stopDeadline.sync.stopping": ["sync.stopDeadline"],
    },
  },
  ignored: {
    "commit.closed": {
      loading: "The gate is closed before it is opened for the first time.",
      "outdated failed": "It was asked to.",
    },
    "commit.delayed": {
      "live.connection.connected live.connection.disconnected": "The other region tells it.",
      "live.commits.delayed": "Told at each attempt.",
      "live.commits.full": "It stays full until something is stored.",
      "outdated failed stopping": "Something graver is told.",
    },
    "commit.flowing": {
      "live.connection.connected live.connection.disconnected": "The other region tells it.",
      "live.commits.flowing": "A commit was rolled back at its first attempt.",
      "outdated failed stopping": "Something graver is told.",
    },
    "commit.full": {
      "live.connection.connected live.connection.disconnected": "The other region tells it.",
      "live.commits.full": "Told at each attempt.",
      "outdated failed stopping": "Something graver is told.",
    },
    "data.replaced": {
      loading: "The browser threw the data away while it was opened: nothing was begun on it.",
      "outdated failed": "Neither commits nor leadership begin again.",
      stopping: "`load.ready` follows, and then the commits go on.",
    },
    "load.failed": {
      "outdated failed": "The gate is closed already.",
      stopping: "`stopDeadline` ends it.",
    },
    "load.ready": {
      "live.connection.connected": "A gap was filled: nothing was cut off.",
      "live.commits.flowing live.commits.delayed live.commits.full": "The other region tells it.",
      "outdated failed": "The gate stays closed; commits of before try again by themselves.",
    },
    "storage.unavailable": {
      "live.connection.connected live.connection.disconnected live.commits.flowing live.commits.delayed live.commits.full":
        "It is tried again, and the status tells it by the state of `storage`. It is too late for memory: there are rows.",
      "outdated failed stopping": "Something graver is told.",
    },
  },
  impossible: {
    "commit.closed": {
      "live.connection.connected live.connection.disconnected live.commits.flowing live.commits.delayed live.commits.full":
        "Nobody asks it to.",
      stopped: "It has ended.",
    },
    "commit.delayed": { loading: "The gate is closed.", stopped: "It has ended." },
    "commit.flowing": { loading: "The gate is closed.", stopped: "It has ended." },
    "commit.full": { loading: "The gate is closed.", stopped: "It has ended." },
    "data.replaced": { stopped: "It has ended." },
    "handoff.drained": {
      "loading live.connection.connected live.connection.disconnected live.commits.flowing live.commits.delayed live.commits.full outdated failed":
        "It is asked to drain when the engine stops.",
      stopped: "It has ended.",
    },
    "load.failed": { stopped: "It has ended." },
    "load.ready": { stopped: "It has ended." },
    "storage.unavailable": { stopped: "It has ended." },
  },
};
