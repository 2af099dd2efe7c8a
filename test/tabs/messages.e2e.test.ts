/**
 * Messages are hints: a tab that misses them comes to the same rows. Most of this is waiting, so all of it waits at once.
 */
import { expect, test, vi } from "vitest";
import type { App } from "./app/main.ts";
import { type Browser, type Tab, agreed, becomes, folded, useMachine } from "./browser.ts";

declare const app: App;
/** In tabs that can be made deaf. */
declare const ears: { deaf: boolean; deafTo: string; missed: number };

vi.setConfig({ testTimeout: 60_000 });

const createDevice = useMachine("LevelDB");

/** A tab that drops what its BroadcastChannel brings, all of it or one kind, as long as it is told to. */
const openDeafTab = (browser: Browser): Promise<Tab> =>
  browser.openTab({
    scripts: [
      () => {
        const own = { deaf: false, deafTo: "", missed: 0 };
        const { prototype } = BroadcastChannel;
        const set = Object.getOwnPropertyDescriptor(prototype, "onmessage")?.set;
        Object.defineProperty(prototype, "onmessage", {
          set(this: BroadcastChannel, listener: (event: MessageEvent<{ kind: string }>) => void) {
            set?.call(this, (event: MessageEvent<{ kind: string }>) => {
              if (!own.deaf && own.deafTo !== event.data.kind) listener(event);
              else own.missed += 1;
            });
          },
        });
        Object.assign(globalThis, { ears: own });
      },
    ],
  });

const commit = ({ page }: Tab, count = 1) => page.evaluate((it) => app.add(it), count);
const missed = ({ page }: Tab, count: number) =>
  page.waitForFunction((it) => ears.missed >= it, count, { polling: 20 });
const sizeOf = ({ page }: Tab) => page.evaluate(() => app.order().length);

test.concurrent("shows what it missed as soon as the next commit is heard", async (context) => {
  const browser = createDevice(context);
  const [other, deaf] = [await browser.openTab(), await openDeafTab(browser)];
  await becomes("follower", deaf);
  await deaf.page.evaluate(() => Object.assign(ears, { deaf: true }));
  await commit(other);
  await commit(other, 3);
  await missed(deaf, 2);
  expect(await sizeOf(deaf)).toBe(0);
  await deaf.page.evaluate(() => Object.assign(ears, { deaf: false }));
  await commit(other);
  expect(await agreed([deaf, other])).toHaveLength(5);
  expect(browser.complaints).toEqual([]);
});

test.concurrent("shows what it missed as soon as it commits itself, without ever hearing anything", async (context) => {
  const browser = createDevice(context);
  const [other, deaf] = [await browser.openTab(), await openDeafTab(browser)];
  await deaf.page.evaluate(() => Object.assign(ears, { deaf: true }));
  await commit(other, 2);
  await missed(deaf, 1);
  expect(await sizeOf(deaf)).toBe(0);
  await commit(deaf);
  expect(await agreed([deaf, other])).toHaveLength(3);
  // Also what was folded meanwhile.
  await commit(other, 2);
  await folded(other);
  await commit(deaf);
  expect(await agreed([deaf, other])).toHaveLength(6);
  expect(browser.complaints).toEqual([]);
});

test.concurrent("shows what it missed when the leader's next heartbeat tells of it", async (context) => {
  const browser = createDevice(context);
  const [leader, deaf] = [await browser.openTab(), await openDeafTab(browser)];
  await becomes("follower", deaf);
  await deaf.page.evaluate(() => Object.assign(ears, { deafTo: "changed" }));
  await commit(leader, 2);
  expect(await agreed([deaf, leader])).toHaveLength(2);
  expect(browser.complaints).toEqual([]);
});

test.concurrent("leads without hearing anything, as it looks at the log itself", async (context) => {
  const browser = createDevice(context);
  const leader = await openDeafTab(browser);
  await becomes("leader", leader);
  await leader.page.evaluate(() => Object.assign(ears, { deaf: true }));
  const other = await browser.openTab();
  await commit(other, 2);
  expect(await agreed([leader, other])).toHaveLength(2);
  await folded(other);
  expect(browser.complaints).toEqual([]);
});

test.concurrent("leaves one undecided event and one row of 300 steps of a slider in three tabs", async (context) => {
  const browser = createDevice(context);
  const tabs = await Promise.all([browser.openTab(), browser.openTab(), browser.openTab()]);
  const counts = await Promise.all(
    tabs.map(({ page }, at) =>
      page.evaluate(([from, to]) => app.slide(from, to), [at * 100 + 1, at * 100 + 100] as const),
    ),
  );
  const sum = (status: string) => counts.reduce((total, it) => total + (it[status] ?? 0), 0);
  expect({ accepted: sum("accepted"), superseded: sum("superseded") }).toEqual({
    accepted: 1,
    superseded: 299,
  });
  const { rows } = await folded(tabs[0]);
  const fresh = await browser.openTab();
  const values = await Promise.all(
    [...tabs, fresh].map(({ page }) => page.evaluate(() => app.slider())),
  );
  const [value] = values;
  expect(values).toEqual([value, value, value, value]);
  expect(rows).toEqual([{ table: "counters", row: { id: "slider", value } }]);
  const most = await Promise.all(tabs.map(({ page }) => page.evaluate(() => app.mostUndecided)));
  expect(most).toEqual([1, 1, 1]);
  expect(browser.complaints).toEqual([]);
});
