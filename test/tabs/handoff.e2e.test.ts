/** The leader goes, freezes or does not answer, while the others commit. */
import { afterEach, expect, test, vi } from "vitest";
import type { App } from "./app/main.ts";
import {
  type Browser,
  type Tab,
  agreed,
  becomes,
  createBrowser,
  durable,
  folded,
} from "./browser.ts";
import { faultsOfOrder, faultsOfSegments } from "./order.ts";

declare const app: App;

vi.setConfig({ testTimeout: 60_000 });

const open: Browser[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((browser) => browser.close()));
});

const begin = async (): Promise<Browser> => {
  const browser = await createBrowser();
  open.push(browser);
  return browser;
};

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

test.each(["closes", "crashes"] as const)("hands over when the leader %s", async (how) => {
  const browser = await begin();
  const [leader, follower] = await leaderAndFollower(browser);
  await (how === "closes" ? leader.page.close() : browser.crash(leader));
  await becomes("leader", follower, 2000);
  await follower.page.evaluate(() => app.rest());
  expect(await faultsUnder(browser, follower)).toEqual([]);
});

test("hands over when the leader goes into the back/forward cache, and follows when it is back", async () => {
  const browser = await begin();
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

test("G4 keeps commits durable while the leader is frozen, and shows it all of them when it thaws", async () => {
  const browser = await begin();
  const [leader, follower] = await leaderAndFollower(browser);
  const third = await browser.openTab();
  // It is frozen in the middle of its own commits.
  await leader.page.evaluate(() => app.start(2));
  await third.page.evaluate(() => app.start(3));
  await durable(browser, 20, leader);
  await leader.cdp.send("Page.setWebLifecycleState", { state: "frozen" });
  await Promise.race([becomes("leader", follower), becomes("leader", third)]);
  await Promise.all([durable(browser, 60, follower), durable(browser, 60, third)]);
  await Promise.all([follower, third].map(({ page }) => page.evaluate(() => app.rest())));
  const meanwhile = await agreed([follower, third]);

  await leader.cdp.send("Page.setWebLifecycleState", { state: "active" });
  await leader.page.evaluate(() => app.rest());
  const all = await agreed([leader, follower, third]);
  await becomes("follower", leader);
  expect(faultsOfOrder(all, meanwhile, browser.told)).toEqual([]);
  expect(browser.complaints).toEqual([]);
});

test("G11 replaces a leader that froze without a word, and keeps it from leading when it thaws", async () => {
  const browser = await begin();
  const leader = await browser.openTab(() => {
    // So the engine is not told, and the frozen page keeps the lock.
    document.addEventListener("freeze", (event) => event.stopImmediatePropagation());
    document.addEventListener("resume", (event) => event.stopImmediatePropagation());
  });
  await becomes("leader", leader);
  await leader.page.evaluate(() => app.add(2));
  const follower = await browser.openTab();
  await becomes("follower", follower);
  await leader.cdp.send("Page.setWebLifecycleState", { state: "frozen" });
  await follower.page.evaluate(() => app.add());
  await becomes("leader", follower, 30_000);
  await follower.page.evaluate(() => app.add());
  expect(await faultsUnder(browser, follower)).toEqual([]);
  const all = await agreed([follower]);

  await leader.cdp.send("Page.setWebLifecycleState", { state: "active" });
  expect(await agreed([leader, follower])).toEqual(all);
  await becomes("follower", leader);
  await leader.page.evaluate(() => app.add());
  expect(await agreed([leader, follower])).toHaveLength(all.length + 1);
  await becomes("leader", follower);
  expect(browser.complaints).toEqual([]);
});
