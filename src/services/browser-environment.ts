/**
 * What this place offers: the real ports, `null` where there is none.
 *
 * Failure modes: a sandboxed frame, or a browser told to block site data, may throw a `SecurityError` on the mere
 * access to a global. That counts as missing. What is there may still refuse to work; each port tells that itself. A page
 * without IndexedDB gets a storage that cannot be opened, so that its app is told; a server has none at all.
 */
import { createBroadcastChannels } from "./broadcast-channel.ts";
import { createIndexedDbStorage } from "./indexeddb.ts";
import { createPageLifecycle, hasPage } from "./page-lifecycle.ts";
import { type Environment } from "./ports.ts";
import { systemClock } from "./system-clock.ts";
import { systemRandom } from "./system-random.ts";
import { createWebLocks } from "./web-locks.ts";

/** The globals that may be missing, or may throw. */
interface Globals {
  readonly indexedDB?: IDBFactory;
  readonly navigator?: { readonly locks?: LockManager };
  readonly BroadcastChannel?: typeof BroadcastChannel;
  readonly fetch?: typeof fetch;
}

const reach = <Found>(read: (globals: Globals) => Found | undefined): Found | null => {
  try {
    return read(globalThis) ?? null;
  } catch {
    return null;
  }
};

/** The ports of the browser (or server) that this code runs in. Never throws. */
export const browserEnvironment = (): Environment => {
  const factory = reach((globals) => globals.indexedDB);
  const locks = reach((globals) => globals.navigator?.locks);
  const channel = reach((globals) => globals.BroadcastChannel);
  const hasFetch = reach((globals) => globals.fetch) !== null;
  return {
    storage: factory === null && !hasPage() ? null : createIndexedDbStorage(factory ?? undefined),
    locks: locks && createWebLocks(locks),
    channel: channel && createBroadcastChannels(),
    lifecycle: createPageLifecycle(),
    // Looked up at each call: pages and tests replace it.
    network: hasFetch ? { fetch: (url, init) => fetch(url, init) } : null,
    clock: systemClock,
    random: systemRandom,
  };
};
