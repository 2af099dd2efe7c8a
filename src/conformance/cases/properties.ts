/** C1–C8: what holds whatever happens. All that is random is repeated by the seed. */
import { type Case, type Trial } from "../case.ts";
import { type Client } from "../client.ts";
import { diceOf } from "../dice.ts";
import { must, same } from "../check.ts";
import { type Kind, histories } from "../history.ts";
import { pushMany, rowsOf, someEvents } from "./pull.ts";

const network: readonly Kind[] = ["commit", "push", "pull", "deliver", "cut", "crash", "copy"];

/** Pushes events in batches of random sizes. */
async function inBatches(
  client: Client,
  events: ReturnType<typeof someEvents>,
  dice: () => number,
): Promise<void> {
  for (let at = 0; at < events.length;) {
    const size = 1 + Math.floor(dice() * 9);
    await client.accept(events.slice(at, at + size));
    at += size;
  }
}

const junk = [
  null,
  true,
  -1,
  0.5,
  1e308,
  "",
  "x",
  "\u0000",
  "__proto__",
  [],
  {},
  [[]],
  { id: {} },
  "9".repeat(300),
];

/** A copy of a message in which one thing, at any depth, is another one. */
function mutate(value: unknown, dice: () => number): unknown {
  const other = junk[Math.floor(dice() * junk.length)];
  if (typeof value !== "object" || value === null || dice() < 0.15) return other;
  if (Array.isArray(value)) {
    if (value.length === 0 || dice() < 0.2) return [...(value as unknown[]), other];
    const at = Math.floor(dice() * value.length);
    return value.map((it: unknown, index) => (index === at ? mutate(it, dice) : it));
  }
  const keys = Object.keys(value);
  const key = keys[Math.floor(dice() * keys.length)] ?? "x";
  const copy: Record<string, unknown> = { ...value };
  if (dice() < 0.2) delete copy[key];
  else copy[key] = mutate(copy[key], dice);
  return copy;
}

async function fuzzPush(t: Trial, dice: () => number): Promise<void> {
  const client = t.client(t.space());
  const good = { client: client.id, schema: 1, events: someEvents(client, 3, ["a"], dice) };
  const json = mutate(good, dice) ?? null;
  const answer = await t.ask(`/${client.space}/push`, { json });
  must("never a 5xx, whatever is pushed", answer.status < 500, [answer.status, answer.text, json]);
  must("an answer in JSON", answer.json !== undefined, [answer.status, answer.text]);
}

async function fuzzPull(
  t: Trial,
  space: string,
  cursor: string,
  dice: () => number,
): Promise<void> {
  const pick = <T>(all: readonly T[]): T => all[Math.floor(dice() * all.length)] as T;
  const words = [
    "",
    "0",
    "-1",
    "1e9",
    "NaN",
    "null",
    "[]",
    "%",
    "\u0000",
    "\uD83D",
    cursor,
    cursor.slice(1),
    "x".repeat(3000),
  ];
  const query = new URLSearchParams();
  for (let at = 0; at < 3; at += 1)
    query.append(pick(["cursor", "limit", "seen", "other"]), pick(words));
  const answer = await t.ask(`/${space}/pull?${query.toString()}`);
  must("never a 5xx, whatever is asked for", answer.status < 500, [
    answer.status,
    answer.text,
    query.toString(),
  ]);
  must("an answer in JSON", answer.json !== undefined, [answer.status, answer.text]);
}

export const propertyCases: readonly Case[] = [
  {
    id: "C1",
    title: "histories of devices on a bad network end well (G1–G7)",
    clause: "§3.1",
    level: "L2",
    seconds: 120,
    run: (t) => histories(t, new Set(network), t.effort.seed * 1000),
  },
  {
    id: "C2",
    title: "they do with restarts, compaction and changed permissions (G1–G7)",
    clause: "§3.3",
    level: "L2",
    needs: ["control"],
    alone: true,
    seconds: 120,
    run: (t) =>
      histories(
        t,
        new Set([...network, "restart", "compact", "grant"]),
        t.effort.seed * 1000 + 200,
      ),
  },
  {
    id: "C3",
    title: "they do with restores from backups (G8)",
    clause: "§3.8",
    level: "L2",
    needs: ["control"],
    alone: true,
    seconds: 120,
    run: (t) =>
      histories(
        t,
        new Set([...network, "restart", "backup", "restore"]),
        t.effort.seed * 1000 + 400,
      ),
  },
  {
    id: "C4",
    title: "two new readers get the same bytes, and come to the same rows",
    clause: "§3.2",
    level: "L2",
    async run(t) {
      const client = t.client(t.space());
      await inBatches(client, someEvents(client, 60, ["a", "b"], diceOf(t.effort.seed)), diceOf(7));
      const [one, two] = [await t.readAll(client.space), await t.readAll(client.space)];
      same("the entries", JSON.stringify(two.entries), JSON.stringify(one.entries));
      same("the rows", rowsOf(two), rowsOf(one));
    },
  },
  {
    id: "C5",
    title: "how events are put into batches does not change the log",
    clause: "§6.2",
    level: "L2",
    async run(t) {
      const dice = diceOf(t.effort.seed);
      const logs = [];
      for (let round = 0; round < 3; round += 1) {
        const client = t.client(t.space());
        const { cursor } = await t.readAll(client.space);
        // The same events each time, under ids of their own.
        const events = someEvents(client, 50, ["a", "b", "c"], diceOf(t.effort.seed));
        await inBatches(client, events, dice);
        const { entries } = await t.readAll(client.space, { cursor });
        logs.push(entries.map(({ name, payload, seq, at }) => ({ name, payload, seq, at })));
      }
      for (const log of logs) same("the log", log, logs[0]);
      same("its length", logs[0]?.length, 50);
    },
  },
  {
    id: "C6",
    title: "sending again what was decided changes nothing",
    clause: "§3.1",
    level: "L2",
    async run(t) {
      const dice = diceOf(t.effort.seed);
      const client = t.client(t.space());
      const { cursor } = await t.readAll(client.space);
      const events = someEvents(client, 40, ["a", "b"], dice);
      for (const [at, { id, seq }] of events.entries())
        if (at % 7 === 3) events[at] = client.event("deny.me", {}, { id, seq });
      const first = [
        ...(await client.decide(events.slice(0, 20))),
        ...(await client.decide(events.slice(20))),
      ];
      const before = await t.readAll(client.space, { cursor });
      for (let round = 0; round < 15; round += 1) {
        const from = Math.floor(dice() * 40);
        const to = from + 1 + Math.floor(dice() * 20);
        same("the decisions", await client.decide(events.slice(from, to)), first.slice(from, to));
      }
      const after = await t.readAll(client.space, { cursor });
      same("the log", after.entries, before.entries);
      same("the cursor", after.cursor, before.cursor);
    },
  },
  {
    id: "C7",
    title: "whatever is sent, the answer is no 5xx, and in JSON",
    clause: "§12.1",
    level: "L2",
    seconds: 60,
    async run(t) {
      const dice = diceOf(t.effort.seed);
      const client = t.client(t.space());
      await pushMany(t, client, 3);
      const { cursor } = await t.readAll(client.space);
      for (let round = 0; round < 25; round += 1)
        await Promise.all([
          fuzzPush(t, dice),
          fuzzPush(t, dice),
          fuzzPush(t, dice),
          fuzzPull(t, client.space, cursor, dice),
        ]);
    },
  },
  {
    id: "C8",
    title: "a new device starts from many events within 30 s",
    clause: "§13.2",
    level: "L2",
    seconds: 120,
    async run(t) {
      const client = t.client(t.space());
      const count = t.effort.bootstrap;
      await pushMany(t, client, count);
      const began = performance.now();
      const all = await t.readAll(client.space);
      const took = performance.now() - began;
      const rows = (all.data?.["item"]?.length ?? 0) + all.entries.length;
      same("the number of rows", rows, count);
      must("to start within 30 s", took < 30_000 * t.effort.slack, took);
      // Pages of the default size: many small ones would be as many round trips.
      must(
        "pages that are not tiny",
        all.pages <= 2 + (count / t.info.limits.pageEntries) * 4,
        all.pages,
      );
    },
  },
];
