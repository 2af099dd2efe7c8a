/** P1–P13, P22, P24, P25, P30: pushes of one client, one after the other. */
import { decodeErrorBody } from "../../protocol/index.ts";
import { type Case } from "../case.ts";
import { must, same } from "../check.ts";
import { errorOf } from "./http.ts";

const statuses = (results: readonly { readonly status: string }[]): string[] =>
  results.map((it) => it.status);

export const pushCases: readonly Case[] = [
  {
    id: "P1",
    title: "an event is accepted at a position, and head is not below it",
    clause: "§6.1",
    level: "L1",
    async run(t) {
      const client = t.client(t.space());
      const event = client.create();
      const { results, head } = await client.push([event]);
      const result = results[0];
      must("the event to be accepted", result?.status === "accepted", results);
      must("a position above 0", result.pos > 0, result.pos);
      must(`head ${head} not below the position`, head >= result.pos, result.pos);
    },
  },
  {
    id: "P2",
    title: "a full batch keeps its order, at rising positions",
    clause: "§6.2",
    level: "L1",
    async run(t) {
      const client = t.client(t.space());
      const log = await t.follow(client.space);
      const count = Math.min(100, t.info.limits.batchEvents);
      const events = Array.from({ length: count }, (_, at) => client.create(`item ${at}`));
      const positions = await client.accept(events);
      must(
        "rising positions",
        positions.every((pos, at) => at === 0 || pos > (positions[at - 1] ?? 0)),
        positions,
      );
      await log.holds(events.map((it) => it.id));
    },
  },
  {
    id: "P3",
    title: "the same request gets the same answer, and the log has it once",
    clause: "§6.2",
    level: "L1",
    async run(t) {
      const client = t.client(t.space());
      const log = await t.follow(client.space);
      const events = [client.create(), client.event("deny.me", {}), client.create()];
      const first = await client.decide(events);
      for (let again = 0; again < 3; again += 1)
        same("the results of the same request", await client.decide(events), first);
      await log.holds([events[0]?.id, events[2]?.id]);
    },
  },
  {
    id: "P4",
    title: "a batch that begins with decided events goes on after them",
    clause: "§6.2",
    level: "L1",
    async run(t) {
      const client = t.client(t.space());
      const log = await t.follow(client.space);
      const events = Array.from({ length: 4 }, () => client.create());
      const first = await client.accept(events.slice(0, 3));
      const second = await client.accept(events.slice(1));
      same("the positions of the events sent again", second.slice(0, 2), first.slice(1));
      await log.holds(events.map((it) => it.id));
    },
  },
  {
    id: "P5",
    title: "a rejected event does not stop those after it",
    clause: "§6.4",
    level: "L1",
    async run(t) {
      const client = t.client(t.space());
      const events = [client.create(), client.event("deny.me", {}), client.create()];
      const results = await client.decide(events);
      same("the decisions", statuses(results), ["accepted", "rejected", "accepted"]);
      const [, denied] = results;
      same("the code", denied?.status === "rejected" && denied.error.code, "forbidden");
      await client.accept([client.create()]);
    },
  },
  {
    id: "P6",
    title: "a rejected event stays rejected when it would be allowed by now",
    clause: "§6.4",
    level: "L1",
    needs: ["control"],
    async run(t) {
      const client = t.client(t.space());
      const denied = client.event("deny.me", {});
      const first = await client.decide([denied]);
      same("the decision", first[0]?.status, "rejected");
      await t.control("grant", { space: client.space, event: "deny.me" });
      same("the decision on the same event", await client.decide([denied]), first);
      same("that of a new one", statuses(await client.decide([client.event("deny.me", {})])), [
        "accepted",
      ]);
    },
  },
  {
    id: "P7",
    title: "a gap stops with 409 sequence_gap and the expected number",
    clause: "§6.3",
    level: "L1",
    async run(t) {
      const client = t.client(t.space());
      const log = await t.follow(client.space);
      await client.accept([client.create()]);
      const { answer, results, error } = await client.push([client.create("", { seq: 3 })]);
      same("the status", answer.status, 409);
      same("what stopped it", [error?.code, error?.expected], ["sequence_gap", 2]);
      same("the results", results, []);
      await log.check((entries) => same("the length of the log", entries.length, 1));
      await client.accept([client.create("", { seq: 2 })]);
    },
  },
  {
    id: "P8",
    title: "a gap within a batch leaves the events before it decided",
    clause: "§6.3",
    level: "L1",
    async run(t) {
      const client = t.client(t.space());
      const log = await t.follow(client.space);
      const events = [1, 2, 4, 5].map((seq) => client.create("", { seq }));
      const { answer, results, error } = await client.push(events);
      same("the status", answer.status, 409);
      same("the decisions", statuses(results), ["accepted", "accepted"]);
      same("what stopped it", [error?.code, error?.expected], ["sequence_gap", 3]);
      await log.check((entries) => same("the length of the log", entries.length, 2));
    },
  },
  {
    id: "P9",
    title: "a used number with another id stops with 409 client_conflict",
    clause: "§6.3",
    level: "L1",
    async run(t) {
      const client = t.client(t.space());
      const log = await t.follow(client.space);
      const events = [client.create(), client.create()];
      await client.accept(events);
      const { answer, results, error } = await client.push([client.create("", { seq: 1 })]);
      same("the status", answer.status, 409);
      same("what stopped it", error?.code, "client_conflict");
      same("the results", results, []);
      await log.holds(events.map((it) => it.id));
    },
  },
  {
    id: "P10",
    title: "an id that was decided keeps its decision under a new client",
    clause: "§6.2",
    level: "L1",
    async run(t) {
      const old = t.client(t.space());
      const log = await t.follow(old.space);
      const events = [old.create(), old.event("deny.me", {})];
      const first = await old.decide(events);
      const next = t.client(old.space);
      same("the decisions under a new client", await next.decide(events), first);
      await log.check((entries) => same("the length of the log", entries.length, 1));
      // They took the first two numbers of the new client.
      await next.accept([next.create("", { seq: 3 })]);
    },
  },
  {
    id: "P11",
    title: "a new client has to start at 1",
    clause: "§6.3",
    level: "L1",
    async run(t) {
      const client = t.client(t.space());
      const { answer, error } = await client.push([client.create("", { seq: 5 })]);
      same("the status", answer.status, 409);
      same("what stopped it", [error?.code, error?.expected], ["sequence_gap", 1]);
    },
  },
  {
    id: "P12",
    title: "an unknown event is rejected, and its number is used",
    clause: "§6.4",
    level: "L1",
    async run(t) {
      const client = t.client(t.space());
      for (const name of ["no.such.event", "toString", "hasOwnProperty"]) {
        const [result] = await client.decide([client.event(name, {})]);
        must(`${name} to be rejected`, result?.status === "rejected", result);
        same("the code", result.error.code, "unknown_event");
      }
      await client.accept([client.create()]);
    },
  },
  {
    id: "P13",
    title: "an invalid payload is rejected, with the place",
    clause: "§6.6",
    level: "L1",
    async run(t) {
      const client = t.client(t.space());
      for (const payload of [{ id: t.id(), title: 5 }, { title: "no id" }, null, "text", []]) {
        const [result] = await client.decide([client.event("item.create", payload)]);
        must("an invalid payload to be rejected", result?.status === "rejected", result);
        same("the code", result.error.code, "invalid");
        const { path } = result.error;
        must("a path that starts with $", path?.startsWith("$") === true, result.error);
      }
      await client.accept([client.create()]);
    },
  },
  {
    id: "P22",
    title: "a push without events is refused with 400",
    clause: "§6.1",
    level: "L1",
    async run(t) {
      const client = t.client(t.space());
      const json = { client: client.id, events: [] };
      same("the code", errorOf(await t.ask(`/${client.space}/push`, { json }), 400), "bad_request");
    },
  },
  {
    id: "P24",
    title: "what only the server may say of an event is not taken from the client",
    clause: "§16.4",
    level: "L1",
    async run(t) {
      const client = t.client(t.space());
      const log = await t.follow(client.space);
      const event = { ...client.create(), by: "somebody else", pos: 900, ts: 1, actions: [] };
      const [pos] = await client.accept([event]);
      must("a position of the server's own", pos !== 900, pos);
      await log.check(([entry]) => {
        same("its position in the log", entry?.pos, pos);
        must("`by` not to be what the client sent", entry?.by !== "somebody else", entry?.by);
        must("`ts` not to be what the client sent", (entry?.ts ?? 1) > 1, entry?.ts);
        same("`at`, which is the client's", entry?.at, event.at);
        must("`actions` not to be what the client sent", entry?.actions?.length !== 0, entry);
      });
    },
  },
  {
    id: "P25",
    title: "the data of a rejection by the app comes through, again and again",
    clause: "§6.6",
    level: "L1",
    async run(t) {
      const client = t.client(t.space());
      const data = { reason: "sold out", left: 0, of: ["a", null] };
      const event = client.event("fail.app", { data });
      for (let again = 0; again < 2; again += 1) {
        const [result] = await client.decide([event]);
        must("it to be rejected", result?.status === "rejected", result);
        same("code and data", [result.error.code, result.error.data], ["app", data]);
      }
    },
  },
  {
    id: "P30",
    title: "numbers at the end of the range are handled, those beyond refused with 400",
    clause: "§6.1",
    level: "L1",
    async run(t) {
      const client = t.client(t.space());
      const most = await client.push([client.create("", { seq: Number.MAX_SAFE_INTEGER })]);
      same("what stopped the last number", most.error?.code, "sequence_gap");
      for (const seq of [Number.MAX_SAFE_INTEGER + 1, 0, -1, 1.5, "1", null]) {
        const json = { client: client.id, events: [{ ...client.create(), seq }] };
        const answer = await t.ask(`/${client.space}/push`, { json });
        same(`the code of ${seq}`, errorOf(answer, 400), "bad_request");
      }
    },
  },
  {
    id: "P32",
    title: "an event of an older version is brought up to date, or rejected",
    clause: "§6.6",
    level: "L1",
    async run(t) {
      const client = t.client(t.space());
      const log = await t.follow(client.space);
      const old = client.event("v2.only", { id: t.id(), t: "old" }, { v: 1 });
      const now = client.event("v2.only", { id: t.id(), text: "new" }, { v: 2 });
      const later = client.event("v2.only", { id: t.id(), text: "later" }, { v: 3 });
      const results = await client.decide([old, now]);
      same("the decision on the present version", results[1]?.status, "accepted");
      // It may come from newer code, in the middle of a deployment: then it has to wait.
      const [other] = (await client.push([later])).results;
      must("a later version not to be accepted", other?.status !== "accepted", other);
      await log.check((entries) => {
        const entry = entries.find((it) => it.id === old.id);
        if (entry !== undefined)
          must(
            "what is in the log to fit its version",
            (entry.v ?? 1) === 1 || (entry.payload as { text?: unknown }).text === "old",
            entry,
          );
      });
    },
  },
];

/** The limits in an error body. */
export const limitsOf = (json: unknown): Readonly<Record<string, number>> | undefined => {
  const body = decodeErrorBody(json);
  return "value" in body ? body.value.error.limits : undefined;
};
