/** A server of an app in a virtual world: the real one, made of the app's own events, tables and materializers. */
import { type EventDefinitions, type ModelConfig, type TableSchemas } from "../model/definition.ts";
import { memory } from "../server/memory.ts";
import { type Principal, type SyncServerOptions } from "../server/options.ts";
import { createSyncServer } from "../server/server.ts";
import { type Storage } from "../server/storage.ts";
import { type World } from "./device.ts";

/** What an app's server is made with, beside what the app's configuration says. Default: everybody may do everything. */
export type ServerRules<T extends TableSchemas, E extends EventDefinitions> = Partial<
  Omit<
    SyncServerOptions<Principal, T, E, undefined>,
    "storage" | "events" | "clock" | "random" | "onError"
  >
>;

/** A server in a world, made by `serveApp`. */
export interface AppServer {
  /** Rejects every event from now on, or asks the app's rule again. */
  rejectAll(on: boolean): void;
  /** @internal Ids of the events that it accepted, in the order in which they count. */
  readonly accepted: readonly string[];
  /** @internal What hooks threw. */
  readonly errors: readonly string[];
}

/**
 * Answers all requests of the world by a server of this app, which keeps its data in memory.
 *
 * @example
 * import { createWorld, serveApp } from "sssync/testing";
 *
 * const app = { name: "todos", tables: {}, events: {}, materializers: {}, server: { url: "/sync/me" } };
 * const world = createWorld({ seed: 7 });
 * serveApp(world, app, { authorize: () => true });
 * const phone = world.createDevice().openTab(app);
 */
export function serveApp<const T extends TableSchemas, const E extends EventDefinitions>(
  world: World,
  { tables, events, materializers }: ModelConfig<T, E>,
  rules: ServerRules<T, E> = {},
): AppServer {
  const accepted: string[] = [];
  const errors: string[] = [];
  let rejecting = false;
  const inner = memory();
  const storage: Storage<undefined> = {
    ...inner,
    push: (name, want, decide) =>
      inner.push(name, want, async (found) => {
        const push = await decide(found);
        for (const { entry } of push?.rows ?? [])
          accepted.push((JSON.parse(entry) as { readonly id: string }).id);
        return push;
      }),
  };
  const { authorize } = rules;
  const server = createSyncServer<Principal, E, T, undefined>({
    tables,
    materializers,
    authenticate: () => ({ id: "anybody" }),
    authorizeSpace: () => true,
    ...rules,
    authorize: (asked) =>
      rejecting
        ? { code: "forbidden" as const, message: "rejectAll" }
        : (authorize?.(asked) ?? true),
    events,
    storage,
    clock: world.clock,
    random: world.random,
    onError: (error, where) => void errors.push(`${where}: ${String(error)}`),
  });
  world.network.serve(server.fetch);
  return {
    accepted,
    errors,
    rejectAll(on) {
      rejecting = on;
    },
  };
}
