// @ts-check
/** A server in a process of its own: `node --expose-gc live-server.mjs BUNDLE`. Tells its port and, when asked, its memory. */
import { serve } from "@hono/node-server";
import { memory } from "./memory.mjs";

const { createSyncServer, defineEvent, sqlite, v } = await import(process.argv[2] ?? "");
const server = createSyncServer({
  storage: await sqlite({ file: process.argv[3] }),
  events: { added: defineEvent({ schema: v.object({ id: v.string() }) }) },
  authenticate: (/** @type {Request} */ { headers }) => ({
    id: headers.get("Authorization") ?? "",
  }),
  authorizeSpace: () => true,
});
serve({ fetch: server.fetch, port: 0, hostname: "127.0.0.1" }, ({ port }) =>
  process.send?.({ port }),
);
process.on("message", () => process.send?.({ rss: memory(), streams: server.streams }));
process.on("disconnect", () => process.exit(0));
