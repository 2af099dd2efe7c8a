/** The demo without a network or a server: from its sources, as `npm start` serves it, and built, as on the web. */
import { type Page } from "playwright";
import { describe, expect, test, vi } from "vitest";
import { serveBuilt, serveSources } from "./support/demo-site.ts";
import { add, isStored, patience, todosOf, useDemo } from "./support/demo.ts";

vi.setConfig({ testTimeout: 90_000 });

/** Waits until the service worker has all that a reload needs. What is kept for a page before a reload is not all of it. */
const isKept = (tab: Page): Promise<unknown> =>
  tab.waitForFunction(
    () =>
      document.documentElement.dataset["offline"] === "ready" &&
      navigator.serviceWorker.controller !== null,
  );

describe.for([
  ["sources", serveSources],
  ["built", serveBuilt],
] as const)("%s", ([, serve]) => {
  const demo = useDemo(serve);

  test("works without a network, also after a reload and in a new tab", async () => {
    const tab = await demo.openTab();
    await add(tab, "Milk");
    await isKept(tab);
    await demo.context().setOffline(true);
    await add(tab, "Bread");
    await expect.poll(todosOf(tab), patience).toEqual(["Milk", "Bread"]);
    await isStored(tab);
    await tab.reload();
    await expect.poll(todosOf(tab), patience).toEqual(["Milk", "Bread"]);
    const other = await demo.openTab();
    await add(other, "Eggs");
    await expect.poll(todosOf(tab), patience).toEqual(["Milk", "Bread", "Eggs"]);
    await tab.locator("[data-testid=status]:has-text('offline')").waitFor();
    await demo.context().setOffline(false);
    await tab.locator("[data-testid=status]:not(:has-text('offline'))").waitFor();
  });

  test("opens when the server is down", async () => {
    const tab = await demo.openTab();
    await add(tab, "Milk");
    await isKept(tab);
    await isStored(tab);
    // Away from the server first: the client of the dev server would rightly complain that the server went.
    await tab.goto("about:blank");
    await demo.withoutServer(async (address) => {
      await tab.goto(address);
      await expect.poll(todosOf(tab), patience).toEqual(["Milk"]);
      await add(tab, "Bread");
      await isStored(tab);
      await tab.reload();
      await expect.poll(todosOf(tab), patience).toEqual(["Milk", "Bread"]);
    });
  });
});
