/** A large base is loaded in pieces: the page answers all the time. */
import { expect, test, vi } from "vitest";
import type { App } from "./app/main.ts";
import { createBrowser, folded } from "./browser.ts";

declare const app: App;

vi.setConfig({ testTimeout: 60_000 });

const rows = 40_000;
const attempts = 5;

test(`loads ${rows} rows without a turn of more than 50 ms`, async (context) => {
  const browser = await createBrowser(context);
  const tab = await browser.openTab();
  const { page } = tab;
  for (let from = 0; from < rows; from += 10_000)
    await page.evaluate((it) => app.importContacts(it, 10_000), from);
  await folded(tab);
  const digest = () => page.evaluate(() => app.digest());
  const before = await digest();
  expect(before.size).toBe(rows);

  // Others use the machine, too, and a turn that had to wait counts as long: one that is long by itself is so each time.
  const loads: { readonly turns: readonly number[]; readonly took: number }[] = [];
  const isSmooth = ({ turns, took }: (typeof loads)[number]): boolean =>
    turns.every((turn) => turn < took / 4);
  while (loads.length < attempts && !loads.some(isSmooth)) {
    await page.reload();
    await browser.renamed(tab);
    loads.push(await page.evaluate(() => ({ turns: app.longTurns, took: app.readyAfter })));
    expect(await digest()).toEqual(before);
  }
  const story = loads.map(
    ({ turns, took }) => `${Math.round(took)} ms with ${turns.join(", ") || "none"}`,
  );
  console.log(`${rows} rows: loads and their turns of more than 50 ms: ${story.join("; ")}`);
  expect(loads.filter(isSmooth)).not.toEqual([]);
  expect(browser.complaints).toEqual([]);
});
