/** The demo in a browser. Any complaint in its tabs fails the test. */
import {
  type Browser,
  type BrowserContext,
  type CDPSession,
  type ConsoleMessage,
  type Page,
  chromium,
} from "playwright";
import { afterAll, afterEach, beforeAll, beforeEach } from "vitest";
import { createTodoServer } from "../../examples/todo/server.ts";
import { chromiumLaunch } from "../../scripts/chromium.mjs";
import { type DemoSite, serveBuilt } from "./demo-site.ts";

/** The machine may be busy; nothing here is about how long it takes. */
export const patience = { timeout: 30_000 };

const isUnanswered = (message: ConsoleMessage): boolean =>
  message.text().startsWith("Failed to load resource: net::") &&
  new URL(message.location().url).pathname.startsWith("/sync/");

/** One browser for the tests of a file, a new context for each. */
export function useDemo(serve = serveBuilt) {
  let site: DemoSite;
  let browser: Browser;
  let context: BrowserContext;
  let sync: Awaited<ReturnType<typeof createTodoServer>>;
  /** Contexts of the test: browsers of their own. */
  let contexts: BrowserContext[];
  /** What any tab complained of. */
  let complaints: string[];

  beforeAll(async () => {
    site = await serve(0, () => sync.fetch as typeof fetch);
    browser = await chromium.launch(chromiumLaunch());
  });
  afterAll(async () => {
    await browser.close();
    await site.close();
  });
  beforeEach(async () => {
    complaints = [];
    sync = await createTodoServer();
    context = await browser.newContext();
    contexts = [context];
  });
  afterEach(async () => {
    await Promise.all(contexts.map((it) => it.close()));
    await sync.close();
    if (complaints.length > 0)
      throw new Error(`Expected no complaint, got ${complaints.join("\n")}`);
  });

  return {
    context: () => context,
    /** Another browser, as on another device: from here on tabs are opened there. */
    async changeBrowser(): Promise<void> {
      context = await browser.newContext();
      contexts.push(context);
    },
    address: () => `http://127.0.0.1:${site.port}/`,
    /** `before` comes first; `script` runs in the page before the app does. */
    async openTab({
      before,
      script,
    }: {
      readonly before?: (cdp: CDPSession) => Promise<unknown>;
      readonly script?: () => void;
    } = {}): Promise<Page> {
      const tab = await context.newPage();
      await before?.(await context.newCDPSession(tab));
      if (script !== undefined) await tab.addInitScript(script);
      tab.setDefaultTimeout(patience.timeout);
      tab.on("pageerror", (error) => complaints.push(String(error)));
      tab.on("crash", () => complaints.push("crashed"));
      tab.on("console", (message) => {
        if (message.type() !== "error" && message.type() !== "warning") return;
        // Chromium notes each request that gets no answer: there is no other way to try whether the server is back.
        if (!isUnanswered(message)) complaints.push(`${message.text()} ${message.location().url}`);
      });
      await tab.goto(this.address());
      return tab;
    },
    /** Works while nothing is served. */
    async withoutServer(work: (address: string) => Promise<void>): Promise<void> {
      const { port } = site;
      const address = this.address();
      await site.close();
      try {
        await work(address);
      } finally {
        site = await serve(port, () => sync.fetch as typeof fetch);
      }
    },
  };
}

/** What the tab shows, in order; todos that are done with a `+` before them. */
export const todosOf = (tab: Page) => (): Promise<string[]> =>
  tab.evaluate(() =>
    Array.from(document.querySelectorAll("[data-testid=todo]"), (row) => {
      const done = row.querySelector<HTMLInputElement>("[data-testid=todo-toggle]")?.checked;
      return (done === true ? "+" : "") + (row.querySelector(".text")?.textContent ?? "");
    }),
  );
export const sizeOf = (tab: Page) => (): Promise<string> =>
  tab.locator("[type=range]").inputValue();

export const add = async (tab: Page, text: string): Promise<void> => {
  await tab.getByTestId("new-todo").fill(text);
  await tab.getByTestId("new-todo").press("Enter");
};

export const isStored = (tab: Page): Promise<void> =>
  tab.locator('[data-testid=unsaved]:text-is("0")').waitFor();
/** Waits until the server has decided what was done in the tab. */
export const isSent = (tab: Page): Promise<void> =>
  tab.locator('[data-testid=pending]:text-is("0")').waitFor();
