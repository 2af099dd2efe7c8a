/** Bugs in what readers get: pages, snapshots, streams, headers. */
import type { LogEntry } from "../../../src/protocol/index.ts";
import {
  type Bug,
  answers,
  edited,
  idle,
  isLive,
  isPage,
  isPull,
  isPush,
  pages,
  spaceOf,
  streams,
  withQuery,
} from "./kit.ts";

const cursorOf = (request: Request): string | null =>
  new URL(request.url).searchParams.get("cursor");

const header = (name: string, value: string | undefined, when: (response: Response) => boolean) =>
  answers((response) => {
    if (!when(response)) return response;
    if (value === undefined) response.headers.delete(name);
    else response.headers.set(name, value);
    return response;
  });

const byBlock = (name: string) => (block: string) => block.startsWith(`event: ${name}\n`);
const isPoke = byBlock("poke");

export const readingBugs: Readonly<Record<string, Bug>> = {
  "cached-errors": {
    says: "errors may be cached",
    caughtBy: ["H4", "S1"],
    wrap: header("cache-control", "max-age=60", (it) => it.status >= 400),
  },
  "cached-answers": {
    says: "what is no error may be cached",
    caughtBy: ["H4", "L1", "V1"],
    wrap: header("cache-control", "private, max-age=60", (it) => it.status === 200),
  },
  "no-cors": {
    says: "pages of other origins are not let in",
    caughtBy: ["H8"],
    wrap: header("access-control-expose-headers", undefined, () => true),
  },
  "empty-is-404": {
    says: "a space that nobody wrote to is not found",
    caughtBy: ["L1"],
    wrap(next) {
      const written = new Set<string>();
      return async (request) => {
        if (isPush(request)) written.add(spaceOf(request));
        return isPull(request) && !written.has(spaceOf(request))
          ? Response.json({ error: { code: "not_found" } }, { status: 404 })
          : next(request);
      };
    },
  },
  "loses-last-of-page": {
    says: "the last entry of a page that is not the last is left out",
    caughtBy: ["L2", "L13", "L17"],
    wrap: pages((page) =>
      page.mode === "log" && page.more && page.entries.length > 1
        ? { ...page, entries: page.entries.slice(0, -1) }
        : page,
    ),
  },
  "stands-still": {
    says: "with pages of one entry the reader is sent back to where it was",
    caughtBy: ["L3"],
    wrap: pages((page, request) =>
      page.mode === "log" && page.more && page.entries.length === 1
        ? { ...page, entries: [], cursor: cursorOf(request) }
        : page,
    ),
  },
  "time-of-reading": {
    says: "entries get the time at which they are read",
    caughtBy: ["L4", "C4"],
    wrap(next) {
      let now = Date.now();
      return pages((page) =>
        page.mode === "log"
          ? { ...page, entries: page.entries.map((it) => ({ ...it, ts: (now += 1) })) }
          : page,
      )(next);
    },
  },
  "cursor-inclusive": {
    says: "a page begins with the entry that the cursor stands at",
    caughtBy: ["L5", "L6"],
    wrap(next) {
      const last = new Map<string, LogEntry>();
      return pages((page, request) => {
        if (page.mode !== "log") return page;
        const before = last.get(cursorOf(request) ?? "");
        const entry = page.entries.at(-1) ?? before;
        if (entry !== undefined) last.set(page.cursor, entry);
        return before === undefined ? page : { ...page, entries: [before, ...page.entries] };
      })(next);
    },
  },
  "hides-own": {
    says: "an author does not get its own entries",
    caughtBy: ["L7"],
    wrap: pages((page, request) =>
      page.mode === "log" && request.headers.get("authorization") === "Bearer A"
        ? { ...page, entries: page.entries.filter((it) => it.by !== "user-a") }
        : page,
    ),
  },
  "bad-cursor-restarts": {
    says: "a cursor that is no good is answered as none",
    caughtBy: ["L8", "L9", "S1", "S6", "S7"],
    wrap: (next) => async (request) => {
      const response = await next(request);
      return isPull(request) && [400, 409].includes(response.status) && cursorOf(request) !== null
        ? edited<object>(
            await next(withQuery(request, (query) => query.delete("cursor"))),
            (page) => ({ ...page, from: cursorOf(request) }),
          )
        : response;
    },
  },
  "no-from": {
    says: "a page does not say where it begins",
    caughtBy: ["L10"],
    wrap: pages((page) => ({ ...page, from: null })),
  },
  "fat-pages": {
    says: "the size of a page is not looked at",
    caughtBy: ["L12"],
    wrap: (next) => async (request) => {
      const response = await next(request);
      if (!isPull(request) || response.status !== 200) return response;
      const page = (await response.clone().json()) as {
        mode: string;
        more?: boolean;
        cursor: string;
        entries: unknown[];
      };
      if (page.mode !== "log" || page.more !== true) return response;
      const rest = (await (
        await next(withQuery(request, (query) => query.set("cursor", page.cursor)))
      ).json()) as typeof page;
      return edited<typeof page>(response, (it) => ({
        ...it,
        ...rest,
        from: cursorOf(request),
        entries: [...it.entries, ...rest.entries],
      }));
    },
  },
  "time-of-server": {
    says: "the client's time is replaced",
    caughtBy: ["L14"],
    wrap: pages((page) =>
      page.mode === "log"
        ? { ...page, entries: page.entries.map((it) => ({ ...it, at: it.ts })) }
        : page,
    ),
  },
  "acks-early": {
    says: "the first pull after an event was acknowledged does not have it yet",
    caughtBy: ["P31"],
    wrap(next) {
      // Counted, not timed: on a busy machine the pull comes late.
      const stale = new Set<string>();
      return async (request) => {
        const space = spaceOf(request);
        const response = await next(request);
        if (isPush(request)) stale.add(space);
        const cursor = cursorOf(request);
        return isPull(request) && cursor !== null && stale.delete(space)
          ? edited<{ head: number; pos: number }>(response, (page) => ({
              ...page,
              entries: [],
              cursor,
              more: false,
            }))
          : response;
      };
    },
  },
  "wrong-actions": {
    says: "the actions of some events are left out",
    caughtBy: ["L18"],
    wrap: pages((page) =>
      page.mode === "log"
        ? {
            ...page,
            entries: page.entries.map((it) => ({
              ...it,
              ...(it.name === "note.add" && { actions: [] }),
            })),
          }
        : page,
    ),
  },
  "ghost-rows": {
    says: "a snapshot has rows that were deleted",
    caughtBy: ["S2", "S11"],
    wrap: pages((page) =>
      page.mode === "snapshot"
        ? {
            ...page,
            data: {
              ...page.data,
              item: [...(page.data["item"] ?? []), { id: "ghost", title: "", n: 0 }],
            },
          }
        : page,
    ),
  },
  "snapshot-drifts": {
    says: "pages of a snapshot are of different positions",
    caughtBy: ["S3"],
    wrap: pages((page, request) =>
      page.mode === "snapshot" && !isPull(request) ? { ...page, pos: page.pos + 1 } : page,
    ),
  },
  "tail-lost": {
    says: "what was pushed while a snapshot was read does not come after it",
    caughtBy: ["S4"],
    wrap(next) {
      const cursors = new Set<string>();
      return pages((page, request) => {
        if (page.mode === "snapshot") {
          cursors.add(page.cursor);
          return page;
        }
        return cursors.has(cursorOf(request) ?? "") ? { ...page, entries: [], more: false } : page;
      })(next);
    },
  },
  "any-snapshot": {
    says: "a snapshot that is not known is an empty one",
    caughtBy: ["S5"],
    wrap: answers((response, request) =>
      isPage(request) &&
      !isPull(request) &&
      response.status >= 400 &&
      response.status !== 401 &&
      response.status !== 403
        ? Response.json({
            mode: "snapshot",
            epoch: "e",
            from: null,
            cursor: "c",
            pos: 0,
            head: 0,
            data: {},
            next: null,
            snapshot: "s",
          })
        : response,
    ),
  },
  "restore-resets-all": {
    says: "after a restore each reader has to start again",
    caughtBy: ["S8"],
    store(vault) {
      let times = 0;
      return {
        ...vault,
        restore: (backup) => {
          times += 1;
          return vault.restore(backup);
        },
        async open() {
          const storage = await vault.open();
          return {
            ...storage,
            read: async (space, want, use) => {
              const found = await storage.read(space, want, use);
              return { ...found, space: { ...found.space, epoch: `${found.space.epoch}${times}` } };
            },
          };
        },
      };
    },
  },
  "no-hello": {
    says: "a stream does not say hello",
    caughtBy: ["V1"],
    wrap: streams((block) => (byBlock("hello")(block) ? undefined : block)),
  },
  "no-pokes": {
    says: "streams are not told of pushes",
    caughtBy: ["V2", "V3", "V7"],
    wrap: streams((block) => (isPoke(block) ? undefined : block)),
  },
  "old-head": {
    says: "a poke has the head as it was before",
    caughtBy: ["V3"],
    wrap: streams((block) =>
      isPoke(block)
        ? block.replace(/"head":(\d+)/, (_, head) => `"head":${Number(head) - 1}`)
        : block,
    ),
  },
  "pages-do-not-chain": {
    says: "pages of a stream begin anywhere",
    caughtBy: ["V5"],
    wrap: streams((block) => {
      if (!isPoke(block)) return block;
      const { epoch, head } = JSON.parse(/^data: (.*)$/m.exec(block)?.[1] ?? "{}") as {
        epoch: string;
        head: number;
      };
      const data = {
        mode: "log",
        epoch,
        from: "elsewhere",
        cursor: "elsewhere",
        pos: head,
        head,
        more: false,
        entries: [],
      };
      return `event: page\nid: elsewhere\ndata: ${JSON.stringify(data)}\n\n`;
    }),
  },
  "no-heartbeat": {
    says: "a stream shows no sign of life",
    caughtBy: ["V6"],
    wrap: streams((block) => (block.startsWith(":") ? undefined : block)),
  },
  buffers: {
    says: "what is sent waits until there is more",
    caughtBy: ["V7"],
    wrap(next) {
      let kept = "";
      return streams((block) => {
        if (!isPoke(block)) return block;
        kept += block;
        if (kept === block) return undefined;
        const all = kept;
        kept = "";
        return all;
      })(next);
    },
  },
  "token-lives-on": {
    says: "a stream stays open when its token expires",
    caughtBy: ["V8"],
    wrap: idle("expire-token"),
  },
  "no-bye": {
    says: "a server that goes down breaks its streams off",
    caughtBy: ["V9"],
    wrap: streams((block) => (byBlock("bye")(block) ? undefined : block)),
  },
  "ten-streams": {
    says: "the eleventh stream hangs",
    caughtBy: ["V10"],
    wrap(next) {
      const open = new Map<string, number>();
      return async (request) => {
        const space = spaceOf(request);
        if (isLive(request)) open.set(space, (open.get(space) ?? 0) + 1);
        return isLive(request) && (open.get(space) ?? 0) > 10
          ? new Promise<Response>(() => undefined)
          : next(request);
      };
    },
  },
  "pokes-everyone": {
    says: "a push pokes the readers of all spaces",
    caughtBy: ["V11"],
    store: (vault) => ({
      ...vault,
      async open() {
        const storage = await vault.open();
        const spaces = new Set<string>();
        return {
          ...storage,
          read: (space, want, use) => {
            spaces.add(space);
            return storage.read(space, want, use);
          },
          watch: (tell) =>
            storage.watch((_, head) => {
              for (const space of spaces) tell(space, head);
            }),
        };
      },
    }),
  },
  "keeps-streams": {
    says: "a stream that the client left is kept",
    caughtBy: ["V13"],
    wrap: (next) => async (request) => {
      if (!isLive(request)) return next(request);
      const response = await next(new Request(request.url, { headers: request.headers }));
      if (response.body === null) return response;
      const [kept, theirs] = response.body.tee();
      kept.pipeTo(new WritableStream()).catch(() => undefined); // It ends with the server.
      return new Response(theirs, response);
    },
  },
  "deaf-peer": {
    says: "a process does not hear of pushes at another one",
    caughtBy: ["V14"],
    store: (vault) => ({
      ...vault,
      async open() {
        const storage = await vault.open();
        const own = new Set<(space: string, head: number) => void>();
        return {
          ...storage,
          watch(tell) {
            own.add(tell);
            return () => own.delete(tell);
          },
          async push(space, want, decide) {
            let head = 0;
            await storage.push(space, want, async (found) => {
              const write = await decide(found);
              head = write?.rows.at(-1)?.pos ?? 0;
              return write;
            });
            if (head > 0) for (const tell of own) tell(space, head);
          },
        };
      },
    }),
  },
};
