/** H: HTTP and info. What every server that takes a push has to do. */
import { type Answer, type Ask, read, send } from "../target.ts";
import { decodeErrorBody, decodeInfo, headers } from "../../protocol/index.ts";
import { type Case, type Trial } from "../case.ts";
import { list, must, mustNotBeStored, same, skip } from "../check.ts";
import { gzip } from "../bytes.ts";

/** An error as the protocol has them; its code. */
export function errorOf(answer: Answer, ...statuses: readonly number[]): string {
  const { status } = answer;
  must(`the status to be ${statuses.join(" or ")}`, statuses.includes(status), [
    status,
    answer.text,
  ]);
  const body = decodeErrorBody(answer.json);
  must(`the body of the ${status} to be an error`, "value" in body, answer.text);
  return body.value.error.code;
}

/** A push of one good event, with something about it changed. */
export async function pushWith(t: Trial, ask: Ask): Promise<Answer> {
  const client = t.client(t.space());
  const json = { client: client.id, events: [client.create()] };
  const path = `/${client.space}/push`;
  return t.ask(path, { ...(ask.body === undefined && { json }), method: "POST", ...ask });
}

/** Texts that careless code changes. */
const texts = [
  "👩‍👩‍👧‍👦 🇪🇺",
  "e\u0301 é Å A\u030A",
  "a\u2028b\u2029c",
  "\u0000\u0007\u001F",
  "\uFEFFx\uFFFD\uFFFF",
];

export const httpCases: readonly Case[] = [
  {
    id: "H1",
    title: "info parses and lists protocol 1",
    clause: "§4.1",
    level: "L1",
    async run(t) {
      const answer = await t.ask("/info");
      must("info to be answered 200", answer.status === 200, [answer.status, answer.text]);
      const info = decodeInfo(answer.json);
      must(
        "info as the protocol has it",
        "value" in info,
        "issue" in info ? info.issue : answer.text,
      );
      must("protocol 1 among those of info", info.value.protocol.includes(1), info.value.protocol);
    },
  },
  {
    id: "H2",
    title: "a request without Sssync-Protocol is refused with 400",
    clause: "§5.2",
    level: "L1",
    async run(t) {
      same("the code", errorOf(await pushWith(t, { protocol: null }), 400), "bad_request");
    },
  },
  {
    id: "H3",
    title: "an unknown protocol is refused with 426 and the supported ones",
    clause: "§5.2",
    level: "L1",
    async run(t) {
      const answer = await pushWith(t, { protocol: "999" });
      same("the code", errorOf(answer, 426), "protocol_unsupported");
      const body = decodeErrorBody(answer.json);
      const supported = "value" in body ? body.value.error.supported : undefined;
      must(
        "`supported` to contain 1",
        supported !== undefined && supported.min <= 1 && supported.max >= 1,
        supported,
      );
    },
  },
  {
    id: "H4",
    title: "errors have a body with a code and name the protocol; nothing is cached",
    clause: "§5.5",
    level: "L1",
    async run(t) {
      const space = t.space();
      const answers = [
        await pushWith(t, { as: null }),
        await pushWith(t, { protocol: "999" }),
        await pushWith(t, { body: "{", type: "application/json" }),
        await t.ask(`/${space}/push`, { method: "DELETE" }),
        await t.ask(`/${space}/nothing-here`),
      ];
      for (const answer of answers) {
        errorOf(answer, ...[answer.status].filter((it) => it >= 400 && it < 500));
        mustNotBeStored(`a ${answer.status}`, answer.headers);
        const protocol = answer.headers.get(headers.protocol);
        must(`a ${answer.status} with Sssync-Protocol: 1`, protocol === "1", protocol);
      }
      const taken = await pushWith(t, {});
      same("the status of a push", taken.status, 200);
      mustNotBeStored("a push to be answered", taken.headers);
    },
  },
  {
    id: "H5",
    title: "members that it does not know are ignored",
    clause: "§5.3",
    level: "L1",
    async run(t) {
      const client = t.client(t.space());
      const event = { ...client.create(), later: { version: 2 } };
      const { answer, results } = await client.push([event], {
        body: JSON.stringify({ client: client.id, events: [event], later: [1] }),
      });
      must("a push with unknown members to be answered 200", answer.status === 200, answer.text);
      same("its status", results[0]?.status, "accepted");
    },
  },
  {
    id: "H6",
    title: "another content type is refused with 415",
    clause: "§5.6",
    level: "L1",
    async run(t) {
      same(
        "the code",
        errorOf(await pushWith(t, { type: "text/plain" }), 415),
        "unsupported_media_type",
      );
    },
  },
  {
    id: "H7",
    title: "malformed JSON is refused with 400, and nothing is applied",
    clause: "§5.6",
    level: "L1",
    async run(t) {
      const client = t.client(t.space());
      const event = client.create();
      const whole = JSON.stringify({ client: client.id, events: [event] });
      for (const body of [whole.slice(0, -1), `${whole}}`, "", "[]", "null", `{"client":1}`]) {
        const answer = await t.ask(`/${client.space}/push`, {
          method: "POST",
          body,
          type: "application/json",
        });
        same("the code", errorOf(answer, 400), "bad_request");
      }
      // Had one been applied, the number would be taken.
      await client.accept([{ ...client.create(), seq: 1 }]);
    },
  },
  {
    id: "H8",
    title: "a CORS preflight allows the headers, and answers expose theirs",
    clause: "§5.7",
    level: "L1",
    async run(t) {
      const { origin } = t.target;
      const path = `/${t.space()}/push`;
      const preflight = await t.ask(path, {
        method: "OPTIONS",
        as: null,
        protocol: null,
        headers: {
          origin,
          "access-control-request-method": "POST",
          "access-control-request-headers":
            "authorization,content-type,sssync-protocol,sssync-schema",
        },
      });
      const { status, headers: got } = preflight;
      must("a preflight to be answered 200 or 204", status === 200 || status === 204, status);
      const lets = got.get("access-control-allow-origin");
      must(`the origin ${origin} to be let in`, lets === origin || lets === "*", lets);
      const allowed = list(got.get("access-control-allow-headers"));
      for (const name of ["authorization", "content-type", "sssync-protocol", "sssync-schema"])
        must(`${name} among the allowed headers`, allowed.includes(name), allowed);
      const answer = await pushWith(t, { headers: { origin } });
      const exposed = list(answer.headers.get("access-control-expose-headers"));
      for (const name of ["etag", "retry-after", "sssync-protocol", "sssync-pos", "sssync-token"])
        must(`${name} among the exposed headers`, exposed.includes(name), exposed);
    },
  },
  {
    id: "H9",
    title: "a body in gzip is taken, or refused with 415",
    clause: "§5.6",
    level: "L1",
    async run(t) {
      const client = t.client(t.space());
      const event = client.create();
      const body = await gzip(JSON.stringify({ client: client.id, events: [event] }));
      const { answer, results } = await client.push([event], {
        body,
        headers: { "content-encoding": "gzip" },
      });
      if (answer.status === 415) return;
      same("the status of the event", results[0]?.status, "accepted");
    },
  },
  {
    id: "H10",
    title: "methods that an address does not have are refused with 405",
    clause: "§5.7",
    level: "L1",
    async run(t) {
      const space = t.space();
      const wrong = [
        ["GET", "push"],
        ["PUT", "push"],
        ["HEAD", "push"],
        ["DELETE", "pull"],
        ["POST", "pull"],
        ["POST", "live"],
      ] as const;
      for (const [method, name] of wrong) {
        const answer = await t.ask(`/${space}/${name}`, { method });
        if (method === "HEAD") same("the status of HEAD", answer.status, 405);
        // A server below L2 has no pull at all.
        else errorOf(answer, ...(name === "push" ? [405] : [405, 404]));
      }
    },
  },
  {
    id: "H11",
    title: "bad names of spaces are refused with 400 or 404",
    clause: "§5.1",
    level: "L1",
    async run(t) {
      const client = t.client(t.space());
      const json = { client: client.id, events: [client.create()] };
      const names = [
        "a b",
        "é",
        "x".repeat(129),
        "a/b",
        "a\\b",
        "a:b",
        "a?b",
        "'or 1=1--",
        "a\u0000b",
      ];
      for (const name of names)
        errorOf(await t.ask(`/${encodeURIComponent(name)}/push`, { json }), 400, 404);
    },
  },
  {
    id: "H12",
    title: "text comes out as it went in, or is refused",
    clause: "§5.6",
    level: "L1",
    async run(t) {
      const client = t.client(t.space());
      const log = await t.follow(client.space);
      const events = texts.map((text) => client.event("note.add", { id: t.id(), item: "i", text }));
      const results = await client.decide(events);
      // Half of a pair, as an escape: there is no UTF-8 for it.
      const half = client.event("note.add", { id: t.id(), item: "i", text: "<half>" });
      const body = JSON.stringify({ client: client.id, events: [half] });
      const { answer } = await client.push([half], {
        body: body.replace("<half>", String.raw`\ud83d`),
      });
      must(
        "half of a surrogate pair to be answered 200 or 400",
        [200, 400].includes(answer.status),
        answer.status,
      );
      await log.check((entries) => {
        for (const [at, { id, payload }] of events.entries())
          if (results[at]?.status === "accepted")
            same("a text in the log", entries.find((it) => it.id === id)?.payload, payload);
        const stored = entries.find((it) => it.id === half.id);
        if (stored !== undefined)
          same("half of a pair in the log", (stored.payload as { text: string }).text, "\ud83d");
      });
    },
  },
  {
    id: "H13",
    title: "numbers come out as they went in, or are refused",
    clause: "§5.6",
    level: "L1",
    async run(t) {
      const space = t.space();
      const log = await t.follow(space);
      const sent = new Map<string, string>();
      for (const number of ["9007199254740991", "9007199254740993", "-0", "1e400", "0.1", "1e21"]) {
        const client = t.client(space);
        const event = client.event("note.add", { id: t.id(), item: "i", text: "", meta: "<it>" });
        const body = JSON.stringify({ client: client.id, events: [event] });
        const { answer, results } = await client.push([event], {
          body: body.replace(`"<it>"`, number),
        });
        must(
          `${number} to be answered 200 or 400`,
          [200, 400].includes(answer.status),
          answer.status,
        );
        if (results[0]?.status === "accepted") sent.set(event.id, number);
      }
      must("9007199254740991 and 0.1 to be accepted", sent.size >= 2, Array.from(sent.values()));
      const page = await read(await send(t.target, `/${space}/pull`, { signal: t.signal }));
      await log.check((entries) => {
        for (const [id, number] of sent) {
          const payload = entries.find((it) => it.id === id)?.payload;
          must("an accepted event in the log", payload !== undefined);
          const { meta } = payload as { meta: unknown };
          // Read as text where a double cannot tell: JSON.parse would round both alike.
          if (number === "9007199254740993")
            must("9007199254740993 unaltered", page.text.includes(number));
          else
            must(`${number} unaltered`, typeof meta === "number" && meta === Number(number), meta);
        }
      });
    },
  },
  {
    id: "H14",
    title: "a schema that it does not take is refused with 409 and the supported ones",
    clause: "§5.8",
    level: "L1",
    async run(t) {
      const { schema } = t.info;
      if (schema === undefined) skip("needs `schema` in info");
      await pushWith(t, { schema: schema.max }).then((it) => same("the status", it.status, 200));
      const answer = await pushWith(t, { schema: schema.max + 1 });
      same("the code", errorOf(answer, 409), "schema_unsupported");
      const body = decodeErrorBody(answer.json);
      same("`supported`", "value" in body ? body.value.error.supported : undefined, schema);
    },
  },
];
