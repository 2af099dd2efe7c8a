/** Bugs in how events are decided. */
import type { EventResult, PushRequest, PushResponse } from "../../../src/protocol/index.ts";
import { memory } from "../../../src/server/memory.ts";
import { keyText } from "../../../src/server/storage.ts";
import {
  type Bug,
  type Handler,
  answers,
  changed,
  edited,
  idle,
  isPush,
  pages,
  pushOf,
  pushes,
  results,
} from "./kit.ts";

/** Sends other events in place of those of a push, and answers as if they had been those. */
const instead =
  (make: (push: PushRequest) => PushRequest) =>
  (next: Handler): Handler =>
  async (request) => {
    const push = await pushOf(request);
    if (push === undefined) return next(request);
    const other = make(push);
    const response = await next(changed(request, { body: JSON.stringify(other) }));
    const back = new Map(other.events.map((it, at) => [it.id, push.events[at]?.id ?? it.id]));
    return edited<PushResponse>(response, (body) =>
      Array.isArray(body.results)
        ? { ...body, results: body.results.map((it) => ({ ...it, id: back.get(it.id) ?? it.id })) }
        : body,
    );
  };

let fresh = 0;
const newId = (): string => `again-${(fresh += 1).toString().padStart(8, "0")}`;

export const pushingBugs: Readonly<Record<string, Bug>> = {
  "no-hash": {
    says: "cursors are checked by epoch and position only",
    caughtBy: ["S7", "C3"],
    core: "no-hash",
  },
  "no-seen": { says: "tokens of queries are not verified", caughtBy: ["S7"], core: "no-seen" },
  "no-id-check": {
    says: "a used number is answered without comparing ids",
    caughtBy: ["P9"],
    core: "no-id-check",
  },
  "no-id-unique": {
    says: "decisions are remembered per client",
    caughtBy: ["P10"],
    core: "no-id-unique",
  },
  "no-gap-check": {
    says: "gaps between numbers are accepted",
    caughtBy: ["P7", "P8", "P11", "P30"],
    core: "no-gap-check",
  },
  "pure-id": { says: "numbers mean nothing", caughtBy: ["P7", "P9"], core: "pure-id" },
  "reeval-rejected": {
    says: "rejections are not remembered",
    caughtBy: ["P6"],
    core: "reeval-rejected",
  },
  "ids-die-with-log": {
    says: "compaction forgets decisions with the entries",
    caughtBy: ["S9", "C2"],
    core: "ids-die-with-log",
  },
  "split-tx": {
    says: "the events of one commit are decided one by one",
    caughtBy: ["P18"],
    core: "split-tx",
  },
  "no-dedupe": {
    says: "dedupe keys are ignored",
    caughtBy: ["P14", "P15"],
    core: "no-dedupe",
  },
  "resend-appends": {
    says: "an event that is sent again is a new one",
    caughtBy: ["P3", "P4", "P23", "P27", "P28", "C1", "C6"],
    wrap(next) {
      const known = new Set<string>();
      return instead((push) => {
        const isAgain = push.events.some((it) => known.has(it.id));
        const twice = new Set(push.events.map((it) => it.id)).size < push.events.length;
        for (const { id } of push.events) known.add(id);
        if (!isAgain && !twice) return push;
        // As a new client, so that numbers do not tell.
        const events = push.events.map((it, at) =>
          Object.assign({}, it, { id: newId(), seq: at + 1 }),
        );
        return { ...push, client: newId(), events };
      })(next);
    },
  },
  "head-behind": {
    says: "head is told as it was before the push",
    caughtBy: ["P1"],
    wrap: results((body) => ({ ...body, head: Math.max(0, body.head - body.results.length) })),
  },
  "reorders-batch": {
    says: "the events of a batch come into the log in another order",
    caughtBy: ["P2", "P29"],
    wrap: (next) => async (request) => {
      const push = await pushOf(request);
      const [first] = push?.events ?? [];
      if (
        push === undefined ||
        first === undefined ||
        push.events.some((it) => it.tx !== undefined)
      )
        return next(request);
      const { seq } = first;
      const turned = push.events
        .toReversed()
        .map((it, at) => Object.assign({}, it, { seq: seq + at }));
      const response = await next(
        changed(request, { body: JSON.stringify({ ...push, events: turned }) }),
      );
      return edited<PushResponse>(response, (body) =>
        Array.isArray(body.results) && body.stopped === undefined
          ? { ...body, results: body.results.toReversed() }
          : body,
      );
    },
  },
  "rejection-stops": {
    says: "what follows a rejected event in a batch is not looked at",
    caughtBy: ["P5"],
    wrap: results((body) => {
      const at = body.results.findIndex((it) => it.status === "rejected");
      return at === -1 || at === body.results.length - 1
        ? body
        : { ...body, results: body.results.slice(0, at + 1), stopped: { code: "unavailable" } };
    }),
  },
  "no-path": {
    says: "a rejection does not say where the payload is invalid",
    caughtBy: ["P13"],
    wrap: results((body) => ({
      ...body,
      results: body.results.map((it: EventResult) =>
        it.status === "rejected" ? { ...it, error: { ...it.error, path: undefined } } : it,
      ),
    })),
  },
  "no-data": {
    says: "the data of a rejection is left out",
    caughtBy: ["P25"],
    wrap: results((body) => ({
      ...body,
      results: body.results.map((it: EventResult) =>
        it.status === "rejected" ? { ...it, error: { ...it.error, data: undefined } } : it,
      ),
    })),
  },
  "key-without-name": {
    says: "one dedupe key is one for all events",
    caughtBy: ["P16"],
    store: (vault) => ({
      ...vault,
      async open() {
        const inner = await vault.open();
        return {
          ...inner,
          push: (space, want, decide) =>
            inner.push(
              space,
              { ...want, keys: want.keys.map((it) => ({ ...it, name: "*" })) },
              async (found) => {
                const keys = new Map<string, string>();
                for (const key of want.keys) {
                  const id = found.keys.get(keyText({ ...key, name: "*" }));
                  if (id !== undefined) keys.set(keyText(key), id);
                }
                // Within one batch the server compares by itself: there the name is part of the key.
                const write = await decide({ ...found, keys });
                return (
                  write && {
                    ...write,
                    keys: write.keys.map(({ key, id }) => ({ name: "*", key, id })),
                  }
                );
              },
            ),
        };
      },
    }),
  },
  "tx-apart": {
    says: "the events of one commit are pushed one by one, with others between them",
    caughtBy: ["P17"],
    wrap: (next) => async (request) => {
      const push = await pushOf(request);
      if (push === undefined || push.events.every((it) => it.tx === undefined))
        return next(request);
      const all: EventResult[] = [];
      let last: Response | undefined;
      for (const { tx: _, ...event } of push.events) {
        last = await next(changed(request, { body: JSON.stringify({ ...push, events: [event] }) }));
        const { results: some = [] } = (await last.clone().json()) as Partial<PushResponse>;
        all.push(...some);
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
      return edited<PushResponse>(last as Response, (body) => ({ ...body, results: all }));
    },
  },
  "failure-rejects": {
    says: "an event whose hook failed is rejected",
    caughtBy: ["P26"],
    wrap: (next) => async (request) => {
      const push = await pushOf(request);
      const response = await next(request);
      if (push === undefined) return response;
      const { error, stopped, ...rest } = (await response
        .clone()
        .json()) as Partial<PushResponse> & {
        error?: { code: string };
      };
      const code = stopped?.code ?? error?.code;
      if (code !== "timeout" && code !== "unavailable") return response;
      const all = push.events.map(
        ({ id }, at) => rest.results?.[at] ?? { id, status: "rejected", error: { code: "app" } },
      );
      return Response.json({ epoch: "e", head: 0, ...rest, results: all });
    },
  },
  "stack-in-errors": {
    says: "what was thrown is told, with its stack",
    caughtBy: ["X14"],
    wrap: answers((response, request) =>
      isPush(request)
        ? edited<object>(response, (body) => ({
            ...body,
            ...(response.status >= 500 || "stopped" in body ? { stack: new Error("x").stack } : {}),
          }))
        : response,
    ),
  },
  "believes-clients": {
    says: "what a client says of whose an event is gets into the log",
    caughtBy: ["P24"],
    wrap(next) {
      const said = new Map<string, string>();
      const keep = pushes((push) => {
        for (const it of push.events) if ("by" in it) said.set(it.id, String(it.by));
        return push;
      });
      const show = pages((page) => {
        if (page.mode === "log")
          for (const it of page.entries) if (said.has(it.id ?? "")) it.by = said.get(it.id ?? "");
        return page;
      });
      return show(keep(next));
    },
  },
  "time-of-first": {
    says: "the events of one batch get the time of its first",
    caughtBy: ["C5"],
    wrap: pushes((push) => {
      const at = push.events[0]?.at ?? 0;
      return { ...push, events: push.events.map((it) => Object.assign(it, { at })) };
    }),
  },
  "forgets-at-restart": {
    says: "what was written is gone after a restart",
    caughtBy: ["S10"],
    store: (vault) => ({ ...vault, open: async () => memory({ id: "the same" }) }),
  },
  "epoch-stays": {
    says: "a log that was thrown away keeps its epoch",
    caughtBy: ["S12"],
    wrap: idle("new-epoch"),
  },
};
