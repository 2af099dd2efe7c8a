/** What is done to a device's data past the engine of the tab under test: damage, and the work of one more tab. */
import { type StoreName } from "../../src/services/ports.ts";
import { type Device } from "../../src/testing/index.ts";
import { openTodos } from "../support/todo-app.ts";
import { type DamageStimuli } from "./stimuli.ts";
import { type newerSchema } from "./tab.ts";

export function createDamage(device: Device, scope: string): DamageStimuli {
  const { disk } = device;
  const junk = new Map([["junk", 1n]]);
  const keysOf = (store: StoreName) => disk.contents(scope)?.[store].map(([key]) => key) ?? [];
  const put = async (key: string, value: unknown): Promise<void> => {
    disk.put("meta", key, value, scope);
    await Promise.resolve();
  };
  return {
    async record() {
      const end = device.databases.get(scope)?.position ?? 0;
      disk.put("log", end + 1, "junk", scope);
      await Promise.resolve();
    },
    meta: () => put("settled", "junk"),
    async everything() {
      for (const store of ["meta", "log", "segments"] as const)
        for (const key of keysOf(store)) disk.put(store, key, junk, scope);
      await Promise.resolve();
    },
    older: () => put("schema", 1),
    newer: () => put("schema", 99),
  };
}

/** Another tab adds a row as the leader, and goes; after it has folded, where `folds`. Whoever holds the lock, it has one too, and tells nobody. */
export async function work(
  device: Device,
  id: string,
  folds: boolean,
  schema?: typeof newerSchema,
): Promise<void> {
  const other = device.openPage();
  const locks = {
    request(_: string, { granted }: { granted(): void }) {
      queueMicrotask(granted);
      return () => undefined;
    },
    query: async () => await Promise.resolve({ held: true, waiting: 0 }),
  };
  const environment = { ...other.environment, locks, channel: null };
  const tab = openTodos({ environment, ...(schema && { schema }) });
  await device.run(tab.ready);
  await device.run(tab.commit({ name: "todoAdded", payload: { id, text: "Milk" } }).durable);
  const isLogged = (): boolean => (device.disk.contents()?.log.length ?? 0) > 0;
  // It folds in a quiet moment.
  if (folds) while (isLogged()) await device.pass(500);
  await device.run(tab.stop());
  other.close();
}
