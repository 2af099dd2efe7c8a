/** Pages that are left: in the middle of a commit, or with what every other page waits for. */
import { describe, expect, test, vi } from "vitest";
import type { App } from "./app/main.ts";
import {
  type Browser,
  agreed,
  becomes,
  durable,
  folded,
  hurry,
  says,
  useMachine,
} from "./browser.ts";
import { backendsOfPages } from "./chromium.ts";

declare const app: App;

vi.setConfig({ testTimeout: 60_000 });

/** A page without the engine, which does this. Resolves with what brings it into the back/forward cache. */
async function stranger(device: Browser, prepare: () => Promise<void>): Promise<() => unknown> {
  const { page } = await device.openStranger();
  await page.evaluate(prepare);
  return () => page.goto(device.address.replace("device-", "elsewhere-"));
}

describe.for(backendsOfPages)("%s", { concurrent: true }, (backend) => {
  const createDevice = useMachine(backend);

  test("G1 keeps what is committed while the page is being left", async (context) => {
    const device = createDevice(context);
    const tab = await device.openTab();
    await tab.page.evaluate(() => {
      addEventListener("pagehide", () => {
        void app.add();
        void app.add(2);
      });
    });
    await tab.page.reload();
    const reloaded = await device.renamed(tab);
    expect(await agreed([reloaded, await device.openTab()])).toEqual(
      [0, 1, 2].map((at) => `${at + 1}:${tab.name}-${at}`),
    );
    expect(device.complaints).toEqual([]);
  });

  test("G11 leads although the lock's queue is stuck behind a page in the back/forward cache", async (context) => {
    const device = createDevice(context);
    // Who hurries finds slow what is not.
    device.expect("fault");
    const leave = await stranger(
      device,
      () =>
        new Promise((resolve) => {
          const held = new Promise(() => undefined);
          void navigator.locks.request("sssync/tabs/", () => {
            resolve();
            return held;
          });
        }),
    );
    const tab = await device.openTab({ scripts: [hurry], until: "app" });
    // It waits in the queue by now, and Chromium does not tell it that the page is gone.
    await leave();
    await becomes("leader", tab);
    await tab.page.evaluate(() => app.add(2));
    await folded(tab);
    expect(await agreed([tab, await device.openTab()])).toHaveLength(2);
    expect(device.complaints).toEqual([]);
  });

  test("G4 commits although a page in the back/forward cache holds a transaction", async (context) => {
    const device = createDevice(context);
    const tab = await device.openTab();
    await tab.page.evaluate(() => app.add());
    const leave = await stranger(device, async () => {
      const database = await new Promise<IDBDatabase>((resolve) => {
        const request = indexedDB.open("sssync/tabs/");
        request.onsuccess = () => resolve(request.result);
      });
      const store = database.transaction("log", "readwrite").objectStore("log");
      await new Promise<void>((resolve) => {
        const hold = (): void => {
          store.get(0).onsuccess = hold;
          resolve();
        };
        store.get(0).onsuccess = hold;
      });
    });
    await leave();
    await tab.page.evaluate(() => app.add(2));
    await durable(device, 2);
    expect(await agreed([tab, await device.openTab()])).toHaveLength(3);
    expect(device.complaints).toEqual([]);
  });

  test("opens empty when its data was thrown away while no tab was open", async (context) => {
    const device = createDevice(context);
    const tab = await device.openTab();
    await tab.page.evaluate(() => app.add(2));
    await folded(tab);
    await tab.page.close();
    const { cdp } = await device.openStranger();
    await cdp.send("Storage.clearDataForOrigin", {
      origin: device.origin,
      storageTypes: "indexeddb",
    });
    const later = await device.openTab();
    await says(later, { phase: "ready", storage: "open", fault: null });
    expect(await later.page.evaluate(() => app.order())).toEqual([]);
    await later.page.evaluate(() => app.add());
    expect(await agreed([later, await device.openTab()])).toHaveLength(1);
    expect(device.complaints).toEqual([]);
  });
});
