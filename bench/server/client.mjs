// @ts-check
/** The client in real Chromium, over HTTP, with a server on SQLite: against the same bytes by hand, in turns of one run. */
import { join } from "node:path";
import { getRequestListener } from "@hono/node-server";
import { serve } from "../browser.mjs";

/** @typedef {typeof import("./entry.ts")} Bundle */
/** @typedef {typeof import("./page/page.ts")} Page */
/** @typedef {{ ms: number[], requests: Record<string, number>, turns: number }} Taken */
/** @typedef {{ title: string, by: import("./page/page.ts").ContenderName, atMost: number, taken: Record<string, Taken> }} Result */

/** Events. */
const stored = 10_000;
const pushed = 1000;
const pings = 20;

/** @type {(samples: readonly number[]) => number} */
export const median = (samples) => samples.toSorted((a, b) => a - b)[samples.length >> 1] ?? NaN;

/** Calls a function of `page/page.ts` in the page. */
/** @type {<M extends keyof Page>(page: import("playwright").Page, method: M, ...args: Parameters<Page[M]>) => Promise<any>} */
const call = (page, method, ...args) =>
  page.evaluate(async (told) => (await import(told.url))[told.method](...told.args), {
    url: "/client.js",
    method,
    args,
  });

/** @type {(bundle: Bundle, folder: string, rounds: number) => Promise<Result[]>} */
export async function measureClient(bundle, folder, rounds) {
  const { createSyncServer, defineEvent, makeRows, payloadSchemas, sqlite } = bundle;
  const storage = await sqlite({ file: join(folder, "client.db") });
  /** @type {Record<string, number>} */
  let requests = {};
  const server = createSyncServer({
    storage,
    events: { rowAdded: defineEvent({ schema: payloadSchemas.rowAdded }) },
    authenticate: () => ({ id: "ann" }),
    authorizeSpace: () => true,
    limits: { eventsPerMinute: Infinity },
    onRequest: ({ endpoint }) => {
      requests[endpoint] = (requests[endpoint] ?? 0) + 1;
    },
  });
  const listener = getRequestListener(server.fetch);
  const site = await serve({ client: "server/page/page.ts" }, false, (request, response, next) => {
    if (request.url?.startsWith("/sync/") === true) void listener(request, response);
    else next();
  });

  /** @type {(space: string, count: number, seed: number) => Promise<void>} */
  async function fill(space, count, seed) {
    const rows = makeRows(count, seed);
    for (let from = 0; from < count; from += 100) {
      const events = rows.slice(from, from + 100).map((row, at) => {
        const id = `event-${String(from + at).padStart(6, "0")}`;
        return { id, seq: from + at + 1, name: "rowAdded", payload: { row }, at: 1 };
      });
      const response = await server.fetch(
        new Request(`http://host/sync/${space}/push`, {
          method: "POST",
          headers: { "Content-Type": "application/json", "Sssync-Protocol": "1" },
          body: JSON.stringify({ client: "client-aa", events }),
        }),
      );
      if (!response.ok) throw new Error(`Expected rows to be taken, got ${await response.text()}`);
    }
  }

  /**
   * @template {import("./page/page.ts").ContenderName} N
   * @param {readonly N[]} names
   * @param {{ rounds: number, warmUps: number }} times
   * @param {(name: N, round: number) => Promise<number[]>} turn
   */
  async function takeTurns(names, times, turn) {
    const taken = /** @type {Record<N, Taken>} */ ({});
    for (const name of names) taken[name] = { ms: [], requests: {}, turns: 0 };
    for (let round = -times.warmUps; round < times.rounds; round += 1) {
      // The order turns with each round, so that nobody always comes after the same one.
      const first = (round + times.warmUps) % names.length;
      for (const name of [...names.slice(first), ...names.slice(0, first)]) {
        requests = {};
        const ms = await turn(name, round + times.warmUps);
        if (round < 0) continue;
        const mine = taken[name];
        mine.ms.push(...ms);
        mine.turns += 1;
        for (const [endpoint, count] of Object.entries(requests))
          mine.requests[endpoint] = (mine.requests[endpoint] ?? 0) + count;
      }
    }
    return taken;
  }

  try {
    await fill("full", stored, 1);
    const one = await site.openPage(await site.launch(site.makeProfile()));
    const first = await takeTurns(
      /** @type {const} */ (["limit", "sssync"]),
      { rounds: 5 * rounds, warmUps: 1 },
      async (name) => [await call(one, "first", name, "full", stored, 1)],
    );
    const push = await takeTurns(
      /** @type {const} */ (["limit", "sssync"]),
      { rounds: 5 * rounds, warmUps: 1 },
      async (name, round) => [
        await call(one, "push", name, `push-${name}-${round}`, pushed, 100 + round),
      ],
    );
    const two = await site.openPage(await site.launch(site.makeProfile()));
    const all = /** @type {const} */ (["requests", "limit", "sssync"]);
    for (const name of all) {
      await call(one, "hold", name, `both-${name}`, false);
      await call(two, "hold", name, `both-${name}`, true);
    }
    const hop = await takeTurns(all, { rounds: 5 * rounds, warmUps: 1 }, (name, round) =>
      call(one, "pings", `both-${name}`, pings, 200 + round),
    );
    return [
      {
        title: `${stored} events, from an empty device to ready tables`,
        by: "limit",
        atMost: 3,
        taken: first,
      },
      {
        title: `${pushed} events committed at once, until all are decided`,
        by: "limit",
        atMost: 2.5,
        taken: push,
      },
      {
        title: "a commit on one device, until its row is on another",
        by: "requests",
        atMost: 2.5,
        taken: hop,
      },
    ];
  } finally {
    await site.close();
    await storage.close();
  }
}
