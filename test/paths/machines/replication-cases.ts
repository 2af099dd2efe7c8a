/** What may happen to the leader's work with the server, by what it is about. */
import { type ErrorCode, statusOf } from "../../../src/protocol/index.ts";
import { type PathCase } from "../../../src/testing/index.ts";
import { type Reply, type RequestKind } from "../stimuli.ts";

/** How the next write goes: as it should, it fails, it is refused, it is never answered. */
type Write = "done" | "aborted" | "fenced" | "hung";

export interface World {
  undecided: number;
  /** Of the base. */
  cursor: string | null;
  pos: number;
  /** The data is the device's own. */
  own: boolean;
  watched: boolean;
  now: number;
  /** Of the attempt on disk. */
  notBefore: number;
  write: Write;
  /** It is the one after the next that goes so. */
  second: boolean;
  /** What the app answers when it is asked for a token. */
  token: "new" | "same" | "never";
  /** So many answers may be none, from now on. */
  trouble: number;
  /** The server is known to take only small events. */
  small: boolean;
  /** An event is too large for the server. */
  large: boolean;
  /** The server took something in that no page has shown. */
  acked: boolean;
  /** The next page is not understood. */
  strange: boolean;
  /** It was in step with the server: there may be streams. */
  caughtUp: boolean;
  /** There are streams, and one is open. */
  streams: boolean;
  open: boolean;
}

export interface Case extends PathCase {
  readonly output?: object;
  readonly reply?: Reply;
  /** The server's log is longer when it answers: with an event that this version does not know, too. */
  readonly grows?: "known" | "unknown";
  /** How many entries of a page there are before the one that is not understood. */
  readonly before?: number;
  readonly page?: object;
  readonly head?: number;
  readonly world?: Partial<World>;
}

export const epoch = "e";
const ok = (value: object): object => ({ tag: "ok", value });
const refused = (code: ErrorCode, retryAfter = 0): object => ({
  tag: "refused",
  status: statusOf(code),
  error: { code, retryAfter },
  known: true,
});
const offline = { tag: "offline", reason: "" };

const done = (id: RequestKind, title: string, rest: Partial<Case>): Case => ({
  type: `xstate.done.actor.${id === "snapshot" ? "page" : id}`,
  title: `${id} ${title}`,
  ...rest,
});
const no = (id: RequestKind, code: ErrorCode, retryAfter = 0): Case =>
  done(id, retryAfter > 0 ? `${code}, later` : code, {
    output: refused(code, retryAfter),
    reply: { code, ...(retryAfter > 0 && { retryAfter }) },
  });
const cut = (id: RequestKind): Case => done(id, "offline", { output: offline, reply: "offline" });

const entry = { pos: 1, id: "theirs", name: "todoAdded", payload: {} };
const page = (cursor: string, pos: number, entries: readonly object[] = []): object => ({
  mode: "log",
  epoch,
  from: null,
  cursor,
  pos,
  head: pos,
  more: false,
  entries,
});
export const elsewhere = { ...page("d", 1), from: "elsewhere" };
const snapshot = (next: string | null): object => ({
  mode: "snapshot",
  epoch,
  from: null,
  cursor: "s",
  pos: 1,
  head: 1,
  data: {},
  next,
  snapshot: "snapshot-1",
});

/** How writes go wrong. */
const writes: readonly Write[] = ["aborted", "fenced", "hung"];
const withWrites = (it: Case): readonly Case[] => [
  it,
  ...writes.map((write): Case => {
    const title = `${it.title ?? it.type}, write ${write}`;
    return Object.assign({}, it, { title, world: { ...it.world, write } });
  }),
];

/** A service throws. */
export const broken = "xstate.error.actor.*";

const late = 10_000_000;
export const after = (delay: string, state: string): string =>
  `xstate.after.${delay}.replication.on.${state}`;

const results = (count: number, status: string): object[] =>
  Array.from({ length: count }, (_, at) => ({ id: `event-${at}`, status, pos: 1 }));
const pushed = (count: number, rest: object = {}, status = "accepted"): object =>
  ok({ epoch, head: 1, results: results(count, status), ...rest });

export const start: readonly Case[] = [
  { type: "handoff.serving" },
  { type: after("delay", "backoff"), title: "after delay", world: { now: late } },
  { type: after("delay", "offline"), title: "after delay", world: { now: late } },
  { type: after("delay", "faulted"), title: "after delay", world: { now: late } },
  done("info", "not offered", { output: refused("not_found"), reply: { code: "not_found" } }),
];
const pullsOk = done("pull", "ok", { output: ok(page("c", 0)), reply: "ok" });
const pushesOk = done("push", "ok", { output: pushed(1), reply: "ok" });
/** The server took it in, and nobody knows. */
const unheard = done("push", "taken in, and never heard of", { output: offline, reply: "unheard" });
const pushesTwo = done("push", "ok, two", { output: pushed(2), reply: "ok" });
const commitOne: Case = { type: "log.grew", title: "a commit", world: { undecided: 1 } };
const commitTwo: Case = { type: "log.grew", title: "two commits", world: { undecided: 2 } };
const servesWithOne: Case = {
  type: "handoff.serving",
  title: "serving, with a commit",
  world: { undecided: 1 },
};
const retriesWithOne: Case = {
  type: after("delay", "backoff"),
  title: "after delay, with a commit",
  world: { now: late, undecided: 1 },
};
const wakes: readonly Case[] = [
  { type: "wake", title: "somebody looks" },
  { type: "wake", title: "somebody looks later", world: { now: late } },
];

/** By what they are about: all of it at once has too many ways to go. */
export const topics: Readonly<Record<string, readonly Case[]>> = {
  pulls: [
    ...wakes,
    { type: broken, title: "the pull has no timer" },
    pullsOk,
    ...withWrites(
      done("pull", "ok, something new", {
        output: ok(page("d", 1, [entry])),
        reply: "ok",
        grows: "known",
      }),
    ),
    done("pull", "not understood", {
      output: ok(page("d", 3, [entry, entry, entry])),
      reply: "ok",
      grows: "unknown",
      before: 2,
    }),
    done("pull", "ok, as far as it is understood", {
      output: ok(page("d", 2, [entry, entry])),
      reply: "ok",
    }),
    done("pull", "not understood any more", {
      output: ok(page("e", 3, [entry])),
      reply: "ok",
      before: 0,
    }),
    done("pull", "stale", { output: ok({ ...page("c", 0), from: "elsewhere" }), reply: "stale" }),
    no("pull", "protocol_unsupported"),
    no("pull", "unavailable", 60_000),
    cut("pull"),
  ],
  resets: [
    pullsOk,
    ...withWrites(done("pull", "snapshot", { output: ok(snapshot(null)), reply: "snapshot" })),
    done("pull", "first page", { output: ok(snapshot("2")), reply: "first page" }),
    no("pull", "reset_required"),
    done("snapshot", "ok", { output: ok(snapshot(null)), reply: "snapshot" }),
    no("snapshot", "not_found"),
  ],
  pushes: [
    pullsOk,
    ...withWrites(commitOne),
    commitTwo,
    ...withWrites(pushesOk),
    pushesTwo,
    done("push", "stopped", {
      output: pushed(1, { stopped: { code: "unavailable" } }),
      reply: "stopped",
    }),
    no("push", "too_large"),
    ...withWrites(no("push", "bad_request")),
    servesWithOne,
  ],
  recoveries: [
    pullsOk,
    commitOne,
    pushesOk,
    ...withWrites(no("push", "client_conflict")),
    ...(["aborted", "hung"] as const).map((write): Case => {
      const title = `push client_conflict, second write ${write}`;
      return Object.assign(no("push", "client_conflict"), {
        title,
        world: { write, second: true },
      });
    }),
    done("push", "sequence_gap", {
      output: { ...refused("sequence_gap"), error: { code: "sequence_gap", expected: 1 } },
      reply: { code: "sequence_gap", expected: 1 },
    }),
    retriesWithOne,
    no("pull", "unavailable"),
    ...withWrites(no("push", "unavailable", 60_000)),
    unheard,
  ],
  live: [
    ...wakes,
    pullsOk,
    { type: "look", title: "nobody looks", world: { watched: false } },
    { type: "live.poked", title: "poke", head: 9 },
    { type: "live.poked", title: "poke about what is known", head: 0 },
    {
      type: "live.page",
      title: "next page over the stream",
      page: { ...page("d", 1, [entry]), from: "c" },
    },
    { type: "live.page", title: "another page over the stream", page: elsewhere },
  ],
  unheard: [pullsOk, commitOne, unheard],
  rejections: [
    pullsOk,
    commitOne,
    done("push", "rejected", { output: pushed(1, {}, "rejected"), reply: "rejected" }),
  ],
  oversize: [
    pullsOk,
    pushesOk,
    done("info", "small limits", {
      output: ok({ limits: { batchEvents: 100, eventBytes: 1000, bodyBytes: 100_000 } }),
      reply: "ok",
      world: { small: true },
    }),
    ...wakes,
    no("pull", "unavailable"),
    {
      type: "log.grew",
      title: "a large commit of another tab",
      world: { undecided: 1, large: true },
    },
    {
      type: after("delay", "backoff"),
      title: "after delay, with a large commit of another tab",
      world: { now: late, undecided: 1, large: true },
    },
  ],
  adopts: withWrites({ type: "handoff.serving" }),
  tokens: [
    { type: after("authDelay", "denied"), title: "after authDelay", world: { now: late } },
    pullsOk,
    ...wakes,
    no("pull", "unauthorized"),
    no("pull", "forbidden"),
  ],
};

export const isTrouble = ({ type, reply, world }: Case): boolean =>
  (!type.endsWith("info") &&
    reply !== undefined &&
    reply !== "ok" &&
    reply !== "snapshot" &&
    reply !== "first page") ||
  (world?.write ?? "done") !== "done";
