/** sssync, through its public API only. */
import { openDB } from "idb";
import { create, createSyncActor, defineEvent, update } from "../src/index.ts";
import { type Contender } from "./contender.ts";
import { payloadSchemas, rowSchema } from "./rows.ts";

function start(name: string) {
  return createSyncActor({
    name,
    tables: { rows: rowSchema },
    events: {
      rowsAdded: defineEvent({ schema: payloadSchemas.rowsAdded }),
      rowAdded: defineEvent({ schema: payloadSchemas.rowAdded }),
      rowTouched: defineEvent({ schema: payloadSchemas.rowTouched }),
    },
    materializers: {
      rowsAdded: ({ rows }) => rows.map((row) => create("rows", row)),
      rowAdded: ({ row }) => [create("rows", row)],
      rowTouched: ({ id, updatedAt }) => [update("rows", { id, updatedAt })],
    },
  });
}

/** Everything at or below `floor` is in segments; what is left in the log is the tail that a load replays. */
async function atRest(name: string): Promise<{ floor: number; tail: number }> {
  const prefix = `sssync/${encodeURIComponent(name)}/`;
  const known = (await indexedDB.databases()).find((info) => info.name?.startsWith(prefix));
  if (known?.name === undefined)
    throw new Error(`Expected a database named ${prefix}… to exist, got none`);
  const database = await openDB(known.name);
  const transaction = database.transaction(["meta", "log"]);
  const [floor, tail] = await Promise.all([
    transaction.objectStore("meta").get("floor") as Promise<number | undefined>,
    transaction.objectStore("log").count(),
  ]);
  database.close();
  return { floor: floor ?? 0, tail };
}

export const contender: Contender = {
  async fill(name, rows) {
    const sync = start(name);
    await sync.ready;
    for (let from = 0; from < rows.length; from += 1000) {
      const payload = { rows: rows.slice(from, from + 1000) };
      await sync.commit({ name: "rowsAdded", payload }).durable;
    }
    const deadline = performance.now() + 120_000;
    for (;;) {
      const { floor, tail } = await atRest(name);
      if (floor > 0 && tail <= 2) break;
      if (performance.now() > deadline)
        throw new Error(
          `Expected the log to be folded within 120 s, got floor ${floor}, tail ${tail}`,
        );
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    await sync.stop();
  },

  async open(name) {
    const sync = start(name);
    await sync.ready;
    const { rows } = sync.tables;
    return {
      size: () => rows.size,
      get: (id) => rows.get(id),
      commit: (event) => sync.commit(event).durable,
      watch: (listener) => {
        rows.subscribe((changes) => listener(changes.map((change) => change.id)));
      },
      close: () => sync.stop(),
    };
  },
};
