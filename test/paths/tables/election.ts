/** What election does with each event in each state. */
import { type Table } from "../table.ts";

export const electionTable: Table = {
  handled: {
    machine: {
      "election.retire": ["election.retired"],
      "xstate.error.actor.lock": ["election.lockFailed"],
    },
    starting: {
      "election.start": ["election.unsupported", "election.start"],
    },
    "lockless.waiting": {
      "heartbeat.seen": ["election.heardLockless"],
      "page.returned": ["election.returnedLockless"],
      "xstate.after.ownSilence.election.lockless.waiting": [
        "election.silentLockless",
        "election.silentHiddenLockless",
      ],
    },
    "lockless.leading": {
      "term.lost": ["election.fencedLockless"],
      "page.leaving": ["election.resignedLockless"],
      "xstate.error.actor.beat": ["election.beatFailed"],
    },
    candidate: {
      "lock.granted": ["election.granted"],
      "lock.failed": ["election.failed"],
      "page.leaving": ["election.left"],
    },
    "candidate.waiting": {
      "heartbeat.seen": ["election.heard"],
      "xstate.after.silence.election.candidate.waiting": ["election.silent", "election.unjudged"],
    },
    probing: {
      "lock.granted": ["election.grantedProbing"],
      "lock.failed": ["election.probeFailed"],
      "heartbeat.seen": ["election.heardProbing"],
      "page.leaving": ["election.leftProbing"],
    },
    "probing.asking": {
      "xstate.after.probeDelay.election.probing.asking": ["election.asked"],
    },
    "probing.renewing": {
      "xstate.after.renewDelay.election.probing.renewing": ["election.renewed"],
    },
    stealing: {
      "lock.granted": ["election.stolen"],
      "lock.failed": ["election.stealFailed"],
      "page.leaving": ["election.leftStealing"],
      "xstate.after.stealDelay.election.stealing": ["election.stealHung"],
    },
    leader: {
      "lock.lost": ["election.lost"],
      "term.lost": ["election.fenced"],
      "page.leaving": ["election.resigned"],
      "xstate.error.actor.heart": ["election.heartFailed"],
    },
    demoted: {
      "page.returned": ["election.returned"],
      "xstate.after.requeueDelay.election.demoted": ["election.requeued"],
    },
  },
  ignored: {
    "heartbeat.seen": {
      "starting retired": "It does not want to lead.",
      "leader lockless.leading":
        "A later term is told by itself; an earlier one is of somebody who will be fenced.",
      stealing: "The lock is on its way; the fence keeps out whoever shows itself this late.",
      demoted: "It asks for nothing until the delay is over, and queues behind whoever leads.",
    },
    "page.leaving": {
      "starting retired lockless.waiting demoted": "It holds nothing and waits in no queue.",
    },
    "page.returned": {
      "starting retired": "It does not want to lead.",
      "candidate.waiting probing.asking probing.renewing stealing": "It is asking already.",
      "leader lockless.leading": "It was only shown again: on the way out it would have resigned.",
    },
    "term.lost": {
      "retired lockless.waiting candidate.waiting probing.asking probing.renewing stealing demoted":
        "A second one, of a message or a write of the time when it led: it leads no longer.",
    },
  },
  impossible: {
    "election.start": {
      "retired lockless.waiting lockless.leading candidate.waiting probing.asking probing.renewing stealing leader demoted":
        "Sent once, when the data is in memory for the first time.",
    },
    "lock.failed": {
      "starting retired lockless.waiting lockless.leading demoted":
        "There is no request: it was released, or the port is gone.",
      leader: "The request was granted.",
    },
    "lock.granted": {
      "starting retired lockless.waiting lockless.leading demoted":
        "There is no request: it was released, or the port is gone.",
      leader: "It was granted already, and there is one request at a time.",
    },
    "lock.lost": {
      "starting retired lockless.waiting lockless.leading candidate.waiting probing.asking probing.renewing stealing demoted":
        "The lock is held by a leader alone: it is released on the way out.",
    },
    "term.lost": { starting: "It has had no term." },
  },
};
