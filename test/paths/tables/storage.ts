/** What storage does with each event in each state. */
import { type Table } from "../table.ts";

export const storageTable: Table = {
  handled: {
    machine: {
      "xstate.error.actor.connector": ["storage.connectorFailed"],
    },
    closed: {
      "storage.open": ["storage.open"],
    },
    opening: {
      "connection.opened": ["storage.opened"],
      "connection.blocked": ["storage.blocked"],
      "connection.failed": ["storage.newer", "storage.openFailed", "storage.gaveUp"],
      "xstate.after.secondDelay.storage.opening": ["storage.openSecond"],
      "xstate.after.openDeadline.storage.opening": ["storage.hung"],
    },
    hung: {
      "connection.opened": ["storage.openedHung"],
      "connection.blocked": ["storage.blockedHung"],
      "connection.failed": ["storage.newerHung", "storage.failedHung"],
      "storage.open": ["storage.openHung"],
      "page.returned": ["storage.returnedHung"],
      "xstate.after.retryDelay.storage.hung": ["storage.retryHung"],
    },
    blocked: {
      "connection.opened": ["storage.unblocked"],
      "connection.failed": ["storage.blockedNewer", "storage.blockedFailed"],
    },
    open: {
      "connection.closed": ["storage.upgraded", "storage.closed"],
      "storage.suspected": ["storage.suspected"],
      "xstate.after.provenDelay.storage.open": ["storage.proven"],
    },
    losing: {
      always: ["storage.dropped"],
    },
    reopening: {
      "connection.opened": ["storage.openedReopening"],
      "page.returned": ["storage.returnedReopening"],
      "xstate.after.reopenDelay.storage.reopening": ["storage.reopen"],
    },
    unavailable: {
      "connection.opened": ["storage.openedUnavailable"],
      "storage.open": ["storage.retryNow"],
      "page.returned": ["storage.returned"],
      "xstate.after.retryDelay.storage.unavailable": ["storage.retry"],
    },
  },
  ignored: {
    "connection.blocked": {
      blocked: "A second attempt, blocked as the first one is: it is told already.",
      "reopening unavailable":
        "An attempt of before, which is still waited for: the next one will be told the same.",
    },
    "connection.failed": {
      "reopening unavailable": "An attempt of before, and the next one comes by itself.",
    },
    "page.returned": {
      opening: "It is opening already.",
      blocked: "Only a person can close the other tab; then it is opened by itself.",
      open: "If the connection was lost meanwhile, it is told so.",
      outdated: "Only a newer version of the app can open it.",
    },
    "storage.suspected": {
      "opening hung blocked reopening unavailable outdated":
        "It is about a connection that is gone: however many failures it caused, it is lost once.",
    },
  },
  impossible: {
    "connection.blocked": {
      closed: "Nothing was opened.",
      "open losing outdated": "All other attempts are for nobody when one is taken, or dropped.",
    },
    "connection.closed": {
      "closed opening hung blocked reopening unavailable outdated":
        "Told of the connection that was taken alone, and that was dropped on the way here.",
      losing: "It is left in the same step.",
    },
    "connection.failed": {
      closed: "Nothing was opened.",
      "open losing outdated": "All other attempts are for nobody when one is taken, or dropped.",
    },
    "connection.opened": {
      closed: "Nothing was opened.",
      "open losing outdated": "All other attempts are for nobody when one is taken, or dropped.",
    },
    "page.returned": {
      closed: "It is opened in the step in which the engine starts.",
      losing: "It is left in the same step.",
    },
    "storage.suspected": {
      closed: "It is opened in the step in which the engine starts.",
      losing: "It is left in the same step.",
    },
    "storage.open": {
      "opening blocked open losing reopening outdated":
        "Sent when the engine starts, and as the answer to being unavailable, which is told once in `hung` or `unavailable`.",
    },
  },
};
