import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";
import { type AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { afterEach, describe } from "vitest";
import { createWorld } from "../../src/testing/device.ts";
import { type Handler } from "../../src/testing/virtual-network.ts";
import { httpContract } from "./http.contract.ts";

describe("over the virtual network", () => {
  let seed = 0;
  httpContract(() => {
    const world = createWorld({ seed: (seed += 1) });
    const { network } = world.createDevice().openPage().environment;
    if (network === null) throw new Error("Expected a network");
    return Promise.resolve({
      network,
      serve(handler) {
        world.network.serve(handler);
        return Promise.resolve("/sync/me");
      },
      run: world.run,
    });
  });
});

async function answer(
  handler: Handler,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  const { method = "GET", url = "/" } = incoming;
  const body = Buffer.concat(chunks);
  const response = await handler(
    new Request(`http://${incoming.headers.host}${url}`, {
      method,
      headers: incoming.headers as Record<string, string>,
      ...(method === "POST" ? { body } : {}),
    }),
  );
  outgoing.writeHead(response.status, Object.fromEntries(response.headers));
  if (response.body === null) outgoing.end();
  else Readable.fromWeb(response.body as never).pipe(outgoing);
}

describe("over sockets", () => {
  const servers = new Set<Server>();
  afterEach(() => {
    for (const server of servers) {
      server.closeAllConnections();
      server.close();
    }
    servers.clear();
  });

  httpContract(() =>
    Promise.resolve({
      network: { fetch: (url, init) => fetch(url, init) },
      run: (promise) => promise,
      async serve(handler) {
        const server = createServer((incoming, outgoing) => {
          answer(handler, incoming, outgoing).catch(() => outgoing.destroy());
        });
        servers.add(server);
        await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
        return `http://127.0.0.1:${(server.address() as AddressInfo).port}/sync/me`;
      },
    }),
  );
});
