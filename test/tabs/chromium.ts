/** Chromium as a person would start it, and the app of these tests, served to it. */
import { spawn } from "node:child_process";
import { type IncomingMessage, type ServerResponse, createServer } from "node:http";
import { type AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { type BrowserContext, chromium } from "playwright";
import { type Rolldown, build } from "vite";
import { backendFlag, chromiumLaunch } from "../../scripts/chromium.mjs";

/** What Chromium keeps IndexedDB in. */
export type Backend = "LevelDB" | "SQLite";

/** Where pages are the matter and not what they store: what Chromium uses by default. `BACKENDS=all`: both. */
export const backendsOfPages: readonly Backend[] =
  process.env["BACKENDS"] === "all" ? ["LevelDB", "SQLite"] : ["LevelDB"];

const page = (title: string, script = ""): string =>
  `<!doctype html><title>${title}</title><link rel="icon" href="data:,">${script}`;

export interface Site {
  readonly port: number;
  close(): Promise<void>;
}

/** The page of an app, built as an app would be built, so that a tab opens fast. */
async function buildPage(main: string): Promise<string> {
  const { output } = (await build({
    configFile: false,
    logLevel: "error",
    define: { "process.env.NODE_ENV": '"production"' },
    build: {
      write: false,
      // A tab opens in less time.
      minify: true,
      target: "esnext",
      modulePreload: false,
      rolldownOptions: { input: fileURLToPath(new URL(main, import.meta.url)) },
    },
  })) as Rolldown.RolldownOutput;
  return page("tab", `<script type="module">${output[0].code}</script>`);
}

/** By the path of its source: the tests of a worker share it. */
const pages = new Map<string, Promise<string>>();

/** Serves an app on a port of its own. `handle`: takes what it answers itself. */
export async function serveApp(
  main = "app/main.ts",
  handle: (incoming: IncomingMessage, response: ServerResponse) => boolean = () => false,
): Promise<Site> {
  const built = pages.get(main) ?? buildPage(main);
  pages.set(main, built);
  const html = await built;
  const server = createServer((incoming, response) => {
    if (handle(incoming, response)) return;
    response.setHeader("content-type", "text/html; charset=utf-8");
    response.end(incoming.url === "/away" ? page("away") : html);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/**
 * Starts Chromium so that tabs go into the back/forward cache, and only the newest one is visible. With what Playwright
 * adds when it starts a browser itself neither that nor freezing a tab would work. `wrapper`: a command that runs the one
 * that follows it.
 */
export async function startChromium(
  profile: string,
  backend: Backend,
  [wrapper, ...wrapping]: readonly string[] = [],
) {
  const { executablePath: executable = chromium.executablePath(), args } = chromiumLaunch();
  const child = spawn(
    wrapper ?? executable,
    [
      ...(wrapper === undefined ? [] : [...wrapping, executable]),
      ...args,
      "--headless",
      "--remote-debugging-port=0",
      `--user-data-dir=${profile}`,
      backendFlag(backend === "SQLite"),
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
  const connect = async () => {
    const client = await chromium.connectOverCDP(endpoint, { noDefaults: true });
    const [context] = client.contexts();
    if (context === undefined) throw new Error("Expected Chromium to have a context, got none");
    return { client, context };
  };
  let { client, context } = await connect();
  return {
    get context(): BrowserContext {
      return context;
    },
    pid: child.pid,
    /** Nobody looks at any page while `work` runs: one that DevTools looks at is never discarded. Pages are other objects afterwards. */
    async unwatched(work: (devtools: string) => Promise<void>): Promise<void> {
      await client.close();
      await work(endpoint.replace(/^ws(:\/\/[^/]+)\/.*/, "http$1"));
      ({ client, context } = await connect());
    },
    /** Closes it as a person does: it finishes what it writes. */
    async quit(): Promise<void> {
      const session = await client.newBrowserCDPSession();
      // Not answered: it is gone.
      session.send("Browser.close").catch(() => undefined);
      await exited;
    },
    async end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
      child.kill(signal);
      await exited;
    },
  };
}
