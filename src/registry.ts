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
  /** The engine stops; others may wait for it. Again: they wait for this instead. */
  leave(stopped: Promise<void>): void;
  /** Whether no other engine of this name has come since, that is not gone by now. */
  isLatest(): boolean;
}

/** Throws `SyncError` `already_running` when an engine of this name runs and was not stopped. */
export function expectFree(environment: Environment, name: string): void {
  const before = pages.get(environment)?.get(name);
  if (before === undefined || before.stopping !== undefined) return;
  throw new SyncError(
    "already_running",
    `Expected one engine of "${name}" in a page, got a second: stop() the first`,
  );
}

/** Takes a place. Throws as `expectFree` does. */
export function enlist(environment: Environment, name: string): Turn {
  expectFree(environment, name);
  let page = pages.get(environment);
  if (page === undefined) pages.set(environment, (page = new Map()));
  const before = page.get(name);
  const mine: Running = { stopping: undefined };
  const all = page;
  all.set(name, mine);
  return {
    ready: before?.stopping ?? Promise.resolve(),
    leave(stopped) {
      if (!all.has(name)) all.set(name, mine);
      const stopping = stopped.finally(() => {
        if (all.get(name) === mine && mine.stopping === stopping) all.delete(name);
      });
      mine.stopping = stopping;
    },
    isLatest: () => (all.get(name) ?? mine) === mine,
  };
}
