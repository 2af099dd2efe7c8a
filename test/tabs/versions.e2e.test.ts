/** A tab of older code and tabs of newer code on one database, in a real browser. */
import { expect, test, vi } from "vitest";
import type { App } from "./app/main.ts";
import { type Tab, becomes, createBrowser, folded, patience } from "./browser.ts";

declare const app: App;
/** Whether the older tab hears nothing. */
declare const ears: { deaf: boolean };

vi.setConfig({ testTimeout: 90_000 });

const deafen = (): void => {
  const own = { deaf: false };
  const { prototype } = BroadcastChannel;
  const set = Object.getOwnPropertyDescriptor(prototype, "onmessage")?.set;
  Object.defineProperty(prototype, "onmessage", {
    set(this: BroadcastChannel, listener: (event: MessageEvent) => void) {
      set?.call(this, (event: MessageEvent) => {
        if (!own.deaf) listener(event);
      });
    },
  });
  Object.assign(globalThis, { ears: own });
};

const slide = ({ page }: Tab, value: number) =>
  page.evaluate(async (it) => {
    await app.sync.commit({ name: "sliderMoved", payload: { value: it } }).durable;
  }, value);
const slider = ({ page }: Tab) => page.evaluate(() => app.slider());
/** How many contacts there are, and how many of them went through `migrate` once. */
const contacts = ({ page }: Tab) =>
  page.evaluate(() => {
    const all = app.sync.tables.contacts.toArray();
    const migrated = all.filter(({ name, notes }) => notes === `of version 1: ${name}`);
    return [all.length, migrated.length];
  });
const phaseOf = ({ page }: Tab) => page.evaluate(() => app.sync.status.phase);

test.for(["LevelDB", "SQLite"] as const)(
  "G10 G13 a newer version takes the data over from an older tab, and keeps its commits, on %s",
  async (backend, context) => {
    const browser = await createBrowser(context, backend);
    browser.expect("fault");
    const old = await browser.openTab({ scripts: [deafen] });
    await becomes("leader", old);
    await old.page.evaluate(() => app.importContacts(0, 3000));
    await slide(old, 7);
    await folded(old);
    await old.page.evaluate(() => Object.assign(ears, { deaf: true }));

    const next = await browser.openTab({ query: "?version=2" });
    expect(await contacts(next)).toEqual([3000, 3000]);
    expect(await slider(next)).toBe(70);
    // Nobody has told the older tab: it commits, and cannot decide.
    expect(await phaseOf(old)).toBe("ready");
    await slide(old, 8);
    await vi.waitFor(async () => expect(await slider(next)).toBe(80), patience);
    await becomes("leader", next, 30_000);
    await old.page.evaluate(() => Object.assign(ears, { deaf: false }));
    await vi.waitFor(async () => expect(await phaseOf(old)).toBe("outdated"), patience);
    expect(
      await old.page.evaluate(() => {
        try {
          app.sync.commit({ name: "sliderMoved", payload: { value: 9 } });
          return "committed";
        } catch (error) {
          return (error as { code?: string }).code;
        }
      }),
    ).toBe("outdated");

    await vi.waitFor(async () => {
      expect(await next.page.evaluate(() => app.sync.status.migration)).toBeNull();
    }, patience);
    const { manifest } = await folded(next);
    const versions = Object.values(manifest).flatMap((marks) => marks.map((it) => it.schema));
    expect(new Set(versions)).toEqual(new Set([2]));
    const fresh = await browser.openTab({ query: "?version=2" });
    for (const tab of [next, fresh]) {
      expect(await contacts(tab)).toEqual([3000, 3000]);
      expect(await slider(tab)).toBe(80);
    }
    expect(await slider(old)).toBe(8);
    const faults = browser.told.filter(({ kind }) => kind === "fault");
    expect(faults).toMatchObject([
      { tab: old.name, ids: [expect.stringContaining("outdated"), expect.anything()] },
    ]);
    expect(browser.complaints).toEqual([]);
  },
);
