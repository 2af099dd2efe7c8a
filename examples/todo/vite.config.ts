import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { getRequestListener } from "@hono/node-server";
import { type Plugin, type ViteDevServer, defineConfig } from "vite";
import type { createTodoServer } from "./server.ts";
import solid from "vite-plugin-solid";

const repository = fileURLToPath(new URL("../..", import.meta.url));

type TodoServer = Awaited<ReturnType<typeof createTodoServer>>;

async function startSync(vite: ViteDevServer): Promise<TodoServer> {
  const server = (await vite.ssrLoadModule("/server.ts")) as {
    createTodoServer: typeof createTodoServer;
  };
  const data = join(repository, ".data");
  await mkdir(data, { recursive: true });
  return server.createTodoServer(join(data, "todo.db"));
}

/** The sync server, in the process and at the address of the page: one command starts both, and ends both. */
const syncServer: Plugin = {
  name: "sync-server",
  configureServer(vite) {
    /** When the first request asks for it. */
    let sync: Promise<TodoServer> | undefined;
    const listener = getRequestListener(
      async (request) => (await (sync ??= startSync(vite))).fetch(request),
      { overrideGlobalObjects: false },
    );
    vite.middlewares.use((request, response, next) => {
      if (request.url?.startsWith("/sync/") === true) void listener(request, response);
      else next();
    });
    vite.httpServer?.once("close", () => void sync?.then((it) => it.close()));
  },
};

/** The demo runs on the sources, so that what you see is what you edit. */
export default defineConfig({
  root: import.meta.dirname,
  // Its own: other servers of this repository bundle other dependencies.
  cacheDir: `${repository}node_modules/.vite-todo`,
  plugins: [solid(), syncServer],
  resolve: {
    alias: [
      { find: /^sssync$/, replacement: `${repository}src/index.ts` },
      { find: /^sssync\/server$/, replacement: `${repository}src/server/index.ts` },
      { find: /^sssync\/server\/sqlite$/, replacement: `${repository}src/server/sqlite.ts` },
      { find: /^sssync\/solid$/, replacement: `${repository}src/adapters/solid.ts` },
    ],
  },
  // Named here, because a dependency that is discovered late reloads the page in the middle of the first visit.
  optimizeDeps: {
    include: ["idb", "solid-js", "solid-js/store", "solid-js/web", "valibot", "xstate"],
  },
  server: { host: "127.0.0.1", port: 5173, fs: { allow: [repository] } },
});
