/*
 * replication: what the leader does with the server: sends what is undecided, takes in what was decided, one thing at a time.
 *
 *  ┌─────┐ serving    ┌─ on ────────────────────────────────────────────────────────────────────────────────────────┐
 *  │ off │───────────►│ idle ◄─────► deciding ──┬─► pushing: attempting ─► sending ─┐      ┌─► recording, refusing,  │
 *  └──▲──┘            │  poke, log grew, wake,  ├─► pulling: asking ────────────────┤      │    noting               │
 *     │ suspended,    │  watchdog     ▲         ├─► resetting: paging ──────────────┴► judging ─► applying, swapping │
 *     │ or fenced     │               │         ├─► adopting, informing                    │                         │
 *     │               │            weighing ◄── every write: done, or rotating, …          ├─► refreshing ◄──► unauthorized, forbidden,
 *     │               │               └─► failing ─► backoff, offline ─delay─► deciding    │    incompatible         │
 *     └───────────────│                       faulted: storage ─delay─► deciding ◄─────────┘                         │
 *                     └─────────────────────────────── beside it: live ──────────────────────────────────────────────┘
 *
 * 1. Only the leader replicates, while it serves. Every write is fenced; a refusal means that somebody else leads.
 * 2. Write before send: numbers are on disk before an event is sent, and are sent again as they are until there is an answer.
 * 3. What an answer means follows from its status and code (`judging`). Nothing that an answer says drops an event that is
 *    not decided, and on what is not known to be the server's word none is given up.
 * 4. Pushes and pulls take turns: neither waits for the end of the other's work. After a push there is a pull.
 * 5. There are two recoveries: a new client id (`rotating`), and a new base (`resetting`). Both leave what is undecided.
 * 6. Whose token is refused asks for another one, tries once more, and then ever more seldom: the outbox stays, no try is counted.
 * 7. Waits double, with full jitter, up to a minute, without an end of tries; never shorter than the server asks for. Going
 *    online, and coming into sight, end a wait that the server did not ask for.
 * 8. One event that the server calls bad on its own is rejected; the second one in a row is not the events' fault. Before an
 *    event is refused here there is a pull: it may have been taken in by a request whose answer was lost.
 * 9. What this code does not understand stops it: `incompatible`, until one of the two is another version.
 * 10. A pull every `watchdog` while somebody looks, whatever the stream says.
 */
import { type PushRequest } from "../protocol/index.ts";
import { maxIterations } from "./common.ts";
import { answerTo, initial, logged } from "./progress.ts";
import { asking, came, hanging, judged, see, step, storing, words } from "./replication-words.ts";

export const replicationMachine = words.createMachine({
  id: "replication",
  context: ({ input }) => ({ ...initial, ...input, step: "apply" }),
  initial: "off",
  on: {
    "handoff.serving": {
      guard: "isConfigured",
      target: ".on",
      reenter: true,
      meta: { tid: "replication.serving" },
    },
    "handoff.suspended": { target: ".off", meta: { tid: "replication.suspended" } },
  },
  states: {
    off: {},
    on: {
      entry: "begin",
      initial: "deciding",
      invoke: {
        id: "live",
        src: "live",
        input: ({ context: { server }, self }) => ({
          owner: self,
          mode: server.live,
          view: server,
        }),
      },
      on: {
        "live.poked": {
          actions: { type: "noteHead", params: ({ event }) => event },
          meta: { tid: "replication.poked" },
        },
        "live.due": { actions: "want", meta: { tid: "replication.due" } },
        "live.opened": { actions: "want", meta: { tid: "replication.liveOpened" } },
        "live.closed": { meta: { tid: "replication.liveClosed" } },
        "live.page": { actions: "want", meta: { tid: "replication.pageCame" } },
        wake: { actions: ["want", "forward"], meta: { tid: "replication.woke" } },
        look: { actions: "forward", meta: { tid: "replication.looked" } },
        // Of a service that tells all that goes wrong by what it gives: a bug of ours.
        "xstate.error.actor.*": { target: ".failing", meta: { tid: "replication.broke" } },
      },
      states: {
        deciding: {
          always: [
            { guard: "mayAdopt", target: "adopting", meta: { tid: "replication.adopt" } },
            {
              guard: "isBlocked",
              target: "incompatible",
              actions: { type: "hinder", params: { code: "adoption_required" } },
              meta: { tid: "replication.unadopted" },
            },
            {
              guard: "isEarly",
              target: "backoff",
              actions: "untilFloor",
              meta: { tid: "replication.early" },
            },
            { guard: "shallPull", target: "pulling", meta: { tid: "replication.pull" } },
            { guard: "shallPush", target: "pushing", meta: { tid: "replication.push" } },
            { guard: "isUninformed", target: "informing", meta: { tid: "replication.inform" } },
            { target: "idle", meta: { tid: "replication.rest" } },
          ],
        },
        pushing: {
          initial: "attempting",
          states: {
            attempting: {
              entry: ["startPush", step("attempt")],
              invoke: {
                id: "attempt",
                src: "attempt",
                input: ({ context: { limits, most } }) => ({ ...limits, most }),
                ...storing("attempt", "attempted"),
              },
              after: hanging("attempt"),
            },
            sending: {
              entry: "keepRequest",
              invoke: {
                id: "push",
                src: "push",
                input: ({ context: { request } }) => request as PushRequest,
                ...asking("sent"),
              },
            },
            recording: {
              entry: step("record"),
              invoke: {
                id: "record",
                src: "record",
                input: ({ context }) => ({
                  request: context.request as PushRequest,
                  answer: answerTo(context, context.server),
                }),
                ...storing("record", "recorded"),
              },
              after: hanging("record"),
            },
            refusing: {
              entry: step("refuse"),
              invoke: {
                id: "refuse",
                src: "refuse",
                input: ({ context: { refused } }) => refused,
                ...storing("refuse", "refused"),
              },
              after: hanging("refuse"),
            },
            noting: {
              entry: step("note"),
              invoke: {
                id: "note",
                src: "note",
                input: ({ context: { server, delay } }) => Math.ceil(server.now() + delay),
                ...storing("note", "noted"),
              },
              after: hanging("note"),
            },
          },
        },
        pulling: {
          initial: "asking",
          states: {
            asking: {
              entry: "startPull",
              invoke: {
                id: "pull",
                src: "pull",
                input: ({ context: { from, limit, server } }) => ({
                  cursor: from === undefined ? server.look().cursor : from,
                  limit,
                }),
                ...asking("pulled"),
              },
            },
            applying: {
              entry: step("apply"),
              invoke: {
                id: "apply",
                src: "apply",
                input: ({ context }) => logged(context),
                ...storing("apply", "applied"),
              },
              after: hanging("apply"),
            },
          },
        },
        resetting: {
          initial: "paging",
          states: {
            paging: {
              entry: "keepPage",
              invoke: {
                id: "page",
                src: "page",
                input: ({ context: { page } }) => page,
                ...asking("paged"),
              },
            },
            swapping: {
              entry: ["keepPage", step("swap")],
              invoke: {
                id: "swap",
                src: "swap",
                input: ({ context: { page } }) => page,
                ...storing("swap", "swapped"),
              },
              after: hanging("swap"),
            },
          },
        },
        rotating: {
          entry: step("rotate"),
          invoke: { id: "rotate", src: "rotate", ...storing("rotate", "rotated") },
          after: hanging("rotate"),
        },
        adopting: {
          entry: step("adopt"),
          invoke: { id: "adopt", src: "adopt", ...storing("adopt", "adopted") },
          after: hanging("adopt"),
        },
        informing: {
          invoke: {
            id: "info",
            src: "info",
            onDone: {
              target: "deciding",
              actions: { type: "inform", params: ({ event }) => event },
              meta: { tid: "replication.informed" },
            },
          },
        },
        /** What was heard, of whatever was asked. */
        judging: {
          always: [
            {
              guard: "isTakenPush",
              target: "pushing.recording",
              meta: { tid: "replication.takenPush" },
            },
            {
              guard: "isTakenPage",
              target: "pulling.applying",
              meta: { tid: "replication.takenPage" },
            },
            {
              guard: "isLastPage",
              target: "resetting.swapping",
              meta: { tid: "replication.lastPage" },
            },
            {
              guard: "isTakenSnapshot",
              target: "resetting.paging",
              reenter: true,
              meta: { tid: "replication.nextPage" },
            },
            judged("record", "pushing.recording", "refusedPush"),
            judged("refresh", "refreshing", "refresh"),
            { ...judged("unauthorized", "denied.unauthorized", "unauthorized"), actions: "deny" },
            { ...judged("forbidden", "denied.forbidden", "forbidden"), actions: "deny" },
            {
              ...judged("incompatible", "incompatible", "unknown"),
              actions: { type: "hinder", params: { code: "incompatible" } },
            },
            { ...judged("reset", "restarting", "reset"), actions: "startOver" },
            { ...judged("again", "restarting", "snapshotGone"), actions: "startOver" },
            { ...judged("split", "pushing", "split"), actions: "split" },
            { ...judged("single", "pushing", "single"), actions: "one" },
            see("Refusal"),
            {
              ...judged("tooLarge", "pushing.refusing", "tooLarge"),
              actions: { type: "give", params: { code: "too_large" } },
            },
            {
              ...judged("bad", "pushing.refusing", "bad"),
              actions: { type: "give", params: { code: "invalid" } },
            },
            { target: "failing", meta: { tid: "replication.failed" } },
          ],
        },
        /** What a write came to, whatever it was for. */
        weighing: {
          always: [
            {
              guard: "isFenced",
              target: "#replication.off",
              actions: "tellTermLost",
              meta: { tid: "replication.fenced" },
            },
            { guard: "isSend", target: "pushing.sending", meta: { tid: "replication.send" } },
            see("Oversize"),
            {
              guard: "isOversize",
              target: "pushing.refusing",
              actions: "giveOversize",
              meta: { tid: "replication.oversize" },
            },
            { ...came("record", "rotate", "rotating", "rotate"), actions: "again" },
            { ...came("record", "resend", "restarting", "resend"), actions: "again" },
            {
              guard: "isStopped",
              target: "failing",
              actions: "afterPush",
              meta: { tid: "replication.stopped" },
            },
            { ...came("record", "done", "deciding", "decided"), actions: "afterPush" },
            {
              guard: "isPartly",
              target: "pulling",
              actions: "pullLess",
              meta: { tid: "replication.pullLess" },
            },
            {
              guard: "isIncompatible",
              target: "incompatible",
              actions: {
                type: "hinder",
                params: ({ context }) => ({
                  code: context.step === "adopt" ? "adoption_required" : "incompatible",
                }),
              },
              meta: { tid: "replication.notUnderstood" },
            },
            { ...came("apply", "done", "deciding", "page"), actions: "afterPage" },
            {
              guard: "isEmptyPage",
              target: "deciding",
              actions: "afterPage",
              meta: { tid: "replication.emptyPage" },
            },
            { ...came("swap", "done", "deciding", "newBase"), actions: "afterReset" },
            came("rotate", "done", "restarting", "newClient"),
            came("refuse", "done", "deciding", "gaveUp"),
            came("adopt", "done", "deciding", "nowServers"),
            { guard: "isNoted", target: "backoff", meta: { tid: "replication.notedDone" } },
            { target: "failing", meta: { tid: "replication.cameToNothing" } },
          ],
        },
        /** Recovered: at once, but not round and round. */
        restarting: {
          always: [
            { guard: "isOften", target: "failing", meta: { tid: "replication.often" } },
            { target: "deciding", meta: { tid: "replication.restart" } },
          ],
        },
        failing: {
          entry: "fail",
          always: [
            { guard: "isOffline", target: "offline", meta: { tid: "replication.offline" } },
            { guard: "isWorthNoting", target: "pushing.noting", meta: { tid: "replication.note" } },
            { target: "backoff", meta: { tid: "replication.backOff" } },
          ],
        },
        idle: {
          entry: "liveMay",
          on: {
            "log.grew": {
              guard: "shallPush",
              target: "deciding",
              meta: { tid: "replication.grew" },
            },
            "live.poked": {
              guard: { type: "isAhead", params: ({ event }) => event },
              target: "deciding",
              actions: { type: "noteHead", params: ({ event }) => event },
              meta: { tid: "replication.pokedIdle" },
            },
            "live.due": {
              target: "deciding",
              actions: "want",
              meta: { tid: "replication.dueIdle" },
            },
            "live.opened": {
              target: "deciding",
              actions: "want",
              meta: { tid: "replication.openedIdle" },
            },
            "live.page": [
              {
                guard: { type: "isNext", params: ({ event }) => event },
                target: "pulling.applying",
                actions: { type: "takePage", params: ({ event }) => event },
                meta: { tid: "replication.pageNext" },
              },
              { target: "deciding", actions: "want", meta: { tid: "replication.pageOther" } },
            ],
            wake: [
              {
                guard: "isSlack",
                target: "deciding",
                actions: ["want", "forward"],
                meta: { tid: "replication.wokeIdle" },
              },
              { actions: "forward", meta: { tid: "replication.wokeAgain" } },
            ],
          },
          after: {
            watchdog: [
              {
                guard: "isWatched",
                target: "deciding",
                actions: "want",
                meta: { tid: "replication.watchdog" },
              },
              { target: "idle", reenter: true, meta: { tid: "replication.unwatched" } },
            ],
          },
        },
        backoff: {
          on: {
            wake: {
              guard: "isFree",
              target: "deciding",
              actions: "forward",
              meta: { tid: "replication.wokeBackoff" },
            },
          },
          after: {
            delay: { target: "deciding", actions: "waited", meta: { tid: "replication.tryAgain" } },
          },
        },
        offline: {
          entry: ["probe", "liveRest"],
          on: {
            wake: {
              guard: "isFree",
              target: "deciding",
              actions: "forward",
              meta: { tid: "replication.wokeOffline" },
            },
          },
          after: { delay: { target: "deciding", meta: { tid: "replication.probe" } } },
        },
        refreshing: {
          entry: "refresh",
          invoke: {
            id: "renew",
            src: "renew",
            onDone: [
              {
                guard: { type: "isRenewed", params: ({ event }) => event },
                target: "deciding",
                actions: "want",
                meta: { tid: "replication.renewed" },
              },
              // What stood in the way may have been another thing.
              {
                guard: "mayAskAgain",
                target: "deciding",
                actions: "want",
                meta: { tid: "replication.tryToken" },
              },
              { target: "denied", meta: { tid: "replication.sameToken" } },
            ],
          },
          after: { deadline: { target: "denied", meta: { tid: "replication.renewHung" } } },
        },
        /** For another token. */
        denied: {
          entry: "liveRest",
          initial: "unchanged",
          on: {
            wake: {
              target: "refreshing",
              actions: "forward",
              meta: { tid: "replication.wokeDenied" },
            },
          },
          after: { authDelay: { target: "refreshing", meta: { tid: "replication.askToken" } } },
          states: {
            unchanged: {
              always: [
                {
                  guard: "isForbidden",
                  target: "forbidden",
                  meta: { tid: "replication.stillForbidden" },
                },
                { target: "unauthorized", meta: { tid: "replication.noToken" } },
              ],
            },
            unauthorized: { entry: { type: "hinder", params: { code: "unauthorized" } } },
            forbidden: { entry: { type: "hinder", params: { code: "forbidden" } } },
          },
        },
        incompatible: {
          entry: "liveRest",
          on: {
            wake: {
              guard: "isSlack",
              target: "deciding",
              actions: "forward",
              meta: { tid: "replication.wokeIncompatible" },
            },
          },
          after: { slowDelay: { target: "deciding", meta: { tid: "replication.askAgain" } } },
        },
        faulted: {
          after: { delay: { target: "deciding", meta: { tid: "replication.storeAgain" } } },
        },
      },
    },
  },
  options: { maxIterations },
});
