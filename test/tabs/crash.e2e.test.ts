/** Tabs and browsers that are killed while all tabs commit. */
import { expect, test, vi } from "vitest";
import { createSeededRandom } from "../../src/testing/seeded-random.ts";
import type { App } from "./app/main.ts";
import {
  type Browser,
  type Tab,
  agreed,
  createBrowser,
  durable,
  durableCount,
  folded,
  leaderOf,
} from "./browser.ts";
import { faultsOfLog, faultsOfOrder, faultsOfSegments } from "./order.ts";

declare const app: App;

/** Another run of the same tests: `SEED=2 npx vitest run --project e2e test/tabs`. */
const seed = Number(process.env["SEED"] ?? 1);

/** As many as show it; `CRASHES=5` for five times as many. */
const factor = Number(process.env["CRASHES"] ?? 1);

vi.setConfig({ testTimeout: 90_000 * factor });

const createDice = (...parts: readonly number[]) => {
  const random = createSeededRandom(parts.reduce((sum, part) => sum * 1000 + part, seed));
  return (from: number, to: number): number => {
    const [high = 0, low = 0] = random.bytes(2);
    return from + ((high * 256 + low) % (to - from + 1));
  };
};

const start = (tabs: readonly Tab[], dice: ReturnType<typeof createDice>) =>
  Promise.all(tabs.map(({ page }) => page.evaluate((it) => app.start(it), dice(0, 65_535))));
const rest = (tabs: readonly Tab[]) =>
  Promise.all(tabs.map(({ page }) => page.evaluate(() => app.rest())));
/** Rows of tabs that are gone, which were stored before their tab could hear of it. */
const unheard = (order: readonly string[], { told }: Browser): number => {
  const heard = new Set(told.filter(({ kind }) => kind === "durable").flatMap(({ ids }) => ids));
  return order.filter((entry) => !heard.has(entry.slice(entry.indexOf(":") + 1))).length;
};

test.for([
  ["LevelDB", 4 * factor],
  ["SQLite", 3 * factor],
] as const)(
  "G1 G3 G13 keeps every durable commit once, in one order, when tabs crash (%s, %i rounds)",
  async ([backend, rounds], context) => {
    const browser = await createBrowser(context, backend);
    const tabs = await Promise.all([browser.openTab(), browser.openTab(), browser.openTab()]);
    let before: readonly string[] = [];
    let leaders = 0;
    for (let round = 1; round <= rounds; round += 1) {
      const dice = createDice(1, round);
      const leader = await leaderOf(tabs);
      // In turn the leader, a follower, and whoever it is.
      const victim = [leader, (leader + 1) % 3, dice(0, 2)][round % 3] as number;
      const dead = tabs[victim] as Tab;
      if (victim === leader) leaders += 1;
      const begin = durableCount(browser);
      await start(tabs, dice);
      // All three commit until they are told to rest: it dies in the middle of its commits.
      await durable(browser, begin + dice(10, 190));
      // Right after it was told that something is stored.
      await durable(browser, durableCount(browser, dead) + 1, dead);
      await browser.crash(dead);
      const fresh = await browser.openTab();
      tabs[victim] = fresh;
      await start([fresh], dice);
      await Promise.all([durable(browser, begin + 200), durable(browser, 10, fresh)]);
      await rest(tabs);
      const order = await agreed(tabs);
      const disk = await fresh.page.evaluate(() => app.disk());
      expect({
        at: { seed, round },
        wrong: [...faultsOfOrder(order, before, browser.told), ...faultsOfLog(disk, order)],
        complaints: browser.complaints,
      }).toEqual({ at: { seed, round }, wrong: [], complaints: [] });
      before = order;
    }
    const fresh = await browser.openTab();
    expect(await agreed([...tabs, fresh])).toEqual(before);
    const disk = await folded(fresh);
    expect(faultsOfSegments(disk, before)).toEqual([]);
    expect(await agreed([...tabs, fresh, await browser.openTab()])).toEqual(before);
    expect(browser.complaints).toEqual([]);
    console.log(
      `${backend}, seed ${seed}: ${rounds} tabs killed while they committed, ${leaders} of them leaders; ` +
        `${durableCount(browser)} durable commits, ${before.length} rows, ${unheard(before, browser)} stored unheard`,
    );
  },
);

test.for([
  ["LevelDB", 2 * factor],
  ["SQLite", 2 * factor],
] as const)(
  "G1 keeps every durable commit when the browser is killed (%s, %i times)",
  async ([backend, times], context) => {
    const browser = await createBrowser(context, backend);
    let before: readonly string[] = [];
    for (let time = 1; time <= times; time += 1) {
      const dice = createDice(2, time);
      const tabs = await Promise.all([browser.openTab(), browser.openTab(), browser.openTab()]);
      await start(tabs, dice);
      await durable(browser, durableCount(browser) + dice(50, 250));
      await browser.killAndRestart();
      const fresh = await browser.openTab();
      const order = await agreed([fresh]);
      const disk = await fresh.page.evaluate(() => app.disk());
      expect({
        at: { seed, time },
        wrong: [...faultsOfOrder(order, before, browser.told), ...faultsOfLog(disk, order)],
        complaints: browser.complaints,
      }).toEqual({ at: { seed, time }, wrong: [], complaints: [] });
      before = order;
      await fresh.page.close();
    }
    console.log(
      `${backend}, seed ${seed}: browser killed ${times} times in the middle of commits; ` +
        `${durableCount(browser)} durable commits, ${before.length} rows, ${unheard(before, browser)} stored unheard`,
    );
  },
);
