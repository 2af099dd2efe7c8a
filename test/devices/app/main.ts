/** The app of the tests with several devices: rows get running numbers, so that all devices must agree on one order. */
import * as v from "valibot";
import { createSeededRandom } from "../../../src/testing/seeded-random.ts";
import { create, createSyncActor, defineEvent, upsert } from "../../../src/index.ts";
import type { Told } from "../../tabs/app/main.ts";

/** Of this page's life. */
const tab = crypto.randomUUID().slice(0, 8);

const sync = createSyncActor({
  name: "devices",
  tables: {
    entries: v.object({ id: v.string(), no: v.number() }),
    counters: v.object({ id: v.string(), value: v.number() }),
  },
  events: {
    // `refuse`: the server will not have it.
    entryAdded: defineEvent({
      schema: v.object({ id: v.string(), refuse: v.optional(v.boolean()) }),
    }),
  },
  materializers: {
    // An event that took effect twice would leave a number without a row; one that ran elsewhere in the order, another number.
    entryAdded: ({ id }, { tables }) => {
      const no = (tables.counters.get("entries")?.value ?? 0) + 1;
      return [create("entries", { id, no }), upsert("counters", { id: "entries", value: no })];
    },
  },
  server: { url: "/sync/list", auth: () => localStorage.getItem("token") ?? "first" },
});

const tell = (kind: Told["kind"], ids: readonly string[]): void => {
  globalThis.told?.(JSON.stringify({ tab, kind, ids } satisfies Told));
};
sync.on("noop", ({ action, table, id }) => tell("noop", [action, table, id]));
sync.on("lost", ({ rows, kept, reason }) => tell("lost", [`${rows}`, `${kept}`, reason]));
sync.on("fault", ({ fault }) => tell("fault", [fault.code, fault.message]));

let made = 0;

/** Commits so many rows as one. Resolves when they are durable; what is refused is named so. */
async function add(count = 1, refuse = false): Promise<void> {
  const ids = Array.from({ length: count }, () => `${tab}-${made++}${refuse ? "-refused" : ""}`);
  const { durable, settled } = sync.commit(
    ids.map((id) => ({ name: "entryAdded", payload: refuse ? { id, refuse } : { id } }) as const),
  );
  settled.then(
    (decisions) => decisions.forEach(({ status }, at) => tell("decided", [ids[at] ?? "", status])),
    () => undefined,
  );
  try {
    await durable;
    tell("durable", ids);
  } catch (error) {
    tell("failed", [...ids, String(error)]);
  }
}

let shift = new AbortController();
shift.abort();

const app = {
  tab,
  sync,
  add,
  role: () => sync.status.role,
  /** Commits until `rest`, at a leisurely pace. */
  async start(seed: number): Promise<void> {
    shift = new AbortController();
    const { signal } = shift;
    const random = createSeededRandom(seed);
    const below = (limit: number): number => (random.bytes(1)[0] ?? 0) % limit;
    while (!signal.aborted) {
      const kind = below(16);
      await add(kind === 0 ? 3 : 1, kind === 1);
      await new Promise((resolve) => setTimeout(resolve, 100 + below(200)));
    }
  },
  rest: () => shift.abort(),
  order: () =>
    sync.tables.entries
      .toArray()
      .toSorted((a, b) => a.no - b.no)
      .map(({ id, no }) => `${no}:${id}`),
  rejected: () => sync.rejected.list().map(({ event }) => (event.payload as { id: string }).id),
  outbox: () => sync.outbox.size,
  describe: () => ({ tab, made, status: sync.status, value: sync.getSnapshot().value }),
};
export type App = typeof app;

/**
 * Stands still in the middle of the next write that decides something, so that it can be killed there: when the write is asked
 * for and nothing of it is stored, or when it is stored and nobody knows.
 */
let standing: "asked" | "stored" | undefined;
const plainAdd = IDBObjectStore.prototype.add;
function standStill(): void {
  tell("writing", []);
  for (const end = Date.now() + 20_000; Date.now() < end;);
}
IDBObjectStore.prototype.add = function addSlowly(value: { kind?: string }, key) {
  const request = key === undefined ? plainAdd.call(this, value) : plainAdd.call(this, value, key);
  const at = standing;
  if (at === undefined || value.kind !== "base") return request;
  standing = undefined;
  if (at === "asked") standStill();
  else this.transaction.addEventListener("complete", standStill);
  return request;
};

Object.assign(globalThis, { app, standStillWhen: (at: typeof standing) => (standing = at) });
await sync.ready;
Object.assign(globalThis, { ready: true });
