/** The leader goes, freezes or does not answer, while the others commit. */
import { expect, test, vi } from "vitest";
import type { App } from "./app/main.ts";
import {
  type Browser,
  type Tab,
  agreed,
  becomes,
  createBrowser,
  durable,
  durableCount,
  folded,
} from "./browser.ts";
import { faultsOfOrder, faultsOfSegments } from "./order.ts";

declare const app: App;

vi.setConfig({ testTimeout: 60_000 });

/** Two tabs: one leads, and the other follows it and commits. */
const leaderAndFollower = async (
  browser: Browser,
): Promise<readonly [leader: Tab, follower: Tab]> => {
  const leader = await browser.openTab();
  await becomes("leader", leader);
  await leader.page.evaluate(() => app.add(3));
  const follower = await browser.openTab();
  await becomes("follower", follower);
  await follower.page.evaluate(() => app.start(1));
  await durable(browser, 20, follower);
  return [leader, follower];
};

/** What is wrong once the tab that leads now has everything, has folded it, and a new tab shows it. */
const faultsUnder = async (browser: Browser, leader: Tab): Promise<readonly string[]> => {
  const all = await agreed([leader, await browser.openTab()]);
  const disk = await folded(leader);
  return [
    ...faultsOfOrder(all, [], browser.told),
    ...faultsOfSegments(disk, all),
    ...browser.complaints,
  ];
};

test.for(["closes", "crashes"] as const)("hands over when the leader %s", async (how, context) => {
  const browser = await createBrowser(context);
  const [leader, follower] = await leaderAndFollower(browser);
  await (how === "closes" ? leader.page.close() : browser.crash(leader));
  await becomes("leader", follower, 2000);
  await follower.page.evaluate(() => app.rest());
  expect(await faultsUnder(browser, follower)).toEqual([]);
});

test("hands over when the leader goes into the back/forward cache, and follows when it is back", async (context) => {
  const browser = await createBrowser(context);
  const [leader, follower] = await leaderAndFollower(browser);
  await leader.page.goto(`${browser.address}away`);
  await becomes("leader", follower, 2000);
  await follower.page.evaluate(() => app.rest());
  expect(await faultsUnder(browser, follower)).toEqual([]);
  const all = await agreed([follower]);

  await leader.page.goBack({ waitUntil: "commit" });
  await leader.page.waitForFunction(() => app.restored, undefined, { polling: 20 });
  expect(await agreed([leader, follower])).toEqual(all);
  await becomes("follower", leader);
  await leader.page.evaluate(() => app.add());
  const more = await agreed([leader, follower]);
  expect(more).toHaveLength(all.length + 1);
  expect(faultsOfOrder(more, all, browser.told)).toEqual([]);
  expect(browser.complaints).toEqual([]);
});

test("G4 keeps commits durable while a tab is frozen, and shows it all of them when it thaws", async (context) => {
  const browser = await createBrowser(context);
  const [leader, follower] = await leaderAndFollower(browser);
  const tabs = [leader, follower, await browser.openTab()];
  for (const [seed, { page }] of tabs.entries())
    if (seed !== 1) await page.evaluate((it) => app.start(it), seed);
  // Each in turn, in the middle of whatever it is doing: committing, reading what it missed, leading.
  for (let turn = 0; turn < 12; turn += 1) {
    const frozen = tabs[turn % 3] as Tab;
    const others = tabs.filter((tab) => tab !== frozen);
    const state = (to: "frozen" | "active") =>
      frozen.cdp.send("Page.setWebLifecycleState", { state: to });
    await durable(browser, 10 * (turn + 1), frozen);
    await state("frozen");
    const reached = others.map((tab) => durable(browser, durableCount(browser, tab) + 30, tab));
    await Promise.all([...reached, Promise.race(others.map((tab) => becomes("leader", tab)))]);
    await state("active");
  }
  await Promise.all(tabs.map(({ page }) => page.evaluate(() => app.rest())));
  const all = await agreed(tabs);
  expect(faultsOfOrder(all, [], browser.told)).toEqual([]);
  expect(browser.complaints).toEqual([]);
});
