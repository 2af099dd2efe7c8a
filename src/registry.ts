/** Which engines run in this page: one per database, or two of them would write under one identity. */
import { SyncError } from "./errors.ts";
import { type Environment } from "./services/ports.ts";

interface Running {
  /** Undefined until `stop()` was called. */
  stopping: Promise<void> | undefined;
}

const pages = new WeakMap<Environment, Map<string, Running>>();

/** An engine's place. `ready` resolves when the one before it has stopped. */
export interface Turn {
  readonly ready: Promise<void>;
  /** The engine stops; others may wait for it. */
  leave(stopped: Promise<void>): void;
}

/** Throws `SyncError` `already_running` when an engine of this name runs and was not stopped. */
export function enlist(environment: Environment, name: string): Turn {
  let page = pages.get(environment);
  if (page === undefined) pages.set(environment, (page = new Map()));
  const before = page.get(name);
  if (before !== undefined && before.stopping === undefined) {
    throw new SyncError(
      "already_running",
      `Expected one engine of "${name}" in a page, got a second: stop() the first`,
    );
  }
  const mine: Running = { stopping: undefined };
  const all = page;
  all.set(name, mine);
  return {
    ready: before?.stopping ?? Promise.resolve(),
    leave(stopped) {
      mine.stopping = stopped.finally(() => {
        if (all.get(name) === mine) all.delete(name);
      });
    },
  };
}
