/**
 * The server of this package as the conformance app, with the control plane. For tests only: whoever can reach the control
 * plane can do what they like with the data.
 */
import { type Info, type WireAction } from "../protocol/index.ts";
import { type Bugs, noBugs } from "../server/bugs.ts";
import { createFaultyServer } from "../server/server.ts";
import { type Storage } from "../server/storage.ts";
import * as app from "./app.ts";

/** Where a reference server keeps its data, with what people do to disks. */
export interface Vault {
  /** As of the last restore. */
  open(): Promise<Storage>;
  /** All that is stored now. Nothing is pushed meanwhile. */
  backup(): Promise<unknown>;
  restore(backup: unknown): Promise<void>;
}

export interface Reference {
  fetch(request: Request): Promise<Response>;
  close(): Promise<void>;
}

export interface ReferenceOptions {
  readonly vault: Vault;
  /** Path of the server. Default `/sync`. */
  readonly base?: string;
  readonly deliver?: "events" | "actions" | "both";
  readonly bugs?: Bugs;
}

type Body = Readonly<Record<string, unknown>>;

interface Settings {
  schema: { readonly min: number; readonly max: number };
  eventsPerMinute: number;
  readonly granted: Set<string>;
  readonly revoked: Set<string>;
  /** Token → ms since the epoch. */
  readonly expires: Map<string, number>;
}

const tokenOf = (request: Request): string =>
  (request.headers.get("Authorization") ?? "").replace(/^Bearer /, "");

export async function createReference({
  vault,
  base = "/sync",
  deliver = app.deliver,
  bugs = noBugs,
}: ReferenceOptions): Promise<Reference> {
  const settings: Settings = {
    schema: app.schema,
    eventsPerMinute: Infinity,
    granted: new Set(),
    revoked: new Set(),
    expires: new Map(),
  };
  const backups: unknown[] = [];
  const authorize = app.rulesWith((space, event) => settings.granted.has(`${space} ${event}`));

  const start = (storage: Storage) =>
    createFaultyServer(
      {
        storage,
        events: app.events,
        tables: app.tables,
        materializers: app.materializers,
        authenticate(request) {
          const user = app.authenticate(request);
          const expiresAt = settings.expires.get(tokenOf(request));
          return user === null || expiresAt === undefined ? user : { ...user, expiresAt };
        },
        authorizeSpace: (user, space, access) =>
          !settings.revoked.has(`${space} ${user.id}`) && app.authorizeSpace(user, space, access),
        authorize,
        schema: settings.schema,
        limits: { ...app.limits, eventsPerMinute: settings.eventsPerMinute },
        origins: app.origins,
        deliver,
        // What hooks throw is part of the cases.
        onError: () => undefined,
      },
      bugs,
    );
  let storage = await vault.open();
  let server = start(storage);

  /** Ends the process, as it were, and starts another one. */
  async function restart(between?: () => Promise<void>): Promise<void> {
    await server.drain();
    await storage.close();
    await between?.();
    storage = await vault.open();
    server = start(storage);
  }

  /** All items of a space, as rows or as actions. */
  const items = (request: Request, space: string): Promise<Response> =>
    server.query(({ url, rows }) => {
      const item = rows("item");
      const actions = item.map((value): WireAction => ({
        type: "upsert",
        tableName: "item",
        value,
      }));
      return { data: url.searchParams.get("mode") === "actions" ? actions : { item } };
    })(request, space);

  const operations: Readonly<Record<string, (body: Body) => Promise<Body | void>>> = {
    compact: ({ space }) => server.compact(String(space), { logDays: 0 }),
    "new-epoch": ({ space }) => server.newEpoch(String(space)),
    restart: () => restart(),
    drain: () => restart(),
    async backup() {
      backups.push(await vault.backup());
      return { backup: backups.length - 1 };
    },
    restore: ({ backup }) => restart(() => vault.restore(backups[Number(backup)])),
    async "expire-token"({ token, after }) {
      if (typeof after === "number") settings.expires.set(String(token), Date.now() + after);
      else settings.expires.delete(String(token));
    },
    async grant({ space, event }) {
      settings.granted.add(`${String(space)} ${String(event)}`);
    },
    async revoke({ space, token }) {
      const header = { Authorization: `Bearer ${String(token)}` };
      const user = app.authenticate(new Request("http://localhost", { headers: header }));
      settings.revoked.add(`${String(space)} ${user?.id}`);
      await server.recheck(String(space));
    },
    async limit({ perMinute }) {
      settings.eventsPerMinute = typeof perMinute === "number" ? perMinute : Infinity;
      await restart();
    },
    async "set-schema"({ min, max }) {
      settings.schema =
        typeof min === "number" && typeof max === "number" ? { min, max } : app.schema;
      await restart();
    },
    streams: async () => ({ count: server.streams }),
    echo: async () => ({ polluted: ({} as { polluted?: unknown }).polluted ?? null }),
  };

  async function control(request: Request, name: string): Promise<Response> {
    const operation = Object.hasOwn(operations, name) ? operations[name] : undefined;
    if (operation === undefined) return Response.json({}, { status: 404 });
    try {
      const body = (await request.json()) as Body;
      return Response.json((await operation(body)) ?? {});
    } catch (error) {
      return Response.json({ error: String(error) }, { status: 500 });
    }
  }

  return {
    async fetch(request) {
      const { pathname } = new URL(request.url);
      if (pathname.startsWith(`${base}/_test/`))
        return control(request, pathname.slice(`${base}/_test/`.length));
      if (pathname.endsWith("/items"))
        return items(request, decodeURIComponent(pathname.split("/").at(-2) ?? ""));
      const response = await server.fetch(request);
      if (pathname !== `${base}/info` || response.status !== 200) return response;
      const info = (await response.json()) as Info;
      return Response.json(
        { ...info, features: [...info.features, "test"] },
        { headers: response.headers },
      );
    },
    async close() {
      await server.drain();
      await storage.close();
    },
  };
}
