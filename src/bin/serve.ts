/** `sssync serve`: the server of `sssync/server` on Node.js, by `@hono/node-server`. */
import { once } from "node:events";
import { type Server } from "node:http";
import { type AddressInfo } from "node:net";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { createAdaptorServer } from "@hono/node-server";
import { SyncError } from "../errors.ts";
import { type EventDefinitions } from "../model/definition.ts";
import {
  type Principal,
  type RequestReport,
  type Storage,
  type SyncServer,
  type SyncServerOptions,
  createSyncServer,
  memory,
} from "../server/index.ts";
import { type Command, type Io, UsageError } from "./command.ts";

const usage = `Usage: sssync serve --events MODULE [options]

Serves /sync/info and /sync/{space}/push, /pull, /live and /snapshot/{id}. The space "me" is the one of who asks.

  --events MODULE          JavaScript module (.js, .mjs) that exports \`events\`, and what it likes of \`tables\`,
                           \`materializers\`, \`authorize\`, \`authorizeSpace\`, \`schema\`, \`limits\`, \`retention\`, \`deliver\`,
                           \`origins\`, and \`authenticate\`, which is asked where no --token is given; or
                           sssync/conformance/app, the app of "sssync conform"
  --port N                 port; 0: any that is free (default 8787)
  --host H                 address to listen on (default 127.0.0.1: this machine only)
  --sqlite FILE            where to keep everything (default sssync.db)
  --memory                 keep everything in memory: it is gone when the server ends
  --token TOKEN=PRINCIPAL  lets PRINCIPAL in who says "Authorization: Bearer TOKEN"; can be given several times.
                           Without any, everybody is "anonymous"
  --origin ORIGIN          pages of this origin may use the server; can be given several times
  --help                   this text

The log on stderr has a line for each request: sizes and codes, never what is in them. SIGTERM and SIGINT end live streams,
answer what is under way, and exit.
`;

interface Settings {
  readonly port: number;
  readonly host: string;
  /** Undefined: in memory. */
  readonly file: string | undefined;
  readonly module: string;
  readonly tokens: ReadonlyMap<string, Principal>;
  readonly origins: readonly string[];
}

/** The app of `sssync conform`, which is part of this package. */
const conformanceApp = "sssync/conformance/app";

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        port: { type: "string", default: "8787" },
        host: { type: "string", default: "127.0.0.1" },
        sqlite: { type: "string" },
        memory: { type: "boolean", default: false },
        events: { type: "string" },
        token: { type: "string", multiple: true, default: [] },
        origin: { type: "string", multiple: true, default: [] },
      },
    }).values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function readToken(text: string): readonly [string, Principal] {
  const [, token, id] = /^([^=]+)=([A-Za-z0-9._~-]{1,120})$/.exec(text) ?? [];
  if (token === undefined || id === undefined)
    throw new UsageError(
      "Expected --token TOKEN=PRINCIPAL, with a principal of letters and digits",
    );
  return [token, { id }];
}

function readSettings(args: readonly string[]): Settings {
  const values = parse(args);
  const port = Number(values.port);
  if (!/^\d+$/.test(values.port) || port > 65_535)
    throw new UsageError(`Expected --port to be a port, got "${values.port}"`);
  if (values.memory && values.sqlite !== undefined)
    throw new UsageError("Expected --sqlite or --memory, got both");
  if (values.events === undefined) throw new UsageError("Expected --events MODULE");
  if (!/\.m?js$/.test(values.events) && values.events !== conformanceApp)
    throw new UsageError(`Expected --events to be a .js or .mjs file, got "${values.events}"`);
  return {
    port,
    host: values.host,
    file: values.memory ? undefined : (values.sqlite ?? "sssync.db"),
    module: values.events,
    tokens: new Map(values.token.map(readToken)),
    origins: values.origin,
  };
}

type AppOptions = Omit<SyncServerOptions<Principal, never, EventDefinitions, unknown>, "storage">;

/** What the app's module exports of these. */
const names = [
  "events",
  "tables",
  "materializers",
  "authorize",
  "authorizeSpace",
  "schema",
  "limits",
  "retention",
  "deliver",
  "origins",
  "authenticate",
];

async function readModule(file: string): Promise<Partial<AppOptions>> {
  const loading: Promise<Record<string, unknown>> =
    file === conformanceApp
      ? import("../conformance/app.ts")
      : import(pathToFileURL(resolve(file)).href);
  const exported = await loading.catch((error: unknown) => {
    throw new SyncError("config", `Expected ${file} to load, got ${String(error)}`, error);
  });
  if (!Object.hasOwn(exported, "events"))
    throw new SyncError("config", `Expected ${file} to export \`events\`, got none`);
  return Object.fromEntries(
    names.filter((name) => Object.hasOwn(exported, name)).map((name) => [name, exported[name]]),
  );
}

async function openStorage(file: string | undefined): Promise<Storage> {
  if (file === undefined) return memory();
  const { sqlite } = await import("../server/sqlite.ts");
  return sqlite({ file }).catch((error: unknown) => {
    if (error instanceof SyncError) throw error;
    throw new SyncError("config", `Expected ${file} to open, got ${String(error)}`, error);
  });
}

/** The space of one principal: nobody else's. */
const ownSpace = (principal: Principal): string => `~${principal.id}`;

const isOpen = (principal: Principal, space: string): boolean =>
  !space.startsWith("~") || space === ownSpace(principal);

const line = (report: RequestReport): string => {
  const { method, endpoint, space = "-", principal = "-", status, code = "-", ms, id } = report;
  const { events, accepted } = report;
  const counts = events === undefined ? "" : ` ${accepted}/${events} events`;
  const time = new Date().toISOString();
  return `${time} ${method} ${endpoint} ${space} ${principal} ${status} ${code} ${ms} ms${counts} ${id}\n`;
};

function createServer(
  settings: Settings,
  app: Partial<AppOptions>,
  storage: Storage,
  io: Io,
): SyncServer {
  const { tokens, origins } = settings;
  const options = {
    authorizeSpace: isOpen,
    ...app,
    storage,
    origins: [...(app.origins ?? []), ...origins],
    authenticate: (request: Request) => {
      const { headers } = request;
      if (tokens.size === 0)
        return app.authenticate === undefined ? { id: "anonymous" } : app.authenticate(request);
      const token = /^Bearer (.+)$/i.exec(headers.get("Authorization") ?? "")?.[1];
      return tokens.get(token ?? "") ?? null;
    },
    spaceFor: (principal: Principal, space: string) =>
      space === "me" ? ownSpace(principal) : space,
    onRequest: (report: RequestReport) => io.err(line(report)),
    onError: (error: unknown, where: string) =>
      io.err(`${where}: ${(error as Error)?.stack ?? String(error)}\n`),
  };
  return createSyncServer(options as never);
}

const day = 24 * 60 * 60 * 1000;

async function compactAll(server: SyncServer, storage: Storage, io: Io): Promise<void> {
  for (const space of (await storage.heads()).keys())
    await server.compact(space).catch((error: unknown) => io.err(`compact: ${String(error)}\n`));
}

/** Resolves when it listens. Rejects when it cannot, as when the port is taken. */
async function listen(server: Server, { port, host }: Settings): Promise<AddressInfo> {
  server.listen(port, host);
  await once(server, "listening");
  return server.address() as AddressInfo;
}

const notFound = (): Response => new Response(null, { status: 404 });

async function run(args: readonly string[], io: Io): Promise<number> {
  const settings = readSettings(args);
  let storage: Storage | undefined;
  try {
    const app = await readModule(settings.module);
    storage = await openStorage(settings.file);
    const server = createServer(settings, app, storage, io);
    const http = createAdaptorServer({
      fetch: (request) =>
        new URL(request.url).pathname.startsWith("/sync/") ? server.fetch(request) : notFound(),
      overrideGlobalObjects: false,
    }) as Server;
    const { address, port, family } = await listen(http, settings);
    if (settings.tokens.size === 0 && app.authenticate === undefined)
      io.err("No --token was given: everybody who reaches this port is let in, as anonymous\n");
    io.err(settings.file === undefined ? "Kept in memory\n" : `Kept in ${settings.file}\n`);
    const host = family === "IPv6" ? `[${address}]` : address;
    io.out(`http://${host}:${port}/sync\n`);
    const kept = storage;
    const daily = setInterval(() => void compactAll(server, kept, io), day);
    if (!io.signal.aborted) await once(io.signal, "abort");
    clearInterval(daily);
    const closed = once(http, "close");
    http.close();
    await server.drain();
    http.closeIdleConnections();
    // Who has not read the end by then will not.
    const late = setTimeout(() => http.closeAllConnections(), 5000);
    await closed;
    clearTimeout(late);
    return 0;
  } catch (error) {
    if (error instanceof UsageError) throw error;
    io.err(`${error instanceof SyncError ? error.message : String(error)}\n`);
    return 1;
  } finally {
    await storage?.close();
  }
}

export const serveCommand: Command = { usage, run };
