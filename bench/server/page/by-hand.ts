/**
 * What the same bytes cost by hand: the requests that have to be made, `JSON.parse`, a Map, and one transaction of IndexedDB for
 * what comes and for what goes. No checks, no second tab, nothing that survives a crash between two of these steps. Changing
 * this file makes earlier figures worthless.
 */
import { type Row } from "../../rows.ts";
import { type Open } from "./device.ts";

const headers = { "Sssync-Protocol": "1", "Content-Type": "application/json" };
/** Events of a request, as the server takes them. */
const most = 100;

interface Page {
  readonly cursor: string;
  readonly more: boolean;
  readonly entries: readonly { readonly payload: { readonly row: Row } }[];
}

function openStore(name: string): Promise<IDBDatabase> {
  const opening = indexedDB.open(name, 1);
  opening.onupgradeneeded = () => {
    opening.result.createObjectStore("log", { autoIncrement: true });
  };
  return new Promise((resolve, reject) => {
    opening.onsuccess = () => resolve(opening.result);
    opening.onerror = () => reject(opening.error);
  });
}

/** `stores`: without, it is the requests alone. */
export const byHand = (stores: boolean): Open =>
  async function open(name, space) {
    const database = stores ? await openStore(name) : undefined;
    const rows = new Map<string, Row>();
    const client = crypto.randomUUID();
    const url = `/sync/${space}`;
    let listener: ((ids: readonly string[]) => void) | undefined;
    let cursor: string | undefined;
    let sent = 0;

    function store(...records: readonly unknown[]): Promise<void> {
      if (database === undefined) return Promise.resolve();
      const transaction = database.transaction("log", "readwrite", { durability: "relaxed" });
      for (const record of records) transaction.objectStore("log").add(record);
      transaction.commit();
      return new Promise((resolve, reject) => {
        transaction.oncomplete = () => resolve();
        transaction.onabort = () => reject(transaction.error);
      });
    }

    async function pull(): Promise<void> {
      const records: (readonly Row[])[] = [];
      for (let isMore = true; isMore;) {
        const query = cursor === undefined ? "" : `?cursor=${encodeURIComponent(cursor)}`;
        const response = await fetch(`${url}/pull${query}`, { headers, cache: "no-store" });
        const page = (await response.json()) as Page;
        records.push(page.entries.map(({ payload }) => payload.row));
        ({ cursor, more: isMore } = page);
      }
      const came = records.flat();
      await store(...records);
      for (const row of came) rows.set(row.id, row);
      listener?.(came.map(({ id }) => id));
    }

    const stream = new AbortController();
    async function listen(): Promise<void> {
      const last = cursor === undefined ? {} : { "Last-Event-ID": cursor };
      const response = await fetch(`${url}/live`, {
        headers: { ...headers, ...last },
        signal: stream.signal,
      });
      const reader = response.body?.getReader();
      const decoder = new TextDecoder();
      for (;;) {
        const { done = true, value } = (await reader?.read()) ?? {};
        if (done) return;
        if (decoder.decode(value, { stream: true }).includes("event: poke")) await pull();
      }
    }

    await pull();
    listen().catch(() => undefined);
    return {
      size: () => rows.size,
      get: (id) => rows.get(id),
      async add(added) {
        const events = added.map((row) => {
          sent += 1;
          const id = crypto.randomUUID();
          return { id, seq: sent, name: "rowAdded", v: 1, payload: { row }, at: Date.now() };
        });
        await store(events);
        for (const row of added) rows.set(row.id, row);
        const results: unknown[] = [];
        for (let from = 0; from < events.length; from += most) {
          const body = JSON.stringify({ client, events: events.slice(from, from + most) });
          const response = await fetch(`${url}/push`, { method: "POST", headers, body });
          results.push(...((await response.json()) as { results: unknown[] }).results);
        }
        if (results.length !== added.length)
          throw new Error(`Expected ${added.length} to be decided, got ${results.length}`);
        await store(results);
      },
      watch: (heard) => {
        listener = heard;
      },
      close: () => {
        stream.abort();
        database?.close();
        return Promise.resolve();
      },
    };
  };
