/** A device in memory whose time passes when the test says so, and whose tabs can be frozen, killed and failed. */
import { IDBFactory } from "fake-indexeddb";
import { vi } from "vitest";
import { type Envelope, type LogRecord } from "../../src/model/log.ts";
import { decodeRecord } from "../../src/model/stored.ts";
import { createIndexedDbStorage } from "../../src/services/indexeddb.ts";
import { type Environment, type StoragePort } from "../../src/services/ports.ts";
import { createSeededRandom } from "../../src/testing/seeded-random.ts";
import { createVirtualChannels } from "../../src/testing/virtual-channel.ts";
import { createVirtualClock } from "../../src/testing/virtual-clock.ts";
import { createVirtualLifecycle } from "../../src/testing/virtual-lifecycle.ts";
import { createVirtualLocks } from "../../src/testing/virtual-locks.ts";
import { createFaultyStorage } from "./faulty-storage.ts";
import { createTime } from "./time.ts";
import { openTodos } from "./todos.ts";

/** Name of the database, the lock and the channel of the app. */
export const scope = "sssync/todos/";

/** Polls as fast as it can: nothing waits for real time. */
export const until = <T>(check: () => T | Promise<T>): Promise<T> =>
  vi.waitFor(check, { interval: 1, timeout: 4000 });

const nextTask = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

type Contents = Readonly<Record<string, readonly (readonly [key: unknown, value: unknown])[]>>;

const request = <T>(it: IDBRequest<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    it.onsuccess = () => resolve(it.result);
    it.onerror = () => reject(it.error);
  });

type LabOptions = Partial<Parameters<typeof openTodos>[0]> & {
  readonly ports?: Partial<Environment>;
};

export function createLab(
  options: {
    readonly seed?: number;
    readonly storage?: StoragePort;
    /** What all tabs see of the disk. */
    wrap?(disk: StoragePort): StoragePort;
  } = {},
) {
  const factory = new IDBFactory();
  const real = createIndexedDbStorage(factory);
  const base = options.storage ?? options.wrap?.(real) ?? real;
  const clock = createVirtualClock({ now: 1_700_000_000_000 });
  const locks = createVirtualLocks();
  const channels = createVirtualChannels();
  const disks: ReturnType<typeof createFaultyStorage>[] = [];
  let seed = (options.seed ?? 1) * 1000;

  const { settle, pass } = createTime(clock, disks, nextTask);

  /** Works on the database past the engine. */
  async function raw<T>(work: (database: IDBDatabase) => Promise<T> | T): Promise<T> {
    const database = await request(factory.open(scope));
    try {
      return await work(database);
    } finally {
      database.close();
    }
  }

  const change = (store: string, work: (it: IDBObjectStore) => unknown): Promise<void> =>
    raw(
      (database) =>
        new Promise((resolve, reject) => {
          const tx = database.transaction(store, "readwrite");
          work(tx.objectStore(store));
          tx.oncomplete = () => resolve();
          tx.onabort = () => reject(tx.error ?? new Error("aborted"));
        }),
    );

  return {
    clock,
    locks,
    channels,
    base,
    settle,
    pass,
    raw,

    /** All that is stored. */
    contents: (): Promise<Contents> =>
      raw(async (database) => {
        const names = Array.from(database.objectStoreNames);
        if (names.length === 0) return {};
        const tx = database.transaction(names, "readonly");
        const stores = names.map(async (name): Promise<Contents[string][number][]> => {
          const [keys, values] = await Promise.all([
            request(tx.objectStore(name).getAllKeys()),
            request(tx.objectStore(name).getAll()),
          ]);
          return keys.map((key, at) => [key, values[at]]);
        });
        const all = await Promise.all(stores);
        return Object.fromEntries(names.map((name, at) => [name, all[at] ?? []]));
      }),

    /** An entry of `meta`. */
    async meta(key: string): Promise<unknown> {
      return (await this.contents())["meta"]?.find(([name]) => name === key)?.[1];
    },

    /** The records of the log, by position. */
    async log(): Promise<Map<unknown, LogRecord | undefined>> {
      const { log = [] } = await this.contents();
      return new Map(log.map(([position, value]) => [position, decodeRecord(value)]));
    },

    /** The events of the commit records of the log, in order. */
    async loggedEvents(): Promise<readonly Envelope[]> {
      const records = Array.from((await this.log()).values());
      return records.flatMap((record) => (record?.kind === "commit" ? record.events : []));
    },

    /** Puts bytes past the engine. */
    put: (store: string, key: IDBValidKey | undefined, value: unknown): Promise<void> =>
      change(store, (it) => it.put(value, key)),
    remove: (store: string, key: IDBValidKey): Promise<void> =>
      change(store, (it) => it.delete(key)),

    openTab({ ports, ...config }: LabOptions = {}) {
      const disk = createFaultyStorage(base);
      disks.push(disk);
      const lifecycle = createVirtualLifecycle();
      const tabLocks = locks.openTab();
      const channel = channels.openTab();
      const environment: Environment = {
        storage: disk,
        locks: tabLocks,
        channel,
        lifecycle,
        network: null,
        clock,
        random: createSeededRandom((seed += 1)),
        ...ports,
      };
      return {
        environment,
        disk,
        lifecycle,
        locks: tabLocks,
        channel,
        sync: openTodos({ ...config, environment }),
        /** The page crashes. */
        kill() {
          disk.die();
          tabLocks.die();
          channel.die();
        },
        /** As Chromium freezes a page: it is told first. */
        freeze() {
          lifecycle.emit("freeze");
          tabLocks.freeze();
          channel.freeze();
        },
        resume() {
          tabLocks.thaw();
          channel.thaw();
          lifecycle.emit("resume");
        },
      };
    },

    /** Opens a tab and waits until it is ready. */
    async ready(config: LabOptions = {}) {
      const tab = this.openTab(config);
      await tab.sync.ready;
      await settle();
      return tab;
    },
  };
}

export type Lab = ReturnType<typeof createLab>;
export type Tab = ReturnType<Lab["openTab"]>;

/** What a person sees: all rows of all tables. */
export const shown = ({ sync }: Pick<Tab, "sync">) => ({
  todos: sync.tables.todos.toArray(),
  settings: sync.tables.settings.toArray(),
});

export const added = (id: string, text = "Milk") =>
  ({ name: "todoAdded", payload: { id, text } }) as const;
export const toggled = (id: string) => ({ name: "todoToggled", payload: { id } }) as const;
export const renamed = (id: string, text: string) =>
  ({ name: "todoRenamed", payload: { id, text } }) as const;
export const removed = (id: string) => ({ name: "todoRemoved", payload: { id } }) as const;
export const slid = (value: number) => ({ name: "sliderMoved", payload: { value } }) as const;
export const invited = (email: string) => ({ name: "invited", payload: { email } }) as const;

/** The code of the error that a promise is going to reject with. Never unhandled, however late it is awaited. */
export const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "resolved",
    (error: unknown) => (error as { readonly code?: unknown }).code,
  );

/** How a promise stands now: `pending`, `resolved`, or the code of its error. Nothing is waited for but one task. */
export async function stateOf(promise: Promise<unknown>): Promise<string> {
  return await Promise.race([
    promise.then(
      () => "resolved",
      (error: unknown) => String((error as { code?: unknown }).code ?? error),
    ),
    nextTask().then(() => "pending"),
  ]);
}
