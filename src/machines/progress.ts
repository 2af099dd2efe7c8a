/** What replication keeps in mind between two steps, and how each step changes it. Pure. */
import { type Answer, type Asked, type Verdict, verdictOn } from "../model/verdict.ts";
import {
  type Info,
  type LogPage,
  type PullResponse,
  type PushRequest,
  type PushResponse,
  type Rejection,
  type SnapshotPage,
  defaultLimits,
} from "../protocol/index.ts";
import { atMostADay } from "../protocol/http.ts";
import { mostEvents } from "../protocol/messages.ts";
import { type Outlook, type Replicator } from "../replicator.ts";
import { failureOf } from "./common.ts";
import { type Input as LiveInput } from "./live.ts";

/** What the machine asks of its surroundings; none of it throws. */
export interface ServerView {
  /** Whether there is a server at all. */
  readonly configured: boolean;
  readonly live: LiveInput["mode"];
  /** Version of the app's schema. */
  readonly schema: number;
  /** Whether the app says what becomes of a base that was decided on the device. */
  readonly adopts: boolean;
  look(): Outlook;
  now(): number;
  /** From 0 to 1. */
  chance(): number;
  /** Whether the browser believes that there is a network. */
  online(): boolean;
  /** Whether somebody looks at the app, here or in another tab. */
  watched(): boolean;
}

/** Why nothing is sent, for a person. */
export interface Hindrance {
  readonly code: "unauthorized" | "forbidden" | "incompatible" | "adoption_required";
  readonly message: string;
}

export type PushLimits = Parameters<Replicator["attempt"]>[0];

/** What a write came to. */
export type Outcome = Awaited<ReturnType<Replicator[Exclude<keyof Replicator, "look">]>>;

export interface Progress {
  readonly limits: Required<Omit<PushLimits, "most">>;
  /** Whether the server was asked for its limits. */
  readonly informed: boolean;
  /** Events of the next push. */
  readonly most: number;
  /** The newest position of the server's log that was heard of. */
  readonly head: number;
  /** A pull is wanted, whatever is known. */
  readonly due: boolean;
  readonly pushedLast: boolean;
  /** Where the next page begins; undefined: where the base is. */
  readonly from: string | null | undefined;
  /** The base is being replaced: when a chain of pages breaks, it begins anew. */
  readonly resetting: boolean;
  /** Entries of the next page. */
  readonly limit: number | undefined;
  /** Failures in a row. */
  readonly tries: number;
  /** What failed: only its own success ends the row. */
  readonly stuck: "push" | "pull" | undefined;
  /** The server wants nothing before: ms since the epoch. */
  readonly floor: number;
  readonly delay: number;
  /** The token was asked for after a refusal. */
  readonly renewed: boolean;
  /** How often nobody was let in since the last success. */
  readonly denials: number;
  /** An event was called bad since the server last took one. */
  readonly doubted: boolean;
  readonly asked: Asked["what"];
  readonly heard: Answer<PushResponse | PullResponse>;
  readonly outcome: Outcome;
  readonly request: PushRequest | undefined;
  /** The latest page of the snapshot that is being read. */
  readonly page: SnapshotPage | undefined;
  readonly refused: { readonly ids: readonly string[]; readonly error: Rejection };
  readonly why: Hindrance | undefined;
  /** When something was asked last. */
  readonly askedAt: number;
  /** When the device was last in step with the server. */
  readonly syncedAt: number | null;
}

export const initial: Progress = {
  limits: {
    events: defaultLimits.batchEvents,
    eventBytes: defaultLimits.eventBytes,
    bytes: defaultLimits.bodyBytes,
  },
  informed: false,
  most: defaultLimits.batchEvents,
  head: 0,
  due: true,
  pushedLast: false,
  from: undefined,
  resetting: false,
  limit: undefined,
  tries: 0,
  stuck: undefined,
  floor: 0,
  delay: 0,
  renewed: false,
  denials: 0,
  doubted: false,
  asked: "pull",
  heard: { tag: "timeout" },
  outcome: "nothing",
  request: undefined,
  page: undefined,
  refused: { ids: [], error: { code: "invalid" } },
  why: undefined,
  askedAt: 0,
  syncedAt: null,
};

type Change = Partial<Progress>;

/** A new leader knows what is on disk, and the limits. */
export function begun({ limits, syncedAt }: Progress, server: ServerView): Progress {
  const { notBefore, attempt } = server.look();
  // A clock that was set back does not stop it for longer than a server would.
  const floor = Math.min(notBefore, server.now() + 600_000);
  return { ...initial, limits, most: limits.events, syncedAt, tries: attempt, floor };
}

export const isBehind = ({ due, from, head }: Progress, server: ServerView): boolean =>
  due || from !== undefined || head > server.look().pos;

const isSingle = ({ events }: PushRequest): boolean => {
  const tx = events[0]?.tx;
  return events.length === 1 || (tx !== undefined && events.every((event) => event.tx === tx));
};

export const verdictIn = (progress: Progress, { schema }: ServerView): Verdict => {
  const { heard, asked, request, renewed, doubted } = progress;
  const single = request !== undefined && isSingle(request);
  return verdictOn(heard, { what: asked, single, renewed, doubted, schema });
};

/** What was answered, as what it is. */
export const pushed = ({ heard }: Progress): PushResponse | undefined =>
  heard.tag === "ok" && "results" in heard.value ? heard.value : undefined;
export const logged = ({ heard }: Progress): LogPage | undefined =>
  heard.tag === "ok" && "entries" in heard.value ? heard.value : undefined;
export const snapped = ({ heard }: Progress): SnapshotPage | undefined =>
  heard.tag === "ok" && "snapshot" in heard.value ? heard.value : undefined;

/** The answer to a push, or a refusal that asks for what only an answer can. */
export function answerTo({ heard }: Progress, server: ServerView): PushResponse {
  if (heard.tag === "ok" && "results" in heard.value) return heard.value;
  const { epoch, pos } = server.look();
  const stopped = heard.tag === "refused" ? { stopped: heard.error } : {};
  return { epoch: epoch ?? "-", head: pos, results: [], ...stopped };
}

/** Whether who was not let in may ask again with what was refused: perhaps it was not the server that refused it. */
export const mayAskAgain = ({ denials, askedAt }: Progress, now: number): boolean =>
  denials === 0 || Math.abs(now - askedAt) >= Math.min(300_000, 15_000 * 2 ** denials);

/** The server took it: what failed before is over, unless it was another thing. */
const succeeded = ({ stuck }: Progress, what: "push" | "pull"): Change =>
  stuck === undefined || stuck === what
    ? { tries: 0, stuck: undefined, floor: 0, renewed: false, denials: 0, why: undefined }
    : {};

/** It did not. */
export const stuckAt = ({ asked }: Progress): Pick<Progress, "stuck"> => ({
  stuck: asked === "push" ? "push" : "pull",
});

/** Decisions were written down. */
export function afterPush(progress: Progress): Change {
  const answer = pushed(progress);
  return {
    ...(answer === undefined || answer.results.length === 0
      ? {}
      : { ...succeeded(progress, "push"), doubted: false }),
    request: undefined,
    due: true,
    head: Math.max(progress.head, answer?.head ?? 0),
    most: Math.min(progress.limits.events, progress.most * 2),
  };
}

/** A page was applied. */
export function afterPage(progress: Progress, server: ServerView): Change {
  const page = logged(progress);
  const more = page?.more === true;
  return {
    // A new base whose end the server does not know again is none: only the next page says so.
    ...(progress.resetting ? {} : succeeded(progress, "pull")),
    limit: undefined,
    from: more ? page.cursor : undefined,
    head: more ? Math.max(progress.head, page.head) : progress.head,
    ...(progress.limit === undefined ? {} : { due: true }),
    ...(more || progress.limit !== undefined ? {} : { resetting: false, syncedAt: server.now() }),
  };
}

/** The base is to be replaced: from the beginning. */
export const startedOver = (progress: Progress): Change => ({
  ...stuckAt(progress),
  from: null,
  resetting: true,
  limit: undefined,
  due: true,
  page: undefined,
  tries: progress.tries + 1,
});

/** A snapshot took the place of the base. */
export const afterReset = (progress: Progress): Change => ({
  from: undefined,
  resetting: false,
  limit: undefined,
  page: undefined,
  due: true,
  head: progress.page?.head ?? 0,
});

export const wordsOf = ({ heard, outcome }: Progress): string => {
  if (typeof outcome === "object" && "incompatible" in outcome) return outcome.incompatible;
  if (heard.tag === "refused") return heard.error.message ?? heard.error.code;
  return "reason" in heard ? heard.reason : heard.tag;
};

/** It has to be tried again: full jitter, doubling up to a minute, and never before the server wants it. */
export function afterFailure(progress: Progress, server: ServerView): Change {
  const { heard, tries, resetting } = progress;
  const asked = atMostADay(
    (heard.tag === "refused" ? heard.error.retryAfter : pushed(progress)?.stopped?.retryAfter) ?? 0,
  );
  const own = server.chance() * Math.min(60_000, 500 * 2 ** Math.min(tries, 10));
  return {
    ...stuckAt(progress),
    tries: tries + 1,
    due: true,
    // The chain of pages is broken: the base says where it goes on, but for a reset.
    from: resetting ? null : undefined,
    limit: undefined,
    delay: Math.ceil(asked > 0 ? Math.max(asked, own) + 1000 * server.chance() : own),
    floor: asked > 0 ? server.now() + asked : 0,
  };
}

/** Where a write failed: when storage may take it. */
export const afterFault = ({ resetting }: Progress, error: unknown): Change => ({
  delay: failureOf(error) === "quota" ? 30_000 : 5000,
  due: true,
  from: resetting ? null : undefined,
  limit: undefined,
});

export function afterInfo({ most }: Progress, answer: Answer<Info>): Change {
  if (answer.tag !== "ok") return { informed: true };
  const { batchEvents, eventBytes, bodyBytes: bytes } = answer.value.limits;
  const events = Math.min(batchEvents, mostEvents);
  return {
    informed: true,
    limits: { events, eventBytes, bytes },
    most: Math.max(1, Math.min(most, events)),
  };
}
