/** The app of the tests with several tabs: rows get running numbers, so that all tabs must agree on one order. */
import * as v from "valibot";
import { type LogRecord } from "../../../src/model/log.ts";
import { decodeSegment } from "../../../src/model/segment.ts";
import { decodeRecord } from "../../../src/model/stored.ts";
import { createSeededRandom } from "../../../src/testing/seeded-random.ts";
import {
  type JsonObject,
  type SyncError,
  create,
  createSyncActor,
  defineEvent,
  upsert,
} from "../../../src/index.ts";

/** What a tab tells the test as soon as it is true: the page may be gone a moment later. */
export interface Told {
  readonly tab: string;
  readonly kind:
    | "durable"
    | "failed"
    | "settled"
    | "noop"
    | "fault"
    | "lost"
    | "decided"
    | "writing";
  /** The rows of one commit, or what happened. */
  readonly ids: readonly string[];
}

declare global {
  // Present where the test listens.
  var told: ((told: string) => void) | undefined;
}

const startedAt = performance.now();

/** Of this page's life: a reloaded page is another tab. */
const tab = crypto.randomUUID().slice(0, 8);

/** `?storage=…&full=…&version=2` */
const asked = new URLSearchParams(location.search);
const version = Number(asked.get("version") ?? 1);
/** Version 2 keeps the slider in tenths, and notes which contacts it took over. */
const tenths = ({ value, ...rest }: JsonObject): JsonObject => ({
  ...rest,
  value: (value as number) * 10,
});
function migrate(table: string, row: JsonObject): JsonObject {
  if (table === "contacts") return { ...row, notes: `of version 1: ${row["name"] as string}` };
  return row["id"] === "slider" ? tenths(row) : row;
}

const sync = createSyncActor({
  name: "tabs",
  schema: { version, migrate },
  storage: (asked.get("storage") as "memory-if-unavailable" | null) ?? "required",
  whenFull: (asked.get("full") as "reject" | null) ?? "keep",
  tables: {
    entries: v.object({ id: v.string(), no: v.number() }),
    counters: v.object({ id: v.string(), value: v.number() }),
    contacts: v.object({ id: v.string(), name: v.string(), mail: v.string(), notes: v.string() }),
  },
  events: {
    entryAdded: defineEvent({
      schema: v.object({ id: v.string(), noise: v.optional(v.string()) }),
    }),
    sliderMoved: defineEvent({
      schema: v.object({ value: v.number() }),
      version,
      upcast: (payload) => tenths(payload as JsonObject),
      coalesce: () => "slider",
    }),
    contactsImported: defineEvent({
      schema: v.object({ from: v.number(), count: v.number() }),
    }),
  },
  materializers: {
    // An event that took effect twice would leave a number without a row; one that ran elsewhere in the order, another number.
    entryAdded: ({ id }, { tables }) => {
      const no = (tables.counters.get("entries")?.value ?? 0) + 1;
      return [create("entries", { id, no }), upsert("counters", { id: "entries", value: no })];
    },
    sliderMoved: ({ value }) => [upsert("counters", { id: "slider", value })],
    contactsImported: ({ from, count }) =>
      Array.from({ length: count }, (_, index) => {
        const id = String(from + index).padStart(8, "0");
        const mail = `${id}@example.com`;
        return create("contacts", { id, name: `Contact ${id}`, mail, notes: mail.repeat(8) });
      }),
  },
});

const tell = (kind: Told["kind"], ids: readonly string[]): void => {
  globalThis.told?.(JSON.stringify({ tab, kind, ids } satisfies Told));
};
sync.on("noop", ({ action, table, id }) => tell("noop", [action, table, id]));
sync.on("lost", ({ rows, kept, reason }) => {
  app.lost.push(`${rows} rows, ${kept} kept: ${reason}`);
  tell("lost", [String(rows), String(kept)]);
});
sync.on("fault", ({ fault }) => tell("fault", [fault.code, fault.message]));

sync.subscribe(({ context }) => {
  if (context.role !== "leader") app.leaderSince = 0;
  else if (app.leaderSince === 0) app.leaderSince = Date.now();
  app.mostUndecided = Math.max(app.mostUndecided, sync.outbox.size);
});

let made = 0;

/** Nothing makes it smaller. */
const noiseOf = (length: number): string =>
  Array.from({ length: length / 10_000 }, () =>
    String.fromCharCode(
      ...crypto.getRandomValues(new Uint16Array(10_000)).map((it) => it % 55_000),
    ),
  ).join("");

/** Commits so many rows as one, each with so many random characters. Resolves when they are durable. */
const add = async (count = 1, noise = 0): Promise<readonly string[]> => {
  const ids = Array.from({ length: count }, () => `${tab}-${made++}`);
  const events = ids.map((id) => {
    const payload = noise === 0 ? { id } : { id, noise: noiseOf(noise) };
    return { name: "entryAdded", payload } as const;
  });
  const [first] = events;
  const { durable, settled } = sync.commit(count === 1 && first !== undefined ? first : events);
  settled.then(
    (decisions) =>
      tell(
        "settled",
        decisions.map(({ status }) => status),
      ),
    () => undefined,
  );
  try {
    await durable;
    tell("durable", ids);
  } catch (error) {
    tell("failed", [...ids, String(error)]);
  }
  return ids;
};

let busy: Promise<void> | undefined;
let shift = new AbortController();
shift.abort();

const work = async (seed: number, { signal }: AbortController): Promise<void> => {
  const random = createSeededRandom(seed);
  const below = (limit: number): number => (random.bytes(1)[0] ?? 0) % limit;
  const all: Promise<unknown>[] = [];
  while (!signal.aborted) {
    const kind = below(4);
    // One by one, several events as one, and many at once.
    if (kind < 2) await add();
    else if (kind === 2) await add(2 + below(4));
    else {
      for (let more = 1 + below(12); more > 0; more -= 1) all.push(add(1 + below(2)));
      // What is not awaited meets what comes next.
      if (below(2) === 0) await all.at(-1);
      else await add();
    }
    // Rows are not what is tried here: about so many as a round is about, and not all that fit.
    await new Promise((resolve) => {
      setTimeout(resolve, below(20));
    });
  }
  await Promise.all(all);
};

const request = <T>(it: IDBRequest<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    it.onsuccess = () => resolve(it.result);
    it.onerror = () => reject(it.error ?? new Error("Expected an answer, got none"));
  });

/** Works on the database past the engine. */
const raw = async <T>(read: (database: IDBDatabase) => Promise<T>): Promise<T> => {
  const database = await request(indexedDB.open("sssync/tabs/"));
  try {
    return await read(database);
  } finally {
    database.close();
  }
};

/** How many records are in the log. */
const logged = (): Promise<number> =>
  raw((database) => request(database.transaction("log").objectStore("log").count()));

/** What is on the disk. */
const disk = () =>
  raw(async (database) => {
    const tx = database.transaction(["log", "segments", "meta"], "readonly");
    const [log, segments, meta] = ["log", "segments", "meta"].map((name) => tx.objectStore(name));
    if (log === undefined || segments === undefined || meta === undefined)
      throw new Error("Expected three stores");
    const [positions, records, keys, values, floor, manifest] = await Promise.all([
      request(log.getAllKeys()),
      request(log.getAll()),
      request(segments.getAllKeys()),
      request(segments.getAll()),
      request(meta.get("floor")),
      request(meta.get("manifest")),
    ]);
    const rows = values.flatMap((value, at) => {
      const segment = decodeSegment(value);
      if ("reason" in segment) throw new Error(segment.reason);
      const table = (keys[at] as [string, number])[0];
      return segment.ids.map((_, index) => ({ table, row: segment.row(index) as { id: string } }));
    });
    return {
      floor: floor as number,
      manifest: manifest as Record<
        string,
        readonly { readonly count: number; readonly schema?: number }[]
      >,
      log: records.map((value: unknown, at): readonly [number, LogRecord | undefined] => [
        positions[at] as number,
        decodeRecord(value),
      ]),
      rows,
    };
  });

const app = {
  tab,
  sync,
  add,
  disk,
  logged,
  /** Whether the page came back from the back/forward cache. */
  restored: false,
  /** Length in ms of each turn of more than 50 ms that began while the engine loaded: the page did not answer. */
  longTurns: [] as number[],
  /** ms from the start of the engine to `ready`. */
  readyAfter: 0,
  /** When this tab began to lead: ms since the epoch. */
  leaderSince: 0,
  /** Why the data could not be loaded. */
  unready: "",
  /** The most events that were undecided at once. */
  mostUndecided: 0,
  /** What the app was told to be gone. */
  lost: [] as string[],

  /** Commits until `rest`. */
  start(seed: number): void {
    if (!shift.signal.aborted) throw new Error("Expected the tab to rest, got one that works");
    shift = new AbortController();
    busy = work(seed, shift);
  },
  /** Resolves when all that was committed is durable. */
  async rest(): Promise<void> {
    shift.abort();
    await busy;
  },
  role: () => sync.status.role,
  /** Why `commit` throws. */
  refusal(): string {
    try {
      sync.commit({ name: "sliderMoved", payload: { value: 0 } });
      return "";
    } catch (error) {
      return (error as SyncError).code;
    }
  },
  /** Ids of the rows in the one order. */
  order: () =>
    sync.tables.entries
      .toArray()
      .toSorted((a, b) => a.no - b.no)
      .map(({ id, no }) => `${no}:${id}`),
  slider: () => sync.tables.counters.get("slider")?.value,
  /** Drags the slider, some steps in each turn. Resolves with how often each decision was made. */
  async slide(from: number, to: number): Promise<Readonly<Record<string, number>>> {
    const steps: Promise<readonly { readonly status: string }[]>[] = [];
    for (let value = from; value <= to; value += 1) {
      steps.push(sync.commit({ name: "sliderMoved", payload: { value } }).settled);
      if (value % 4 === 0) await new Promise((resolve) => setTimeout(resolve));
    }
    const counts: Record<string, number> = {};
    for (const { status } of (await Promise.all(steps)).flat())
      counts[status] = (counts[status] ?? 0) + 1;
    return counts;
  },
  importContacts: async (from: number, count: number): Promise<void> => {
    await sync.commit({ name: "contactsImported", payload: { from, count } }).durable;
  },
  /** Of the contacts: their number, and a hash of all that they hold. */
  async digest() {
    const all = sync.tables.contacts.toArray();
    const bytes = new TextEncoder().encode(JSON.stringify(all));
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    return { size: all.length, hash: hash.join(" ") };
  },
  /** What the tab would say of itself in a failure. */
  describe: () => ({ tab, made, status: sync.status, value: sync.getSnapshot().value }),
};
export type App = typeof app;

addEventListener("pageshow", ({ persisted }) => {
  if (persisted) app.restored = true;
});
const observer = new PerformanceObserver(() => undefined);
observer.observe({ type: "longtask" });

Object.assign(globalThis, { app });
await sync.ready.catch(({ code }: SyncError) => {
  app.unready = code;
  tell("failed", ["ready", code]);
});
app.readyAfter = performance.now() - startedAt;
// The turn that ends here is told after it.
await new Promise((resolve) => setTimeout(resolve));
for (const { startTime, duration } of observer.takeRecords())
  if (startTime >= startedAt) app.longTurns.push(Math.round(duration));
observer.disconnect();
Object.assign(globalThis, { ready: true });
