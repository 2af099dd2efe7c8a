/** What of the configuration is the engine's own, checked. The model's part is `compile`'s. */
import { type SyncConfig } from "./api.ts";
import { SyncError } from "./errors.ts";
import { type EventDefinitions, type TableSchemas } from "./model/definition.ts";
import { show } from "./model/json.ts";
import { type Row } from "./model/log.ts";
import { isSpace } from "./protocol/index.ts";

declare const process: { readonly env: { readonly NODE_ENV?: string } };

/** Whether materializers are checked by running them twice. */
export function isDevelopment(): boolean {
  try {
    // Written so that bundlers replace it; where nothing does and there is no `process`, it is production.
    return process.env.NODE_ENV !== "production";
  } catch {
    return false;
  }
}

interface Settings {
  /** Of the database, the lock and the channel. */
  readonly name: string;
  readonly durability: "relaxed" | "strict";
  readonly mayUseMemory: boolean;
  readonly whenFull: "keep" | "reject";
  readonly server: ServerSettings | undefined;
}

export interface ServerSettings {
  readonly url: string;
  readonly auth: (() => string | undefined | Promise<string | undefined>) | undefined;
  readonly live: "stream" | "poll" | "none";
  readonly adopt: ((tables: Readonly<Record<string, readonly Row[]>>) => unknown) | undefined;
}

function expectText(what: string, value: unknown): string {
  // Half of a surrogate pair has no encoding.
  if (typeof value === "string" && value !== "" && !/\p{Surrogate}/u.test(value))
    return encodeURIComponent(value);
  throw new SyncError(
    "config",
    `Expected ${what} to be a well-formed string that is not empty, got ${show(value)}`,
  );
}

const refuse = (what: string, got: unknown): never => {
  throw new SyncError("config", `Expected ${what}, got ${show(got)}`);
};

function readServer(server: unknown): ServerSettings {
  if (typeof server !== "object" || server === null)
    return refuse("server to be an object with a url", server);
  const { url, auth, live = true, adopt } = server as Partial<Record<string, unknown>>;
  if (typeof url !== "string" || !/^(https?:\/\/[^/?#@]+)?(\/[^/?#\s]+)+\/*$/.test(url))
    return refuse("server.url to be the http address, or the path, of a space", url);
  if (!isSpace(url.replace(/\/+$/, "").split("/").at(-1)))
    return refuse("server.url to end with the name of a space", url);
  if (auth !== undefined && typeof auth !== "function")
    return refuse("server.auth to be a function", auth);
  if (adopt !== undefined && typeof adopt !== "function")
    return refuse("server.adopt to be a function", adopt);
  if (live !== "poll" && typeof live !== "boolean")
    return refuse("server.live to be true, false or poll", live);
  return {
    url,
    auth: auth as ServerSettings["auth"],
    live: live === "poll" ? "poll" : live ? "stream" : "none",
    adopt: adopt as ServerSettings["adopt"],
  };
}

function expectOneOf<V extends string>(
  what: string,
  value: V | undefined,
  allowed: readonly V[],
): void {
  if (value === undefined || allowed.includes(value)) return;
  throw new SyncError(
    "config",
    `Expected ${what} to be one of ${allowed.join(", ")}, got ${show(value)}`,
  );
}

/** The configuration for another user. */
export function configFor<C extends { readonly user?: string }>(
  { user: _before, ...config }: C,
  user: string | undefined,
): Omit<C, "user"> & { readonly user?: string } {
  return user === undefined ? config : { ...config, user };
}

/** Throws `SyncError` `config`. */
export function readSettings(config: SyncConfig<TableSchemas, EventDefinitions>): Settings {
  if (typeof config !== "object" || config === null) {
    throw new SyncError("config", `Expected a configuration, got ${show(config)}`);
  }
  const user = config.user === undefined ? "" : expectText("user", config.user);
  expectOneOf("durability", config.durability, ["relaxed", "strict"]);
  expectOneOf("whenFull", config.whenFull, ["keep", "reject"]);
  expectOneOf("storage", config.storage, ["required", "memory-if-unavailable"]);
  return {
    name: `sssync/${expectText("name", config.name)}/${user}`,
    durability: config.durability ?? "relaxed",
    whenFull: config.whenFull ?? "keep",
    server: config.server === undefined ? undefined : readServer(config.server),
    mayUseMemory: config.storage === "memory-if-unavailable",
  };
}
