/** Q1–Q10: queries. The one that is asked for gives all rows of the table `item` of a space. */
import {
  type SyncResponse,
  type WireRow,
  decodeSyncResponse,
  headers,
} from "../../protocol/index.ts";
import { type Case, type Trial } from "../case.ts";
import { diceOf } from "../dice.ts";
import { must, same } from "../check.ts";
import { dump, emptyTables, fold, fromData } from "../fold.ts";
import { type Answer, type Ask } from "../target.ts";
import { pushMany, someEvents } from "./pull.ts";

function query(t: Trial, space: string, ask: Ask = {}, more = ""): Promise<Answer> {
  const path = (t.target.query ?? "").replaceAll("{space}", space);
  return t.ask(path + more, ask);
}

function bodyOf(answer: Answer): SyncResponse {
  must("a query to be answered 200", answer.status === 200, [answer.status, answer.text]);
  const body = decodeSyncResponse(answer.json);
  must("a response as the protocol has it", "value" in body, answer.text);
  return body.value;
}

/** The rows of a response, by their ids. */
function itemsOf(body: SyncResponse): readonly WireRow[] {
  const tables =
    body.mode === "snapshot"
      ? fromData({ item: body.data["item"] ?? [] })
      : fold(emptyTables(), [{ pos: 1, ts: 0, actions: body.data }]);
  return Array.from(tables.get("item")?.values() ?? []).toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

export const queryCases: readonly Case[] = [
  {
    id: "Q1",
    title: "a query gives a response of the protocol",
    clause: "§10.1",
    level: "L0",
    needs: ["query"],
    async run(t) {
      bodyOf(await query(t, t.space()));
    },
  },
  {
    id: "Q2",
    title: "where there is a log, a query has position and token",
    clause: "§10.1",
    level: "L2",
    needs: ["query"],
    async run(t) {
      const client = t.client(t.space());
      const [pos = 0] = await pushMany(t, client, 1);
      const body = bodyOf(await query(t, client.space));
      must(`a position not below ${pos}`, (body.pos ?? -1) >= pos, body.pos);
      must("a token", body.token !== undefined, body);
      must("an epoch", body.epoch !== undefined, body);
      same("the number of rows", itemsOf(body).length, 1);
    },
  },
  {
    id: "Q3",
    title: "the token of a query is good in `seen`",
    clause: "§10.1",
    level: "L2",
    needs: ["query"],
    async run(t) {
      const client = t.client(t.space());
      const { cursor } = await t.readAll(client.space);
      await pushMany(t, client, 3);
      const { token, pos } = bodyOf(await query(t, client.space));
      const page = await t.logPage(client.space, { cursor, seen: [token ?? ""] });
      same(
        "the number of entries up to it",
        page.entries.filter((it) => it.pos <= (pos ?? 0)).length,
        3,
      );
    },
  },
  {
    id: "Q4",
    title: "what has not changed is 304, with the position as of which that is so",
    clause: "§10.3",
    level: "L2",
    needs: ["query"],
    async run(t) {
      const client = t.client(t.space());
      await pushMany(t, client, 2);
      const first = await query(t, client.space);
      const etag = first.headers.get("etag");
      must("an ETag", etag !== null);
      const again = await query(t, client.space, { headers: { "if-none-match": etag } });
      same("the status", again.status, 304);
      same("the body", again.text, "");
      const { pos } = bodyOf(first);
      const told = again.headers.get(headers.pos);
      must(`Sssync-Pos not below ${pos}`, told !== null && Number(told) >= (pos ?? 0), told);
      must("Sssync-Token", (again.headers.get(headers.token) ?? "") !== "");
    },
  },
  {
    id: "Q5",
    title: "what has changed is 200, with another ETag and a larger position",
    clause: "§10.3",
    level: "L2",
    needs: ["query"],
    async run(t) {
      const client = t.client(t.space());
      await pushMany(t, client, 1);
      const first = await query(t, client.space);
      const etag = first.headers.get("etag") ?? "";
      await pushMany(t, client, 1);
      const second = await query(t, client.space, { headers: { "if-none-match": etag } });
      must(
        "a larger position",
        (bodyOf(second).pos ?? 0) > (bodyOf(first).pos ?? 0),
        bodyOf(second).pos,
      );
      must("another ETag", second.headers.get("etag") !== etag, etag);
      same("the number of rows", itemsOf(bodyOf(second)).length, 2);
    },
  },
  {
    id: "Q6",
    title: "the position is honest: the rows are the log up to it, also while others write",
    clause: "§10.1",
    level: "L2",
    needs: ["query"],
    seconds: 60,
    async run(t) {
      const space = t.space();
      const { cursor } = await t.readAll(space);
      const until = performance.now() + t.effort.soak * 500;
      const items = ["a", "b", "c"];
      const write = async (_: unknown, at: number): Promise<void> => {
        const client = t.client(space);
        const dice = diceOf(t.effort.seed + at);
        while (!asked.isOver) await client.accept(someEvents(client, 3, items, dice));
      };
      const bodies: SyncResponse[] = [];
      const asked = { isOver: false };
      let late = 0;
      // On a busy machine time alone may be over before anything was compared.
      const goesOn = (): boolean => performance.now() < until || bodies.length + late < 20;
      const ask = async (): Promise<void> => {
        while (goesOn()) {
          const answer = await query(t, space);
          // It may have no time for it now and then.
          if (answer.status === 503) late += 1;
          else bodies.push(bodyOf(answer));
        }
      };
      await Promise.all([
        ...Array.from({ length: 4 }, write),
        ask().finally(() => (asked.isOver = true)),
      ]);
      const { entries } = await t.readAll(space, { cursor });
      must("most queries to be answered while others write", bodies.length > late, [
        bodies.length,
        late,
      ]);
      for (const body of bodies) {
        const rows = fold(
          emptyTables(),
          entries.filter((it) => it.pos <= (body.pos ?? 0)),
        );
        const expected = new Map([["item", rows.get("item") ?? new Map<string, WireRow>()]]);
        const got = new Map([["item", new Map(itemsOf(body).map((row) => [row.id, row]))]]);
        same(`the rows at ${body.pos}`, dump(got), dump(expected));
      }
    },
  },
  {
    id: "Q7",
    title: "an answer is never older than Sssync-After",
    clause: "§10.2",
    level: "L2",
    needs: ["query"],
    async run(t) {
      const client = t.client(t.space());
      for (let round = 0; round < 5; round += 1) {
        await pushMany(t, client, 1);
        const { cursor, pos } = await t.readAll(client.space);
        const answer = await query(t, client.space, { headers: { [headers.after]: cursor } });
        if (answer.status !== 503)
          must(`a position not below ${pos}`, (bodyOf(answer).pos ?? 0) >= pos, answer.text);
      }
    },
  },
  {
    id: "Q8",
    title: "rows that were deleted are not in it, and `removed` names no row that is",
    clause: "§10.4",
    level: "L2",
    needs: ["query"],
    async run(t) {
      const client = t.client(t.space());
      const [keep, gone] = [client.create(), client.create()];
      const { id } = gone.payload as { id: string };
      await client.accept([keep, gone, client.event("item.delete", { id })]);
      const body = bodyOf(await query(t, client.space));
      const ids = itemsOf(body).map((row) => row.id);
      same("the ids of the rows", ids, [(keep.payload as { id: string }).id]);
      const removed = body.removed?.["item"] ?? [];
      must("no row both there and removed", !removed.some((it) => ids.includes(it)), removed);
    },
  },
  {
    id: "Q9",
    title: "what depends on the user is private, and varies by who asks",
    clause: "§10.3",
    level: "L0",
    needs: ["query"],
    async run(t) {
      const answer = await query(t, t.space());
      const cache = answer.headers.get("cache-control") ?? "";
      must("Cache-Control: private or no-store", /\b(private|no-store)\b/.test(cache), cache);
      const vary = (answer.headers.get("vary") ?? "").toLowerCase();
      must("Vary with Authorization", vary.includes("authorization") || vary === "*", vary);
      same("the status for nobody", (await query(t, t.space(), { as: null })).status, 401);
    },
  },
  {
    id: "Q10",
    title: "as actions it comes to the rows that it has as a snapshot",
    clause: "§10.4",
    level: "L0",
    needs: ["query"],
    async run(t) {
      const client = t.client(t.space());
      await client.accept(someEvents(client, 30, ["a", "b", "c", "d"], diceOf(t.effort.seed)));
      const mark = (t.target.query ?? "").includes("?") ? "&" : "?";
      const [rows, actions] = await Promise.all([
        query(t, client.space).then(bodyOf),
        query(t, client.space, {}, `${mark}mode=actions`).then(bodyOf),
      ]);
      same("the mode", actions.mode, "actions");
      same("the rows", itemsOf(actions), itemsOf(rows));
    },
  },
];
