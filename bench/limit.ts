/**
 * The limit: what IndexedDB gives to somebody who writes it by hand for this very row, and asks for nothing else.
 *
 * Rows at rest: in columns, 1,000 rows per record. A commit: one log record, relaxed, acknowledged on `complete`.
 * Left out on purpose: validation, ids of events, one order of all tabs, rollback, retries, quarantine, compaction.
 * A reviewed file: changing it invalidates every figure measured before.
 */
import { type BenchEvent, type Row } from "./rows.ts";

const rowsPerSegment = 1000;

type Columns = { readonly [Field in keyof Row]: Row[Field][] };

/** An event as the log keeps it: many rows are in columns there, too, which are faster to write than objects. */
type Stored = BenchEvent | { readonly name: "columnsAdded"; readonly payload: Columns };

function toColumns(rows: readonly Row[]): Columns {
  return {
    id: rows.map((row) => row.id),
    title: rows.map((row) => row.title),
    notes: rows.map((row) => row.notes),
    owner: rows.map((row) => row.owner),
    done: rows.map((row) => row.done),
    priority: rows.map((row) => row.priority),
    updatedAt: rows.map((row) => row.updatedAt),
  };
}

function addColumns(rows: Map<string, Row>, columns: Columns): void {
  const { id: ids, title, notes, owner, done, priority, updatedAt } = columns;
  for (let at = 0; at < ids.length; at += 1) {
    const id = ids[at] as string;
    // Not a spread: a literal gives all rows one hidden class, which is both the fastest and the smallest.
    rows.set(id, {
      id,
      title: title[at] as string,
      notes: notes[at] as string,
      owner: owner[at] as string,
      done: done[at] as boolean,
      priority: priority[at] as number,
      updatedAt: updatedAt[at] as number,
    });
  }
}

function toStored(event: BenchEvent): Stored {
  if (event.name !== "rowsAdded") return event;
  return { name: "columnsAdded", payload: toColumns(event.payload.rows) };
}

function apply(rows: Map<string, Row>, events: readonly Stored[]): void {
  for (const { name, payload } of events) {
    if (name === "columnsAdded") addColumns(rows, payload);
    else if (name === "rowsAdded") for (const row of payload.rows) rows.set(row.id, row);
    else if (name === "rowAdded") rows.set(payload.row.id, payload.row);
    else {
      const row = rows.get(payload.id);
      if (row) rows.set(row.id, { ...row, updatedAt: payload.updatedAt });
    }
  }
}

function connect(name: string): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore("segments");
      request.result.createObjectStore("log", { autoIncrement: true });
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function settled(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
  });
}

export interface Limit {
  readonly rows: Map<string, Row>;
  writeSegments(rows: readonly Row[]): Promise<void>;
  loadAll(): Promise<Map<string, Row>>;
  commit(events: readonly BenchEvent[]): Promise<void>;
  receive(events: readonly BenchEvent[]): void;
  close(): void;
}

/** `changed` is called after another tab's events were applied. */
export async function open(
  name: string,
  changed: (events: readonly BenchEvent[]) => void = () => {},
): Promise<Limit> {
  const database = await connect(name);
  const channel = new BroadcastChannel(name);
  const rows = new Map<string, Row>();

  function receive(events: readonly BenchEvent[]): void {
    apply(rows, events);
    changed(events);
  }
  channel.onmessage = (message) => receive(message.data as BenchEvent[]);

  return {
    rows,
    receive,

    async writeSegments(all) {
      const transaction = database.transaction("segments", "readwrite", { durability: "relaxed" });
      const segments = transaction.objectStore("segments");
      for (let from = 0; from < all.length; from += rowsPerSegment)
        segments.put(toColumns(all.slice(from, from + rowsPerSegment)), from / rowsPerSegment);
      transaction.commit();
      await settled(transaction);
    },

    async loadAll() {
      // No explicit commit: with it, `complete` can come before the values that Chromium keeps in blobs.
      const transaction = database.transaction(["segments", "log"]);
      const segments = transaction.objectStore("segments").getAll() as IDBRequest<Columns[]>;
      const log = transaction.objectStore("log").getAll() as IDBRequest<Stored[][]>;
      segments.onsuccess = () => {
        for (const columns of segments.result) addColumns(rows, columns);
      };
      log.onsuccess = () => {
        for (const events of log.result) apply(rows, events);
      };
      await settled(transaction);
      return rows;
    },

    commit(events) {
      apply(rows, events);
      const transaction = database.transaction("log", "readwrite", { durability: "relaxed" });
      transaction.objectStore("log").add(events.map(toStored));
      transaction.commit();
      const durable = settled(transaction);
      // Whoever awaits the commit goes on first: telling other tabs is no part of being durable.
      void durable.then(() => queueMicrotask(() => channel.postMessage(events)));
      return durable;
    },

    close() {
      channel.close();
      database.close();
    },
  };
}
