/** Serves a handler over HTTP on this machine, on a free port. */
import { serve } from "@hono/node-server";
import { type AddressInfo } from "node:net";

export interface Served {
  /** `http://127.0.0.1:port` */
  readonly origin: string;
  close(): Promise<void>;
}

export function serveHere(fetch: (request: Request) => Promise<Response>): Promise<Served> {
  return new Promise((resolve) => {
    const server = serve({ fetch, port: 0, hostname: "127.0.0.1" }, ({ port }: AddressInfo) => {
      resolve({
        origin: `http://127.0.0.1:${port}`,
        close: () =>
          new Promise((done) => {
            server.close(() => done());
            // Streams that are still open would keep it.
            if ("closeAllConnections" in server) server.closeAllConnections();
          }),
      });
    });
  });
}
