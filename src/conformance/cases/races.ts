/** P26–P29, P31: pushes that fail, are sent again, or run at the same time. */
import { type PushEvent } from "../../protocol/index.ts";
import { type Case, type Trial } from "../case.ts";
import { type Client } from "../client.ts";
import { must, same } from "../check.ts";

/** A payload of `slow.ms` that is over the server's budget: the first attempt at it fails. */
export const overBudget = 5000;

/** Sends until all is decided, as a client that lost the answer does. */
async function untilDecided(t: Trial, client: Client, events: readonly PushEvent[]) {
  for (let attempt = 1; ; attempt += 1) {
    const { answer, results, error } = await client.push(events);
    if (results.length === events.length) return results;
    must("an event to be decided within 10 attempts", attempt < 10, [answer.status, error]);
    const { status } = answer;
    must("a failure that can be tried again", status >= 500 || status === 429 || status === 200, [
      status,
      error,
    ]);
    await t.sleep(Math.min(error?.retryAfter ?? 50, 2000));
  }
}

export const raceCases: readonly Case[] = [
  {
    id: "P26",
    title: "a hook that fails decides nothing; sent again, the event is decided once",
    clause: "§6.10",
    level: "L1",
    async run(t) {
      const client = t.client(t.space());
      const log = await t.follow(client.space);
      const events = [
        client.create(),
        client.event("slow.ms", { ms: overBudget }),
        client.create(),
      ];
      const { answer, results, error } = await client.push(events);
      must("a 5xx, or to be stopped", answer.status >= 500 || error !== undefined, [
        answer.status,
        results,
      ]);
      must("no decision on the event that failed", results.length < 2, results);
      const decided = await untilDecided(t, client, events);
      same(
        "the decisions",
        decided.map((it) => it.status),
        ["accepted", "accepted", "accepted"],
      );
      await log.holds(events.map((it) => it.id));
    },
  },
  {
    id: "P27",
    title: "a push whose connection broke is in the log once when it is sent again",
    clause: "§6.10",
    level: "L1",
    async run(t) {
      const space = t.space();
      const log = await t.follow(space);
      const all: string[] = [];
      for (const ms of [0, 1, 3, 10, 30]) {
        const client = t.client(space);
        const events = [client.create(), client.event("slow.ms", { ms: 5 }), client.create()];
        all.push(...events.map((it) => it.id));
        const signal = AbortSignal.timeout(ms);
        await client.push(events, { signal }).catch(() => undefined); // Broken on purpose.
        await client.accept(events);
      }
      await log.check((entries) =>
        same("the ids in the log", entries.map((it) => it.id as string).toSorted(), all.toSorted()),
      );
    },
  },
  {
    id: "P28",
    title: "100 identical requests at once have one effect and equal answers",
    clause: "§3.1",
    level: "L1",
    async run(t) {
      const client = t.client(t.space());
      const log = await t.follow(client.space);
      const events = [client.create(), client.event("deny.me", {}), client.create()];
      const all = await Promise.all(Array.from({ length: 100 }, () => client.decide(events)));
      for (const results of all) same("one answer", results, all[0]);
      await log.check((entries) => same("the length of the log", entries.length, 2));
    },
  },
  {
    id: "P29",
    title: "50 clients that push at once are all in the log, each in its order",
    clause: "§15.1",
    level: "L1",
    async run(t) {
      const space = t.space();
      const log = await t.follow(space);
      const clients = Array.from({ length: 50 }, (_, at) =>
        t.client(space, { as: at % 2 ? "A" : "B" }),
      );
      const sent = await Promise.all(
        clients.map(async (client) => {
          const events = Array.from({ length: 20 }, () => client.create(""));
          for (let at = 0; at < events.length; at += 5)
            await client.accept(events.slice(at, at + 5));
          return [client.id, events.map((it) => it.id)] as const;
        }),
      );
      await log.check((entries) => {
        same("the length of the log", entries.length, 1000);
        for (const [id, ids] of sent)
          same(
            "the events of a client in the log",
            entries
              .filter(
                (it) => it.client === id || (it.client === undefined && ids.includes(it.id ?? "")),
              )
              .map((it) => it.id),
            ids,
          );
      });
    },
  },
  {
    id: "P31",
    title: "what was answered is there: a pull after the answer has it",
    clause: "§6.9",
    level: "L2",
    async run(t) {
      const client = t.client(t.space());
      let { cursor } = await t.readAll(client.space);
      for (let round = 0; round < 10; round += 1) {
        const event = client.create();
        const [pos] = await client.accept([event]);
        const page = await t.logPage(client.space, { cursor });
        must(
          "the entry in a pull after the answer",
          page.entries.some((it) => it.id === event.id),
          page,
        );
        must(`head not below ${pos}`, page.head >= (pos ?? 0), page.head);
        ({ cursor } = page);
      }
    },
  },
];
