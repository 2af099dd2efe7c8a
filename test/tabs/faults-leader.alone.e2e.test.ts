/** Leaders that leave, freeze or die, with the back/forward cache on. */
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
  leaderOf,
  useMachine,
} from "./browser.ts";
import { backendsOfPages } from "./chromium.ts";
import { faultsOfLog, faultsOfOrder, faultsOfSegments } from "./order.ts";

declare const app: App;
/** In tabs that are watched. */
declare const watch: { readonly refused: readonly string[]; learn(): void };

vi.setConfig({ testTimeout: 60_000 });

const restored = ({ page }: Tab) =>
  page.waitForFunction(() => app.restored, undefined, { polling: 20 });

/** Why Chromium does not keep a page. */
async function reasonsOf({ cdp }: Tab): Promise<string[]> {
  const reasons: string[] = [];
  await cdp.send("Page.enable");
  cdp.on("Page.backForwardCacheNotUsed", ({ notRestoredExplanations }) => {
    for (const { reason, context } of notRestoredExplanations)
      reasons.push([reason, context].filter(Boolean).join(" "));
  });
  return reasons;
}

/** Two tabs: one leads, and the other follows it and commits. */
async function leaderAndFollower(device: Browser, leader: Tab): Promise<Tab> {
  await becomes("leader", leader);
  await leader.page.evaluate(() => app.add(3));
  const follower = await device.openTab();
  await becomes("follower", follower);
  await follower.page.evaluate(() => app.start(1));
  await durable(device, 20, follower);
  return follower;
}

/** What is wrong once the tab that leads now has everything, has folded it, and a new tab shows it. */
async function faultsUnder(device: Browser, leader: Tab): Promise<readonly string[]> {
  const all = await agreed([leader, await device.openTab()]);
  const disk = await folded(leader);
  return [
    ...faultsOfOrder(all, [], device.told),
    ...faultsOfSegments(disk, all),
    ...device.complaints,
  ];
}

describe.for(backendsOfPages)("%s", { concurrent: true }, (backend) => {
  const createDevice = useMachine(backend);

  test("G10 G11 replaces a leader that froze without a word within 15 s, and refuses its late write", async (context) => {
    const device = createDevice(context);
    const leader = await device.openTab({
      scripts: [
        () => {
          // So the engine is not told, and the frozen page keeps the lock.
          document.addEventListener("freeze", (event) => {
            event.stopImmediatePropagation();
            deaf = true;
          });
          document.addEventListener("resume", (event) => event.stopImmediatePropagation());
          // It learns late that its lock was stolen and that another tab leads: nothing but the fence can keep its write out.
          // (Chromium brings messages to a frozen page, too, whose database then does not answer.)
          let deaf = false;
          const late: (() => void)[] = [];
          const channel = BroadcastChannel.prototype;
          const set = Object.getOwnPropertyDescriptor(channel, "onmessage")?.set;
          Object.defineProperty(channel, "onmessage", {
            set(this: BroadcastChannel, listener: (event: MessageEvent) => void) {
              set?.call(this, (event: MessageEvent) => {
                if (deaf) late.push(() => listener(event));
                else listener(event);
              });
            },
          });
          const locks = LockManager.prototype;
          const { request } = locks;
          locks.request = function slow(this: LockManager, ...all: Parameters<typeof request>) {
            const ended = Reflect.apply(request, this, all);
            return ended.catch(async (error: unknown) => {
              await new Promise<void>((resolve) => {
                if (deaf) late.push(resolve);
                else resolve();
              });
              throw error;
            });
          } as typeof request;
          const learn = (): void => {
            deaf = false;
            for (const tell of late.splice(0)) tell();
          };
          const refused: string[] = [];
          const { abort } = IDBTransaction.prototype;
          IDBTransaction.prototype.abort = function noted(this: IDBTransaction) {
            refused.push(`${this.mode} ${Array.from(this.objectStoreNames).join(" ")}`);
            abort.call(this);
          };
          Object.assign(globalThis, { watch: { refused, learn } });
        },
      ],
    });
    const follower = await leaderAndFollower(device, leader);
    await leader.cdp.send("Page.setWebLifecycleState", { state: "frozen" });
    const begin = durableCount(device, follower);
    await Promise.all([
      becomes("leader", follower, 15_000),
      // Meanwhile, and not only then.
      durable(device, begin + 50, follower),
    ]);
    await follower.page.evaluate(() => app.rest());
    const all = await agreed([follower]);

    const before = await leader.page.evaluate(() => watch.refused.length);
    await leader.cdp.send("Page.setWebLifecycleState", { state: "active" });
    await leader.page.waitForFunction((it) => watch.refused.length > it, before, { polling: 20 });
    const [refused] = await leader.page.evaluate((it) => watch.refused.slice(it), before);
    expect(refused).toMatch(/^readwrite .*meta/);
    await leader.page.waitForFunction(() => app.role() !== "leader", undefined, { polling: 20 });
    await leader.page.evaluate(() => watch.learn());
    expect(await agreed([leader, follower])).toEqual(all);
    await becomes("follower", leader);
    await leader.page.evaluate(() => app.add());
    await becomes("leader", follower);
    const more = await agreed([leader, follower]);
    const disk = await leader.page.evaluate(() => app.disk());
    expect([...faultsOfLog(disk, more), ...(await faultsUnder(device, follower))]).toEqual([]);
  });

  test("G11 leads, decides and folds without Web Locks, by the term alone", async (context) => {
    const device = createDevice(context);
    const scripts = [
      () => Object.defineProperty(Navigator.prototype, "locks", { get: () => undefined }),
    ];
    const tabs = [await device.openTab({ scripts }), await device.openTab({ scripts })];
    for (const { page } of tabs) await page.evaluate(() => app.add(2));
    expect(await agreed(tabs)).toHaveLength(4);
    // One of them, after 10 to 15 s without a leader and 2 s without a commit.
    const leader = tabs[await leaderOf(tabs)] as Tab;
    expect(await faultsUnder(device, leader)).toEqual([]);
  });

  test("shows what others committed without BroadcastChannel, as soon as it commits or is left and shown again", async (context) => {
    const device = createDevice(context);
    const scripts = [() => Reflect.deleteProperty(globalThis, "BroadcastChannel") as unknown];
    const one = await device.openTab({ scripts });
    const other = await device.openTab({ scripts });
    await one.page.evaluate(() => app.add(2));
    await other.page.evaluate(() => app.add());
    await other.page.waitForFunction(() => app.order().length === 3, undefined, { polling: 20 });
    await one.page.goto(`${device.address}away`);
    await one.page.goBack({ waitUntil: "commit" });
    await restored(one);
    expect(await agreed([one, other])).toHaveLength(3);
    expect(device.complaints).toEqual([]);
  });

  test("leads within a second when the leader goes into the back/forward cache, and follows again when it is back", async (context) => {
    const device = createDevice(context);
    const leader = await device.openTab();
    const follower = await leaderAndFollower(device, leader);
    const reasons = await reasonsOf(leader);
    await leader.page.goto(`${device.address}away`);
    await becomes("leader", follower);
    // By the follower's own clock: from the moment that the leader's page was left.
    const left = await leader.page.evaluate(() => performance.timeOrigin);
    const since = await follower.page.evaluate(() => app.leaderSince);
    expect(since - left).toBeLessThan(1000);
    await follower.page.evaluate(() => app.rest());
    const all = await agreed([follower]);

    await leader.page.goBack({ waitUntil: "commit" });
    await restored(leader);
    expect(await agreed([leader, follower])).toEqual(all);
    await becomes("follower", leader);
    await leader.page.evaluate(() => app.add());
    expect(await agreed([leader, follower])).toHaveLength(all.length + 1);
    expect(reasons).toEqual([]);
    expect(await faultsUnder(device, follower)).toEqual([]);
  });

  test("restores a tab that never led from the back/forward cache, and shows it what it missed", async (context) => {
    const device = createDevice(context);
    const leader = await device.openTab();
    await becomes("leader", leader);
    const follower = await device.openTab();
    await becomes("follower", follower);
    const reasons = await reasonsOf(follower);
    await follower.page.goto(`${device.address}away`);
    await leader.page.evaluate(() => app.add(2));
    await folded(leader);
    await leader.page.evaluate(() => app.add());
    await follower.page.goBack({ waitUntil: "commit" });
    await restored(follower);
    expect(await agreed([leader, follower])).toHaveLength(3);
    expect(reasons).toEqual([]);
    expect(device.complaints).toEqual([]);
  });

  test("hands over when the leader is reloaded, and keeps every commit of both", async (context) => {
    const device = createDevice(context);
    const leader = await device.openTab();
    const follower = await leaderAndFollower(device, leader);
    await leader.page.evaluate(() => app.start(2));
    await durable(device, 5, leader);
    await leader.page.reload();
    const reloaded = await device.renamed(leader);
    await becomes("leader", follower);
    await reloaded.page.evaluate(() => app.add(2));
    await follower.page.evaluate(() => app.rest());
    await agreed([reloaded, follower]);
    expect(await faultsUnder(device, follower)).toEqual([]);
  });

  test.for(["closes", "crashes"] as const)(
    "hands over when the leader %s in the middle of commits",
    async (how, context) => {
      const device = createDevice(context);
      const leader = await device.openTab();
      const follower = await leaderAndFollower(device, leader);
      await leader.page.evaluate(() => app.start(2));
      await durable(device, 5, leader);
      await (how === "closes" ? leader.page.close() : device.crash(leader));
      await becomes("leader", follower);
      await follower.page.evaluate(() => app.rest());
      expect(await faultsUnder(device, follower)).toEqual([]);
    },
  );

  test("G4 keeps commits durable while a tab is frozen, and shows it all of them when it thaws", async (context) => {
    const device = createDevice(context);
    const leader = await device.openTab();
    const follower = await leaderAndFollower(device, leader);
    const tabs = [leader, follower, await device.openTab()];
    for (const at of [0, 2]) await tabs[at]?.page.evaluate((it) => app.start(it), at);
    // Each in turn, in the middle of whatever it is doing: committing, reading what it missed, leading.
    for (let turn = 0; turn < 6; turn += 1) {
      const frozen = tabs[turn % 3] as Tab;
      const others = tabs.filter((tab) => tab !== frozen);
      const state = (to: "frozen" | "active") =>
        frozen.cdp.send("Page.setWebLifecycleState", { state: to });
      await durable(device, 10 * (turn + 1), frozen);
      await state("frozen");
      const reached = others.map((tab) => durable(device, durableCount(device, tab) + 30, tab));
      await Promise.all([...reached, Promise.race(others.map((tab) => becomes("leader", tab)))]);
      await state("active");
    }
    await Promise.all(tabs.map(({ page }) => page.evaluate(() => app.rest())));
    const all = await agreed(tabs);
    const disk = await leader.page.evaluate(() => app.disk());
    expect([
      ...faultsOfOrder(all, [], device.told),
      ...faultsOfLog(disk, all),
      ...device.complaints,
    ]).toEqual([]);
  });
});
