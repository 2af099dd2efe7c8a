import { type AddressInfo } from "node:net";
import { createServer } from "vite";

/** Serves one page, which may import the sources, on a port of its own. Returns its address. */
export const servePage = async (
  html: string,
): Promise<{ readonly address: string; close(): Promise<void> }> => {
  const server = await createServer({
    configFile: false,
    appType: "custom",
    logLevel: "error",
    optimizeDeps: { noDiscovery: true },
    // A sandboxed frame is of no origin, so its imports are cross-origin.
    server: { host: "127.0.0.1", port: 0, cors: true, ws: false, watch: null },
  });
  server.middlewares.use("/tab", (_request, response) => {
    response.setHeader("content-type", "text/html").end(html);
  });
  await server.listen();
  if (server.httpServer === null) throw new Error("Expected Vite to have a server, got none");
  const { port } = server.httpServer.address() as AddressInfo;
  return { address: `http://127.0.0.1:${port}/tab`, close: () => server.close() };
};
