/** A reference server behind HTTP, on a free port of this machine. */
import { once } from "node:events";
import { type Server } from "node:http";
import { type AddressInfo } from "node:net";
import { createAdaptorServer } from "@hono/node-server";
import { type ReferenceOptions, createReference } from "./reference.ts";

export interface Listening {
  /** `http://127.0.0.1:port/sync` */
  readonly url: string;
  close(): Promise<void>;
}

export async function startReference(options: ReferenceOptions): Promise<Listening> {
  const reference = await createReference(options);
  const { fetch } = reference;
  const server = createAdaptorServer({ fetch, overrideGlobalObjects: false }) as Server;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/sync`,
    async close() {
      await reference.close();
      const closed = once(server, "close");
      server.close();
      // Connections are kept alive by whoever tested it.
      server.closeAllConnections();
      await closed;
    },
  };
}
