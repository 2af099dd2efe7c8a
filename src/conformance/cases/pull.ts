/** L1–L18: reading the log. */
import { type Case, type Trial } from "../case.ts";
import { diceOf } from "../dice.ts";
import { type Client } from "../client.ts";
import { must, mustNotBeStored, same } from "../check.ts";
import { dump, emptyTables, fold, fromData } from "../fold.ts";
import { type Reading } from "../reader.ts";
import { type Answer } from "../target.ts";
import { errorOf } from "./http.ts";

/** Pushes any number of events, in batches. */
export async function pushMany(
  t: Trial,
  client: Client,
  count: number,
  title = "",
): Promise<number[]> {
  const { batchEvents, bodyBytes } = t.info.limits;
  const size = title.length + 400;
  const most = Math.max(1, Math.min(batchEvents, Math.floor((bodyBytes * 0.9) / size)));
  const positions: number[] = [];
  while (positions.length < count) {
    const length = Math.min(most, count - positions.length);
    const events = Array.from({ length }, (_, at) => client.create(title || `item ${at}`));
    positions.push(...(await client.accept(events)));
  }
  return positions;
}

/** Random but sensible events on a few items. */
export function someEvents(
  client: Client,
  count: number,
  items: readonly string[],
  dice: () => number,
) {
  return Array.from({ length: count }, (_, at) => {
    const id = items[Math.floor(dice() * items.length)] as string;
    const kind = Math.floor(dice() * 5);
    if (kind === 0) return client.event("item.create", { id, title: `t${at}` });
    if (kind === 1) return client.event("item.rename", { id, title: `r${at}` });
    if (kind === 2) return client.event("item.delete", { id });
    if (kind === 3) return client.event("item.inc", { id, by: at + 1 });
    return client.event("note.add", { id: `n${at}-${id}`, item: id, text: `x${at}` });
  });
}

/** The rows that a reading comes to. */
export const rowsOf = ({ data, entries }: Reading): string => dump(fold(fromData(data), entries));

/** A cursor of a space that has entries, and one from before its entries. */
async function cursors(
  t: Trial,
  count = 3,
): Promise<{ client: Client; start: string; end: string }> {
  const client = t.client(t.space());
  const { cursor: start } = await t.readAll(client.space);
  await pushMany(t, client, count);
  const { cursor: end } = await t.readAll(client.space, { cursor: start });
  return { client, start, end };
}

export const mustReset = (answer: Answer, ...reasons: readonly string[]): void => {
  same("the code", errorOf(answer, 409), "reset_required");
  const { reason } = (answer.json as { error: { reason?: string } }).error;
  if (reasons.length > 0)
    must(`the reason to be ${reasons.join(" or ")}`, reasons.includes(reason ?? ""), reason);
};

export const pullCases: readonly Case[] = [
  {
    id: "L1",
    title: "an empty space is an empty page with a cursor, which is not cached",
    clause: "§7.1",
    level: "L2",
    async run(t) {
      const space = t.space();
      const all = await t.readAll(space);
      same("its entries", all.entries, []);
      same("its rows", dump(fromData(all.data)), dump(emptyTables()));
      const page = await t.logPage(space, { cursor: all.cursor });
      same(
        "its entries, `more` and position",
        [page.entries, page.more, page.pos],
        [[], false, page.head],
      );
      const { headers } = await t.pull(space, { cursor: all.cursor });
      mustNotBeStored("a page", headers);
    },
  },
  {
    id: "L2",
    title: "many small pages are what one large page is",
    clause: "§7.2",
    level: "L2",
    async run(t) {
      const { client, start } = await cursors(t, 53);
      const large = await t.readAll(client.space, { cursor: start });
      const small = await t.readAll(client.space, { cursor: start, limit: 7 });
      must("more than one page with a small limit", small.pages > 1, small.pages);
      same("the entries", small.entries, large.entries);
      same("how many", large.entries.length, 53);
      same("position and head", [small.pos, small.head], [large.pos, large.head]);
    },
  },
  {
    id: "L3",
    title: "pages of one entry lead to the end",
    clause: "§7.2",
    level: "L2",
    async run(t) {
      const { client, start } = await cursors(t, 12);
      const { entries, pages } = await t.readAll(client.space, { cursor: start, limit: 1 });
      same("the number of entries", entries.length, 12);
      must("at least 12 pages", pages >= 12, pages);
    },
  },
  {
    id: "L4",
    title: "the entries after a cursor do not change",
    clause: "§7.2",
    level: "L2",
    async run(t) {
      const { client, start } = await cursors(t, 5);
      const first = await t.logPage(client.space, { cursor: start, limit: 3 });
      await pushMany(t, client, 3);
      const again = await t.logPage(client.space, { cursor: start, limit: 3 });
      same("the entries", again.entries, first.entries);
      same("cursor and position", [again.cursor, again.pos], [first.cursor, first.pos]);
    },
  },
  {
    id: "L5",
    title: "at the end there is an empty page at the same position",
    clause: "§7.2",
    level: "L2",
    async run(t) {
      const { client, start, end } = await cursors(t);
      const all = await t.readAll(client.space, { cursor: start });
      const page = await t.logPage(client.space, { cursor: end });
      same(
        "entries, position and `more`",
        [page.entries, page.pos, page.more],
        [[], all.pos, false],
      );
    },
  },
  {
    id: "L6",
    title: "positions rise from page to page, up to head",
    clause: "§7.2",
    level: "L2",
    async run(t) {
      const { client, start } = await cursors(t, 30);
      let cursor = start;
      let last = -1;
      for (let more = true; more;) {
        const page = await t.logPage(client.space, { cursor, limit: 4 });
        for (const { pos } of page.entries) {
          must(`a position above ${last}`, pos > last, pos);
          last = pos;
        }
        must(
          "the page's position to be that of its last entry, or above",
          page.pos >= last,
          page.pos,
        );
        must("`more` exactly while head is ahead", page.more === page.pos < page.head, page);
        ({ cursor, more } = page);
      }
    },
  },
  {
    id: "L7",
    title: "an author gets its own entries",
    clause: "§7.7",
    level: "L2",
    async run(t) {
      const client = t.client(t.space());
      const { cursor } = await t.readAll(client.space);
      const event = client.create();
      const [pos] = await client.accept([event]);
      const { entries } = await t.logPage(client.space, { cursor });
      const { id, seq } = event;
      const own = entries.map((it) => ({ pos: it.pos, id: it.id, client: it.client, seq: it.seq }));
      same("its stub", own, [{ pos, id, client: client.id, seq }]);
    },
  },
  {
    id: "L8",
    title: "what is no cursor is refused with 400 or 409, and brings no data",
    clause: "§7.4",
    level: "L2",
    async run(t) {
      const { client, end } = await cursors(t);
      const middle = Math.floor(end.length / 2);
      const other = end[middle] === "A" ? "B" : "A";
      const bad = [
        "garbage",
        "AAAA",
        "~",
        "W10",
        "bnVsbA",
        "9".repeat(256),
        "x".repeat(5000),
        "a b",
        "\u0000",
        "__proto__",
        end.slice(0, -3),
        end.slice(0, middle) + other + end.slice(middle + 1),
      ];
      for (const cursor of bad) errorOf(await t.pull(client.space, { cursor }), 400, 409);
    },
  },
  {
    id: "L9",
    title: "a cursor of another space needs a reset",
    clause: "§7.4",
    level: "L2",
    async run(t) {
      const [one, other] = [await cursors(t, 4), await cursors(t, 6)];
      mustReset(await t.pull(other.client.space, { cursor: one.end }));
      mustReset(await t.pull(one.client.space, { cursor: other.end }));
    },
  },
  {
    id: "L10",
    title: "`from` is the cursor that was sent",
    clause: "§7.2",
    level: "L2",
    async run(t) {
      const { client, start, end } = await cursors(t);
      for (const cursor of [null, start, end]) {
        const { from } = await t.page(client.space, { cursor });
        same("`from`", from, cursor);
      }
    },
  },
  {
    id: "L11",
    title: "a long poll returns at a push, and is an empty page when its time is over",
    clause: "§7.6",
    level: "L2",
    needs: ["wait"],
    async run(t) {
      const { client, end } = await cursors(t);
      const began = performance.now();
      const [page] = await Promise.all([
        t.logPage(client.space, { cursor: end, wait: 10 }),
        t.sleep(150).then(() => pushMany(t, client, 1)),
      ]);
      const took = performance.now() - began;
      same("the entries that it waited for", page.entries.length, 1);
      must("an answer before its time is over", took < 8000, took);
      const start = performance.now();
      const empty = await t.logPage(client.space, { cursor: page.cursor, wait: 1 });
      const waited = performance.now() - start;
      same("entries and cursor", [empty.entries, empty.cursor], [[], page.cursor]);
      must("a wait of about 1 s", waited > 700, waited);
    },
  },
  {
    id: "L12",
    title: "no page is longer than the limit in bytes",
    clause: "§7.3",
    level: "L2",
    async run(t) {
      const { pageBytes } = t.info.limits;
      const client = t.client(t.space());
      let { cursor } = await t.readAll(client.space);
      const title = "x".repeat(10 * 1024);
      const count = Math.ceil((pageBytes * 1.5) / title.length);
      await pushMany(t, client, count, title);
      let found = 0;
      for (let more = true; more;) {
        const answer = await t.pull(client.space, { cursor });
        const page = answer.json as { cursor: string; more: boolean; entries: unknown[] };
        must("a page", answer.status === 200 && page.entries.length > 0, answer.status);
        // What is around the entries is not counted.
        must(
          `at most ${pageBytes} bytes`,
          answer.text.length <= pageBytes * 1.02 + 2000,
          answer.text.length,
        );
        found += page.entries.length;
        ({ cursor, more } = page);
      }
      same("the number of entries", found, count);
    },
  },
  {
    id: "L13",
    title: "a reader misses nothing while others write",
    clause: "§7.2",
    level: "L2",
    seconds: 60,
    async run(t) {
      const space = t.space();
      const { cursor: start } = await t.readAll(space);
      const until = performance.now() + t.effort.soak * 1000;
      let writing = 8;
      const pushed: string[] = [];
      const write = async (): Promise<void> => {
        const client = t.client(space);
        while (performance.now() < until) {
          const events = [client.create(""), client.create("")];
          await client.accept(events);
          pushed.push(...events.map((it) => it.id));
        }
        writing -= 1;
      };
      const seen: string[] = [];
      const follow = async (): Promise<void> => {
        let cursor = start;
        for (let last = false; !last;) {
          last = writing === 0;
          const read = await t.readAll(space, { cursor, limit: 5 });
          seen.push(...read.entries.map((it) => it.id ?? ""));
          ({ cursor } = read);
        }
      };
      await Promise.all([...Array.from({ length: 8 }, write), follow()]);
      must("pushes", pushed.length > 0, pushed.length);
      same("the number of entries that a reader saw", seen.length, pushed.length);
      same("their ids", seen.toSorted(), pushed.toSorted());
    },
  },
  {
    id: "L14",
    title: "times of the server do not go back, and those of clients are left alone",
    clause: "§7.7",
    level: "L2",
    async run(t) {
      const client = t.client(t.space());
      const { cursor } = await t.readAll(client.space);
      const times = [5, 0, 4_102_444_800_000, 1_000_000_000_000];
      for (const at of times) await client.accept([client.create("", { at })]);
      const { entries } = await t.logPage(client.space, { cursor });
      same(
        "`at` of the entries",
        entries.map((it) => it.at),
        times,
      );
      const stamps = entries.map((it) => it.ts);
      must(
        "`ts` that does not go back",
        stamps.every((ts, at) => ts >= (stamps[at - 1] ?? 1)),
        stamps,
      );
      const away = Math.abs((stamps[0] ?? 0) - t.info.now);
      must("`ts` by the clock that info shows", away < 3_600_000, [stamps[0], t.info.now]);
    },
  },
  {
    id: "L15",
    title: "tokens in `seen` are verified as the cursor is",
    clause: "§7.5",
    level: "L2",
    async run(t) {
      const [one, other] = [await cursors(t, 3), await cursors(t, 5)];
      const { space } = one.client;
      const good = await t.logPage(space, { cursor: one.start, seen: [one.end, one.start] });
      same("the entries with good tokens", good.entries.length, 3);
      mustReset(await t.pull(space, { cursor: one.start, seen: [one.end, other.end] }));
      errorOf(await t.pull(space, { cursor: one.start, seen: ["garbage"] }), 400, 409);
    },
  },
  {
    id: "L16",
    title: "a limit that makes no sense is put right, or refused with 400",
    clause: "§7.3",
    level: "L2",
    async run(t) {
      const { client, start } = await cursors(t, 3);
      for (const limit of [0, -1, 1e9, 1e300, 0.5, "abc", "", "1e", "9".repeat(400)]) {
        const answer = await t.pull(client.space, { cursor: start, limit });
        if (answer.status !== 200) errorOf(answer, 400);
        else {
          const { entries, more } = answer.json as { entries: unknown[]; more: boolean };
          must(
            `entries, or no more, with the limit ${limit}`,
            entries.length > 0 || !more,
            answer.text,
          );
        }
      }
    },
  },
  {
    id: "L17",
    title: "readers with pages of different sizes come to the same rows",
    clause: "§3.2",
    level: "L2",
    async run(t) {
      const client = t.client(t.space());
      const { cursor } = await t.readAll(client.space);
      const dice = diceOf(t.effort.seed);
      const events = someEvents(client, 90, ["a", "b", "c"], dice);
      for (let at = 0; at < 90; at += 30) await client.accept(events.slice(at, at + 30));
      const rows = await Promise.all(
        [1, 7, 500].map(async (limit) => rowsOf(await t.readAll(client.space, { cursor, limit }))),
      );
      const made = events.map(({ name, payload }) => ({ pos: 1, ts: 0, name, payload }));
      const expected = dump(fold(emptyTables(), made));
      for (const it of rows) same("the rows", it, expected);
      same("the rows of a new reader", rowsOf(await t.readAll(client.space)), expected);
    },
  },
  {
    id: "L18",
    title: "the actions of entries come to the rows that their events mean",
    clause: "§7.7",
    level: "L2",
    needs: ["actions"],
    async run(t) {
      const client = t.client(t.space());
      const { cursor } = await t.readAll(client.space);
      const events = someEvents(client, 60, ["a", "b", "c"], diceOf(t.effort.seed));
      await client.accept(events);
      const { entries } = await t.readAll(client.space, { cursor });
      must(
        "actions in each entry",
        entries.every((it) => it.actions !== undefined),
        entries[0],
      );
      const made = events.map(({ name, payload }) => ({ pos: 1, ts: 0, name, payload }));
      same("the rows", dump(fold(emptyTables(), entries)), dump(fold(emptyTables(), made)));
    },
  },
];
