import "fake-indexeddb/auto";
import { IDBFactory } from "fake-indexeddb";
import * as v from "valibot";
import { createIndexedDbStorage } from "../../src/services/indexeddb.ts";
import { type Environment, type StoragePort } from "../../src/services/ports.ts";
import { createVirtualChannels } from "../../src/testing/virtual-channel.ts";
import { createVirtualLifecycle } from "../../src/testing/virtual-lifecycle.ts";
import { createVirtualLocks } from "../../src/testing/virtual-locks.ts";
import { systemClock } from "../../src/services/system-clock.ts";
import { createSeededRandom } from "../../src/testing/seeded-random.ts";
import {
  type EventDefinitions,
  type SyncConfig,
  type TableSchemas,
  create,
  createSyncActor,
  defineEvent,
  remove,
  update,
  upsert,
} from "../../src/index.ts";

/** Of that app. */
export const todoEvents = {
  todoAdded: defineEvent({ schema: v.object({ id: v.string(), text: v.string() }) }),
  todoToggled: defineEvent({ schema: v.object({ id: v.string() }) }),
  todoRenamed: defineEvent({ schema: v.object({ id: v.string(), text: v.string() }) }),
  todoRemoved: defineEvent({ schema: v.object({ id: v.string() }) }),
  sliderMoved: defineEvent({
    schema: v.object({ value: v.number() }),
    coalesce: () => "slider",
  }),
  invited: defineEvent({
    schema: v.object({ email: v.string() }),
    dedupe: (payload) => payload.email,
  }),
};

type Options = Pick<
  SyncConfig<TableSchemas, EventDefinitions>,
  "name" | "user" | "durability" | "storage" | "whenFull" | "schema" | "inspect" | "environment"
> & { readonly server?: { readonly url: string; readonly live: boolean | "poll" } };

/** The app that most tests run. */
export const openTodos = (options: Partial<Options> = {}) =>
  createSyncActor({
    name: "todos",
    tables: {
      todos: v.object({ id: v.string(), text: v.string(), done: v.boolean() }),
      settings: v.object({ id: v.string(), value: v.number() }),
    },
    events: todoEvents,
    materializers: {
      todoAdded: ({ id, text }) => [create("todos", { id, text, done: false })],
      todoToggled: ({ id }, { tables }) => {
        const todo = tables.todos.get(id);
        return todo ? [update("todos", { id, done: !todo.done })] : [];
      },
      todoRenamed: ({ id, text }) => [update("todos", { id, text })],
      todoRemoved: ({ id }) => [remove("todos", id)],
      sliderMoved: ({ value }) => [upsert("settings", { id: "slider", value })],
      invited: ({ email }, { event }) => [
        create("todos", { id: `invite-${event.id}`, text: email, done: false }),
      ],
    },
    ...options,
  });

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
