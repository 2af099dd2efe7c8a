/** What commit does with each event in each state. */
import { type Table } from "../table.ts";

export const commitTable: Table = {
  handled: {
    closed: {
      drain: ["commit.drainClosed"],
      "gate.open": ["commit.opened"],
    },
    open: {
      drain: ["commit.drain"],
      "page.leaving": ["commit.flushed"],
    },
    "open.idle": {
      "batch.ready": ["commit.batch"],
      always: ["commit.startedOver", "commit.next", "commit.drained"],
    },
    "open.persisting": {
      "write.done": ["commit.staleDone", "commit.doneOfSeveral", "commit.doneAgain", "commit.done"],
      "write.failed": ["commit.staleFailed", "commit.refused", "commit.quota", "commit.failed"],
      "storage.lost": ["commit.storageLost"],
      "xstate.after.watchdog.commit.open.persisting": ["commit.watchdog"],
    },
    "open.rollingBack": {
      always: ["commit.rolledBackOne", "commit.rolledBack"],
    },
    "open.rejecting": {
      always: ["commit.rejected"],
    },
    "open.retrying": {
      "write.done": ["commit.lateStale", "commit.lateDone", "commit.lateLast"],
    },
    "open.retrying.waiting": {
      "storage.opened": ["commit.reopened"],
      "page.returned": ["commit.hurried"],
      "xstate.after.retryDelay.commit.open.retrying.waiting": ["commit.retry"],
    },
    "open.retrying.ensuring": {
      "ensure.done": ["commit.ensuredOfSeveral", "commit.ensured"],
      "ensure.failed": [
        "commit.ensureRefused",
        "commit.ensureQuota",
        "commit.ensureLostAgain",
        "commit.ensureFailed",
      ],
      "storage.lost": ["commit.ensureStorageLost"],
      "xstate.after.watchdog.commit.open.retrying.ensuring": ["commit.ensureWatchdog"],
      always: ["commit.nothingLeft"],
    },
    "open.blocked.evicting": {
      "evict.done": ["commit.evicted", "commit.rejecting", "commit.nothingToEvict"],
      "xstate.after.watchdog.commit.open.blocked.evicting": ["commit.evictHung"],
    },
    "open.blocked.waiting": {
      "page.returned": ["commit.pageReturned"],
      "storage.opened": ["commit.reopenedFull"],
      "write.done": ["commit.spaceFound"],
      "xstate.after.fullDelay.commit.open.blocked.waiting": ["commit.tryAgain"],
    },
  },
  ignored: {
    "batch.ready": {
      "open.persisting open.retrying.waiting open.retrying.ensuring open.blocked.evicting open.blocked.waiting":
        "It is written after what is in flight: idle goes on with what is queued.",
      closed: "Committed in the same turn as the gate was closed: it is not promised any more.",
    },
    "ensure.done": {
      "open.idle open.persisting":
        "A page that left wrote the last of them past the look-up, and was told so first.",
      "open.retrying.waiting open.blocked.evicting open.blocked.waiting closed":
        "Of a round that was given up, told before the next one began: the next one asks again.",
    },
    "ensure.failed": {
      "open.idle open.persisting":
        "A page that left wrote the last of them past the look-up, and was told so first.",
      "open.retrying.waiting open.blocked.evicting open.blocked.waiting closed":
        "Of a round that was given up, told before the next one began: the next one asks again.",
    },
    "evict.done": {
      "open.idle open.persisting open.retrying.waiting open.retrying.ensuring open.blocked.waiting closed":
        "Late, after it was waited for long enough: what it made room for is tried again anyway.",
    },
    "page.leaving": { closed: "Nothing is queued, or nothing of it may be written." },
    "page.returned": {
      "closed open.idle open.persisting open.retrying.ensuring open.blocked.evicting":
        "It waits for no moment: there is nothing to do, or it is being done.",
    },
    "storage.lost": {
      "closed open.idle": "Nothing is asked of it.",
      "open.retrying.waiting open.blocked.waiting":
        "It waits already, and for the next connection as well.",
      "open.blocked.evicting": "Its answer, or its absence, is told by the service.",
    },
    "storage.opened": {
      "closed open.idle": "Nothing waits for it; what was cleared is found by the way out of idle.",
      "open.persisting open.retrying.ensuring open.blocked.evicting":
        "Memory took over other data on the same connection: what is asked is answered all the same.",
    },
    "write.done": {
      "open.idle open.blocked.evicting closed":
        "Late: whether it is stored is looked up, or was looked up, by itself.",
    },
    "write.failed": {
      "open.idle open.retrying.waiting open.retrying.ensuring open.blocked.evicting open.blocked.waiting closed":
        "Late: whether it is stored is looked up, or was looked up, by itself.",
    },
  },
  impossible: {
    "batch.ready": {
      "open.rollingBack open.rejecting": "Left at once.",
    },
    "ensure.done": { "open.rollingBack open.rejecting": "Left at once." },
    "ensure.failed": { "open.rollingBack open.rejecting": "Left at once." },
    "evict.done": { "open.rollingBack open.rejecting": "Left at once." },
    "page.returned": { "open.rollingBack open.rejecting": "Left at once." },
    "storage.lost": { "open.rollingBack open.rejecting": "Left at once." },
    "storage.opened": { "open.rollingBack open.rejecting": "Left at once." },
    "write.done": { "open.rollingBack open.rejecting": "Left at once." },
    "write.failed": { "open.rollingBack open.rejecting": "Left at once." },
    "gate.open": {
      "open.idle open.persisting open.rollingBack open.rejecting open.retrying.waiting open.retrying.ensuring open.blocked.evicting open.blocked.waiting":
        "Sent once, when the data is in memory for the first time.",
    },
  },
};
