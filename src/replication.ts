/** What replication does: requests over HTTP, and what the leader writes down of the answers. Its machines say when. */
import { fromCallback, fromPromise } from "xstate";
import { type Ended, type LiveEnd, type Polled, liveMachine } from "./machines/live.ts";
import { type Outcome, type ServerView } from "./machines/progress.ts";
import { replicationMachine } from "./machines/replication.ts";
import { type Answer } from "./model/verdict.ts";
import {
  type LiveEvent,
  type SnapshotPage,
  type WireTables,
  reactionTo,
} from "./protocol/index.ts";
import { type Replicator } from "./replicator.ts";
import { type Http, type LiveSign } from "./services/http.ts";

/** ms that a long poll waits for something new. */
const longPoll = 25_000;
/** ms; a stream that ends sooner was cut by something on the way, and so was a long poll that had nothing to say. */
const short = { stream: 10_000, longPoll: 1000 };

/** What a failure of a stream, or of a long poll, means for the next one. */
function endOf(answer: Answer<unknown>, isShort: boolean): Ended {
  const isOffered =
    answer.tag !== "invalid" &&
    (answer.tag !== "refused" ||
      !["degrade", "stop"].includes(reactionTo(answer.status, answer.error.code)));
  const how: LiveEnd = isOffered ? (isShort ? "short" : "cut") : "unoffered";
  return { how, retryAfter: answer.tag === "refused" ? (answer.error.retryAfter ?? 0) : 0 };
}

function liveActors(http: Http, { look, now }: ServerView) {
  return liveMachine.provide({
    actors: {
      stream: fromCallback(({ sendBack }) => {
        const controller = new AbortController();
        const began = now();
        let isOpen = false;
        let bye: Extract<LiveEvent, { event: "bye" }>["data"] | undefined;
        const hear = (sign: LiveSign): void => {
          isOpen = true;
          if (controller.signal.aborted) return;
          if (sign.event === "alive") sendBack({ type: "stream.alive" });
          else if (sign.event === "hello")
            sendBack({ type: "stream.hello", heartbeat: sign.data.heartbeat });
          else if (sign.event === "poke") sendBack({ type: "stream.poke", head: sign.data.head });
          else if (sign.event === "page") sendBack({ type: "stream.page", page: sign.data });
          else if (sign.event === "reset") sendBack({ type: "stream.reset" });
          else bye = sign.data;
        };
        const listen = async (): Promise<void> => {
          const answer = await http.live(look().cursor, hear, controller.signal);
          const lasted = isOpen && now() - began >= short.stream;
          const ended: Ended =
            bye === undefined
              ? endOf(answer, isOpen && !lasted)
              : { how: "bye", retryAfter: bye.retryAfter };
          sendBack({ type: "stream.ended", ...ended, lasted });
        };
        void listen();
        return () => controller.abort();
      }),
      longPoll: fromPromise<Polled, void>(async ({ signal }) => {
        const began = now();
        const answer = await http.pull(look().cursor, signal, { wait: longPoll });
        if (answer.tag !== "ok") return endOf(answer, false);
        const { value } = answer;
        if (value.mode !== "log") return { how: "bye", retryAfter: 0 };
        const isShort = value.entries.length === 0 && now() - began < short.longPoll;
        return { how: isShort ? "short" : "bye", retryAfter: 0, page: value };
      }),
    },
  });
}

/** The pages of one snapshot, until all of them are here. */
function createPages(http: Http) {
  let pages: SnapshotPage[] = [];

  /** Of another snapshot nothing is of use. */
  function keep(page: SnapshotPage): void {
    if (pages[0]?.snapshot !== page.snapshot || pages[0].pos !== page.pos) pages = [];
    const isKnown = pages.some(({ next }) => next === page.next);
    if (!isKnown) pages.push(page);
  }

  return {
    /** Where a try before got to, it goes on. */
    async next(page: SnapshotPage, signal: AbortSignal): Promise<Answer<SnapshotPage>> {
      keep(page);
      const last = pages.at(-1) ?? page;
      if (last.next === null) return { tag: "ok", value: last };
      const answer = await http.snapshot(last.snapshot, last.next, signal);
      if (answer.tag !== "ok") return answer;
      const { snapshot, pos, next } = answer.value;
      return snapshot === last.snapshot && pos === last.pos && pages.every((it) => it.next !== next)
        ? answer
        : { tag: "invalid", reason: "Expected a page of the same snapshot" };
    },
    take(page: SnapshotPage): WireTables {
      keep(page);
      const tables = new Map<string, WireTables[string]>();
      for (const { data } of pages)
        for (const [name, rows] of Object.entries(data)) {
          const all = tables.get(name) ?? [];
          for (const row of rows) all.push(row);
          tables.set(name, all);
        }
      pages = [];
      return Object.fromEntries(tables);
    },
  };
}

const expectPage = <Page>(page: Page | undefined): Page => {
  if (page === undefined) throw new Error("Expected a page");
  return page;
};

/** The machine with its services. */
export function replicationActors(http: Http, replicator: Replicator, view: ServerView) {
  const pages = createPages(http);
  return replicationMachine.provide({
    actors: {
      live: liveActors(http, view),
      attempt: fromPromise(({ input }) => replicator.attempt(input)),
      push: fromPromise(({ input, signal }) => http.push(input, signal)),
      record: fromPromise(({ input }) => replicator.answered(input.request, input.answer)),
      note: fromPromise(({ input }) => replicator.failed(input)),
      refuse: fromPromise(({ input }) => replicator.refuse(input.ids, input.error)),
      rotate: fromPromise<Outcome, void>(() => replicator.rotate()),
      adopt: fromPromise<Outcome, void>(() => replicator.adopt()),
      pull: fromPromise(({ input: { cursor, limit }, signal }) =>
        http.pull(cursor, signal, limit === undefined ? {} : { limit }),
      ),
      apply: fromPromise(({ input }) => replicator.pulled(expectPage(input))),
      page: fromPromise(({ input, signal }) => pages.next(expectPage(input), signal)),
      swap: fromPromise(async ({ input }) => {
        const page = expectPage(input);
        const { cursor, pos, epoch } = page;
        return await replicator.reset({ cursor, pos, epoch, tables: pages.take(page) });
      }),
      info: fromPromise(({ signal }) => http.info(signal)),
      renew: fromPromise(() => http.renew()),
    },
  });
}
