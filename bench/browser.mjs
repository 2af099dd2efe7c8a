// @ts-check
/** Builds the page as an app would be built, serves it, and opens it in real Chromium. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { chromium } from "playwright";
import { build, preview } from "vite";
import { backendFlag, chromiumHelp, chromiumLaunch } from "../scripts/chromium.mjs";

const here = (/** @type {string} */ path) => fileURLToPath(new URL(path, import.meta.url));

const production = {
  root: here("."),
  configFile: /** @type {const} */ (false),
  logLevel: /** @type {const} */ ("warn"),
  mode: "production",
  define: { "process.env.NODE_ENV": '"production"' },
};

/** XState has a slower build for development, which a wrong setting would load without a word. */
function refuseDevelopmentCode(/** @type {Iterable<string>} */ modules) {
  for (const id of modules)
    if (/\bdevelopment\b/.test(id.slice(id.lastIndexOf("/"))))
      throw new Error(`Expected production code only, got ${id.slice(id.lastIndexOf("/") + 1)}`);
}

/** @typedef {import("vite").Rolldown.RolldownOutput} Output */

/** Bytes, minified and compressed, of an app that imports `createSyncActor` and nothing else. */
export async function bundledSize() {
  const entry = "\0size";
  const output = /** @type {Output} */ (
    await build({
      ...production,
      plugins: [
        {
          name: "size-entry",
          resolveId: (id) => (id === "size-entry" ? entry : null),
          load: (id) =>
            id === entry
              ? `export { createSyncActor } from ${JSON.stringify(here("../src/index.ts"))};`
              : null,
        },
      ],
      build: {
        write: false,
        modulePreload: false,
        rolldownOptions: { input: "size-entry", preserveEntrySignatures: "strict" },
      },
    })
  );
  const chunks = output.output.filter((file) => file.type === "chunk");
  for (const chunk of chunks) refuseDevelopmentCode(chunk.moduleIds);
  return gzipSync(chunks.map((chunk) => chunk.code).join("\n"), { level: 9 }).length;
}

/**
 * @typedef {object} Site
 * @property {(profile: string) => Promise<import("playwright").BrowserContext>} launch
 * @property {(context: import("playwright").BrowserContext) => Promise<import("playwright").Page>} openPage
 * @property {() => string} makeProfile A new folder for a browser's data.
 * @property {() => Promise<void>} closeBrowsers All that still run.
 * @property {() => Promise<void>} close
 */

/** `answer`: what else the site's server answers. */
/** @type {(files: Record<string, string>, sqlite: boolean, answer?: import("vite").Connect.NextHandleFunction) => Promise<Site>} */
export async function serve(files, sqlite, answer) {
  const folder = mkdtempSync(join(tmpdir(), "sssync-bench-"));
  const outDir = join(folder, "site");
  const inputs = Object.entries(files).map(([name, file]) => [name, here(file)]);
  const output = /** @type {Output} */ (
    await build({
      ...production,
      build: {
        outDir,
        emptyOutDir: true,
        target: "esnext",
        modulePreload: false,
        rolldownOptions: {
          input: { index: here("index.html"), ...Object.fromEntries(inputs) },
          // A contender is imported by its name when its turn comes.
          preserveEntrySignatures: "strict",
          output: { entryFileNames: "[name].js" },
        },
      },
    })
  );
  for (const file of output.output)
    if (file.type === "chunk") refuseDevelopmentCode(file.moduleIds);

  const server = await preview({
    ...production,
    plugins: [
      {
        name: "answer",
        configurePreviewServer: ({ middlewares }) => {
          if (answer !== undefined) middlewares.use(answer);
        },
      },
    ],
    build: { outDir },
    preview: {
      host: "127.0.0.1",
      port: 0,
      // Isolated from other origins, a page's clock has steps of 5 µs instead of 100.
      headers: {
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Embedder-Policy": "require-corp",
      },
    },
  });
  const url = server.resolvedUrls?.local[0];
  if (url === undefined) throw new Error("Expected the page to be served, got no address");
  const { executablePath, args } = chromiumLaunch("--js-flags=--expose-gc");
  if (executablePath === undefined) throw new Error(chromiumHelp());

  let profiles = 0;
  /** @type {Set<import("playwright").BrowserContext>} */
  const running = new Set();
  const closeBrowsers = async () => {
    await Promise.allSettled([...running].map((context) => context.close()));
  };
  return {
    closeBrowsers,
    async launch(profile) {
      const context = await chromium.launchPersistentContext(profile, {
        executablePath,
        args: [...args, ...(sqlite ? [backendFlag(true)] : [])],
      });
      running.add(context);
      context.on("close", () => running.delete(context));
      context.on("weberror", (error) => console.error(error.error()));
      return context;
    },
    async openPage(context) {
      const page = await context.newPage();
      await page.goto(url);
      await page.waitForFunction(() => "bench" in globalThis);
      if (!(await page.evaluate(() => crossOriginIsolated)))
        throw new Error(
          "Expected the page to be cross-origin isolated, got a clock of 100 µs steps",
        );
      return page;
    },
    makeProfile() {
      profiles += 1;
      return join(folder, `profile-${profiles}`);
    },
    async close() {
      await closeBrowsers();
      await server.close();
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
