/** What load does with each event in each state. */
import { type Table } from "../table.ts";

export const loadTable: Table = {
  handled: {
    machine: {
      "gap.found": ["load.noted"],
      "storage.lost": ["load.lost"],
    },
    waiting: {
      "storage.opened": ["load.start"],
    },
    rereading: {
      "xstate.after.rereadDelay.load.rereading": ["load.reread"],
    },
    doubting: {
      "xstate.after.rereadDelay.load.doubting": ["load.rereadDoubtful"],
    },
    reading: {
      "xstate.done.actor.read": [
        "load.newer",
        "load.older",
        "load.metaDamaged",
        "load.unreadable",
        "load.damaged",
        "load.sound",
      ],
      "xstate.error.actor.read": ["load.readLost", "load.full", "load.readFailed", "load.gaveUp"],
      "xstate.after.readDeadline.load.reading": ["load.readHung"],
    },
    migrating: {
      "xstate.done.actor.migrate": ["load.migrated"],
      "xstate.error.actor.migrate": ["load.migrationFailed"],
      "xstate.after.deadline.load.migrating": ["load.migrationHung"],
    },
    repairing: {
      "xstate.done.actor.repair": ["load.repaired", "load.beyondRepair"],
      "xstate.error.actor.repair": ["load.repairRefused", "load.repairFailed"],
      "xstate.after.deadline.load.repairing": ["load.repairHung"],
    },
    quarantining: {
      "xstate.done.actor.quarantine": ["load.quarantined"],
      "xstate.error.actor.quarantine": ["load.noSpaceToKeep", "load.quarantineFailed"],
      "xstate.after.deadline.load.quarantining": ["load.quarantineHung"],
    },
    replaying: {
      "xstate.done.actor.replay": ["load.unbridged", "load.behind", "load.replayed"],
      "xstate.error.actor.replay": ["load.replayFailed"],
    },
    ready: {
      "gap.found": ["load.gap"],
    },
    outdated: {
      "storage.opened": ["load.reopenedOutdated"],
      "storage.lost": ["load.lostOutdated"],
    },
    failed: {
      "storage.lost": ["load.lostFailed"],
    },
  },
  ignored: {
    "storage.opened": {
      failed: "What is there was given up: nothing is read or written any more.",
    },
  },
  impossible: {
    "storage.opened": {
      "rereading doubting reading migrating repairing quarantining replaying ready":
        "The connection before is told to be lost first, and then it waits for this one.",
    },
  },
};
