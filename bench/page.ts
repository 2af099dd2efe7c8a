/**
 * The half of the bench that runs in a page: each function does one contender's turn and returns its samples in ms.
 * The other half, `measurements.mjs`, decides whose turn it is.
 */
import { type Contender, type Tab } from "./contender.ts";
import { type BenchEvent, makeRows, type Row } from "./rows.ts";

const tabs = new Map<string, Tab>();

async function load(contender: string): Promise<Contender> {
  // Each contender is a file of its own, so that a page holds the code of none but the one that it measures.
  const module = (await import(/* @vite-ignore */ `/${contender}.js`)) as { contender: Contender };
  return module.contender;
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** What one turn leaves behind is not to be collected in the next one's time. Needs `--expose-gc`. */
async function settle(): Promise<void> {
  await sleep(30);
  (globalThis as { gc?: () => void }).gc?.();
}

function expectRows(tab: Tab, rows: readonly Row[]): void {
  const last = rows.at(-1);
  const same = last && JSON.stringify(sorted(tab.get(last.id))) === JSON.stringify(sorted(last));
  if (tab.size() !== rows.length || !same)
    throw new Error(`Expected ${rows.length} rows as they were written, got ${tab.size()}`);
}

function sorted(row: Row | undefined): unknown {
  return Object.entries(row ?? {}).toSorted(([a], [b]) => (a < b ? -1 : 1));
}

function added(row: Row): BenchEvent {
  return { name: "rowAdded", payload: { row } };
}

/** Opens a fresh database, runs one turn on it and removes it. */
async function onFresh(
  contender: string,
  turn: (tab: Tab) => Promise<number[]>,
): Promise<number[]> {
  const name = `fresh-${crypto.randomUUID()}`;
  const tab = await (await load(contender)).open(name);
  await settle();
  const samples = await turn(tab);
  await tab.close();
  await remove(name);
  return samples;
}

async function remove(part: string): Promise<void> {
  for (const { name } of await indexedDB.databases()) {
    if (!name?.includes(part)) continue;
    await new Promise<void>((resolve, reject) => {
      const request = indexedDB.deleteDatabase(name);
      request.onsuccess = () => resolve();
      request.onerror = () => reject(request.error);
    });
  }
}

const bench = {
  async fill(contender: string, name: string, count: number): Promise<void> {
    await (await load(contender)).fill(name, makeRows(count, 1));
  },

  /** Opens what `fill` wrote and keeps it open. The browser's own start of its storage is not in the figure. */
  async open(contender: string, name: string, count: number): Promise<number[]> {
    const storage = await load(contender);
    const warm = indexedDB.open("warm");
    await new Promise((resolve) => {
      warm.onsuccess = resolve;
    });
    warm.result.close();
    await settle();
    const from = performance.now();
    const tab = await storage.open(name);
    const took = performance.now() - from;
    if (count > 0) expectRows(tab, makeRows(count, 1));
    tabs.set(name, tab);
    return [took];
  },

  /** Keeps one tab open without looking at its rows: the heap is to hold them once. */
  async hold(contender: string, name: string): Promise<number> {
    const tab = await (await load(contender)).open(name);
    tabs.set(name, tab);
    return tab.size();
  },

  /** One commit of `count` rows, until durable. */
  bulk(contender: string, count: number, seed: number): Promise<number[]> {
    const rows = makeRows(count, seed);
    return onFresh(contender, async (tab) => {
      const from = performance.now();
      await tab.commit({ name: "rowsAdded", payload: { rows } });
      const took = performance.now() - from;
      expectRows(tab, rows);
      return [took];
    });
  },

  /** Commits of one row, each awaited until durable before the next, on a tab that `hold` opened. */
  async awaited(name: string, count: number, seed: number): Promise<number[]> {
    const tab = tabs.get(name) as Tab;
    const rows = makeRows(count, seed);
    await settle();
    const samples: number[] = [];
    for (const row of rows) {
      const from = performance.now();
      await tab.commit(added(row));
      samples.push(performance.now() - from);
    }
    return samples;
  },

  /** `count` commits of one row: fired at once, one after another, or as one commit of all rows. Until all are durable. */
  burst(
    contender: string,
    way: "at once" | "one by one" | "as one",
    count: number,
    seed: number,
  ): Promise<number[]> {
    const rows = makeRows(count, seed);
    return onFresh(contender, async (tab) => {
      const from = performance.now();
      if (way === "one by one") for (const row of rows) await tab.commit(added(row));
      else if (way === "at once") await Promise.all(rows.map((row) => tab.commit(added(row))));
      else await tab.commit({ name: "rowsAdded", payload: { rows } });
      const took = performance.now() - from;
      expectRows(tab, rows);
      return [took];
    });
  },

  /** The synchronous part of a commit, as means of batches: the clock is too coarse for one call. */
  async calls(name: string, batches: number, perBatch: number, seed: number): Promise<number[]> {
    const tab = tabs.get(name) as Tab;
    const rows = makeRows((batches * perBatch) / 2, seed);
    await settle();
    const samples: number[] = [];
    for (let batch = 0; batch < batches; batch += 1) {
      // Half of them create a row, half of them update one.
      const own = rows.slice((batch * perBatch) / 2, ((batch + 1) * perBatch) / 2);
      const events = own.flatMap((row): BenchEvent[] => [
        added(row),
        { name: "rowTouched", payload: { id: row.id, updatedAt: batch } },
      ]);
      let durable: Promise<unknown> | undefined;
      let seen = 0;
      const from = performance.now();
      for (const event of events) {
        durable = tab.commit(event);
        // Reading at once what was committed, so that work put off until somebody reads is in the figure too.
        if (event.name === "rowTouched" && tab.get(event.payload.id)?.updatedAt === batch)
          seen += 1;
      }
      samples.push((performance.now() - from) / events.length);
      if (seen !== own.length)
        throw new Error(`Expected ${own.length} rows to change, got ${seen}`);
      await durable;
    }
    return samples;
  },

  /** Tab B: answers each row `ping-…` that another tab adds with a row `pong-…`. */
  echo(name: string): void {
    const tab = tabs.get(name) as Tab;
    tab.watch((ids) => {
      for (const id of ids) {
        const ping = id.startsWith("ping-") ? tab.get(id) : undefined;
        if (ping) void tab.commit(added({ ...ping, id: id.replace("ping", "pong") }));
      }
    });
  },

  /** Tab A: half of each round trip, so that one clock measures both ways. */
  async pings(name: string, count: number, seed: number): Promise<number[]> {
    const tab = tabs.get(name) as Tab;
    const waiting = new Map<string, () => void>();
    tab.watch((ids) => {
      for (const id of ids) if (tab.get(id)) waiting.get(id)?.();
    });
    const samples: number[] = [];
    for (const row of makeRows(count, seed)) {
      const answered = new Promise<void>((resolve) => waiting.set(`pong-${row.id}`, resolve));
      const from = performance.now();
      const durable = tab.commit(added({ ...row, id: `ping-${row.id}` }));
      await answered;
      samples.push((performance.now() - from) / 2);
      await durable;
      await sleep(2);
    }
    return samples;
  },
};

export type Bench = typeof bench;
Object.assign(globalThis, { bench });
