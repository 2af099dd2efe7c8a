/** Devices with several tabs of the app, and what the test knows of their tabs when they are gone. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BrowserContext, type CDPSession, type Page } from "playwright";
import { type TestContext, beforeAll, vi } from "vitest";
import type { Fault, SyncStatus } from "../../src/index.ts";
import type { App, Told } from "./app/main.ts";
import { type Backend, type Site, serveApp, startChromium } from "./chromium.ts";

declare const app: App;

/** The machine may be busy; nothing is about how long it takes unless a test says so. */
export const patience = { timeout: 20_000, interval: 20 };

type Lifetime = Pick<TestContext, "onTestFinished">;

export interface Tab {
  readonly page: Page;
  readonly cdp: CDPSession;
  /** As the page calls itself. */
  readonly name: string;
}

export interface TabOptions {
  /** Run in the page before the app does. */
  readonly scripts?: readonly (() => void)[];
  /** Runs before the page is loaded. */
  before?(cdp: CDPSession): Promise<unknown>;
  /** Of the app, see app/main.ts: `?storage=…`. */
  readonly query?: string;
  /** `app`: does not wait until the data is loaded. */
  readonly until?: "ready" | "app";
}

/** Waits until the page is ready, and gives it the name that it calls itself. */
async function named(page: Page, cdp: CDPSession, until: "ready" | "app" = "ready"): Promise<Tab> {
  await page.waitForFunction((it) => it in globalThis, until, { polling: 20 });
  return { page, cdp, name: await page.evaluate(() => app.tab) };
}

let windows = 0;

/**
 * Opens a page in a window of its own: it is visible, and no other page is hidden, shown or thawed when it closes. As a pop-up
 * without an opener: a process of its own all the same, at half the work of a window with tabs and an address bar.
 */
export async function openWindow(context: BrowserContext): Promise<Page> {
  windows += 1;
  const url = `about:blank#${windows}`;
  const [first] = context.pages();
  if (first === undefined) throw new Error("Expected Chromium to have a page, got none");
  const [page] = await Promise.all([
    context.waitForEvent("page", (it) => it.url() === url),
    first.evaluate((it) => {
      open(it, "_blank", "popup,noopener,width=100,height=100");
    }, url),
  ]);
  return page;
}

/** A script that makes a page ten times as fast: for tests of what happens, not of how long it takes. */
export const hurry = (): void => {
  const { setTimeout: later } = globalThis;
  const soon = (fn: () => void, ms = 0): unknown => later(fn, ms / 10);
  Object.assign(globalThis, { setTimeout: soon });
};

/** One origin with its tabs, and everything that they ever told. */
function createDevice(
  context: () => BrowserContext,
  address: string,
  open: (context: BrowserContext) => Promise<Page>,
) {
  const complaints: string[] = [];
  const told: Told[] = [];
  const listeners = new Set<() => void>();
  /** Pages that are expected to die. */
  const doomed = new Set<Page>();
  /** What a test is about is no complaint. */
  const expected = new Set<Told["kind"]>(["durable", "settled"]);

  function hear(message: Told): void {
    told.push(message);
    const { tab, kind, ids } = message;
    if (!expected.has(kind)) complaints.push(`${tab} tells of ${kind}: ${ids.join(" ")}`);
    if (kind === "settled" && ids.some((status) => status !== "accepted"))
      complaints.push(`${tab} has a decision that is not accepted: ${ids.join(" ")}`);
    for (const listener of listeners) listener();
  }

  async function newPage(): Promise<Page> {
    const page = await open(context());
    page.setDefaultTimeout(patience.timeout);
    pages.push(page);
    return page;
  }
  const pages: Page[] = [];

  return {
    complaints,
    told: told as readonly Told[],
    address,
    origin: new URL(address).origin,
    /** From here on the test is about this: it may be told. */
    expect: (kind: Told["kind"]): unknown => expected.add(kind),
    /** The tab after a reload. */
    renamed: ({ page, cdp }: Tab): Promise<Tab> => named(page, cdp),

    async openTab({ scripts = [], before, query = "", until }: TabOptions = {}): Promise<Tab> {
      const page = await newPage();
      page.on("pageerror", (error) => complaints.push(String(error)));
      page.on("crash", () => {
        if (!doomed.has(page)) complaints.push("A tab crashed that was not told to");
      });
      page.on("console", (message) => {
        if (["error", "warning"].includes(message.type())) complaints.push(message.text());
      });
      for (const script of scripts) await page.addInitScript(script);
      const cdp = await context().newCDPSession(page);
      // Not Playwright's binding: that one answers each call, and lags behind pages that commit at full speed.
      cdp.on("Runtime.bindingCalled", ({ name, payload }) => {
        if (name === "told") hear(JSON.parse(payload) as Told);
      });
      await cdp.send("Runtime.enable");
      await cdp.send("Runtime.addBinding", { name: "told" });
      await before?.(cdp);
      await page.goto(`${address}${query}`);
      return named(page, cdp, until);
    },

    /** A page of the same origin without the engine. */
    async openStranger(): Promise<Pick<Tab, "page" | "cdp">> {
      const page = await newPage();
      await page.goto(`${address}away`);
      return { page, cdp: await context().newCDPSession(page) };
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

    /** From here on every page may die. */
    doom(): void {
      for (const page of context().pages()) doomed.add(page);
    },
    async close(): Promise<void> {
      this.doom();
      await Promise.all(pages.map((page) => page.close()));
    },
  };
}

/**
 * One Chromium for several tests that run side by side, each with a device of its own. `wrap`: the command that runs it, given its
 * profile. `serve`: what serves the app.
 */
export async function startMachine(
  backend: Backend,
  wrap: (profile: string) => readonly string[] = () => [],
  serve: () => Promise<Site> = serveApp,
) {
  const profile = await mkdtemp(join(tmpdir(), "sssync-"));
  const [site, first] = await Promise.all([
    serve(),
    startChromium(profile, backend, wrap(profile)),
  ]);
  let running = first;
  let devices = 0;
  return {
    profile,
    pid: first.pid,
    createDevice({ onTestFinished }: Lifetime, open = openWindow) {
      devices += 1;
      // Every subdomain of localhost is an origin, with data of its own, that may use what secure ones may.
      const device = createDevice(
        () => running.context,
        `http://device-${devices}.localhost:${site.port}/`,
        open,
      );
      onTestFinished(() => device.close());
      return device;
    },
    /** Kills the browser with everything in it, and starts it again on the same data. */
    async killAndRestart(): Promise<void> {
      await running.end("SIGKILL");
      running = await startChromium(profile, backend);
    },
    async end(): Promise<void> {
      await running.end("SIGTERM");
      await site.close();
      await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** One Chromium for the tests of a suite. Gives what makes a device on it, for one test. */
export function useMachine(backend: Backend) {
  let machine: Awaited<ReturnType<typeof startMachine>>;
  beforeAll(async () => {
    machine = await startMachine(backend);
    return () => machine.end();
  });
  return (context: Lifetime) => machine.createDevice(context);
}

/** A device with a browser of its own: a profile on the disk and Chromium on it. It goes with its test. */
export async function createBrowser({ onTestFinished }: Lifetime, backend: Backend = "LevelDB") {
  const machine = await startMachine(backend);
  const device = machine.createDevice({ onTestFinished: () => undefined }, (it) => it.newPage());
  onTestFinished(async () => {
    device.doom();
    await machine.end();
  });
  return {
    ...device,
    killAndRestart(): Promise<void> {
      device.doom();
      return machine.killAndRestart();
    },
  };
}

export type Browser = ReturnType<Awaited<ReturnType<typeof startMachine>>["createDevice"]>;

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

/** Which of these tabs leads, once one does. */
export const leaderOf = (tabs: readonly Tab[]): Promise<number> =>
  vi.waitFor(async () => {
    const roles = await Promise.all(tabs.map(({ page }) => page.evaluate(() => app.role())));
    const at = roles.indexOf("leader");
    if (at === -1) throw new Error(`Expected one of the tabs to lead, got ${roles.join(", ")}`);
    return at;
  }, patience);

/** Resolves when the status of the tab says all of this; of a fault its code. */
export async function says(
  { page }: Tab,
  wanted: Partial<Omit<SyncStatus, "fault">> & { readonly fault?: Fault["code"] | null },
  timeout = patience.timeout,
): Promise<void> {
  const isSo = (it: typeof wanted): boolean => {
    const { fault, ...status } = app.sync.status;
    const all: Readonly<Record<string, unknown>> = { ...status, fault: fault?.code ?? null };
    return Object.entries(it).every(([key, value]) => all[key] === value);
  };
  try {
    await page.waitForFunction(isSo, wanted, { timeout, polling: 20 });
  } catch (cause) {
    const state = JSON.stringify(await page.evaluate(() => app.describe()));
    throw new Error(`Expected ${JSON.stringify(wanted)} after ${timeout} ms, got ${state}`, {
      cause,
    });
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
