import { type Browser, type BrowserContext, type Page, chromium } from "playwright";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { type createWebLocks } from "../../src/services/web-locks.ts";
import { chromiumLaunch } from "../../scripts/chromium.mjs";
import { servePage } from "./serve.ts";

/** What a tab of these tests has as globals. */
interface Tab {
  readonly createWebLocks: typeof createWebLocks;
  readonly diary: string[];
  release(): void;
}

const page = `<!doctype html>
<title>tab</title>
<script type="module">
  import { createWebLocks } from "/src/services/web-locks.ts";
  globalThis.createWebLocks = createWebLocks;
</script>`;

let server: Awaited<ReturnType<typeof servePage>> | undefined;
let browser: Browser | undefined;
let context: BrowserContext;

beforeAll(async () => {
  server = await servePage(page);
  browser = await chromium.launch(chromiumLaunch());
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
});
beforeEach(async () => {
  if (browser === undefined) throw new Error("Expected Chromium to be running, got none");
  context = await browser.newContext();
});
afterEach(async () => {
  await context.close();
});

/** Opens a tab that asks for the lock, and waits until the lock manager knows of it. */
const openTab = async (steal = false): Promise<Page> => {
  const tab = await context.newPage();
  await tab.goto(server?.address ?? "");
  await tab.evaluate(async (steals) => {
    const port = (globalThis as unknown as Tab).createWebLocks(navigator.locks);
    const diary: string[] = [];
    const release = port.request(
      "leader",
      {
        granted: () => diary.push("granted"),
        lost: () => diary.push("lost"),
        failed: (error) => diary.push(String(error)),
      },
      { steal: steals },
    );
    Object.assign(globalThis, { diary, release } satisfies Partial<Tab>);
    await port.query("leader");
  }, steal);
  return tab;
};
const diaryOf = (tab: Page): Promise<string[]> =>
  tab.evaluate(() => (globalThis as unknown as Tab).diary);
const until = async (tab: Page, entry: string): Promise<void> => {
  await tab.waitForFunction((e) => (globalThis as unknown as Tab).diary.includes(e), entry);
};

test("passes the lock on when the tab that holds it releases it", async () => {
  const [a, b] = [await openTab(), await openTab()];
  await until(a, "granted");
  expect(await diaryOf(b)).toEqual([]);
  await a.evaluate(() => (globalThis as unknown as Tab).release());
  await until(b, "granted");
  expect(await diaryOf(a)).toEqual(["granted"]);
});

test("passes the lock on when the tab that holds it closes", async () => {
  const [a, b] = [await openTab(), await openTab()];
  await until(a, "granted");
  expect(await diaryOf(b)).toEqual([]);
  await a.close();
  await until(b, "granted");
});

test("passes the lock on when the tab that holds it crashes", async () => {
  const [a, b] = [await openTab(), await openTab()];
  await until(a, "granted");
  expect(await diaryOf(b)).toEqual([]);
  const crashed = a.waitForEvent("crash");
  const devtools = await context.newCDPSession(a);
  // Never answered: the page is gone.
  devtools.send("Page.crash").catch(() => {});
  await crashed;
  await until(b, "granted");
});

test("passes over a tab that closes while it waits", async () => {
  const [a, b, c] = [await openTab(), await openTab(), await openTab()];
  await until(a, "granted");
  await b.close();
  await a.close();
  await until(c, "granted");
  expect(await diaryOf(c)).toEqual(["granted"]);
});

test("takes the lock from a frozen tab, which learns of it when it resumes", async () => {
  const a = await openTab();
  await until(a, "granted");
  const devtools = await context.newCDPSession(a);
  await devtools.send("Page.setWebLifecycleState", { state: "frozen" });
  const waiting = await openTab();
  const thief = await openTab(true);
  await until(thief, "granted");
  expect(await diaryOf(waiting)).toEqual([]);
  await devtools.send("Page.setWebLifecycleState", { state: "active" });
  await until(a, "lost");
  expect(await diaryOf(a)).toEqual(["granted", "lost"]);
});
