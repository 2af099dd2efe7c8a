// @ts-check
/**
 * What is measured. All contenders of a measurement take turns, round after round, so that whatever else the machine
 * does is shared by all; a figure is the median over its rounds, and what counts is the ratio of two figures of one run.
 */
import { bundledSize } from "./browser.mjs";

/**
 * @typedef {Record<string, number[]>} Samples By contender.
 * @typedef {object} Bound
 * @property {string} of The figure that is bounded.
 * @property {string} [by] What it is divided by. Without it the figure itself is bounded.
 * @property {number} [atMost] Of `of / by`.
 * @property {number} [faster] At least this many times: of `by / of`.
 * @typedef {object} Measurement
 * @property {string} name
 * @property {string} title
 * @property {string} unit
 * @property {readonly Bound[]} bounds
 * @property {(bench: BenchRun) => Promise<Samples>} run
 * @typedef {object} BenchRun
 * @property {import("./browser.mjs").Site} site
 * @property {(...wanted: string[]) => string[]} present Those of these contenders that take part.
 * @property {number} rounds Multiplies the rounds of every measurement.
 */

/** Calls a function of `page.ts` in the page. */
/** @type {(page: import("playwright").Page, method: string, ...args: unknown[]) => Promise<any>} */
const call = (page, method, ...args) =>
  page.evaluate((told) => /** @type {any} */ (globalThis).bench[told.method](...told.args), {
    method,
    args,
  });

const many = 100_000;

/**
 * Round-robin: one turn of each, `warmUps` + `rounds` times. The order turns with each round, so that nobody always
 * comes after the same one.
 *
 * @param {readonly string[]} names
 * @param {{ rounds: number, warmUps?: number }} times
 * @param {(name: string, round: number) => Promise<number[]>} turn
 * @returns {Promise<Samples>}
 */
async function takeTurns(names, { rounds, warmUps = 0 }, turn) {
  /** @type {Samples} */
  const samples = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = -warmUps; round < rounds; round += 1) {
    const first = (round + warmUps) % names.length;
    for (const name of [...names.slice(first), ...names.slice(0, first)]) {
      const taken = await turn(name, round + warmUps);
      if (round >= 0) samples[name]?.push(...taken);
    }
  }
  return samples;
}

/** A profile in which each of these contenders has its database of 100,000 rows at rest. */
/** @type {(bench: BenchRun, contenders: readonly string[]) => Promise<string>} */
async function filledProfile({ site }, contenders) {
  const profile = site.makeProfile();
  const context = await site.launch(profile);
  for (const contender of contenders) {
    const page = await site.openPage(context);
    await call(page, "fill", contender, `filled-${contender}`, many);
    await page.close();
  }
  await context.close();
  return profile;
}

/** A browser with one page, for the time of `use`. */
/** @type {<T>(bench: BenchRun, use: (page: import("playwright").Page, context: import("playwright").BrowserContext) => Promise<T>) => Promise<T>} */
async function inPage({ site }, use) {
  const context = await site.launch(site.makeProfile());
  const result = await use(await site.openPage(context), context);
  await context.close();
  return result;
}

/** @type {readonly Measurement[]} */
export const measurements = [
  {
    name: "open-100k",
    title: "Open 100,000 rows",
    unit: "ms",
    bounds: [
      { of: "sssync", by: "limit", atMost: 2 },
      { of: "sssync", by: "by-hand", faster: 3 },
    ],
    async run(bench) {
      const { site, present, rounds } = bench;
      const contenders = present("limit", "by-hand", "sssync");
      const profile = await filledProfile(bench, contenders);
      // A browser of its own for each opening: nothing is in anybody's memory, the files are in the system's cache for all.
      return takeTurns(contenders, { rounds: 7 * rounds, warmUps: 1 }, async (contender) => {
        const context = await site.launch(profile);
        const page = await site.openPage(context);
        const samples = await call(page, "open", contender, `filled-${contender}`, many);
        await context.close();
        return samples;
      });
    },
  },
  {
    name: "commit-10k",
    title: "10,000 rows in one commit, until durable",
    unit: "ms",
    bounds: [
      { of: "sssync", by: "limit", atMost: 1.5 },
      { of: "sssync", by: "by-hand", faster: 8 },
    ],
    run: (bench) =>
      inPage(bench, (page) =>
        takeTurns(
          bench.present("limit", "by-hand", "sssync"),
          { rounds: 11 * bench.rounds, warmUps: 2 },
          (contender, round) => call(page, "bulk", contender, 10_000, 100 + round),
        ),
      ),
  },
  {
    name: "awaited",
    title: "A durable commit, awaited one after another",
    unit: "ms",
    bounds: [{ of: "sssync", by: "limit", atMost: 1.3 }],
    run: (bench) =>
      inPage(bench, async (page) => {
        const contenders = bench.present("limit", "by-hand", "sssync");
        for (const contender of contenders) await call(page, "hold", contender, contender);
        return takeTurns(
          contenders,
          { rounds: 30 * bench.rounds, warmUps: 4 },
          (contender, round) => call(page, "awaited", contender, 10, 200 + round),
        );
      }),
  },
  {
    name: "burst-2000",
    title: "2,000 commits, until all are durable",
    unit: "ms",
    bounds: [{ of: "sssync", by: "by-hand", faster: 40 }],
    run: (bench) =>
      inPage(bench, async (page) => {
        // For information: a transaction each without waiting, and what the limit needs for all rows in one record.
        /** @type {Record<string, [contender: string, way: string]>} */
        const ways = {
          limit: ["limit", "as one"],
          "by-hand": ["by-hand", "one by one"],
          sssync: ["sssync", "at once"],
          "by-hand at once": ["by-hand", "at once"],
          "limit at once": ["limit", "at once"],
        };
        const taking = new Set(bench.present("limit", "by-hand", "sssync"));
        const names = Object.keys(ways).filter((name) => taking.has(ways[name]?.[0] ?? ""));
        return takeTurns(names, { rounds: 5 * bench.rounds, warmUps: 1 }, (name, round) =>
          call(page, "burst", ...(ways[name] ?? []), 2000, 300 + round),
        );
      }),
  },
  {
    name: "commit-call",
    title: "The call of commit() with 100,000 rows in memory",
    unit: "µs",
    bounds: [
      { of: "sssync", atMost: 10 },
      { of: "sssync", by: "sssync with 1,000 rows", atMost: 1.5 },
    ],
    async run(bench) {
      const { site, present, rounds } = bench;
      if (present("sssync").length === 0) return {};
      const context = await site.launch(site.makeProfile());
      /** @type {Record<string, import("playwright").Page>} */
      const pages = {};
      for (const [name, count] of /** @type {const} */ ([
        ["sssync", many],
        ["sssync with 1,000 rows", 1000],
      ])) {
        const page = await site.openPage(context);
        await call(page, "fill", "sssync", name, count);
        const size = await call(page, "hold", "sssync", name);
        if (size !== count) throw new Error(`Expected ${count} rows, got ${size}`);
        pages[name] = page;
      }
      const samples = await takeTurns(
        Object.keys(pages),
        { rounds: 10 * rounds, warmUps: 3 },
        async (name, round) => {
          const page = /** @type {import("playwright").Page} */ (pages[name]);
          const taken = await call(page, "calls", name, 10, 20, 400 + round);
          return taken.map((/** @type {number} */ ms) => ms * 1000);
        },
      );
      await context.close();
      return samples;
    },
  },
  {
    name: "cross-tab",
    title: "Another tab shows a commit",
    unit: "ms",
    bounds: [{ of: "sssync", by: "limit", atMost: 1.5 }],
    run: (bench) =>
      inPage(bench, async (a, context) => {
        const b = await bench.site.openPage(context);
        const contenders = bench.present("limit", "by-hand", "sssync");
        for (const contender of contenders) {
          for (const page of [a, b]) await call(page, "hold", contender, contender);
          await call(b, "echo", contender);
        }
        return takeTurns(
          contenders,
          { rounds: 10 * bench.rounds, warmUps: 2 },
          (contender, round) => call(a, "pings", contender, 20, 500 + round),
        );
      }),
  },
  {
    name: "heap",
    title: "Heap after opening 100,000 rows",
    unit: "MB",
    bounds: [{ of: "sssync", by: "plain Maps", atMost: 1.5 }],
    async run(bench) {
      const { site, present, rounds } = bench;
      const profile = await filledProfile(bench, present("limit", "sssync"));
      const context = await site.launch(profile);
      // What the limit holds when it is open is the rows in a plain Map, and nothing else.
      /** @type {Record<string, string>} */
      const contenders = { "plain Maps": "limit", sssync: "sssync" };
      const names = Object.keys(contenders).filter(
        (name) => present(contenders[name] ?? "").length,
      );
      const samples = await takeTurns(names, { rounds: 3 * rounds }, async (name) => {
        const contender = contenders[name] ?? "";
        const page = await site.openPage(context);
        const session = await context.newCDPSession(page);
        const used = async () => {
          // Twice: what the first collection finalizes, the second one frees.
          for (let pass = 0; pass < 2; pass += 1) await session.send("HeapProfiler.collectGarbage");
          const usage = await session.send("Runtime.getHeapUsage");
          return usage.usedSize + usage.embedderHeapUsedSize + usage.backingStorageSize;
        };
        const empty = await used();
        const size = await call(page, "hold", contender, `filled-${contender}`);
        if (size !== many) throw new Error(`Expected ${many} rows, got ${size}`);
        await page.waitForTimeout(500);
        const full = await used();
        await page.close();
        return [(full - empty) / 1e6];
      });
      await context.close();
      return samples;
    },
  },
  {
    name: "size",
    title: "import { createSyncActor }, minified, gzip",
    unit: "kB",
    bounds: [{ of: "sssync", atMost: 26 }],
    run: async ({ present }) =>
      present("sssync").length ? { sssync: [(await bundledSize()) / 1000] } : {},
  },
];
