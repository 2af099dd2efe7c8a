// @ts-check
/** Pushes against the same rows by hand, in turns of one run. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { openByHand } from "./by-hand.mjs";

/** @typedef {typeof import("./entry.ts")} Bundle */
/** @typedef {{ name: string, batch: number, spaces: number, pushes: number }} Load */

/** @type {readonly Load[]} */
export const loads = [
  { name: "1 event, one space", batch: 1, spaces: 1, pushes: 640 },
  { name: "1 event, 1,000 spaces", batch: 1, spaces: 1000, pushes: 640 },
  { name: "50 events, one space", batch: 50, spaces: 1, pushes: 320 },
  { name: "50 events, 1,000 spaces", batch: 50, spaces: 1000, pushes: 320 },
];

const clients = 32;
const text = "x".repeat(80);
/** @type {(space: number, n: number) => string} */
const idOf = (space, n) =>
  `0193f2a0-${String(space).padStart(4, "0")}-7000-8000-${String(n).padStart(12, "0")}`;

/** The events of a push as they are sent. @type {(space: number, from: number, batch: number) => object[]} */
const eventsOf = (space, from, batch) =>
  Array.from({ length: batch }, (_, at) => {
    const n = from + at + 1;
    const id = idOf(space, n);
    return { id, seq: n, name: "added", payload: { id, text }, at: 1_732_300_000_000 };
  });

/** @type {(space: number, from: number, batch: number) => import("./by-hand.mjs").Entry[]} */
const entriesOf = (space, from, batch) =>
  eventsOf(space, from, batch).map((event, at) => {
    const pos = from + at + 1;
    const id = idOf(space, pos);
    const entry = JSON.stringify({
      pos,
      client: "client-aa",
      ...event,
      v: 1,
      ts: 1_732_300_000_000,
      by: "ann",
    });
    return { pos, hash: "abcdefghijk", id, entry };
  });

/** @typedef {(space: number, from: number) => Promise<void> | void} Push */

/**
 * Gives out pushes, `atOnce` of them at a time, and counts the ms that they take.
 *
 * @type {(load: Load, atOnce: number, push: Push) => { run(count: number): Promise<void>, ms(): number }}
 */
function contender({ batch, spaces }, atOnce, push) {
  /** @type {Map<number, number>} */
  const from = new Map();
  let next = 0;
  let ms = 0;
  return {
    async run(count) {
      let left = count;
      const lane = async () => {
        while (left > 0) {
          left -= 1;
          const space = (next * 7) % spaces;
          const first = from.get(space) ?? 0;
          from.set(space, first + batch);
          next += 1;
          await push(space, first);
        }
      };
      const began = performance.now();
      await Promise.all(Array.from({ length: atOnce }, lane));
      ms += performance.now() - began;
    },
    ms: () => ms,
  };
}

/** @type {(bundle: Bundle, file: string, atOnce: number, batch: number) => Promise<{ push: Push, close(): Promise<void> }>} */
async function openServer({ createSyncServer, defineEvent, sqlite, v }, file, atOnce, batch) {
  const storage = await sqlite({ file });
  const server = createSyncServer({
    storage,
    events: { added: defineEvent({ schema: v.object({ id: v.string(), text: v.string() }) }) },
    authenticate: () => ({ id: "ann" }),
    authorizeSpace: () => true,
  });
  let count = 0;
  return {
    async push(space, from) {
      // Pushes to one space at the same time are of different clients: those of one client wait for each other.
      count += 1;
      const client = atOnce === 1 ? "client-aa" : `client-${String(count).padStart(6, "0")}`;
      const first = atOnce === 1 ? from : 0;
      const events = eventsOf(space, from, batch).map((event, at) =>
        Object.assign(event, { seq: first + at + 1 }),
      );
      const request = new Request(`http://host/sync/s${space}/push`, {
        method: "POST",
        headers: { "Content-Type": "application/json", "Sssync-Protocol": "1" },
        body: JSON.stringify({ client, events }),
      });
      const response = await server.fetch(request);
      const { results } = /** @type {{ results: { status: string }[] }} */ (await response.json());
      if (results.length !== batch || results.some(({ status }) => status !== "accepted"))
        throw new Error(`Expected all to be accepted, got ${JSON.stringify(results[0])}`);
    },
    close: () => storage.close(),
  };
}

/** Contenders take turns of so many pushes, so that all meet the same moods of the disk. */
const turns = 10;

/**
 * Events per second.
 *
 * @type {(bundle: Bundle, folder: string, load: Load) => Promise<{ byHand: number, alone: number, together: number }>}
 */
export async function measure(bundle, folder, load) {
  const { batch, pushes } = load;
  const place = join(folder, load.name.replaceAll(/\W+/g, "-"));
  mkdirSync(place);
  const hand = openByHand(join(place, "hand.db"));
  const one = await openServer(bundle, join(place, "alone.db"), 1, batch);
  const many = await openServer(bundle, join(place, "together.db"), clients, batch);
  const open = () => ({
    byHand: contender(load, 1, (space, from) =>
      hand.push(space, "client-aa", entriesOf(space, from, batch)),
    ),
    alone: contender(load, 1, one.push),
    together: contender(load, clients, many.push),
  });
  const all = open();
  const share = pushes / turns;
  // The first turn is not counted: code is compiled, tables have no pages yet.
  const first = { byHand: 0, alone: 0, together: 0 };
  for (let turn = 0; turn <= turns; turn += 1) {
    for (const [name, it] of Object.entries(all)) {
      await it.run(share);
      if (turn === 0) first[/** @type {keyof typeof first} */ (name)] = it.ms();
    }
  }
  hand.close();
  await one.close();
  await many.close();
  const rate = (/** @type {keyof typeof all} */ name) =>
    (pushes * batch * 1000) / (all[name].ms() - first[name]);
  return { byHand: rate("byHand"), alone: rate("alone"), together: rate("together") };
}
