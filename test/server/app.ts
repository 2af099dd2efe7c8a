/** A small app and a client without storage, for tests of the server. */
import * as v from "valibot";
import { create, defineEvent, remove, update } from "../../src/index.ts";
import {
  type Principal,
  type SyncServer,
  createSyncServer,
  memory,
} from "../../src/server/index.ts";
import { type Bug } from "../../src/server/bugs.ts";
import { createFaultyServer } from "../../src/server/server.ts";
import { type SyncServerOptions } from "../../src/server/options.ts";

const text = v.pipe(v.string(), v.maxLength(100));

export const tables = { item: v.object({ id: v.string(), title: v.string(), n: v.number() }) };
export const events = {
  "item.create": defineEvent({ schema: v.object({ id: v.string(), title: text }) }),
  "item.inc": defineEvent({ schema: v.object({ id: v.string() }) }),
  "item.delete": defineEvent({ schema: v.object({ id: v.string() }) }),
  "item.once": defineEvent({
    schema: v.object({ id: v.string(), key: v.string() }),
    dedupe: ({ key }) => key,
  }),
  "item.named": defineEvent({
    schema: v.object({ id: v.string(), name: v.string() }),
    version: 2,
    upcast: (payload) => {
      const { id, title } = payload as { id: string; title: string };
      return { id, name: title };
    },
  }),
};
export type Events = typeof events;
export type Tables = typeof tables;

export const materializers: NonNullable<
  SyncServerOptions<Principal, Tables, Events, unknown>["materializers"]
> = {
  "item.create": ({ id, title }) => [create("item", { id, title, n: 0 })],
  "item.inc": ({ id }, { tables: { item } }) => {
    const row = item.get(id);
    if (row === undefined) throw new Error("no such item");
    return [update("item", { id, n: row.n + 1 })];
  },
  "item.delete": ({ id }) => [remove("item", id)],
  "item.once": ({ id, key }) => [create("item", { id, title: key, n: 0 })],
  "item.named": ({ id, name }) => [create("item", { id, title: name, n: 0 })],
};

type Options = SyncServerOptions<Principal, Tables, Events, unknown>;

/** Tokens name their principal; spaces are open to all whose name does not begin with `no-`. */
export function serve(
  options: Partial<Options> = {},
  bugs?: readonly Bug[],
): SyncServer<Principal, Tables> & { readonly errors: unknown[] } {
  const errors: unknown[] = [];
  const all: Options = {
    storage: memory(),
    events,
    authenticate: ({ headers }) => {
      const id = /^Bearer (.+)$/.exec(headers.get("Authorization") ?? "")?.[1];
      return id === undefined ? null : { id };
    },
    authorizeSpace: (_, space) => !space.startsWith("no-"),
    onError: (error) => errors.push(error),
    ...options,
  };
  const server =
    bugs === undefined ? createSyncServer(all) : createFaultyServer(all, new Set(bugs));
  return Object.assign(Object.create(server) as SyncServer<Principal, Tables>, {
    errors,
    fetch: server.fetch,
  });
}

export interface Call {
  readonly status: number;
  readonly headers: Headers;
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into answers of all kinds
  readonly body: any;
}

interface CallOptions {
  readonly method?: string;
  readonly token?: string | null;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A request as a client makes it. A body that is a string or bytes is sent as it is. */
export function request(path: string, options: CallOptions = {}): Request {
  const { method = options.body === undefined ? "GET" : "POST", token = "ann", body } = options;
  const headers = new Headers({ "Sssync-Protocol": "1" });
  if (token !== null) headers.set("Authorization", `Bearer ${token}`);
  if (body !== undefined) headers.set("Content-Type", "application/json");
  for (const [name, value] of Object.entries(options.headers ?? {})) headers.set(name, value);
  const raw = typeof body === "string" || body instanceof Uint8Array;
  const sent = body === undefined ? null : ((raw ? body : JSON.stringify(body)) as BodyInit);
  return new Request(`http://server/sync/${path}`, { method, headers, body: sent });
}

export async function call(server: SyncServer, path: string, options?: CallOptions): Promise<Call> {
  const { status, headers, ...response } = await read(server, path, options);
  return { status, headers, body: response.text === "" ? undefined : JSON.parse(response.text) };
}

async function read(server: SyncServer, path: string, options?: CallOptions) {
  const response = await server.fetch(request(path, options));
  return { status: response.status, headers: response.headers, text: await response.text() };
}

/** Events of one client, numbered on; ids tell where they come from. */
export function createWriter(client = "client-aa", options: { readonly token?: string } = {}) {
  let seq = 0;
  const next = (name: string, payload: unknown, more: object = {}) => {
    seq += 1;
    const id = `${client}-${String(seq).padStart(4, "0")}`;
    return { id, seq, name, payload, at: 1000 + seq, ...more };
  };
  return {
    client,
    next,
    add: (id: string, more?: object) => next("item.create", { id, title: id }, more),
    push: (server: SyncServer, space: string, list: readonly object[], more: object = {}) =>
      call(server, `${space}/push`, { ...options, body: { client, events: list, ...more } }),
  };
}
