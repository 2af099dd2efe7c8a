/** What replication does with each event in each state. */
import { type Table } from "../table.ts";

export const replicationTable: Table = {
  handled: {
    machine: {
      "handoff.serving": ["replication.serving"],
      "handoff.suspended": ["replication.suspended"],
    },
    on: {
      "live.poked": ["replication.poked"],
      "live.due": ["replication.due"],
      "live.opened": ["replication.liveOpened"],
      "live.closed": ["replication.liveClosed"],
      "live.page": ["replication.pageCame"],
      wake: ["replication.woke"],
      look: ["replication.looked"],
      "xstate.error.actor.*": ["replication.broke"],
    },
    "on.deciding": {
      always: [
        "replication.adopt",
        "replication.unadopted",
        "replication.early",
        "replication.pull",
        "replication.push",
        "replication.inform",
        "replication.rest",
      ],
    },
    "on.pushing.attempting": {
      "xstate.done.actor.attempt": ["replication.attempted"],
      "xstate.error.actor.attempt": ["replication.attemptFailed"],
      "xstate.after.deadline.replication.on.pushing.attempting": ["replication.attemptHung"],
    },
    "on.pushing.sending": {
      "xstate.done.actor.push": ["replication.sent"],
    },
    "on.pushing.recording": {
      "xstate.done.actor.record": ["replication.recorded"],
      "xstate.error.actor.record": ["replication.recordFailed"],
      "xstate.after.deadline.replication.on.pushing.recording": ["replication.recordHung"],
    },
    "on.pushing.refusing": {
      "xstate.done.actor.refuse": ["replication.refused"],
      "xstate.error.actor.refuse": ["replication.refuseFailed"],
      "xstate.after.deadline.replication.on.pushing.refusing": ["replication.refuseHung"],
    },
    "on.pushing.noting": {
      "xstate.done.actor.note": ["replication.noted"],
      "xstate.error.actor.note": ["replication.noteFailed"],
      "xstate.after.deadline.replication.on.pushing.noting": ["replication.noteHung"],
    },
    "on.pulling.asking": {
      "xstate.done.actor.pull": ["replication.pulled"],
    },
    "on.pulling.applying": {
      "xstate.done.actor.apply": ["replication.applied"],
      "xstate.error.actor.apply": ["replication.applyFailed"],
      "xstate.after.deadline.replication.on.pulling.applying": ["replication.applyHung"],
    },
    "on.resetting.paging": {
      "xstate.done.actor.page": ["replication.paged"],
    },
    "on.resetting.swapping": {
      "xstate.done.actor.swap": ["replication.swapped"],
      "xstate.error.actor.swap": ["replication.swapFailed"],
      "xstate.after.deadline.replication.on.resetting.swapping": ["replication.swapHung"],
    },
    "on.rotating": {
      "xstate.done.actor.rotate": ["replication.rotated"],
      "xstate.error.actor.rotate": ["replication.rotateFailed"],
      "xstate.after.deadline.replication.on.rotating": ["replication.rotateHung"],
    },
    "on.adopting": {
      "xstate.done.actor.adopt": ["replication.adopted"],
      "xstate.error.actor.adopt": ["replication.adoptFailed"],
      "xstate.after.deadline.replication.on.adopting": ["replication.adoptHung"],
    },
    "on.informing": {
      "xstate.done.actor.info": ["replication.informed"],
    },
    "on.judging": {
      always: [
        "replication.takenPush",
        "replication.takenPage",
        "replication.lastPage",
        "replication.nextPage",
        "replication.refusedPush",
        "replication.refresh",
        "replication.unauthorized",
        "replication.forbidden",
        "replication.unknown",
        "replication.reset",
        "replication.snapshotGone",
        "replication.split",
        "replication.single",
        "replication.unseenRefusal",
        "replication.tooLarge",
        "replication.bad",
        "replication.failed",
      ],
    },
    "on.weighing": {
      always: [
        "replication.fenced",
        "replication.send",
        "replication.unseenOversize",
        "replication.oversize",
        "replication.rotate",
        "replication.resend",
        "replication.stopped",
        "replication.decided",
        "replication.pullLess",
        "replication.notUnderstood",
        "replication.page",
        "replication.emptyPage",
        "replication.newBase",
        "replication.newClient",
        "replication.gaveUp",
        "replication.nowServers",
        "replication.notedDone",
        "replication.cameToNothing",
      ],
    },
    "on.restarting": {
      always: ["replication.often", "replication.restart"],
    },
    "on.failing": {
      always: ["replication.offline", "replication.note", "replication.backOff"],
    },
    "on.idle": {
      "log.grew": ["replication.grew"],
      "live.poked": ["replication.pokedIdle"],
      "live.due": ["replication.dueIdle"],
      "live.opened": ["replication.openedIdle"],
      "live.page": ["replication.pageNext", "replication.pageOther"],
      wake: ["replication.wokeIdle", "replication.wokeAgain"],
      "xstate.after.watchdog.replication.on.idle": [
        "replication.watchdog",
        "replication.unwatched",
      ],
    },
    "on.backoff": {
      wake: ["replication.wokeBackoff"],
      "xstate.after.delay.replication.on.backoff": ["replication.tryAgain"],
    },
    "on.offline": {
      wake: ["replication.wokeOffline"],
      "xstate.after.delay.replication.on.offline": ["replication.probe"],
    },
    "on.refreshing": {
      "xstate.done.actor.renew": [
        "replication.renewed",
        "replication.tryToken",
        "replication.sameToken",
      ],
      "xstate.after.deadline.replication.on.refreshing": ["replication.renewHung"],
    },
    "on.denied": {
      wake: ["replication.wokeDenied"],
      "xstate.after.authDelay.replication.on.denied": ["replication.askToken"],
    },
    "on.denied.unchanged": {
      always: ["replication.stillForbidden", "replication.noToken"],
    },
    "on.incompatible": {
      wake: ["replication.wokeIncompatible"],
      "xstate.after.slowDelay.replication.on.incompatible": ["replication.askAgain"],
    },
    "on.faulted": {
      "xstate.after.delay.replication.on.faulted": ["replication.storeAgain"],
    },
  },
  ignored: {
    "log.grew": {
      "on.deciding on.pushing.attempting on.pushing.sending on.pushing.recording on.pushing.refusing on.pushing.noting on.pulling.asking on.pulling.applying on.resetting.paging on.resetting.swapping on.rotating on.adopting on.informing on.judging on.weighing on.restarting on.failing on.backoff on.offline on.refreshing on.denied.unchanged on.denied.unauthorized on.denied.forbidden on.incompatible on.faulted":
        "What is undecided is asked for after each step, not remembered.",
    },
    look: { off: "Whoever does not lead asks the server for nothing." },
    wake: { off: "Whoever does not lead asks the server for nothing." },
  },
  impossible: {
    "log.grew": { off: "Only a machine that rests is told." },
    "live.closed": { off: "What listens is stopped with `on`." },
    "live.due": { off: "What listens is stopped with `on`." },
    "live.opened": { off: "What listens is stopped with `on`." },
    "live.page": { off: "What listens is stopped with `on`." },
    "live.poked": { off: "What listens is stopped with `on`." },
  },
};
