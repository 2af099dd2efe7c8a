/** Chromium with several tabs of the app, and what the test knows of them when they are gone. */
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type CDPSession, type Page, chromium } from "playwright";
import { type Rolldown, build } from "vite";
import { type TestContext, vi } from "vitest";
import { chromiumLaunch } from "../chromium.ts";
import type { App, Told } from "./app/main.ts";

declare const app: App;

/** The machine may be busy; nothing is about how long it takes unless a test says so. */
const patience = { timeout: 20_000, interval: 20 };

/** What Chromium keeps IndexedDB in. */
export type Backend = "LevelDB" | "SQLite";

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
  await page.waitForFunction(() => "ready" in globalThis, undefined, { polling: 20 });
  return { page, cdp, name: await page.evaluate(() => app.tab) };
}

/**
 * Starts Chromium as a person would: tabs go into the back/forward cache, and only the newest one is visible. With what
 * Playwright adds when it starts a browser itself neither that nor freezing a tab would work.
 */
async function startChromium(profile: string, backend: Backend) {
  const child = spawn(
    chromiumLaunch.executablePath ?? chromium.executablePath(),
    [
      ...chromiumLaunch.args,
      "--headless",
      "--remote-debugging-port=0",
      `--user-data-dir=${profile}`,
      `--${backend === "SQLite" ? "enable" : "disable"}-features=IdbSqliteBackingStore`,
      "--disable-breakpad",
      "--disable-dev-shm-usage",
      "--no-default-browser-check",
      "--password-store=basic",
      "--use-mock-keychain",
      // All tabs work at full speed, also those that nobody sees.
      "--disable-background-timer-throttling",
      "--disable-renderer-backgrounding",
      "about:blank",
    ],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  const kill = (): boolean => child.kill("SIGKILL");
  process.once("exit", kill);
  const exited = new Promise<void>((resolve) => {
    child.once("exit", () => {
      process.off("exit", kill);
      resolve();
    });
  });
  let said = "";
  const endpoint = await new Promise<string>((resolve, reject) => {
    child.stderr.on("data", (data) => {
      said += String(data);
      const address = /listening on (ws:\S+)/.exec(said)?.[1];
      if (address !== undefined) resolve(address);
    });
    child.once("error", reject);
    child.once("exit", () => reject(new Error(`Expected Chromium to start, got\n${said}`)));
  });
  const client = await chromium.connectOverCDP(endpoint, { noDefaults: true });
  const [context] = client.contexts();
  if (context === undefined) throw new Error("Expected Chromium to have a context, got none");
  return {
    context,
    async end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
      child.kill(signal);
      await exited;
    },
  };
}

/** A device: a profile on the disk, the browser on it, and everything that its tabs ever told. It goes with its test. */
export async function createBrowser(
  { onTestFinished }: Pick<TestContext, "onTestFinished">,
  backend: Backend = "LevelDB",
) {
  const site = await serveApp();
  const profile = await mkdtemp(join(tmpdir(), "sssync-"));
  const complaints: string[] = [];
  const told: Told[] = [];
  const listeners = new Set<() => void>();
  /** Pages that are expected to die. */
  const doomed = new Set<Page>();
  let running = await startChromium(profile, backend);

  onTestFinished(async () => {
    for (const page of running.context.pages()) doomed.add(page);
    await running.end("SIGTERM");
    await site.close();
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  });

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

  return {
    complaints,
    told: told as readonly Told[],
    address: site.address,
    /** The tab after a reload. */
    renamed: ({ page, cdp }: Tab): Promise<Tab> => named(page, cdp),

    async openTab(script?: () => void): Promise<Tab> {
      const { context } = running;
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
      for (const page of running.context.pages()) doomed.add(page);
      await running.end("SIGKILL");
      running = await startChromium(profile, backend);
    },
  };
}

export type Browser = Awaited<ReturnType<typeof createBrowser>>;

/** Resolves when so many commits were told to be durable, in all or by one tab. */
export function durable(browser: Browser, count: number, by?: Tab): Promise<void> {
  const enough = (): boolean => durableCount(browser, by) >= count;
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
      const got = durableCount(browser);
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

/** How many commits were told to be durable, in all or by one tab. */
export const durableCount = ({ told }: Browser, by?: Tab): number =>
  told.filter(({ kind, tab }) => kind === "durable" && (by?.name ?? tab) === tab).length;

/** Resolves when the tab has the role; rejects with what it is instead after `timeout` ms. */
export async function becomes(
  role: ReturnType<App["role"]>,
  { page }: Tab,
  timeout = patience.timeout,
): Promise<void> {
  try {
    await page.waitForFunction((it) => app.role() === it, role, { timeout, polling: 20 });
  } catch (cause) {
    const state = JSON.stringify(await page.evaluate(() => app.describe()));
    throw new Error(`Expected the tab to be ${role} after ${timeout} ms, got ${state}`, { cause });
  }
}

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
export async function folded({ page }: Tab) {
  await vi.waitFor(async () => {
    const [logged, state] = await page.evaluate(async () => [await app.logged(), app.describe()]);
    if (logged === 0) return;
    throw new Error(
      `Expected the log to be folded, got ${logged} records\n${JSON.stringify(state)}`,
    );
  }, patience);
  return page.evaluate(() => app.disk());
}
