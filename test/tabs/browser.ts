/** Chromium with several tabs of the app, and what the test knows of them when they are gone. */
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type BrowserContext, type CDPSession, type Page, chromium } from "playwright";
import { type Rolldown, build } from "vite";
import { vi } from "vitest";
import { chromiumLaunch } from "../chromium.ts";
import type { App, Told } from "./app/main.ts";

declare const app: App;

/** The machine may be busy; nothing is about how long it takes unless a test says so. */
export const patience = { timeout: 20_000, interval: 20 };

export const backends = ["LevelDB", "SQLite"] as const;

const backendFlag = (backend: (typeof backends)[number]): string =>
  `--${backend === "SQLite" ? "enable" : "disable"}-features=IdbSqliteBackingStore`;

/** Builds the app as an app would be built, so that a tab opens fast, and serves it on a port of its own. */
async function serveApp(): Promise<{ readonly address: string; close(): Promise<void> }> {
  const { output } = (await build({
    configFile: false,
    logLevel: "error",
    define: { "process.env.NODE_ENV": '"production"' },
    build: {
      write: false,
      minify: false,
      target: "esnext",
      modulePreload: false,
      rolldownOptions: { input: fileURLToPath(new URL("app/main.ts", import.meta.url)) },
    },
  })) as Rolldown.RolldownOutput;
  const { code } = output[0];
  const html = `<!doctype html><title>tab</title><link rel="icon" href="data:,"><script type="module">${code}</script>`;
  const server = createServer((incoming, response) => {
    const away = incoming.url === "/away";
    response.setHeader("content-type", "text/html; charset=utf-8");
    response.end(away ? `<!doctype html><title>away</title><link rel="icon" href="data:,">` : html);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    address: `http://127.0.0.1:${port}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export interface Tab {
  readonly page: Page;
  readonly cdp: CDPSession;
  /** As the page calls itself. */
  readonly name: string;
}

/** Waits until the page is ready, and gives it the name that it calls itself. */
async function named(page: Page, cdp: CDPSession): Promise<Tab> {
  await page.waitForFunction(() => "ready" in globalThis);
  return { page, cdp, name: await page.evaluate(() => app.tab) };
}

/** A device: a profile on the disk, the browser on it, and everything that its tabs ever told. */
export async function createBrowser(
  options: { readonly backend?: (typeof backends)[number]; readonly cache?: boolean } = {},
) {
  const site = await serveApp();
  const profile = await mkdtemp(join(tmpdir(), "sssync-"));
  const complaints: string[] = [];
  const told: Told[] = [];
  const listeners = new Set<() => void>();
  /** Pages that are expected to die. */
  const doomed = new Set<Page>();
  let context: BrowserContext;
  let browserId: number;

  function hear(message: Told): void {
    told.push(message);
    if (message.kind === "failed" || message.kind === "noop")
      complaints.push(`${message.tab} tells of ${message.kind}: ${message.ids.join(" ")}`);
    if (message.kind === "settled" && message.ids.some((status) => status !== "accepted"))
      complaints.push(
        `${message.tab} has a decision that is not accepted: ${message.ids.join(" ")}`,
      );
    for (const listener of listeners) listener();
  }

  async function launch(): Promise<void> {
    context = await chromium.launchPersistentContext(profile, {
      ...chromiumLaunch,
      args: [...chromiumLaunch.args, backendFlag(options.backend ?? "LevelDB")],
      ...(options.cache === true ? { ignoreDefaultArgs: ["--disable-back-forward-cache"] } : {}),
    });
    const cdp = await context.browser()?.newBrowserCDPSession();
    const { processInfo } = (await cdp?.send("SystemInfo.getProcessInfo")) ?? { processInfo: [] };
    browserId = processInfo.find(({ type }) => type === "browser")?.id ?? 0;
    await cdp?.detach();
  }
  await launch();

  return {
    complaints,
    told: told as readonly Told[],
    address: site.address,
    /** The tab after a reload. */
    renamed: ({ page, cdp }: Tab): Promise<Tab> => named(page, cdp),

    async openTab(script?: () => void): Promise<Tab> {
      const page = await context.newPage();
      page.setDefaultTimeout(patience.timeout);
      page.on("pageerror", (error) => complaints.push(String(error)));
      page.on("crash", () => {
        if (!doomed.has(page)) complaints.push("A tab crashed that was not told to");
      });
      page.on("console", (message) => {
        if (["error", "warning"].includes(message.type())) complaints.push(message.text());
      });
      if (script !== undefined) await page.addInitScript(script);
      const cdp = await context.newCDPSession(page);
      // Not Playwright's binding: that one answers each call, and lags behind pages that commit at full speed.
      cdp.on("Runtime.bindingCalled", ({ name, payload }) => {
        if (name === "told") hear(JSON.parse(payload) as Told);
      });
      await cdp.send("Runtime.enable");
      await cdp.send("Runtime.addBinding", { name: "told" });
      await page.goto(site.address);
      return named(page, cdp);
    },

    /** Calls back after each thing that is told. Returns the function that ends it. */
    listen(listener: () => void): () => void {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },

    /** Kills the page's process as a bug of the browser would. */
    async crash({ page, cdp }: Tab): Promise<void> {
      doomed.add(page);
      const crashed = page.waitForEvent("crash");
      // Never answered: the page is gone.
      cdp.send("Page.crash").catch(() => undefined);
      await crashed;
      await page.close();
    },

    /** Kills the browser with everything in it, and starts it again on the same data. */
    async killAndRestart(): Promise<void> {
      if (browserId === 0) throw new Error("Expected the browser to have a process, got none");
      for (const page of context.pages()) doomed.add(page);
      const closed = context.waitForEvent("close");
      process.kill(browserId, "SIGKILL");
      await closed;
      await launch();
    },

    async close(): Promise<void> {
      await context.close();
      await site.close();
      await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

export type Browser = Awaited<ReturnType<typeof createBrowser>>;

/** Resolves when so many commits were told to be durable, in all or by one tab. */
export function durable(browser: Browser, count: number, by?: Tab): Promise<void> {
  const enough = (): boolean =>
    browser.told.filter(({ kind, tab }) => kind === "durable" && (by?.name ?? tab) === tab)
      .length >= count;
  return new Promise((resolve, reject) => {
    const end = (): void => {
      clearTimeout(timer);
      unlisten();
    };
    const unlisten = browser.listen(() => {
      if (!enough()) return;
      end();
      resolve();
    });
    const timer = setTimeout(() => {
      end();
      const got = browser.told.filter(({ kind }) => kind === "durable").length;
      reject(
        new Error(
          `Expected ${count} durable commits${by ? ` of ${by.name}` : ""}, got ${got} in all`,
        ),
      );
    }, patience.timeout);
    if (enough()) {
      end();
      resolve();
    }
  });
}

export const durableCount = ({ told }: Browser): number =>
  told.filter(({ kind }) => kind === "durable").length;

/** Resolves with what all of these tabs show, when it is the same. */
export const agreed = (tabs: readonly Tab[]): Promise<readonly string[]> =>
  vi.waitFor(async () => {
    const orders = await Promise.all(tabs.map(({ page }) => page.evaluate(() => app.order())));
    const [first = [], ...others] = orders;
    for (const other of others) {
      const length = Math.max(first.length, other.length);
      const at = Array.from({ length }).findIndex((_, index) => first[index] !== other[index]);
      if (at === -1) continue;
      const states = await Promise.all(tabs.map(({ page }) => page.evaluate(() => app.describe())));
      throw new Error(
        `Expected tabs to agree, got ${String(first[at])} and ${String(other[at])} at ${at} of ${orders.map((it) => it.length).join(", ")}\n${JSON.stringify(states, null, 1)}`,
      );
    }
    return first;
  }, patience);

/** Resolves with what is on the disk, when nothing waits in the log to be folded. */
export const folded = ({ page }: Tab) =>
  vi.waitFor(async () => {
    const disk = await page.evaluate(() => app.disk());
    const waiting = disk.log.filter(([, record]) => record?.kind === "commit");
    if (waiting.length > 0) {
      const state = await page.evaluate(() => app.describe());
      throw new Error(
        `Expected the log to be folded, got ${waiting.length} commit records\n${JSON.stringify(state)}`,
      );
    }
    return disk;
  }, patience);
