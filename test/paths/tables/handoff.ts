/** What handoff does with each event in each state. */
import { type Table } from "../table.ts";

export const handoffTable: Table = {
  handled: {
    machine: {
      drain: ["handoff.drain"],
    },
    following: {
      "election.won": ["handoff.won"],
    },
    leading: {
      "election.lost": ["handoff.lost"],
      "storage.opened": ["handoff.reopened"],
      "storage.lost": ["handoff.storageLost"],
    },
    "leading.fencing": {
      "xstate.done.actor.claim": ["handoff.fenced"],
      "xstate.error.actor.claim": ["handoff.claimFailed"],
      "xstate.after.deadline.handoff.leading.fencing": ["handoff.claimHung"],
    },
    "leading.recovering": {
      "xstate.done.actor.recover": ["handoff.newer", "handoff.recovered"],
      "xstate.error.actor.recover": ["handoff.recoverFailed"],
      "xstate.after.deadline.handoff.leading.recovering": ["handoff.recoverHung"],
    },
    "leading.replaying": {
      "xstate.done.actor.replay": [
        "handoff.replayFenced",
        "handoff.replayMore",
        "handoff.replayed",
      ],
      "xstate.error.actor.replay": ["handoff.replayFull", "handoff.replayFailed"],
      "xstate.after.deadline.handoff.leading.replaying": ["handoff.replayHung"],
    },
    "leading.stalled": {
      "xstate.after.retryDelay.handoff.leading.stalled": ["handoff.retry"],
    },
    "leading.serving.resting": {
      "log.grew": ["handoff.long"],
      "xstate.after.idleDelay.handoff.leading.serving.resting": ["handoff.idle"],
    },
    "leading.serving.deciding": {
      "xstate.done.actor.decide": ["handoff.decideFenced", "handoff.decideMore", "handoff.decided"],
      "xstate.error.actor.decide": ["handoff.decideFull", "handoff.decideFailed"],
      "xstate.after.deadline.handoff.leading.serving.deciding": ["handoff.decideHung"],
    },
    "leading.serving.folding": {
      "xstate.done.actor.fold": [
        "handoff.foldFenced",
        "handoff.foldMore",
        "handoff.grown",
        "handoff.folded",
      ],
      "xstate.error.actor.fold": ["handoff.foldFull", "handoff.foldFailed"],
      "xstate.after.deadline.handoff.leading.serving.folding": ["handoff.foldHung"],
    },
    "leading.serving.full": {
      "xstate.after.fullDelay.handoff.leading.serving.full": ["handoff.tryAgain"],
    },
    "leading.serving.asleep": {
      "log.grew": ["handoff.woke"],
    },
    draining: {
      "xstate.done.actor.settle": ["handoff.drained"],
      "xstate.error.actor.settle": ["handoff.drainFailed"],
    },
  },
  ignored: {
    "log.grew": {
      "leading.fencing leading.recovering leading.stalled":
        "What there is to decide is read when the log is recovered.",
      "leading.replaying leading.serving.deciding leading.serving.folding leading.serving.full":
        "After the fold it is asked whether anything is left.",
      "draining drained": "The next leader decides it.",
    },
    "election.lost": {
      following: "It follows already: the fence told it first.",
      draining: "It gives up what it holds anyway, and the write in flight is refused.",
    },
    "election.won": { draining: "It stops: the lock goes with it." },
    "storage.lost": {
      following: "Nothing of it is under way: it begins by fencing, when it has won.",
    },
    "storage.opened": { following: "It begins by fencing, when it has won." },
  },
  impossible: {
    "election.won": {
      "leading.fencing leading.recovering leading.replaying leading.stalled leading.serving.resting leading.serving.deciding leading.serving.folding leading.serving.full leading.serving.asleep":
        "The election tells of one win once, and of the loss before the next one.",
      drained: "The root has stopped, and everything with it.",
    },
    "election.lost": { drained: "The root has stopped, and everything with it." },
    "log.grew": {
      following:
        "A tab that does not lead keeps no books of the log, and tells nobody that it grew.",
    },
    "storage.lost": {
      "draining drained": "The root tells of the connection only while it is live.",
    },
    "storage.opened": {
      "draining drained": "The root tells of the connection only while it is live.",
    },
  },
};
