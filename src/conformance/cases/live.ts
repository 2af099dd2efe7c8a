/** V1–V14: live streams. */
import { type LiveItem } from "../../protocol/index.ts";
import { type Case, type Trial } from "../case.ts";
import { Failed, must, same } from "../check.ts";
import { errorOf } from "./http.ts";
import { pushMany } from "./pull.ts";

/** What the protocol allows for a poke, in ms. */
const soon = 1000;

type Sign = Extract<LiveItem, { kind: "event" | "comment" }>;
type News = Extract<LiveItem, { kind: "event" }>;
const isSign = (it: LiveItem): it is Sign => it.kind !== "invalid";
const isNews = (it: LiveItem): it is News =>
  it.kind === "event" && (it.event.event === "poke" || it.event.event === "page");
const headOf = ({ event }: News): number =>
  event.event === "poke" || event.event === "page" ? event.data.head : 0;

/** A stream of a space that stands at its head. */
async function atHead(t: Trial, space: string) {
  const { cursor, head } = await t.readAll(space);
  const live = await t.live(space, { cursor });
  const { data } = await live.event("hello", soon);
  return { live, cursor, head, hello: data };
}

export const liveCases: readonly Case[] = [
  {
    id: "V1",
    title: "a stream begins with hello within a second",
    clause: "§9.1",
    level: "L3",
    async run(t) {
      const client = t.client(t.space());
      await pushMany(t, client, 3);
      const { cursor, head } = await t.readAll(client.space);
      const live = await t.live(client.space, { cursor });
      const item = await live.next("a first event", isSign, soon);
      must("hello first", item.kind === "event" && item.event.event === "hello", item);
      const { data } = item.event;
      same("its head", data.head, head);
      must("a heartbeat of 10 ms to 60 s", data.heartbeat >= 10 && data.heartbeat <= 60_000, data);
    },
  },
  {
    id: "V2",
    title: "a push by one user pokes another within a second",
    clause: "§9.2",
    level: "L3",
    async run(t) {
      const space = t.space();
      const { live } = await atHead(t, space);
      await pushMany(t, t.client(space, { as: "B" }), 1);
      await live.next("a poke or page", isNews, soon);
    },
  },
  {
    id: "V3",
    title: "the head of a poke is not below the position of the push",
    clause: "§9.2",
    level: "L3",
    async run(t) {
      const client = t.client(t.space());
      const { live } = await atHead(t, client.space);
      for (let round = 0; round < 3; round += 1) {
        const [pos = 0] = await pushMany(t, client, 1);
        const news = await live.next("a poke or page", isNews, soon);
        must(`a head not below ${pos}`, headOf(news) >= pos, news.event);
      }
    },
  },
  {
    id: "V4",
    title: "a stream from an older cursor tells at once that there is more",
    clause: "§9.1",
    level: "L3",
    async run(t) {
      const client = t.client(t.space());
      const { cursor } = await t.readAll(client.space);
      await pushMany(t, client, 3);
      const live = await t.live(client.space, { cursor });
      const { data } = await live.event("hello", soon);
      const news = await live.next("a poke or page", isNews, soon);
      same("its head", headOf(news), data.head);
    },
  },
  {
    id: "V5",
    title: "pages of a stream follow on each other, and are those of a pull",
    clause: "§9.3",
    level: "L3",
    async run(t) {
      const client = t.client(t.space());
      const { live, cursor } = await atHead(t, client.space);
      let from = cursor;
      for (let round = 0; round < 3; round += 1) {
        await pushMany(t, client, 2);
        const news = await live.next("a poke or page", isNews, soon);
        const { event } = news;
        if (event.event === "page") {
          same("`from` of a page", event.data.from, from);
          same("its id", event.id, event.data.cursor);
          const pulled = await t.logPage(client.space, {
            cursor: from,
            limit: event.data.entries.length,
          });
          same("its entries", event.data.entries, pulled.entries);
          from = event.data.cursor;
        } else {
          // Pokes alone are enough: the next page, if there is one, begins where a pull has led.
          ({ cursor: from } = await t.readAll(client.space, { cursor: from }));
        }
      }
    },
  },
  {
    id: "V6",
    title: "a sign of life comes within 2.5 heartbeats",
    clause: "§9.4",
    level: "L3",
    seconds: 160,
    async run(t) {
      const { live, hello } = await atHead(t, t.space());
      for (let beat = 0; beat < 2; beat += 1)
        await live.next("a sign of life", isSign, Math.max(2.5 * hello.heartbeat, 250));
    },
  },
  {
    id: "V7",
    title: "events are sent when they happen, not kept until there are more",
    clause: "§9.2",
    level: "L3",
    async run(t) {
      const client = t.client(t.space());
      const { live } = await atHead(t, client.space);
      const heads: number[] = [];
      for (let round = 0; round < 2; round += 1) {
        await pushMany(t, client, 1);
        // The second push is made when the first is known.
        heads.push(headOf(await live.next("a poke or page of its own", isNews, soon)));
        await t.sleep(300);
      }
      must("a later head in the second", (heads[1] ?? 0) > (heads[0] ?? 0), heads);
    },
  },
  {
    id: "V8",
    title: "when its token expires a stream ends, and cannot be opened again with it",
    clause: "§9.5",
    level: "L3",
    needs: ["control"],
    alone: true,
    async run(t) {
      const space = t.space();
      await t.control("expire-token", { token: t.target.tokens.B, after: 500 });
      try {
        const live = await t.live(space, { as: "B" });
        const { data } = await live.event("hello", soon);
        must("`expiresIn` of up to 500 ms", (data.expiresIn ?? 0) <= 500, data.expiresIn);
        await live.ended(2 * soon);
        for (const item of live.items)
          if (item.kind === "event" && item.event.event === "bye")
            same("the reason", item.event.data.reason, "token_expired");
        same("the code", errorOf(await t.ask(`/${space}/live`, { as: "B" }), 401), "token_expired");
      } finally {
        await t.control("expire-token", { token: t.target.tokens.B });
      }
    },
  },
  {
    id: "V9",
    title: "a server that goes down says bye, and when to come back",
    clause: "§9.5",
    level: "L3",
    needs: ["control"],
    alone: true,
    async run(t) {
      const streams = await Promise.all([t.space(), t.space(), t.space()].map((it) => t.live(it)));
      for (const live of streams) await live.event("hello", soon);
      await t.control("drain");
      for (const live of streams) {
        const { data } = await live.event("bye", 2 * soon);
        same("the reason", data.reason, "shutdown");
        must("to come back within 5 s", data.retryAfter <= 5000, data.retryAfter);
        await live.ended(2 * soon);
      }
    },
  },
  {
    id: "V10",
    title: "20 streams of one user are served or refused, none hangs",
    clause: "§9.5",
    level: "L3",
    async run(t) {
      const space = t.space();
      const open = async (): Promise<number> => {
        try {
          const late = t.sleep(3 * soon * t.effort.slack).then(() => undefined);
          const live = await Promise.race([t.live(space), late]);
          must("an answer within 3 s", live !== undefined);
          await live.event("hello", 3 * soon);
          return 1;
        } catch (error) {
          must(
            "hello or 429",
            error instanceof Failed && /\b429\b/.test(error.message),
            String(error),
          );
          return 0;
        }
      };
      const served = await Promise.all(Array.from({ length: 20 }, open));
      must("at least one stream to be served", served.includes(1), served);
      await pushMany(t, t.client(space), 1);
    },
  },
  {
    id: "V11",
    title: "nothing is told of other spaces",
    clause: "§9.2",
    level: "L3",
    async run(t) {
      const [own, other] = [t.client(t.space()), t.client(t.space())];
      const { live } = await atHead(t, own.space);
      await pushMany(t, other, 5);
      await pushMany(t, own, 1);
      const news = await live.next("a poke or page", isNews, soon);
      const { head } = await t.readAll(own.space);
      same("its head, that of the own space", headOf(news), head);
      // Whatever else is on its way comes with a poke of the own space, or before.
      await pushMany(t, own, 1);
      await live.next("a poke or page", isNews, soon);
      same("the number of pokes", live.items.filter(isNews).length, 2);
    },
  },
  {
    id: "V12",
    title: "a cursor that needs a reset is told so on the stream, or refused with 409",
    clause: "§9.1",
    level: "L3",
    async run(t) {
      const other = t.client(t.space());
      await pushMany(t, other, 4);
      const { cursor } = await t.readAll(other.space);
      const own = t.client(t.space());
      await pushMany(t, own, 6);
      try {
        const live = await t.live(own.space, { cursor });
        const { data } = await live.event("reset", 2 * soon);
        same("the code", data.code, "reset_required");
      } catch (error) {
        must(
          "a reset or 409",
          error instanceof Failed && /\b409\b.*reset_required/.test(error.message),
          String(error),
        );
      }
    },
  },
  {
    id: "V13",
    title: "a stream that the client left is let go",
    clause: "§9.5",
    level: "L3",
    needs: ["control"],
    // Streams are counted for all spaces together.
    alone: true,
    async run(t) {
      const client = t.client(t.space());
      const count = async (): Promise<number> => Number((await t.control("streams"))["count"]);
      /** TCP tells of it at the next write, at the latest. */
      const settled = async (wanted: number): Promise<number> => {
        for (let tries = 0; tries < 30 && (await count()) > wanted; tries += 1) {
          await pushMany(t, client, 1);
          await t.sleep(50);
        }
        return count();
      };
      const before = await settled(0);
      const lives = await Promise.all(Array.from({ length: 3 }, () => t.live(client.space)));
      for (const live of lives) await live.event("hello", soon);
      same("the number of open streams", await count(), before + 3);
      for (const live of lives) live.close();
      same("the number of open streams after they were left", await settled(before), before);
    },
  },
  {
    id: "V14",
    title: "a push at one process pokes a stream at another",
    clause: "§9.6",
    level: "L3",
    needs: ["peer"],
    async run(t) {
      const client = t.client(t.space());
      const { cursor } = await t.readAll(client.space);
      const live = await t.live(client.space, { cursor, base: t.target.peer ?? "" });
      await live.event("hello", soon);
      const [pos = 0] = await pushMany(t, client, 1);
      // Notifications may be lost; the sweep that makes up for it runs every 5 s.
      const news = await live.next("a poke or page", isNews, 6 * soon);
      must(`a head not below ${pos}`, headOf(news) >= pos, news.event);
      const there = await t.readAll(client.space, { base: t.target.peer ?? "", cursor });
      same("the number of entries there", there.entries.length, 1);
    },
  },
];
