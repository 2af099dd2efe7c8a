import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";
import solid from "vite-plugin-solid";

const repository = fileURLToPath(new URL("../..", import.meta.url));

/** The demo runs on the sources, so that what you see is what you edit. */
export default defineConfig({
  root: import.meta.dirname,
  // Its own: other servers of this repository bundle other dependencies.
  cacheDir: `${repository}node_modules/.vite-todo`,
  plugins: [solid()],
  resolve: {
    alias: [
      { find: /^sssync$/, replacement: `${repository}src/index.ts` },
      { find: /^sssync\/solid$/, replacement: `${repository}src/adapters/solid.ts` },
    ],
  },
  // Named here, because a dependency that is discovered late reloads the page in the middle of the first visit.
  optimizeDeps: {
    include: ["idb", "solid-js", "solid-js/store", "solid-js/web", "valibot", "xstate"],
  },
  server: { host: "127.0.0.1", port: 5173, fs: { allow: [repository] } },
});
