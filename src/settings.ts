/** What of the configuration is the engine's own, checked. The model's part is `compile`'s. */
import { type SyncConfig } from "./api.ts";
import { SyncError } from "./errors.ts";
import { type EventDefinitions, type TableSchemas } from "./model/definition.ts";
import { show } from "./model/json.ts";

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
    mayUseMemory: config.storage === "memory-if-unavailable",
  };
}
