/** Storage that is full, cleared, deleted, blocked, newer, silent or missing, on both of Chromium's storage backends. */
import { describe, expect, test, vi } from "vitest";
import type { App } from "./app/main.ts";
import {
  type Browser,
  type Tab,
  agreed,
  becomes,
  durable,
  durableCount,
  folded,
  hurry,
  says,
  useMachine,
} from "./browser.ts";
import { faultsOfLog, faultsOfOrder, faultsOfRest } from "./order.ts";

declare const app: App;
/** In pages whose database does not answer, or that hold one: ends that. */
declare const relent: () => void;

vi.setConfig({ testTimeout: 60_000 });

/** As the first opening of a database in Safari 14: the request exists, and nothing ever comes of it. */
const silence = (): void => {
  const { open } = IDBFactory.prototype;
  IDBFactory.prototype.open = function silent(this: IDBFactory, ...all) {
    IDBFactory.prototype.open = open;
    const request = open.apply(this, all);
    for (const type of ["success", "error"])
      request.addEventListener(type, (event) => event.stopImmediatePropagation());
    return request;
  };
};

const switchOff = (): void => {
  Object.defineProperty(globalThis, "indexedDB", {
    get() {
      throw new DOMException("The operation is insecure.", "SecurityError");
    },
  });
};

const add = ({ page }: Tab, count = 1) => page.evaluate((it) => app.add(it), count);
const refusalOf = ({ page }: Tab) => page.evaluate(() => app.refusal());

/** Two tabs: the first one leads. */
async function twoTabs(device: Browser): Promise<readonly [Tab, Tab]> {
  const leader = await device.openTab();
  await becomes("leader", leader);
  const follower = await device.openTab();
  await becomes("follower", follower);
  return [leader, follower];
}

const lostBy = ({ told }: Browser, { name }: Tab): number =>
  told.filter(({ kind, tab }) => kind === "lost" && tab === name).length;

describe.for(["LevelDB", "SQLite"] as const)("%s", { concurrent: true }, (backend) => {
  const createDevice = useMachine(backend);

  test("G2 keeps commits for which there is no space, in order, and stores each once when there is", async (context) => {
    const device = createDevice(context);
    device.expect("fault");
    const { origin } = device;
    const tab = await device.openTab({
      // Before the first write: Chromium remembers for half a minute how much space there is.
      before: (cdp) => cdp.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: 1_000_000 }),
    });
    await add(tab, 2);
    await tab.page.evaluate(() => {
      void app.add(1, 1_000_000);
      void app.add();
      void app.add(3);
    });
    await says(tab, { storage: "full", fault: "storage_full", phase: "degraded" });
    expect(await tab.page.evaluate(() => app.order())).toHaveLength(7);
    expect(durableCount(device)).toBe(1);
    await tab.cdp.send("Storage.overrideQuotaForOrigin", { origin });
    await durable(device, 4);
    await says(tab, { storage: "open", fault: null, phase: "ready" });
    const all = await agreed([tab, await device.openTab()]);
    expect(all).toHaveLength(7);
    const disk = await tab.page.evaluate(() => app.disk());
    expect([
      ...faultsOfOrder(all, [], device.told),
      ...faultsOfLog(disk, all),
      ...device.complaints,
    ]).toEqual([]);
  });

  test("G2 takes commits back for which there is no space where the app wants that, until one fits", async (context) => {
    const device = createDevice(context);
    device.expect("fault");
    device.expect("failed");
    const { origin } = device;
    const tab = await device.openTab({
      query: "?full=reject",
      before: (cdp) => cdp.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: 1_000_000 }),
    });
    await add(tab, 2);
    await tab.page.evaluate(() => app.add(1, 1_000_000));
    await says(tab, { storage: "full", fault: "storage_full" });
    expect(await tab.page.evaluate(() => app.order())).toHaveLength(2);
    const failed = device.told.filter(({ kind }) => kind === "failed");
    expect(failed.map(({ ids }) => ids.join(" "))).toEqual([
      expect.stringContaining(`${tab.name}-2 SyncError`),
    ]);
    await tab.cdp.send("Storage.overrideQuotaForOrigin", { origin });
    await tab.page.evaluate(() => app.add(1, 1_000_000));
    await says(tab, { storage: "open", fault: null, phase: "ready" });
    const all = await agreed([tab, await device.openTab()]);
    expect(all.at(-1)).toBe(`3:${tab.name}-3`);
    expect(device.complaints).toEqual([]);
  });

  test("G2 starts over each time that site data is cleared in the middle of commits, and stores again what was not decided", async (context) => {
    const device = createDevice(context);
    device.expect("fault");
    device.expect("lost");
    const tabs = await twoTabs(device);
    await add(tabs[0], 3);
    await folded(tabs[0]);
    const [decided = []] = device.told.map(({ ids }) => ids);
    for (const [at, { page }] of tabs.entries()) await page.evaluate((it) => app.start(it), at);
    for (const time of [1, 2, 3]) {
      await Promise.all(tabs.map((tab) => durable(device, durableCount(device, tab) + 10, tab)));
      const storageTypes = "indexeddb";
      await tabs[1].cdp.send("Storage.clearDataForOrigin", { origin: device.origin, storageTypes });
      await vi.waitFor(() => expect(tabs.map((tab) => lostBy(device, tab))).toEqual([time, time]), {
        timeout: 20_000,
      });
    }
    await Promise.all(tabs.map((tab) => durable(device, durableCount(device, tab) + 10, tab)));
    await Promise.all(tabs.map(({ page }) => page.evaluate(() => app.rest())));
    for (const tab of tabs) await says(tab, { storage: "open", fault: "data_lost" });
    const all = await agreed([...tabs, await device.openTab()]);
    expect(all.filter((entry) => decided.some((id) => entry.endsWith(`:${id}`)))).toEqual([]);
    expect([...faultsOfRest(all, device.told), ...device.complaints]).toEqual([]);
  });

  test("starts over when another page deletes the database, and says so", async (context) => {
    const device = createDevice(context);
    device.expect("fault");
    device.expect("lost");
    const tabs = await twoTabs(device);
    await add(tabs[0], 2);
    await folded(tabs[0]);
    const stranger = await device.openStranger();
    const end = await stranger.page.evaluate(
      () =>
        new Promise((resolve) => {
          const request = indexedDB.deleteDatabase("sssync/tabs/");
          request.onsuccess = () => resolve("deleted");
          request.onerror = () => resolve(String(request.error));
        }),
    );
    expect(end).toBe("deleted");
    for (const tab of tabs) await says(tab, { storage: "open", fault: "data_lost" });
    await add(tabs[1]);
    expect(await agreed([...tabs, await device.openTab()])).toEqual([`1:${tabs[1].name}-0`]);
    expect(device.complaints).toEqual([]);
  });

  test("G9 leaves a layout alone that another page upgrades, in every tab, and does not open it again", async (context) => {
    const device = createDevice(context);
    device.expect("fault");
    device.expect("failed");
    const tabs = await twoTabs(device);
    await add(tabs[1], 2);
    const stranger = await device.openStranger();
    const contents = () =>
      stranger.page.evaluate(async () => {
        const database = await new Promise<IDBDatabase>((resolve) => {
          const request = indexedDB.open("sssync/tabs/", 9);
          request.onsuccess = () => resolve(request.result);
        });
        const stores = Array.from(database.objectStoreNames);
        const tx = database.transaction(stores);
        const all = stores.map(
          (name) =>
            new Promise<unknown>((resolve) => {
              const request = tx.objectStore(name).getAll();
              request.onsuccess = () => resolve([name, request.result]);
            }),
        );
        const read = JSON.stringify(await Promise.all(all));
        database.close();
        return read;
      });
    const before = await contents();
    expect(before).toContain(tabs[1].name);
    for (const tab of tabs) {
      await says(tab, { phase: "outdated", fault: "outdated" });
      expect(await refusalOf(tab)).toBe("outdated");
      expect(await tab.page.evaluate(() => app.order())).toHaveLength(2);
    }
    const late = await device.openTab();
    expect(await late.page.evaluate(() => app.unready)).toBe("outdated");
    expect(await refusalOf(late)).toBe("outdated");
    expect(await contents()).toBe(before);
  });

  test("says that another page holds an older layout, and goes on by itself when that one closes", async (context) => {
    const device = createDevice(context);
    device.expect("fault");
    const stranger = await device.openStranger();
    await stranger.page.evaluate(async () => {
      const database = await new Promise<IDBDatabase>((resolve) => {
        const request = indexedDB.open("sssync/tabs/", 1);
        request.onsuccess = () => resolve(request.result);
      });
      Object.assign(globalThis, { relent: () => database.close() });
    });
    const tab = await device.openTab({
      until: "app",
      scripts: [
        () => {
          // As a later version of sssync would: there is no older layout yet.
          const { open } = IDBFactory.prototype;
          IDBFactory.prototype.open = function newer(this: IDBFactory, name) {
            return open.call(this, name, 2);
          };
        },
      ],
    });
    await says(tab, { storage: "blocked", fault: "storage_blocked", phase: "loading" });
    await stranger.page.evaluate(() => relent());
    await says(tab, { storage: "open", fault: null, phase: "ready" });
    await add(tab);
    expect(device.complaints).toEqual([]);
  });

  test("G2 stores once what waited for a frozen page that holds a transaction", async (context) => {
    const device = createDevice(context);
    device.expect("fault");
    const tab = await device.openTab();
    await add(tab);
    const stranger = await device.openStranger();
    await stranger.page.evaluate(async () => {
      const database = await new Promise<IDBDatabase>((resolve) => {
        const request = indexedDB.open("sssync/tabs/");
        request.onsuccess = () => resolve(request.result);
      });
      let holds = true;
      Object.assign(globalThis, { relent: () => (holds = false) });
      const store = database.transaction("log", "readwrite").objectStore("log");
      await new Promise<void>((resolve) => {
        const hold = (): void => {
          if (holds) store.get(0).onsuccess = hold;
          else database.close();
          resolve();
        };
        store.get(0).onsuccess = hold;
      });
    });
    await stranger.cdp.send("Page.setWebLifecycleState", { state: "frozen" });
    await tab.page.evaluate(() => {
      void app.add();
      void app.add(2);
    });
    await says(tab, { phase: "degraded", pending: 3 });
    expect(durableCount(device)).toBe(1);
    await stranger.page.evaluate(() => relent());
    await stranger.cdp.send("Page.setWebLifecycleState", { state: "active" });
    await durable(device, 3);
    await says(tab, { fault: null, phase: "ready" });
    const all = await agreed([tab, await device.openTab()]);
    expect([...faultsOfOrder(all, [], device.told), ...device.complaints]).toEqual([]);
  });

  test("G9 waits for a database that does not open, says so, and opens it by itself", async (context) => {
    const device = createDevice(context);
    device.expect("fault");
    const stranger = await device.openStranger();
    // It holds a database that is to be deleted: whoever opens it now hears nothing at all.
    await stranger.page.evaluate(async () => {
      const name = "sssync/tabs/";
      const database = await new Promise<IDBDatabase>((resolve) => {
        const request = indexedDB.open(name);
        request.onsuccess = () => resolve(request.result);
      });
      Object.assign(globalThis, { relent: () => database.close() });
      await new Promise<void>((resolve) => {
        indexedDB.deleteDatabase(name).onblocked = () => resolve();
      });
    });
    const tab = await device.openTab({ until: "app", scripts: [hurry] });
    await says(tab, { storage: "unavailable", fault: "storage_unavailable", phase: "loading" });
    await stranger.page.evaluate(() => relent());
    await says(tab, { storage: "open", fault: null, phase: "ready" });
    await add(tab);
    expect(device.complaints).toEqual([]);
  });

  test("opens a database the first opening of which is never answered", async (context) => {
    const device = createDevice(context);
    device.expect("fault");
    const tab = await device.openTab({
      scripts: [silence, hurry],
    });
    await says(tab, { storage: "open", fault: null, phase: "ready" });
    await add(tab);
    expect(await agreed([tab, await device.openTab()])).toHaveLength(1);
    expect(device.complaints).toEqual([]);
  });

  test("says that storage is switched off, and works in memory where the app allows it", async (context) => {
    const device = createDevice(context);
    device.expect("fault");
    const waiting = await device.openTab({ until: "app", scripts: [switchOff] });
    const memory = await device.openTab({
      scripts: [switchOff],
      query: "?storage=memory-if-unavailable",
    });
    await says(waiting, { storage: "unavailable", fault: "storage_unavailable", phase: "loading" });
    expect(await refusalOf(waiting)).toBe("not_ready");
    await says(memory, { storage: "memory", fault: "memory_only", phase: "degraded" });
    await memory.page.evaluate(() => {
      void app.add(2);
    });
    const shown = await memory.page.evaluate(() => [
      app.order().length,
      app.sync.status.pending,
      app.sync.export().tables["entries"]?.length,
    ]);
    expect(shown).toEqual([2, 2, 2]);
    expect(durableCount(device)).toBe(0);
    expect(device.complaints).toEqual([]);
  });
});
