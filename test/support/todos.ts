import "fake-indexeddb/auto";
import { IDBFactory } from "fake-indexeddb";
import { createIndexedDbStorage } from "../../src/services/indexeddb.ts";
import { type Environment, type StoragePort } from "../../src/services/ports.ts";
import { createVirtualChannels } from "../../src/testing/virtual-channel.ts";
import { createVirtualLifecycle } from "../../src/testing/virtual-lifecycle.ts";
import { createVirtualLocks } from "../../src/testing/virtual-locks.ts";
import { systemClock } from "../../src/services/system-clock.ts";
import { createSeededRandom } from "../../src/testing/seeded-random.ts";
import { openTodos } from "./todo-app.ts";

export { openTodos, todoEvents } from "./todo-app.ts";

/** One device in memory: tabs that share storage, locks and channel. */
export function createDevice(options: { storage?: StoragePort; seed?: number } = {}) {
  const storage = options.storage ?? createIndexedDbStorage(new IDBFactory());
  const locks = createVirtualLocks();
  const channels = createVirtualChannels();
  let seed = options.seed ?? 1;
  return {
    storage,
    channels,
    locks,
    openTab(over: Partial<Environment> = {}) {
      const lifecycle = createVirtualLifecycle();
      const environment: Environment = {
        storage,
        locks: locks.openTab(),
        channel: channels.openTab(),
        lifecycle,
        network: null,
        clock: systemClock,
        random: createSeededRandom((seed += 1)),
        ...over,
      };
      return { environment, lifecycle, sync: openTodos({ environment }) };
    },
  };
}
