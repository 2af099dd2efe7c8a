/**
 * By hand: as most apps do it with `idb`. One record per row, `getAll` on load, a put per row and a transaction per commit.
 *
 * A reviewed file: changing it invalidates every figure measured before.
 */
import { type IDBPDatabase, openDB } from "idb";
import { type Contender } from "./contender.ts";
import { type BenchEvent, type Row } from "./rows.ts";

function connect(name: string): Promise<IDBPDatabase> {
  return openDB(name, 1, {
    upgrade: (database) => void database.createObjectStore("rows", { keyPath: "id" }),
  });
}

async function putAll(database: IDBPDatabase, rows: readonly Row[]): Promise<void> {
  const transaction = database.transaction("rows", "readwrite");
  await Promise.all([...rows.map((row) => transaction.store.put(row)), transaction.done]);
}

function changedRows(
  rows: ReadonlyMap<string, Row>,
  { name, payload }: BenchEvent,
): readonly Row[] {
  if (name === "rowsAdded") return payload.rows;
  if (name === "rowAdded") return [payload.row];
  const row = rows.get(payload.id);
  return row ? [{ ...row, updatedAt: payload.updatedAt }] : [];
}

export const contender: Contender = {
  async fill(name, rows) {
    const database = await connect(name);
    await putAll(database, rows);
    database.close();
  },

  async open(name) {
    const database = await connect(name);
    const channel = new BroadcastChannel(name);
    const rows = new Map<string, Row>();
    for (const row of (await database.getAll("rows")) as Row[]) rows.set(row.id, row);
    let changed: ((ids: readonly string[]) => void) | undefined;
    // The usual way to tell other tabs: "these rows changed", and they read them again.
    channel.onmessage = async (message) => {
      const ids = message.data as string[];
      const { store } = database.transaction("rows");
      const found = (await Promise.all(ids.map((id) => store.get(id)))) as Row[];
      for (const row of found) rows.set(row.id, row);
      changed?.(ids);
    };
    return {
      size: () => rows.size,
      get: (id) => rows.get(id),
      commit(event) {
        const changes = changedRows(rows, event);
        for (const row of changes) rows.set(row.id, row);
        const durable = putAll(database, changes);
        // Whoever awaits the commit goes on first: telling other tabs is no part of being durable.
        void durable.then(() =>
          queueMicrotask(() => channel.postMessage(changes.map(({ id }) => id))),
        );
        return durable;
      },
      watch: (listener) => {
        changed = listener;
      },
      async close() {
        channel.close();
        database.close();
      },
    };
  },
};
