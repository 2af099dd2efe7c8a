/** X1–X15: who may do what, and what must not do harm. */
import { type Case, type Trial } from "../case.ts";
import { gzip } from "../bytes.ts";
import { covers } from "../case.ts";
import { Failed, must, same } from "../check.ts";
import { type Answer, type Ask, read, send } from "../target.ts";
import { errorOf, pushWith } from "./http.ts";
import { pushMany } from "./pull.ts";
import { overBudget } from "./races.ts";

/** The ways into a space that the level has. */
async function ways(t: Trial, space: string, ask: Ask): Promise<Answer[]> {
  const client = t.client(space);
  const json = { client: client.id, events: [client.create()] };
  const answers = [await t.ask(`/${space}/push`, { json, ...ask })];
  if (covers(t.level, "L2")) {
    answers.push(await t.ask(`/${space}/pull`, ask));
    answers.push(await t.ask(`/${space}/snapshot/any?page=1`, ask));
  }
  if (covers(t.level, "L3")) {
    const response = await send(t.target, `/${space}/live`, { signal: t.signal, ...ask });
    // A stream that is opened does not end by itself.
    if (response.status === 200) await response.body?.cancel();
    answers.push(await read(response.status === 200 ? new Response("", response) : response));
  }
  return answers;
}

/** A push of one event whose payload has a text in it, as it stands. */
async function pushRaw(
  t: Trial,
  meta: string,
): Promise<{ answer: Answer; status: string | undefined; entry: unknown }> {
  const client = t.client(t.space());
  const log = await t.follow(client.space);
  const event = client.event("note.add", { id: t.id(), item: "i", text: "", meta: "<it>" });
  const body = JSON.stringify({ client: client.id, events: [event] }).replace(`"<it>"`, meta);
  const { answer, results } = await client.push([event], { body });
  let entry: unknown;
  await log.check((entries) => {
    entry = entries[0];
  });
  return { answer, status: results[0]?.status, entry };
}

/** The server's own objects have not changed. */
async function mustBeClean(t: Trial): Promise<void> {
  if (t.target.control === undefined) return;
  const { polluted } = await t.control("echo");
  same("`({}).polluted` in the server", polluted ?? null, null);
}

const nest = (inner: string, depth: number): string =>
  `${`{"a":`.repeat(depth)}${inner}${"}".repeat(depth)}`;

/** Frames of a stack, and paths of source files. */
const stack = /\bat\s+\S+.*:\d+:\d+|node_modules|\.[jt]s:\d+|Traceback|\.(?:py|rb|php|go|java):\d+/;

export const securityCases: readonly Case[] = [
  {
    id: "X1",
    title: "without a token each way in is 401",
    clause: "§16.1",
    level: "L1",
    async run(t) {
      for (const ask of [{ as: null }, { bearer: "not-a-token" }, { bearer: "" }])
        for (const answer of await ways(t, t.space(), ask)) errorOf(answer, 401);
    },
  },
  {
    id: "X2",
    title: "with an expired token each way in is 401 token_expired",
    clause: "§16.1",
    level: "L1",
    async run(t) {
      for (const answer of await ways(t, t.space(), { as: "X" }))
        same("the code", errorOf(answer, 401), "token_expired");
    },
  },
  {
    id: "X3",
    title: "a space of A alone is closed to B, and does not tell B whether it exists",
    clause: "§16.2",
    level: "L1",
    async run(t) {
      const space = t.space("A");
      const client = t.client(space);
      const event = client.create();
      await client.accept([event]);
      const known = await ways(t, space, { as: "B" });
      const unknown = await ways(t, t.space("A"), { as: "B" });
      for (const [at, answer] of known.entries()) {
        errorOf(answer, 403, 404);
        same("the status for a space that does not exist", unknown[at]?.status, answer.status);
        must("an answer without data of A", !answer.text.includes(event.id), answer.text);
      }
    },
  },
  {
    id: "X4",
    title: "a client id belongs to who used it first",
    clause: "§16.3",
    level: "L1",
    async run(t) {
      const space = t.space();
      const own = t.client(space);
      const log = await t.follow(space);
      await own.accept([own.create()]);
      const other = t.client(space, { as: "B", id: own.id, next: 2 });
      const { answer } = await other.push([other.create()]);
      same("the code", errorOf(answer, 403), "forbidden");
      await log.check((entries) => same("the length of the log", entries.length, 1));
    },
  },
  {
    id: "X5",
    title: "who may only read may not push",
    clause: "§16.2",
    level: "L1",
    async run(t) {
      const client = t.client(t.space(), { as: "R" });
      same("the code", errorOf((await client.push([client.create()])).answer, 403), "forbidden");
      if (covers(t.level, "L2")) await t.page(client.space, { as: "R" });
    },
  },
  {
    id: "X6",
    title: "`__proto__` is refused at any depth, and changes nothing",
    clause: "§16.5",
    level: "L1",
    async run(t) {
      for (let depth = 0; depth <= 5; depth += 1) {
        const { answer, status } = await pushRaw(t, nest(`{"__proto__":{"polluted":true}}`, depth));
        const refused = answer.status === 400 || status === "rejected";
        must(`__proto__ at depth ${depth} to be refused`, refused, [answer.status, status]);
      }
      const path = `/${t.space()}/push`;
      errorOf(
        await t.ask(path, { method: "POST", body: `{"__proto__":{"polluted":1},"client":1}` }),
        400,
      );
      await mustBeClean(t);
    },
  },
  {
    id: "X7",
    title: "`constructor.prototype` is refused, and a plain field `constructor` kept",
    clause: "§16.5",
    level: "L1",
    async run(t) {
      const bad = await pushRaw(t, `{"constructor":{"prototype":{"polluted":true}}}`);
      const refused = bad.answer.status === 400 || bad.status === "rejected";
      must("constructor.prototype to be refused", refused, [bad.answer.status, bad.status]);
      await mustBeClean(t);
      const { status, entry } = await pushRaw(t, `{"constructor":"Gaudí","prototype":1}`);
      same("the decision on a plain field", status, "accepted");
      if (entry !== undefined)
        same("it in the log", (entry as { payload: { meta: unknown } }).payload.meta, {
          constructor: "Gaudí",
          prototype: 1,
        });
    },
  },
  {
    id: "X8",
    title: "names of what every object has are no names of events",
    clause: "§16.5",
    level: "L1",
    async run(t) {
      for (const name of ["__proto__", "toString", "constructor", "valueOf", "hasOwnProperty"]) {
        const client = t.client(t.space());
        const { answer, results } = await client.push([
          client.event(name, { id: t.id(), title: "" }),
        ]);
        const refused = answer.status === 400 || results[0]?.status === "rejected";
        must(`an event named ${name} to be refused`, refused, [answer.status, results]);
      }
    },
  },
  {
    id: "X9",
    title: "10,000 levels are refused with 400 within a second",
    clause: "§13.1",
    level: "L1",
    async run(t) {
      for (const meta of [nest("1", 10_000), "[".repeat(10_000) + "]".repeat(10_000)]) {
        const began = performance.now();
        const { answer, status } = await pushRaw(t, meta);
        const took = performance.now() - began;
        const refused = answer.status === 400 || status === "rejected";
        must("10,000 levels to be refused", refused, [answer.status, answer.text.slice(0, 100)]);
        must("an answer within a second", took < 1000 * t.effort.slack, took);
      }
    },
  },
  {
    id: "X10",
    title: "a body that grows beyond the limit when unpacked is refused with 413",
    clause: "§13.1",
    level: "L1",
    async run(t) {
      const chunk = " ".repeat(64 * 1024);
      const { bodyBytes } = t.info.limits;
      const body = await gzip(chunk, Math.ceil((bodyBytes * 3) / chunk.length));
      const answer = await pushWith(t, { body, headers: { "content-encoding": "gzip" } });
      // 415: it takes no gzip at all.
      errorOf(answer, 413, 415);
    },
  },
  {
    id: "X11",
    title: "who pushes too much gets 429 and Retry-After, and may go on after it",
    clause: "§12.2",
    level: "L1",
    needs: ["control"],
    alone: true,
    seconds: 150,
    async run(t) {
      const client = t.client(t.space());
      await t.control("limit", { perMinute: 600 });
      try {
        for (let sent = 0; ; sent += 10) {
          must("429 before 1,500 events", sent < 1500, sent);
          const events = Array.from({ length: 10 }, () => client.create(""));
          const { answer, error, results } = await client.push(events);
          if (error === undefined) continue;
          const wait = Number(answer.headers.get("retry-after") ?? Number.NaN);
          if (answer.status !== 200) same("the status", answer.status, 429);
          same("the code", error.code, "rate_limited");
          must("Retry-After of up to 60 s", wait >= 0 && wait <= 60, wait);
          await t.sleep(wait * 1000 + 50);
          const rest = events.slice(results.length, results.length + 1);
          await client.accept(rest);
          return;
        }
      } finally {
        await t.control("limit", { perMinute: null });
      }
    },
  },
  {
    id: "X12",
    title: "a token in the address is not looked at",
    clause: "§16.1",
    level: "L1",
    async run(t) {
      const { A } = t.target.tokens;
      const client = t.client(t.space());
      const json = { client: client.id, events: [client.create()] };
      for (const name of ["token", "access_token", "auth", "authorization"]) {
        const path = `/${client.space}/push?${name}=${encodeURIComponent(A)}`;
        errorOf(await t.ask(path, { json, as: null }), 401);
      }
    },
  },
  {
    id: "X13",
    title: "line breaks and the like in ids are refused, and reach no header",
    clause: "§16.6",
    level: "L1",
    async run(t) {
      for (const id of [
        "abcdefgh\r\nX-Evil: 1",
        "abcdefgh\n",
        "abc\u0000defgh",
        "short",
        "x".repeat(65),
        "abcd efgh",
        "äbcdefgh",
        "<b>abcdefgh",
        "",
      ]) {
        const client = t.client(t.space());
        const event = client.create();
        for (const json of [
          { client: id, events: [event] },
          { client: client.id, events: [{ ...event, id }] },
          { client: client.id, events: [{ ...event, tx: id }] },
        ]) {
          const answer = await t.ask(`/${client.space}/push`, { json });
          errorOf(answer, 400);
          must("no header of the sender's", answer.headers.get("x-evil") === null);
        }
      }
      const answer = await t.ask(`/${encodeURIComponent("a\r\nX-Evil: 1")}/push`, {
        method: "POST",
        json: {},
      });
      errorOf(answer, 400, 404);
      must("no header of the sender's", answer.headers.get("x-evil") === null);
    },
  },
  {
    id: "X14",
    title: "what went wrong inside is not told: no stack, no paths",
    clause: "§16.6",
    level: "L1",
    async run(t) {
      const client = t.client(t.space());
      const { answer } = await client.push([client.event("slow.ms", { ms: overBudget })]);
      must(
        "a failure to look at",
        answer.status >= 500 || answer.text.includes("stopped"),
        answer.text,
      );
      for (const { text } of [answer, await pushWith(t, { body: "{", method: "POST" })])
        must("no stack in the answer", !stack.test(text), text);
    },
  },
  {
    id: "X15",
    title: "when a permission is taken away the next pull is 403, and streams end",
    clause: "§9.5",
    level: "L3",
    needs: ["control"],
    async run(t) {
      const space = t.space();
      await pushMany(t, t.client(space), 1);
      const { cursor } = await t.readAll(space, { as: "B" });
      const live = await t.live(space, { as: "B", cursor });
      const { data } = await live.event("hello", 1000);
      await t.control("revoke", { space, token: t.target.tokens.B });
      errorOf(await t.pull(space, { as: "B", cursor }), 403, 404);
      // Asked for again with each sign of life, at the latest.
      await live.ended(Math.max(1000, data.heartbeat * 2.5));
      await t.live(space, { as: "B" }).then(
        () => must("no new stream", false, "one"),
        (error: unknown) =>
          must(
            "403 or 404",
            error instanceof Failed && /\b40[34]\b/.test(error.message),
            String(error),
          ),
      );
    },
  },
];
