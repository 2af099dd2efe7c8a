/** Devices of one person, and the server kit between them, in one virtual world. */
import * as v from "valibot";
import { create, defineEvent, remove, update, upsert } from "../../src/index.ts";
import { type LogEntry } from "../../src/protocol/index.ts";
import { createSyncServer, memory } from "../../src/server/index.ts";
import { type Device, createWorld } from "../../src/testing/index.ts";

const text = v.object({ id: v.string(), text: v.string() });

const events = {
  added: defineEvent({ schema: text }),
  renamed: defineEvent({ schema: text }),
  removed: defineEvent({ schema: v.object({ id: v.string() }) }),
  moved: defineEvent({ schema: v.object({ value: v.number() }), coalesce: () => "slider" }),
  invited: defineEvent({ schema: v.object({ email: v.string() }), dedupe: ({ email }) => email }),
};

/** What the app gives to `createSyncActor`, but for the server. */
export const app = {
  name: "list",
  tables: { items: text, settings: v.object({ id: v.string(), value: v.number() }) },
  events,
  materializers: {
    added: (it: v.InferOutput<typeof text>) => [create("items", it)],
    renamed: (it: v.InferOutput<typeof text>) => [update("items", it)],
    removed: ({ id }: { readonly id: string }) => [remove("items", id)],
    moved: ({ value }: { readonly value: number }) => [upsert("settings", { id: "slider", value })],
    invited: ({ email }: { readonly email: string }) => [
      create("items", { id: `invited-${email}`, text: email }),
    ],
  },
};

/** What lets a server make snapshots. */
export const serverTables = { tables: app.tables, materializers: app.materializers };

export function createSyncWorld({
  seed = 1,
  server: over = {},
}: { readonly seed?: number; readonly server?: object } = {}) {
  const world = createWorld({ seed });
  const storage = memory();
  /** Tokens that are taken, and whose they are. */
  const tokens = new Map([["token", "anna"]]);
  /** Another server, with what is stored there. */
  function serve(stored: typeof storage, more: object = {}) {
    const server = createSyncServer({
      storage: stored,
      events,
      authenticate(request) {
        const token = request.headers.get("authorization")?.slice("Bearer ".length) ?? "";
        const id = tokens.get(token);
        return id === undefined ? null : { id };
      },
      authorizeSpace: () => true,
      clock: world.clock,
      random: world.random,
      onError: (error, where) => {
        throw new Error(`Unexpected in ${where}`, { cause: error });
      },
      ...over,
      ...more,
    });
    world.network.serve(server.fetch);
    return server;
  }
  const server = serve(storage);
  const session = { token: "token" as string | undefined };
  const openTab = (device: Device, more: object = {}) =>
    device.openTab({
      ...app,
      server: { url: "/sync/me", auth: () => session.token, ...more },
    });
  return { world, server, serve, storage, tokens, session, openTab };
}

/** As before there was a server. */
export const openLocal = (device: Device) => device.openTab(app);

export type SyncWorld = ReturnType<typeof createSyncWorld>;
export type ListTab = ReturnType<SyncWorld["openTab"]>;

export const add = (tab: ListTab, id: string, name = id) =>
  tab.sync.commit({ name: "added", payload: { id, text: name } });

export const shown = (tab: ListTab): string[] =>
  tab.sync.tables.items.toArray().map((item) => `${item.id}:${item.text}`);

/** The entries that a server has. */
export async function logOf(storage: SyncWorld["storage"]): Promise<readonly LogEntry[]> {
  const { rows } = await storage.read("me", { after: 0, limit: 1000, size: 1e9 });
  return rows.map(({ entry }) => JSON.parse(entry) as LogEntry);
}
