import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";
import solid from "vite-plugin-solid";

const repository = fileURLToPath(new URL("../..", import.meta.url));

/** The demo runs on the sources, so that what you see is what you edit. */
export default defineConfig({
  root: import.meta.dirname,
  plugins: [solid()],
  resolve: {
    alias: [
      { find: /^sssync$/, replacement: `${repository}src/index.ts` },
      { find: /^sssync\/solid$/, replacement: `${repository}src/adapters/solid.ts` },
    ],
  },
  server: { host: "127.0.0.1", port: 5173, fs: { allow: [repository] } },
});
