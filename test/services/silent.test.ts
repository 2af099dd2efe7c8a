/** Records of which a read is never answered, neither with success nor with an error. */
import "fake-indexeddb/auto";
import { IDBFactory } from "fake-indexeddb";
import { afterEach, expect, test, vi } from "vitest";
import { createIndexedDbStorage } from "../../src/services/indexeddb.ts";
import { type ClockPort, type Connection, type StoreName } from "../../src/services/ports.ts";
import { systemClock } from "../../src/services/system-clock.ts";

afterEach(() => vi.restoreAllMocks());

/** Time that is over as soon as there is nothing else to do. */
const impatient: ClockPort = { ...systemClock, setTimeout: (fn) => setTimeout(fn, 0) };

const record = (n: number) => ({ kind: "commit", tab: "a", n, schema: 1, events: [] }) as const;

async function open() {
  const factory = new IDBFactory();
  const connect = (): Promise<Connection> =>
    createIndexedDbStorage(factory, impatient).open("silent", { blocked() {}, closed() {} });
  const connection = await connect();
  await connection.initialise(new Map([["format", 1]]));
  for (const n of [1, 2, 3]) await connection.append(record(n), "relaxed");
  const term = await connection.claim();
  await connection.lead({
    term,
    puts: [1, 2].map((no) => ({ store: "segments", key: ["todos", no], value: no })),
    durability: "relaxed",
  });
  return { connect, connection };
}

/** From now on: as Chromium delivers, also what was asked for after it in that transaction is not answered. */
function silence(store: StoreName, key: IDBValidKey): void {
  const dead = new WeakSet<IDBTransaction>();
  for (const method of ["get", "getAll"] as const) {
    const original = IDBObjectStore.prototype[method] as (range?: unknown) => IDBRequest;
    vi.spyOn(IDBObjectStore.prototype, method).mockImplementation(function (
      this: IDBObjectStore,
      range: unknown,
    ) {
      if (this.name === store && (method === "getAll" || indexedDB.cmp(range, key) === 0))
        dead.add(this.transaction);
      const request = original.call(this, range);
      // It does not end before it is aborted.
      const goOn = (): unknown => this.count().addEventListener("success", goOn);
      if (dead.has(this.transaction))
        request.addEventListener("success", (event) => {
          event.stopImmediatePropagation();
          if (this.transaction.mode === "readwrite") goOn();
        });
      return request;
    });
  }
}

const careful = async (connection: Connection) => {
  const segments: unknown[] = [];
  const read = await connection.read({
    after: 0,
    each: true,
    segments: (_, stored) => stored,
    onSegment: ([, no], value, error) => segments.push([no, value, error === undefined]),
  });
  return { ...read, log: read.log.map(([at]) => at), segments };
};

test("G8 is unreadable for a careful read, which reads all others", async () => {
  const { connection } = await open();
  silence("log", 2);
  const read = await careful(connection);
  expect(read.unreadable).toMatchObject([
    { store: "log", key: 2, reason: expect.stringContaining("got none") },
  ]);
  expect([read.log, read.meta.get("format")]).toEqual([[1, 3], 1]);
  // What looks for others does not ask for it again.
  expect(await connection.ensure([record(3), record(4)], "relaxed")).toEqual([
    { position: 3, added: false },
    { position: 4, added: true },
  ]);
});

test("G8 of a segment is told as an error of it alone", async () => {
  const { connection } = await open();
  silence("segments", ["todos", 1]);
  expect((await careful(connection)).segments).toEqual([
    [1, undefined, false],
    [2, 2, true],
  ]);
});

test("G8 keeps nobody waiting once its connection is closed", async () => {
  const { connect, connection } = await open();
  silence("log", 2);
  const lost = connection.ensure([record(9)], "relaxed").catch((error: unknown) => error);
  await new Promise((resolve) => setTimeout(resolve));
  connection.close();
  expect(await lost).toMatchObject({ kind: "aborted" });
  const other = await connect();
  expect(await other.append(record(4), "relaxed")).toBe(4);
});

test("G9 a read that is only slow is waited for", async () => {
  const { connection } = await open();
  const original = impatient.setTimeout;
  let first = true;
  // The time is over before anything was asked for.
  vi.spyOn(impatient, "setTimeout").mockImplementation((fn, ms) => {
    if (!first) return original(fn, ms);
    first = false;
    return fn();
  });
  const read = await careful(connection);
  expect([read.log, read.unreadable]).toEqual([[1, 2, 3], []]);
});
