/** The demo in a browser, served as `npm start` serves it. Any complaint in its tabs fails the test. */
import { type AddressInfo } from "node:net";
import {
  type Browser,
  type BrowserContext,
  type CDPSession,
  type Page,
  chromium,
} from "playwright";
import { type ViteDevServer, createServer } from "vite";
import { afterAll, afterEach, beforeAll, beforeEach } from "vitest";
import { chromiumLaunch } from "../chromium.ts";

const configFile = new URL("../../examples/todo/vite.config.ts", import.meta.url).pathname;

/** The machine may be busy; nothing here is about how long it takes. */
export const patience = { timeout: 30_000 };

/** Serves the demo on a port of its own. */
const serve = async (port: number): Promise<ViteDevServer> => {
  const started = await createServer({
    configFile,
    logLevel: "error",
    server: { port, strictPort: port !== 0, watch: null },
  });
  return started.listen();
};
const portOf = ({ httpServer }: ViteDevServer): number => {
  if (httpServer === null) throw new Error("Expected Vite to have a server, got none");
  return (httpServer.address() as AddressInfo).port;
};

/** One browser for the tests of a file, a new context for each. */
export function useDemo() {
  let server: ViteDevServer;
  let browser: Browser;
  let context: BrowserContext;
  /** What any tab complained of. */
  let complaints: string[];

  beforeAll(async () => {
    server = await serve(0);
    browser = await chromium.launch(chromiumLaunch);
  });
  afterAll(async () => {
    await browser.close();
    await server.close();
  });
  beforeEach(async () => {
    complaints = [];
    context = await browser.newContext();
  });
  afterEach(async () => {
    await context.close();
    if (complaints.length > 0)
      throw new Error(`Expected no complaint, got ${complaints.join("\n")}`);
  });

  return {
    context: () => context,
    address: () => `http://127.0.0.1:${portOf(server)}/`,
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
        if (message.type() === "error" || message.type() === "warning")
          complaints.push(message.text());
      });
      await tab.goto(this.address());
      return tab;
    },
    /** Works while nothing is served. */
    async withoutServer(work: (address: string) => Promise<void>): Promise<void> {
      const port = portOf(server);
      const address = this.address();
      await server.close();
      try {
        await work(address);
      } finally {
        server = await serve(port);
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
  tab.locator('[data-testid=pending]:text-is("0")').waitFor();
