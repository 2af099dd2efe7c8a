/** The demo on a port, with a sync server that the test can see: as `npm start` serves it, or built once, which opens faster. */
import { readFile } from "node:fs/promises";
import { type Server, createServer as createHttpServer } from "node:http";
import { type AddressInfo } from "node:net";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { getRequestListener } from "@hono/node-server";
import { type Plugin, type Rolldown, build, createServer } from "vite";

const demo = (path: string): string =>
  fileURLToPath(new URL(`../../examples/todo/${path}`, import.meta.url));

const configFile = demo("vite.config.ts");

export interface DemoSite {
  readonly port: number;
  close(): Promise<void>;
}

/** Port 0: one that is free. */
export type ServeDemo = (port: number, sync: () => typeof fetch) => Promise<DemoSite>;

const answering = (sync: () => typeof fetch) =>
  getRequestListener((request) => sync()(request), { overrideGlobalObjects: false });
const isSync = (url: string | undefined): boolean => url?.startsWith("/sync/") === true;

/** By Vite's dev server, from the sources. */
export const serveSources: ServeDemo = async (port, sync) => {
  const listener = answering(sync);
  const own: Plugin = {
    name: "own-sync-server",
    enforce: "pre",
    configureServer({ middlewares }) {
      middlewares.use((request, response, next) => {
        if (isSync(request.url)) void listener(request, response);
        else next();
      });
    },
  };
  const server = await createServer({
    configFile,
    plugins: [own],
    logLevel: "error",
    server: { port, strictPort: port !== 0, watch: null },
  });
  await server.listen();
  if (server.httpServer === null) throw new Error("Expected Vite to have a server, got none");
  return {
    port: (server.httpServer.address() as AddressInfo).port,
    close: () => server.close(),
  };
};

const types: Readonly<Record<string, string>> = {
  ".css": "text/css",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
};

/** By path. */
async function buildFiles(): Promise<ReadonlyMap<string, string | Uint8Array>> {
  const { output } = (await build({
    configFile,
    logLevel: "error",
    define: { "process.env.NODE_ENV": '"production"' },
    build: { write: false },
  })) as Rolldown.RolldownOutput;
  const files = output.map((it): [string, string | Uint8Array] => [
    `/${it.fileName}`,
    it.type === "chunk" ? it.code : it.source,
  ]);
  return new Map([...files, ["/sw.js", await readFile(demo("public/sw.js"))]]);
}

/** The tests of a worker share it. */
let built: ReturnType<typeof buildFiles> | undefined;

/** As it would be put on the web. */
export const serveBuilt: ServeDemo = async (port, sync) => {
  const files = await (built ??= buildFiles());
  const listener = answering(sync);
  const server: Server = createHttpServer((request, response) => {
    const path = request.url === "/" ? "/index.html" : (request.url ?? "");
    const file = files.get(path);
    if (isSync(request.url)) void listener(request, response);
    else if (file === undefined) response.writeHead(404).end();
    else response.setHeader("content-type", types[extname(path)] ?? "").end(file);
  });
  await new Promise<void>((resolve) => {
    server.listen(port, "127.0.0.1", resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
};
