/** What live does with each event in each state. */
import { type Table } from "../table.ts";

export const liveTable: Table = {
  handled: {
    "page.watched": {
      look: ["live.left"],
    },
    "page.leaving": {
      wake: ["live.cameBack"],
      "xstate.after.hiddenDelay.live.page.leaving": ["live.hidden"],
    },
    "page.unwatched": {
      wake: ["live.returned"],
    },
    wire: {
      rest: ["live.rest"],
    },
    "wire.resting": {
      "caught.up": ["live.start", "live.poll"],
    },
    "wire.streaming": {
      "stream.ended": ["live.bye", "live.unoffered", "live.short", "live.ended"],
      "xstate.error.actor.stream": ["live.streamFailed"],
    },
    "wire.streaming.connecting": {
      "stream.hello": ["live.hello"],
      "xstate.after.helloDelay.live.wire.streaming.connecting": ["live.mute"],
    },
    "wire.streaming.open": {
      "stream.poke": ["live.poked"],
      "stream.page": ["live.pageCame"],
      "stream.reset": ["live.reset"],
    },
    "wire.streaming.open.hearing": {
      "stream.alive": ["live.alive"],
      "xstate.after.silence.live.wire.streaming.open.hearing": ["live.silent"],
    },
    "wire.cooldown": {
      "xstate.after.retryDelay.live.wire.cooldown": ["live.again"],
    },
    "wire.degraded": {
      "xstate.after.degradeDelay.live.wire.degraded": ["live.recover"],
    },
    "wire.degraded.asking": {
      "xstate.done.actor.longPoll": ["live.noWait", "live.polled"],
      "xstate.error.actor.longPoll": ["live.pollFailed"],
    },
    "wire.degraded.pausing": {
      "xstate.after.retryDelay.live.wire.degraded.pausing": ["live.askAgain"],
    },
    "wire.degraded.polling": {
      "xstate.after.pollDelay.live.wire.degraded.polling": ["live.tick"],
    },
  },
  ignored: {
    "caught.up": {
      "wire.streaming.connecting wire.streaming.open.hearing wire.cooldown wire.degraded.asking wire.degraded.pausing wire.degraded.polling":
        "What it says makes a start: here it is started.",
    },
    "stream.alive": { "wire.streaming.connecting": "What counts is the first word, hello." },
    "stream.poke": {
      "wire.streaming.connecting": "After every connect there is a pull: it says nothing new.",
    },
    "stream.page": {
      "wire.streaming.connecting": "After every connect there is a pull: it says nothing new.",
    },
    "stream.reset": { "wire.streaming.connecting": "The pull after the connect is told the same." },
    "stream.hello": {
      "wire.streaming.open.hearing": "It is known already that the stream is open.",
    },
    look: { "page.leaving page.unwatched": "That nobody looks is known." },
    wake: { "page.watched": "That somebody looks is known." },
  },
  impossible: {
    "caught.up": {
      "page.watched page.leaving page.unwatched": "Of the wire: the page is beside it.",
    },
    rest: { "page.watched page.leaving page.unwatched": "Of the wire: the page is beside it." },
    "stream.alive": {
      "page.watched page.leaving page.unwatched": "Of the wire: the page is beside it.",
      "wire.resting wire.cooldown wire.degraded.asking wire.degraded.pausing wire.degraded.polling":
        "The stream that says it is cut off when its state is left.",
    },
    "stream.ended": {
      "page.watched page.leaving page.unwatched": "Of the wire: the page is beside it.",
      "wire.resting wire.cooldown wire.degraded.asking wire.degraded.pausing wire.degraded.polling":
        "The stream that says it is cut off when its state is left.",
    },
    "stream.hello": {
      "page.watched page.leaving page.unwatched": "Of the wire: the page is beside it.",
      "wire.resting wire.cooldown wire.degraded.asking wire.degraded.pausing wire.degraded.polling":
        "The stream that says it is cut off when its state is left.",
    },
    "stream.page": {
      "page.watched page.leaving page.unwatched": "Of the wire: the page is beside it.",
      "wire.resting wire.cooldown wire.degraded.asking wire.degraded.pausing wire.degraded.polling":
        "The stream that says it is cut off when its state is left.",
    },
    "stream.poke": {
      "page.watched page.leaving page.unwatched": "Of the wire: the page is beside it.",
      "wire.resting wire.cooldown wire.degraded.asking wire.degraded.pausing wire.degraded.polling":
        "The stream that says it is cut off when its state is left.",
    },
    "stream.reset": {
      "page.watched page.leaving page.unwatched": "Of the wire: the page is beside it.",
      "wire.resting wire.cooldown wire.degraded.asking wire.degraded.pausing wire.degraded.polling":
        "The stream that says it is cut off when its state is left.",
    },
    wake: {
      "wire.resting wire.streaming.connecting wire.streaming.open.hearing wire.cooldown wire.degraded.asking wire.degraded.pausing wire.degraded.polling":
        "Of the page: the wire is beside it.",
    },
    look: {
      "wire.resting wire.streaming.connecting wire.streaming.open.hearing wire.cooldown wire.degraded.asking wire.degraded.pausing wire.degraded.polling":
        "Of the page: the wire is beside it.",
    },
  },
};
