/** What the demo says, and offers, when something is wrong. The causes are real where Chromium can be made to have them. */
import { randomBytes } from "node:crypto";
import { type Page } from "playwright";
import { expect, test, vi } from "vitest";
import { add, isSent, isStored, patience, todosOf, useDemo } from "./support/demo.ts";

vi.setConfig({ testTimeout: 90_000 });

const demo = useDemo();

const database = "sssync/todo-demo/";

const trouble = (tab: Page, fault: string) =>
  tab.locator(`[data-testid=trouble][data-fault=${fault}]`);

/** Puts a value past the engine. Without a key it gets the next one. */
const put = (tab: Page, store: string, key: string | undefined, value: unknown): Promise<void> =>
  tab.evaluate(
    ([name, into, at, it]) =>
      new Promise<void>((resolve, reject) => {
        const opening = indexedDB.open(name);
        opening.addEventListener("success", () => {
          const db = opening.result;
          const tx = db.transaction(into, "readwrite");
          tx.objectStore(into).put(it, at);
          tx.addEventListener("complete", () => {
            db.close();
            resolve();
          });
          tx.addEventListener("abort", () => reject(tx.error ?? new Error("aborted")));
        });
      }),
    [database, store, key, value] as const,
  );

test("says that the device is full, keeps the changes, and stores them when there is space", async () => {
  const { origin } = new URL(demo.address());
  const tab = await demo.openTab({
    // Before the first write: Chromium remembers for half a minute how much space there is.
    before: (cdp) => cdp.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: 300_000 }),
  });
  await add(tab, "Milk");
  await isStored(tab);
  // No server would take one that is larger.
  const long = Array.from({ length: 6 }, () => randomBytes(30_000).toString("hex"));
  for (const text of long) await add(tab, text);
  await trouble(tab, "storage_full").waitFor();
  await expect.poll(() => tab.getByTestId("storage").textContent(), patience).toBe("full");
  await add(tab, "Bread");
  expect(await todosOf(tab)()).toHaveLength(8);
  const cdp = await demo.context().newCDPSession(tab);
  await cdp.send("Storage.overrideQuotaForOrigin", { origin });
  await tab.getByTestId("trouble-retry").click();
  await trouble(tab, "storage_full").waitFor({ state: "detached" });
  await isStored(tab);
  await tab.reload();
  await expect
    .poll(async () => (await todosOf(tab)()).map((it) => it.length), patience)
    .toEqual([4, ...long.map((it) => it.length), 5]);
});

test("offers to reload when a newer version has used the data", async () => {
  const tab = await demo.openTab();
  await add(tab, "Milk");
  await isStored(tab);
  await put(tab, "meta", "schema", 99);
  await tab.reload();
  await trouble(tab, "outdated").waitFor();
  await put(tab, "meta", "schema", 1);
  await tab.getByTestId("trouble-reload").click();
  await expect.poll(todosOf(tab), patience).toEqual(["Milk"]);
});

test("lists damaged data, saves a copy of it, and lets it be discarded", async () => {
  const tab = await demo.openTab();
  await add(tab, "Milk");
  await isStored(tab);
  await put(tab, "log", undefined, { not: "a record" });
  await tab.reload();
  await tab.getByTestId("quarantined").waitFor();
  await expect.poll(todosOf(tab), patience).toEqual(["Milk"]);
  const [file] = await Promise.all([
    tab.waitForEvent("download"),
    tab.getByTestId("quarantine-save").click(),
  ]);
  expect(file.suggestedFilename()).toBe("damaged.json");
  await tab.getByTestId("quarantine-discard").click();
  await tab.getByTestId("quarantine").waitFor({ state: "detached" });
  await tab.reload();
  await expect.poll(todosOf(tab), patience).toEqual(["Milk"]);
  expect(await tab.getByTestId("quarantine").count()).toBe(0);
});

test("says that the todos were deleted when the data of the site is cleared, and gets them from the server", async () => {
  const [a, b] = [await demo.openTab(), await demo.openTab()];
  await add(a, "Milk");
  await expect.poll(todosOf(b), patience).toEqual(["Milk"]);
  await isSent(a);
  const cdp = await demo.context().newCDPSession(a);
  const { origin } = new URL(demo.address());
  await cdp.send("Storage.clearDataForOrigin", { origin, storageTypes: "indexeddb" });
  for (const tab of [a, b]) {
    await trouble(tab, "data_lost").waitFor();
    await expect.poll(todosOf(tab), patience).toEqual(["Milk"]);
    await tab.getByTestId("trouble-dismiss").click();
    await trouble(tab, "data_lost").waitFor({ state: "detached" });
  }
  await add(a, "Bread");
  await expect.poll(todosOf(b), patience).toEqual(["Milk", "Bread"]);
});

test("says that nothing is stored where the browser has no storage", async () => {
  const tab = await demo.openTab({
    script: () => {
      Object.defineProperty(globalThis, "indexedDB", { value: undefined });
    },
  });
  await expect.poll(() => trouble(tab, "storage_unavailable").count(), patience).toBe(1);
  expect(await tab.getByTestId("trouble-reload").count()).toBe(1);
});

test("asks to close the other tabs while they hold the storage", async () => {
  const tab = await demo.openTab({
    script: () => {
      const open = indexedDB.open.bind(indexedDB);
      indexedDB.open = (...args) => {
        const request = open(...args);
        // An older layout in another tab: there is none yet, so the event alone is made up.
        queueMicrotask(() => request.dispatchEvent(new Event("blocked")));
        request.addEventListener("success", (event) => event.stopImmediatePropagation());
        return request;
      };
    },
  });
  await expect.poll(() => trouble(tab, "storage_blocked").count(), patience).toBe(1);
});
