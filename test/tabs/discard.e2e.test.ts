/** A tab that Chromium discards, as it does when memory is short: by `chrome://discards`, which does the same at once. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Page } from "playwright";
import { expect, test, vi } from "vitest";
import type { App } from "./app/main.ts";
import { patience } from "./browser.ts";
import { serveApp, startChromium } from "./chromium.ts";
import { faultsOfSegments } from "./order.ts";

declare const app: App;

vi.setConfig({ testTimeout: 60_000 });

/** Asks for it again and again, since it is refused as long as DevTools looks at the page; the title says how it stands. */
function discardPage(address: string): void {
  const find = (selector: string, within: ParentNode): HTMLElement[] => [
    ...within.querySelectorAll<HTMLElement>(selector),
    ...Array.from(within.querySelectorAll("*")).flatMap(({ shadowRoot }) =>
      shadowRoot === null ? [] : find(selector, shadowRoot),
    ),
  ];
  setInterval(() => {
    const row = find("tr", document).find((it) =>
      Array.from(it.children).some(({ textContent }) => textContent.trim() === address),
    );
    if (row === undefined) return;
    const isDiscarded = /discarded \(urgent\)/.test(row.textContent);
    document.title = isDiscarded ? "discarded" : "asked";
    const action = Array.from(row.querySelectorAll<HTMLElement>("*")).find(
      ({ textContent }) => textContent.trim() === "[Urgent Discard]",
    );
    if (!isDiscarded) action?.click();
  }, 200);
}

const until = (page: Page, role: "leader" | "follower") =>
  page.waitForFunction((it) => app.role() === it, role, { polling: 20 });
const orderOf = (page: Page) => page.evaluate(() => app.order());

/** Asked without looking at any of them. */
const pages = async (devtools: string) =>
  (await (await fetch(`${devtools}/json/list`)).json()) as {
    readonly id: string;
    readonly title: string;
    readonly url: string;
  }[];

test("hands over when the leader is discarded in the middle of commits, and loads it again when it is looked at", async ({
  onTestFinished,
}) => {
  const profile = await mkdtemp(join(tmpdir(), "sssync-"));
  // What the button of chrome://chrome-urls does.
  const preferences = JSON.stringify({ internal_only_uis_enabled: true });
  await writeFile(join(profile, "Local State"), preferences);
  const [site, chromium] = await Promise.all([serveApp(), startChromium(profile, "LevelDB")]);
  onTestFinished(async () => {
    await chromium.end("SIGKILL");
    await site.close();
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  });
  const address = `http://localhost:${site.port}/`;
  const open = async (url: string): Promise<Page> => {
    const page = await chromium.context.newPage();
    await page.goto(url);
    return page;
  };
  const pageAt = (url: string): Page => {
    const page = chromium.context.pages().find((it) => it.url() === url);
    if (page === undefined) throw new Error(`Expected a page at ${url}, got none`);
    return page;
  };
  const leader = await open(`${address}?leader`);
  await until(leader, "leader");
  const follower = await open(address);
  await until(follower, "follower");
  const ids = await leader.evaluate(() => app.add(3));
  await leader.evaluate(() => app.start(1));
  await leader.waitForFunction(() => app.order().length > 10, undefined, { polling: 20 });
  const discards = await open("chrome://discards/");
  await discards.evaluate(discardPage, `${address}?leader`);

  await chromium.unwatched((devtools) =>
    vi.waitFor(async () => {
      const page = (await pages(devtools)).find(({ url }) => url === "chrome://discards/");
      expect(page?.title).toBe("discarded");
    }, patience),
  );
  // Nothing of it runs any more.
  expect(chromium.context.pages().map((page) => page.url())).not.toContain(`${address}?leader`);
  const next = pageAt(address);
  await until(next, "leader");
  const kept = await orderOf(next);
  expect(kept.slice(0, 3)).toEqual(ids.map((id, at) => `${at + 1}:${id}`));
  expect(kept.length).toBeGreaterThan(10);

  // Somebody looks at it.
  await chromium.unwatched(async (devtools) => {
    const page = (await pages(devtools)).find(({ url }) => url === `${address}?leader`);
    await fetch(`${devtools}/json/activate/${page?.id}`);
  });
  const again = await vi.waitFor(() => pageAt(`${address}?leader`), patience);
  await until(again, "follower");
  expect(
    await again.evaluate(() => (document as Document & { wasDiscarded: boolean }).wasDiscarded),
  ).toBe(true);
  expect(await orderOf(again)).toEqual(kept);
  await again.evaluate(() => app.add());
  const leading = pageAt(address);
  await leading.waitForFunction((it) => app.order().length > it, kept.length, { polling: 20 });
  const all = await orderOf(leading);
  expect(all.slice(0, -1)).toEqual(kept);
  await vi.waitFor(
    async () => expect(await leading.evaluate(() => app.logged())).toBe(0),
    patience,
  );
  expect(faultsOfSegments(await leading.evaluate(() => app.disk()), all)).toEqual([]);
});
