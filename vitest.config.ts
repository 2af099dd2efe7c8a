import { fileURLToPath } from "node:url";
import { playwright } from "@vitest/browser-playwright";
import solid from "vite-plugin-solid";
import { defineConfig } from "vitest/config";
import { chromiumLaunch } from "./scripts/chromium.mjs";
import { LongestFirst } from "./test/longest-first.ts";

const source = (path: string): string => fileURLToPath(new URL(`src/${path}`, import.meta.url));

const resolve = {
  alias: [
    { find: /^sssync$/, replacement: source("index.ts") },
    { find: /^sssync\/solid$/, replacement: source("adapters/solid.ts") },
    { find: /^sssync\/protocol$/, replacement: source("protocol/index.ts") },
    { find: /^sssync\/server$/, replacement: source("server/index.ts") },
    { find: /^sssync\/server\/sqlite$/, replacement: source("server/sqlite.ts") },
    { find: /^sssync\/conformance$/, replacement: source("conformance/index.ts") },
    { find: /^sssync\/conformance\/app$/, replacement: source("conformance/app.ts") },
    { find: /^sssync\/testing$/, replacement: source("testing/index.ts") },
  ],
};

const react = "**/*.react.browser.test.tsx";

/** Tests with a bound in time, which other files would use up. */
const alone = "test/**/*.alone.e2e.test.ts";

/** Tests of what the engine does to a process that it is new in. */
const fresh = "test/**/*.fresh.test.ts";

const onNode = {
  environment: "node",
  // Not in threads, though they take a tenth less: Node.js 20 was seen to abort in them (`v8::ToLocalChecked`), and a
  // native module like `libsql` would be loaded by several. Vitest would leave a core free.
  pool: "forks",
  maxWorkers: 2,
  // Only against tests that hang: the machine may be busy.
  testTimeout: 20_000,
  // Tests that run side by side mostly wait.
  maxConcurrency: 12,
} as const;

const severalTabs = {
  environment: "node",
  testTimeout: 20_000,
  hookTimeout: 30_000,
  // What these files share is loaded and built once per worker: what they test runs in other processes.
  isolate: false,
  // Tests that run side by side mostly wait.
  maxConcurrency: 8,
} as const;

export default defineConfig({
  test: {
    reporters: ["default", "./test/closing-line.ts"],
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        resolve,
        test: {
          name: "unit",
          ...onNode,
          // Loading the engine anew for each file would take a quarter of the time.
          isolate: false,
          include: ["{test,examples}/**/*.test.ts"],
          exclude: ["test/**/*.{browser,e2e}.test.ts", fresh],
          typecheck: {
            enabled: true,
            include: ["test/**/*.test-d.ts"],
            tsconfig: "tsconfig.types.json",
          },
        },
      },
      {
        resolve,
        test: { name: "unit-fresh", ...onNode, include: [fresh] },
      },
      {
        resolve,
        // JSX is Solid's everywhere but in React's own tests. Without hot reload: its wrappers would count as renders.
        plugins: [solid({ include: ["**/*.tsx"], exclude: [react], hot: false })],
        oxc: { jsx: { runtime: "automatic", importSource: "react" } },
        // Named here, because a dependency that is discovered late reloads the page in the middle of a test.
        optimizeDeps: {
          include: [
            "@xstate/react",
            "@xstate/solid",
            "idb",
            "react",
            "react-dom/client",
            "react/jsx-dev-runtime",
            "valibot",
            "xstate",
          ],
        },
        test: {
          name: "browser",
          include: ["test/**/*.browser.test.{ts,tsx}"],
          // As many as of the unit tests, beside which they run.
          maxWorkers: 2,
          browser: {
            enabled: true,
            headless: true,
            screenshotFailures: false,
            provider: playwright({ launchOptions: chromiumLaunch() }),
            instances: [{ browser: "chromium" }],
          },
        },
      },
      {
        resolve,
        test: {
          name: "e2e",
          ...severalTabs,
          include: ["test/**/*.e2e.test.ts"],
          exclude: [alone],
          // No file asserts how long anything takes, and each waits half of its time.
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        resolve,
        test: {
          name: "e2e-alone",
          ...severalTabs,
          include: [alone],
          maxWorkers: 1,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
