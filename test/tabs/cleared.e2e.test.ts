/** The data is cleared while three tabs live and one commits all the time: by the browser, and by `destroy()` in one of them. */
import { describe, expect, test, vi } from "vitest";
import type { App } from "./app/main.ts";
import {
  type Browser,
  type Tab,
  agreed,
  durable,
  durableCount,
  folded,
  useMachine,
} from "./browser.ts";
import { faultsOfSegments } from "./order.ts";

declare const app: App;

vi.setConfig({ testTimeout: 60_000 });

/** Resolves when each of these tabs has told so many times that data was lost. */
const lost = (browser: Browser, tabs: readonly Tab[], times: number): Promise<unknown> =>
  vi.waitFor(
    () => {
      for (const { name } of tabs) {
        const told = browser.told.filter(({ tab, kind }) => tab === name && kind === "lost");
        expect(told.length).toBeGreaterThanOrEqual(times);
      }
    },
    { timeout: 40_000, interval: 20 },
  );

/**
 * What is wrong with the rows after the data was cleared. Of each tab's own the last ones are there, without a gap: what was
 * undecided, and all that was committed since. Each is there once, in one order, and whole.
 */
function faultsOf(order: readonly string[], browser: Browser, tabs: readonly Tab[]): string[] {
  const faults: string[] = [];
  const entries = order.map((entry) => entry.split(":") as [no: string, id: string]);
  if (entries.some(([no], at) => Number(no) !== at + 1)) faults.push("numbers have gaps");
  for (const { name } of tabs) {
    const own = entries.flatMap(([, id]) =>
      id.startsWith(`${name}-`) ? [Number(id.slice(9))] : [],
    );
    if (own.some((n, at) => at > 0 && n !== (own[at - 1] ?? 0) + 1))
      faults.push(`${name} has gaps: ${own.join(" ")}`);
    const mine = browser.told.filter(({ tab }) => tab === name);
    const since = mine.findLastIndex(({ kind }) => kind === "lost");
    const late = mine.slice(since).filter(({ kind }) => kind === "durable");
    const missing = late
      .flatMap(({ ids }) => ids)
      .filter((id) => !own.includes(Number(id.slice(9))));
    if (missing.length > 0) faults.push(`durable since, but not there: ${missing.join(" ")}`);
  }
  return faults;
}

const three = async (browser: Browser): Promise<readonly [Tab, Tab, Tab]> => {
  browser.expect("lost");
  browser.expect("fault");
  return [await browser.openTab(), await browser.openTab(), await browser.openTab()];
};

/** Chromium freezes a tab without telling the engine. */
const freeze = ({ cdp }: Tab, state: "frozen" | "active"): Promise<unknown> =>
  cdp.send("Page.setWebLifecycleState", { state });

const clear = (browser: Browser, { cdp }: Tab): Promise<unknown> =>
  cdp.send("Storage.clearDataForOrigin", { origin: browser.origin, storageTypes: "indexeddb" });

describe.for(["LevelDB", "SQLite"] as const)("%s", { concurrent: true }, (backend) => {
  const createDevice = useMachine(backend);

  test("G13 site data is cleared under three tabs, twice, and they start over", async (context) => {
    const browser = createDevice(context);
    const tabs = await three(browser);
    const [first, busy] = tabs;
    await first.page.evaluate(() => app.add(3));
    await busy.page.evaluate(() => app.start(1));
    await durable(browser, 20, busy);
    for (const times of [1, 2]) {
      await clear(browser, first);
      await lost(browser, tabs, times);
      await durable(browser, durableCount(browser) + 20);
    }
    await busy.page.evaluate(() => app.rest());
    for (const { page } of tabs) await page.evaluate(() => app.add(2));
    const order = await agreed([...tabs, await browser.openTab()]);
    expect(faultsOf(order, browser, tabs)).toEqual([]);
    expect(faultsOfSegments(await folded(first), order)).toEqual([]);
    expect(browser.complaints).toEqual([]);
  });

  test("G13 one of three tabs destroys the data while another one commits: both others go on", async (context) => {
    const browser = createDevice(context);
    const [first, busy, other] = await three(browser);
    await first.page.evaluate(() => app.add(3));
    await busy.page.evaluate(() => app.start(2));
    await durable(browser, 20, busy);
    await first.page.evaluate(() => app.sync.destroy({ force: true }));
    await lost(browser, [busy, other], 1);
    await durable(browser, durableCount(browser) + 20);
    await busy.page.evaluate(() => app.rest());
    await other.page.evaluate(() => app.add(2));
    const order = await agreed([busy, other, await browser.openTab()]);
    expect(order.some((entry) => entry.includes(first.name))).toBe(false);
    expect(faultsOf(order, browser, [busy, other])).toEqual([]);
    expect(faultsOfSegments(await folded(busy), order)).toEqual([]);
    expect(browser.complaints).toEqual([]);
  });

  test("G13 a tab that was frozen when site data was cleared starts over when it thaws", async (context) => {
    const browser = createDevice(context);
    const tabs = await three(browser);
    const [first, busy, frozen] = tabs;
    await frozen.page.evaluate(() => app.add(3));
    await busy.page.evaluate(() => app.start(3));
    await durable(browser, 20, busy);
    await freeze(frozen, "frozen");
    await clear(browser, first);
    await lost(browser, [first, busy], 1);
    await durable(browser, durableCount(browser) + 20);
    await freeze(frozen, "active");
    await lost(browser, tabs, 1);
    await busy.page.evaluate(() => app.rest());
    await frozen.page.evaluate(() => app.add(2));
    const order = await agreed([...tabs, await browser.openTab()]);
    expect(faultsOf(order, browser, tabs)).toEqual([]);
    expect(browser.complaints).toEqual([]);
  });

  test("destroy() behind a frozen tab says after 10 s that the data is still there; it goes when that one thaws", async (context) => {
    const browser = createDevice(context);
    const [first, busy, frozen] = await three(browser);
    await first.page.evaluate(() => app.add(3));
    await freeze(frozen, "frozen");
    const refusal = await first.page.evaluate(() =>
      app.sync.destroy({ force: true }).then(
        () => "destroyed",
        ({ code, message }: { readonly code: string; readonly message: string }) => [code, message],
      ),
    );
    expect(refusal).toEqual(["storage_unavailable", expect.stringContaining("still there")]);
    // Commits go on, and wait.
    await busy.page.evaluate(() => void app.add(2));
    await freeze(frozen, "active");
    await lost(browser, [busy, frozen], 1);
    await durable(browser, 1, busy);
    const order = await agreed([busy, frozen, await browser.openTab()]);
    expect(order).toHaveLength(2);
    expect(browser.complaints).toEqual([]);
  });
});
