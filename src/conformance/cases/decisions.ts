/** P14–P21, P23: keys, commits of several events, and limits. */
import { type Case, type Trial } from "../case.ts";
import { endless } from "../bytes.ts";
import { must, same } from "../check.ts";
import { errorOf } from "./http.ts";
import { limitsOf } from "./push.ts";

const once = (id: string) => ["item.once", { id, title: "once" }, { key: id }] as const;

/** A text that makes an event too large. */
const tooLong = (t: Trial): string => "x".repeat(t.info.limits.eventBytes + 1);

export const decisionCases: readonly Case[] = [
  {
    id: "P14",
    title: "of two events with one dedupe key the second is a duplicate of the first",
    clause: "§6.7",
    level: "L1",
    needs: ["key"],
    async run(t) {
      const client = t.client(t.space());
      const log = await t.follow(client.space);
      const key = t.id();
      const [first, second] = [client.event(...once(key)), client.event(...once(key))];
      const results = await client.decide([first, second]);
      same("the first", results[0]?.status, "accepted");
      must("the second to be a duplicate", results[1]?.status === "duplicate", results[1]);
      same("what it is a duplicate of", results[1].of, first.id);
      same("the decisions when asked again", await client.decide([first, second]), results);
      await log.check((entries) => same("the length of the log", entries.length, 1));
    },
  },
  {
    id: "P15",
    title: "of events with one key by several clients at once exactly one is accepted",
    clause: "§6.7",
    level: "L1",
    needs: ["key"],
    async run(t) {
      const space = t.space();
      const log = await t.follow(space);
      const key = t.id();
      const clients = Array.from({ length: 8 }, (_, at) =>
        t.client(space, { as: at % 2 ? "A" : "B" }),
      );
      const results = await Promise.all(
        clients.map(async (client) => {
          const event = client.event(...once(key));
          const [result] = await client.decide([event]);
          return { id: event.id, result };
        }),
      );
      const winners = results.filter(({ result }) => result?.status === "accepted");
      same("the number of accepted ones", winners.length, 1);
      for (const { result } of results)
        if (result?.status !== "accepted")
          same(
            "the others",
            [result?.status, result?.status === "duplicate" && result.of],
            ["duplicate", winners[0]?.id],
          );
      await log.check((entries) => same("the length of the log", entries.length, 1));
    },
  },
  {
    id: "P16",
    title: "one key with two names of events is two keys",
    clause: "§6.7",
    level: "L1",
    needs: ["key"],
    async run(t) {
      const client = t.client(t.space());
      const key = t.id();
      await client.accept([client.event(...once(key))]);
      await client.accept([client.event("note.once", { id: key, item: key, text: "" }, { key })]);
    },
  },
  {
    id: "P17",
    title: "the events of one commit are accepted side by side, also while others push",
    clause: "§6.8",
    level: "L1",
    needs: ["tx"],
    async run(t) {
      const space = t.space();
      const log = await t.follow(space);
      const commits = await Promise.all(
        Array.from({ length: 6 }, async () => {
          const client = t.client(space);
          const tx = t.id();
          const events = Array.from({ length: 4 }, () => client.create("", { tx }));
          await client.accept(events);
          return events.map((it) => it.id);
        }),
      );
      await log.check((entries) => {
        const ids = entries.map((it) => it.id);
        for (const commit of commits) {
          const at = ids.indexOf(commit[0]);
          same("the ids from the first of a commit on", ids.slice(at, at + commit.length), commit);
        }
      });
    },
  },
  {
    id: "P18",
    title: "of a commit with a rejected event nothing is accepted",
    clause: "§6.8",
    level: "L1",
    needs: ["tx"],
    async run(t) {
      const client = t.client(t.space());
      const log = await t.follow(client.space);
      const tx = t.id();
      const after = [
        client.create("", { tx }),
        client.event("deny.me", {}, { tx }),
        client.create("", { tx }),
      ];
      const alone = client.create();
      const results = await client.decide([...after, alone]);
      same(
        "the decisions",
        results.map((it) => (it.status === "rejected" ? it.error.code : it.status)),
        ["tx_aborted", "forbidden", "tx_aborted", "accepted"],
      );
      same("the decisions when asked again", await client.decide([...after, alone]), results);
      await log.holds([alone.id]);
    },
  },
  {
    id: "P19",
    title: "an event that is too large does not hold up the others",
    clause: "§13.1",
    level: "L1",
    async run(t) {
      const client = t.client(t.space());
      const log = await t.follow(client.space);
      const [before, large, after] = [client.create(), client.create(tooLong(t)), client.create()];
      const whole = await client.push([before, large, after]);
      if (whole.answer.status === 413) {
        // What a client does: one by one; the large one is given up, and the next gets its number.
        await client.accept([before]);
        same(
          "the code of the large one alone",
          (await client.push([large])).error?.code,
          "too_large",
        );
        await client.accept([{ ...after, seq: large.seq }]);
      } else {
        const codes = whole.results.map((it) =>
          it.status === "rejected" ? it.error.code : it.status,
        );
        same("the decisions", codes, ["accepted", "too_large", "accepted"]);
      }
      await log.holds([before.id, after.id]);
    },
  },
  {
    id: "P20",
    title: "a batch over the limit is refused with 413 and the limits, and nothing of it applied",
    clause: "§13.1",
    level: "L1",
    async run(t) {
      const client = t.client(t.space());
      const most = t.info.limits.batchEvents;
      const events = Array.from({ length: most + 1 }, () => client.create(""));
      const { answer } = await client.push(events);
      same("the code", errorOf(answer, 413), "too_large");
      same("the limit that it names", limitsOf(answer.json)?.["batchEvents"], most);
      await client.accept(events.slice(0, Math.ceil(most / 2)));
    },
  },
  {
    id: "P21",
    title: "a body over the limit is refused with 413 without being read to its end",
    clause: "§13.1",
    level: "L1",
    async run(t) {
      const { bodyBytes } = t.info.limits;
      // What is on its way in buffers counts as read.
      const most = bodyBytes * 4 + 32 * 1024 * 1024;
      const { body, taken } = endless(most);
      const path = `/${t.space()}/push`;
      let status = 0;
      try {
        const answer = await t.ask(path, { method: "POST", body, type: "application/json" });
        ({ status } = answer);
        same("the code", errorOf(answer, 413), "too_large");
      } catch (error) {
        // A server may close the connection on whoever goes on sending; that is seen as a broken request.
        must(
          "413 or a closed connection",
          status === 0 && error instanceof TypeError,
          String(error),
        );
      }
      must(`less than ${most} bytes to be read`, taken() < most, taken());
      const small = `"${"x".repeat(bodyBytes)}"`;
      const answer = await t.ask(path, { method: "POST", body: small, type: "application/json" });
      same("the code of a body that is told by its length", errorOf(answer, 413), "too_large");
    },
  },
  {
    id: "P23",
    title: "an id twice in a batch is one entry",
    clause: "§6.2",
    level: "L1",
    async run(t) {
      const client = t.client(t.space());
      const log = await t.follow(client.space);
      const first = client.create();
      const { answer, results } = await client.push([first, { ...first, seq: 2 }]);
      must("two results or a refusal", answer.status === 400 || results.length === 2, results);
      if (results.length === 2) same("the second result", results[1], results[0]);
      else await client.accept([first]);
      await log.check((entries) => same("the length of the log", entries.length, 1));
    },
  },
];
