/** The rival: a page of the same origin without an engine. It wants the lock, sends messages, and works on the database. */
import { encodeSegment } from "../../../src/model/segment.ts";
import { decodeRecord } from "../../../src/model/stored.ts";
import { browserEnvironment } from "../../../src/services/browser-environment.ts";
import { type LockPort, type StoreName } from "../../../src/services/ports.ts";
import { createWebLocks } from "../../../src/services/web-locks.ts";
import { nextTask, systemClock } from "../../../src/services/system-clock.ts";
import { createVirtualClock } from "../../../src/testing/virtual-clock.ts";
import { openTodos } from "../../support/todo-app.ts";
import { newerSchema } from "../tab.ts";
import { createGates } from "../virtual-gates.ts";

const answered = <T>(request: IDBRequest<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error("Expected an answer, got none"));
  });

/** What this page was told is true, as far as the browser knows it. */
async function rest(): Promise<void> {
  await nextTask();
  await navigator.locks.query();
  await nextTask();
}

/** Whoever holds the lock, a tab with these has one too. */
const unlimited: LockPort = {
  request(_, { granted }) {
    queueMicrotask(granted);
    return () => undefined;
  },
  query: async () => await Promise.resolve({ held: true, waiting: 0 }),
};

export function createRival() {
  const locks = createWebLocks(navigator.locks);

  /** The subject asks whether all it did has come here, and whether all that is for it has come there. */
  const echo = new BroadcastChannel("echo");
  echo.onmessage = async ({ data }: MessageEvent<{ readonly ask?: number }>) => {
    if (data.ask === undefined) return;
    await rest();
    echo.postMessage({ answer: data.ask });
  };

  /** Of the database, the lock and the channel. */
  let scope = "";
  let name = "";
  let works = 0;
  let channel: BroadcastChannel | undefined;
  let holds = false;
  let letGo: (() => void) | undefined;

  function leave(): void {
    letGo?.();
    letGo = undefined;
    holds = false;
  }
  function ask(steal: boolean): void {
    leave();
    let over = false;
    const release = locks.request(
      scope,
      {
        granted: () => (holds = !over),
        lost: () => {
          if (!over) holds = false;
        },
        failed: () => undefined,
      },
      { steal },
    );
    letGo = () => {
      over = true;
      release();
    };
  }

  /** Kept open as long as nobody minds. */
  let database: IDBDatabase | undefined;
  function shut(): void {
    database?.close();
    database = undefined;
  }
  /** Works on the database, if there is one. */
  async function raw<T>(work: (it: IDBDatabase) => Promise<T>): Promise<T | undefined> {
    if (database === undefined) {
      const request = indexedDB.open(scope);
      // Not this page's to make.
      request.onupgradeneeded = () => request.transaction?.abort();
      database = await answered(request).catch(() => undefined);
      if (database === undefined) return undefined;
      database.onversionchange = shut;
    }
    return await work(database);
  }

  /** What is on the disk, as far as paths ask. */
  const disk = () =>
    raw(async (it) => {
      const tx = it.transaction(["log", "meta"]);
      const [log, meta] = [tx.objectStore("log"), tx.objectStore("meta")];
      const [positions, records, term, schema, incarnation, floor] = await Promise.all([
        answered(log.getAllKeys()),
        answered(log.getAll()),
        ...["term", "schema", "incarnation", "floor"].map((key) => answered(meta.get(key))),
      ]);
      return {
        // What is folded is no longer in the log.
        last: Math.max(Number(positions.at(-1) ?? 0), Number(floor ?? 0)),
        size: positions.length,
        logged: records
          .map((value: unknown) => decodeRecord(value))
          .flatMap((record) =>
            record?.kind === "commit"
              ? record.events.map(({ payload }) => String((payload as { id?: unknown }).id))
              : [],
          ),
        term: Number(term ?? 0),
        schema: schema as unknown,
        incarnation: incarnation as unknown,
      };
    });

  async function put(store: StoreName, key: IDBValidKey, value: unknown) {
    await raw((it) =>
      answered(it.transaction(store, "readwrite").objectStore(store).put(value, key)),
    );
  }

  async function say(message: object): Promise<void> {
    const { incarnation, schema } = (await disk()) ?? {};
    channel?.postMessage({ p: 1, incarnation, tab: "rival", schema, ...message });
  }
  const termOf = async (): Promise<number> => (await disk())?.term ?? 0;

  return {
    begin(of: string): void {
      name = of;
      leave();
      shut();
      works = 0;
      channel?.close();
      scope = `sssync/${name}/`;
      channel = new BroadcastChannel(scope);
    },
    rest,
    asks: () => ask(false),
    steals: () => ask(true),
    leaves: leave,
    beats: async (later = false) =>
      say({ kind: "heartbeat", term: (await termOf()) + (later ? 1 : 0), position: 0 }),
    claims: async () => put("meta", "term", (await termOf()) + 1),
    isNewer: () => say({ kind: "poke", schema: 2 }),
    tells: async (distance: number) =>
      say({ kind: "changed", position: ((await disk())?.last ?? 0) + distance }),
    put,
    /** One more tab adds a row as the leader, and goes: see `work` in virtual-damage.ts. */
    async works(folds: boolean, isNewer: boolean): Promise<void> {
      works += 1;
      const gates = createGates();
      const clock = createVirtualClock({ now: Date.now(), pause: systemClock.pause });
      const environment = {
        ...gates.around({ ...browserEnvironment(), clock }),
        locks: unlimited,
        channel: null,
      };
      const tab = openTodos({ name, environment, ...(isNewer && { schema: newerSchema }) });
      await tab.ready;
      const payload = { id: `work-${works}`, text: "Milk" };
      await tab.commit({ name: "todoAdded", payload }).durable;
      // It folds in a quiet moment.
      if (folds) {
        while ((await disk())?.size !== 0) {
          const next = clock.next();
          if (gates.running() === 0 && next !== null) {
            clock.skipTo(next);
            clock.fire();
          }
          await rest();
        }
      }
      await tab.stop();
    },
    async damageRecord(): Promise<void> {
      await put("log", ((await disk())?.last ?? 0) + 1, "junk");
    },
    async damageEverything(): Promise<void> {
      await raw(async (it) => {
        for (const store of ["meta", "log", "segments"]) {
          const tx = it.transaction(store, "readwrite").objectStore(store);
          for (const key of await answered(tx.getAllKeys()))
            await answered(tx.put(new Map([["junk", 1n]]), key));
        }
      });
    },
    /** Segments of one row each. */
    async leaveOlder(count: number): Promise<void> {
      const marks = Array.from({ length: count }, (_, index) => {
        const id = `old-${String(index).padStart(3, "0")}`;
        return { no: index + 1, low: id, count: 1, pos: 1, schema: 1 };
      });
      for (const { no, low } of marks) {
        const row = { id: low, text: "Milk", done: false };
        await put("segments", ["todos", no], encodeSegment([row], [1], 1));
      }
      await put("meta", "manifest", { todos: marks });
    },
    /** Another version of the app has another layout. */
    async upgrade(): Promise<void> {
      (await answered(indexedDB.open(scope, 2))).close();
    },
    remove: async () => void (await answered(indexedDB.deleteDatabase(scope))),
    async read() {
      await rest();
      const { logged = [], term = 0 } = (await disk()) ?? {};
      return { holds, logged, term, works };
    },
  };
}

export type Rival = ReturnType<typeof createRival>;
