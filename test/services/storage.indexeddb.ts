import { afterEach, describe, expect, test, vi } from "vitest";
import { createIndexedDbStorage } from "../../src/services/indexeddb.ts";
import {
  type Connection,
  type LeaderWrite,
  type Put,
  type SegmentKey,
  StorageFailure,
} from "../../src/services/ports.ts";
import { commitRecord, readAll, unstorable } from "./storage.contract.ts";

/** One IndexedDB, and how a connection to it is closed by force. */
export interface IndexedDbSubject {
  readonly makeFactory: () => IDBFactory;
  readonly forceClose: (db: IDBDatabase) => void;
  /** A request of the store that fails as one does whose record cannot be read. */
  readonly failRequest: <Result>(
    store: IDBObjectStore,
    ask: () => IDBRequest<Result>,
  ) => IDBRequest<Result>;
}

const settled = <Result>(request: IDBRequest<Result>): Promise<Result> =>
  new Promise((resolve, reject) => {
    request.addEventListener("success", () => resolve(request.result));
    request.addEventListener("error", () =>
      reject(request.error ?? new Error("Expected an error, got none")),
    );
  });

/** Its file is gone: as in Chromium, what reads it fails, and takes the transaction with it unless that one commits. */
const lose = (
  failRequest: IndexedDbSubject["failRequest"],
  store: string,
  key: IDBValidKey,
): void => {
  // oxlint-disable-next-line typescript/unbound-method -- they are called with their object below
  const { get, getAll } = IDBObjectStore.prototype;
  // oxlint-disable-next-line typescript/unbound-method -- it is called with its object below
  const { commit } = IDBTransaction.prototype;
  const committing = new WeakSet<IDBTransaction>();
  vi.spyOn(IDBTransaction.prototype, "commit").mockImplementation(function (this: IDBTransaction) {
    committing.add(this);
    commit.call(this);
  });
  const fail = <Result>(on: IDBObjectStore, ask: () => IDBRequest<Result>): IDBRequest<Result> => {
    const request = failRequest(on, ask);
    request.addEventListener("error", () => {
      if (!committing.has(on.transaction)) on.transaction.abort();
    });
    return request;
  };
  vi.spyOn(IDBObjectStore.prototype, "get").mockImplementation(function (
    this: IDBObjectStore,
    wanted,
  ) {
    const isLost = this.name === store && indexedDB.cmp(wanted, key) === 0;
    return isLost ? fail(this, () => get.call(this, key)) : get.call(this, wanted);
  });
  vi.spyOn(IDBObjectStore.prototype, "getAll").mockImplementation(function (
    this: IDBObjectStore,
    ...range
  ) {
    const ask = (): IDBRequest<unknown[]> => getAll.apply(this, range);
    return this.name === store ? fail(this, ask) : ask();
  });
};

/** Every key and value of every store. */
const dump = async (db: IDBDatabase): Promise<Record<string, unknown>> => {
  const tx = db.transaction([...db.objectStoreNames]);
  const stores = [...db.objectStoreNames].map(async (store) => {
    const [keys, values] = await Promise.all([
      settled(tx.objectStore(store).getAllKeys()),
      settled(tx.objectStore(store).getAll()),
    ]);
    return [store, { keys, values }] as const;
  });
  return Object.fromEntries(await Promise.all(stores));
};

/** Lets something happen when the next record was added, before the transaction ends. */
const onceAdded = (then: (store: IDBObjectStore) => unknown): void => {
  // oxlint-disable-next-line typescript/unbound-method -- it is called with its object below
  const add = IDBObjectStore.prototype.add;
  vi.spyOn(IDBTransaction.prototype, "commit").mockImplementationOnce(() => {});
  vi.spyOn(IDBObjectStore.prototype, "add").mockImplementationOnce(function (
    this: IDBObjectStore,
    value: unknown,
  ) {
    const request = add.call(this, value);
    request.addEventListener("success", () => then(this));
    return request;
  });
};

/** Lets the next appended record succeed, and its transaction abort after that, for this reason. */
const abortAfterSuccess = (reason: DOMException | null): void =>
  onceAdded(({ transaction }) => {
    if (reason !== null) Object.defineProperty(transaction, "error", { value: reason });
    transaction.abort();
  });

/** What IndexedDbStorage does beyond the contract of all storages: how it uses IndexedDB, and what it makes of its errors. */
export const indexedDbContract = (
  subject: string,
  { makeFactory, forceClose, failRequest }: IndexedDbSubject,
): void => {
  describe(`${subject} as a disk`, () => {
    const cleanUps: (() => Promise<void>)[] = [];
    afterEach(async () => {
      vi.restoreAllMocks();
      for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
    });

    const setUp = () => {
      const factory = makeFactory();
      const database = `disk/${crypto.randomUUID()}`;
      const opened: IDBDatabase[] = [];
      /** Keeps what it opens, and opens another version than asked for if told so. */
      const watched = (version?: number): IDBFactory =>
        ({
          open(of: string, wanted: number) {
            const request = factory.open(of, version ?? wanted);
            request.addEventListener("success", () => opened.push(request.result));
            return request;
          },
          deleteDatabase: (of: string) => factory.deleteDatabase(of),
        }) as unknown as IDBFactory;
      cleanUps.push(() => createIndexedDbStorage(factory).destroy(database));

      const open = async (version?: number) => {
        const blocked = vi.fn<() => void>();
        const closed = vi.fn<(reason: string) => void>();
        const connecting = createIndexedDbStorage(watched(version)).open(database, {
          blocked,
          closed,
        });
        cleanUps.push(() =>
          connecting.then(
            (connection) => connection.close(),
            () => {},
          ),
        );
        return { connecting, blocked, closed };
      };
      const connect = async () => {
        const { connecting, closed } = await open();
        const connection = await connecting;
        return { ...connection, closed, db: opened.at(-1) as IDBDatabase };
      };
      /** A connection that sssync knows nothing of. */
      const openRaw = async (version?: number, upgrade = (_db: IDBDatabase): void => {}) => {
        const request = factory.open(database, version);
        request.addEventListener("upgradeneeded", () => upgrade(request.result));
        const db = await settled(request);
        cleanUps.push(async () => db.close());
        return db;
      };
      return { factory, database, open, connect, openRaw };
    };

    describe("outcome", () => {
      test.each<[string, (connection: Connection, term: number) => Promise<unknown>]>([
        ["an append", (connection) => connection.append(commitRecord(1), "relaxed")],
        ["an ensure", (connection) => connection.ensure([commitRecord(1)], "relaxed")],
        [
          "a leader's write",
          (connection, term) =>
            connection.lead({ term, append: commitRecord(1), durability: "relaxed" }),
        ],
      ])("G2 resolves %s on complete, and not on success of the request", async (_what, write) => {
        const { connect } = setUp();
        const connection = await connect();
        const term = await connection.claim();
        const diary: string[] = [];
        onceAdded(async (store) => {
          diary.push("success");
          for (const _ of [1, 2, 3]) {
            await settled(store.count());
            diary.push("not yet");
          }
        });
        await write(connection, term);
        diary.push("resolved");
        expect(diary).toEqual(["success", "not yet", "not yet", "not yet", "resolved"]);
      });

      test.each([
        ["aborted", null],
        ["aborted", new DOMException("", "AbortError")],
        ["quota", new DOMException("Failed to write blobs (IOError)", "DataError")],
        ["quota", new DOMException("", "QuotaExceededError")],
        [
          "refused",
          new DOMException("The serialized keys and/or value are too large", "UnknownError"),
        ],
        ["lost", new DOMException("Connection is closing because of: IO error", "UnknownError")],
        ["lost", new DOMException("", "InvalidStateError")],
      ])(
        "G2 rejects as %s when the transaction aborts after all succeeded (%s)",
        async (kind, reason) => {
          const { connect } = setUp();
          const connection = await connect();
          abortAfterSuccess(reason);
          const failed: unknown = await connection
            .append(commitRecord(1), "relaxed")
            .catch((e) => e);
          expect(failed).toBeInstanceOf(StorageFailure);
          expect(failed).toMatchObject(reason === null ? { kind } : { kind, cause: reason });
          expect((await readAll(connection)).log).toEqual([]);
          expect(await connection.append(commitRecord(1), "relaxed")).toBe(1);
        },
      );

      test.each(["before", "after"])(
        "G2 rejects as refused when a request fails %s the commit",
        async (order) => {
          const { connect } = setUp();
          const connection = await connect();
          await connection.append(commitRecord(1), "relaxed");
          // oxlint-disable-next-line typescript/unbound-method -- it is called with its object below
          const add = IDBObjectStore.prototype.add;
          // Whatever the key: also the one that it is given by hand.
          vi.spyOn(IDBObjectStore.prototype, "add").mockImplementation(function (
            this: IDBObjectStore,
            value: unknown,
          ) {
            return add.call(this, value, 1);
          });
          if (order === "before")
            vi.spyOn(IDBTransaction.prototype, "commit").mockImplementationOnce(() => {});
          const failed = connection.append(commitRecord(2), "relaxed");
          await expect(failed).rejects.toMatchObject({ name: "StorageFailure", kind: "refused" });
          expect((await readAll(connection)).log).toEqual([[1, commitRecord(1)]]);
        },
      );

      test.each([
        ["lost", "UnknownError"],
        ["lost", "InvalidStateError"],
        ["quota", "QuotaExceededError"],
        ["refused", "DataCloneError"],
      ])("G2 rejects as %s when the write itself throws %s", async (kind, name) => {
        const { connect } = setUp();
        const connection = await connect();
        vi.spyOn(IDBObjectStore.prototype, "add").mockImplementationOnce(() => {
          throw new DOMException("Attempt to add without an in-progress transaction", name);
        });
        await expect(connection.append(commitRecord(1), "relaxed")).rejects.toMatchObject({ kind });
        expect(await connection.append(commitRecord(1), "relaxed")).toBe(1);
      });

      test("G2 adds a record again that aborted after its request succeeded", async () => {
        const { connect } = setUp();
        const connection = await connect();
        abortAfterSuccess(null);
        const records = [commitRecord(1), commitRecord(2)];
        const failed = connection.ensure(records, "relaxed");
        await expect(failed).rejects.toMatchObject({ kind: "aborted" });
        expect(await connection.ensure(records, "relaxed")).toEqual([
          { position: 1, added: true },
          { position: 2, added: true },
        ]);
      });

      test("G9 rejects a read of which one store fails, and never shows it as empty", async () => {
        const { connect } = setUp();
        const connection = await connect();
        await connection.append(commitRecord(1), "relaxed");
        // oxlint-disable-next-line typescript/unbound-method -- it is called with its object below
        const getAll = IDBObjectStore.prototype.getAll;
        vi.spyOn(IDBTransaction.prototype, "commit").mockImplementationOnce(() => {});
        const spy = vi.spyOn(IDBObjectStore.prototype, "getAll").mockImplementation(function (
          this: IDBObjectStore,
          ...range
        ) {
          const request = getAll.apply(this, range);
          if (this.name === "log")
            request.addEventListener("success", () => this.transaction.abort());
          return request;
        });
        await expect(readAll(connection)).rejects.toMatchObject({
          name: "StorageFailure",
          kind: "aborted",
        });
        spy.mockRestore();
        expect((await readAll(connection)).log).toHaveLength(1);
      });
    });

    describe("records that cannot be read", () => {
      test.each([
        ["log", 2],
        ["meta", "term"],
        ["rejected", "r"],
        ["quarantine", "q"],
      ] as const)(
        "G8 are told by a careful read, and the rest of %s is read",
        async (store, key) => {
          const { connect } = setUp();
          const connection = await connect();
          const term = await connection.claim();
          for (const n of [1, 2, 3]) await connection.append(commitRecord(n), "relaxed");
          const puts = (["rejected", "quarantine"] as const).flatMap((it): Put[] => [
            { store: it, key: it.slice(0, 1), value: 1 },
            { store: it, key: "other", value: 2 },
          ]);
          puts.push({ store: "meta", key: "floor", value: 0 });
          await connection.lead({ term, puts, durability: "relaxed" });
          lose(failRequest, store, key);
          await expect(readAll(connection)).rejects.toMatchObject({ name: "StorageFailure" });
          const read = await connection.read({
            after: 0,
            each: true,
            segments: () => [],
            onSegment: () => {},
          });
          expect(read.unreadable).toMatchObject([
            { store, key, reason: expect.stringContaining("gone") },
          ]);
          const count = (it: string, all: number): number => all - (store === it ? 1 : 0);
          expect([read.log.length, read.meta.size]).toEqual([count("log", 3), count("meta", 2)]);
          expect([read.rejected.length, read.quarantine.length]).toEqual([
            count("rejected", 2),
            count("quarantine", 2),
          ]);
          const repaired = connection.repair(commitRecord(9), 0, (found) => {
            expect(found.unreadable.map((it) => it.key)).toEqual(store === "meta" ? [key] : []);
            return undefined;
          });
          expect(await repaired).toBe(false);
          if (store !== "log") return;
          // One that is gone keeps no other from being written.
          const [placed] = await connection.ensure([commitRecord(3)], "relaxed");
          expect(placed).toEqual({ position: 3, added: false });
        },
      );
    });

    describe("transactions", () => {
      test("commit an append in the task that asked for it, over the log alone", async () => {
        const { connect } = setUp();
        const connection = await connect();
        const transaction = vi.spyOn(IDBDatabase.prototype, "transaction");
        const commit = vi.spyOn(IDBTransaction.prototype, "commit");
        const appended = connection.append(commitRecord(1), "strict");
        expect(commit).toHaveBeenCalledTimes(1);
        await appended;
        expect(transaction.mock.calls).toEqual([[["log"], "readwrite", { durability: "strict" }]]);
      });

      test.each<[string, "strict" | "relaxed", (connection: Connection) => Promise<unknown>]>([
        ["ensure", "relaxed", (connection) => connection.ensure([commitRecord(1)], "relaxed")],
        ["read", "relaxed", (connection) => readAll(connection, [["todos", 1]])],
        ["initialise", "strict", (connection) => connection.initialise(new Map([["format", 1]]))],
        ["claim", "strict", (connection) => connection.claim()],
        ["lead", "strict", (connection) => connection.lead({ term: 1, durability: "strict" })],
        ["quarantine", "relaxed", (connection) => connection.quarantine([["q", 1]], [])],
      ])("of %s are one, committed explicitly, and %s", async (_, durability, call) => {
        const { connect } = setUp();
        const connection = await connect();
        await connection.claim();
        const transaction = vi.spyOn(IDBDatabase.prototype, "transaction");
        const commit = vi.spyOn(IDBTransaction.prototype, "commit");
        await call(connection);
        expect(transaction).toHaveBeenCalledTimes(1);
        expect(transaction.mock.calls[0]?.[2]).toEqual({ durability });
        expect(commit).toHaveBeenCalledTimes(1);
      });

      test("of a leader touch only the stores that it writes", async () => {
        const { connect } = setUp();
        const connection = await connect();
        await connection.claim();
        const transaction = vi.spyOn(IDBDatabase.prototype, "transaction");
        const lead = (write: Partial<LeaderWrite>) =>
          connection.lead({ term: 1, durability: "strict", ...write });
        await lead({ puts: [{ store: "segments", key: ["todos", 1], value: 1 }] });
        await lead({ deletes: [{ store: "rejected", key: "r" }] });
        await lead({ tail: 0 });
        await lead({ append: commitRecord(1) });
        const scopes = transaction.mock.calls.map(([scope]) => [scope].flat());
        expect(scopes).toEqual([
          ["meta", "segments"],
          ["meta", "rejected"],
          ["meta", "log"],
          ["meta", "log"],
        ]);
      });

      test("of a leader issue many writes in bursts, and no second burst for a stale term", async () => {
        const { connect } = setUp();
        const connection = await connect();
        await connection.claim();
        const puts = Array.from({ length: 40 }, (_, no): Put => ({
          store: "segments",
          key: ["todos", no],
          value: no,
        }));
        const put = vi.spyOn(IDBObjectStore.prototype, "put");
        const written = connection.lead({ term: 1, puts, durability: "strict" });
        const first = put.mock.calls.length;
        expect(first).toBeGreaterThan(0);
        expect(first).toBeLessThan(20);
        await written;
        expect(put).toHaveBeenCalledTimes(40);
        put.mockClear();
        await connection.lead({ term: 9, puts, durability: "strict" });
        expect(put).toHaveBeenCalledTimes(first);
      });

      test("G10 of a stale leader leave every store as it was, byte for byte", async () => {
        const { connect, openRaw } = setUp();
        const connection = await connect();
        const stores = ["segments", "meta", "rejected", "quarantine", "queries"] as const;
        const puts = (value: string): Put[] =>
          stores.map((store) => ({ store, key: ["k", 1], value }));
        const write = (value: string): LeaderWrite => ({
          term: 1,
          append: commitRecord(1),
          puts: puts(value),
          durability: "strict",
        });
        await connection.claim();
        await connection.lead(write("old"));
        await connection.claim();
        const db = await openRaw();
        const before = await dump(db);
        const commit = vi.spyOn(IDBTransaction.prototype, "commit");
        expect(
          await connection.lead({ ...write("new"), deletes: [{ store: "log", from: 1, to: 1 }] }),
        ).toEqual({ tag: "fenced", term: 2 });
        expect(commit).not.toHaveBeenCalled();
        expect(await dump(db)).toEqual(before);
      });

      test("pass over entries whose keys are not strings", async () => {
        const { connect, openRaw } = setUp();
        const connection = await connect();
        const db = await openRaw();
        const tx = db.transaction(["meta", "rejected", "quarantine"], "readwrite");
        for (const store of tx.objectStoreNames)
          for (const key of [7, ["k", 1], "name"]) tx.objectStore(store).put("value", key);
        expect(await readAll(connection)).toMatchObject({
          meta: { name: "value" },
          rejected: [["name", "value"]],
          quarantine: [["name", "value"]],
        });
        const { meta, damaged } = await connection.initialise(new Map([["format", 1]]));
        expect({ meta: [...meta], damaged }).toEqual({ meta: [["name", "value"]], damaged: true });
      });

      test("G3 undo the deletes before a write that throws", async () => {
        const { connect, openRaw } = setUp();
        const connection = await connect();
        await connection.claim();
        await connection.append(commitRecord(1), "relaxed");
        const before = await dump(await openRaw());
        const refused = connection.lead({
          term: 1,
          deletes: [
            { store: "log", key: 1 },
            { store: "segments", key: Number.NaN },
          ],
          durability: "strict",
        });
        await expect(refused).rejects.toMatchObject({ kind: "refused" });
        expect(await dump(await openRaw())).toEqual(before);
      });
    });

    describe("connection", () => {
      test("rejects as newer, and changes nothing, when the layout is newer", async () => {
        const { open, openRaw } = setUp();
        const db = await openRaw(2, (created) => created.createObjectStore("from the future"));
        const { connecting } = await open();
        await expect(connecting).rejects.toMatchObject({ name: "StorageFailure", kind: "newer" });
        expect([db.version, [...db.objectStoreNames]]).toEqual([2, ["from the future"]]);
      });

      test("rejects as unavailable, and holds nothing, when the database is somebody else's", async () => {
        const { open, openRaw, factory, database } = setUp();
        const db = await openRaw(1, (created) => created.createObjectStore("log"));
        const { connecting } = await open();
        await expect(connecting).rejects.toMatchObject({ kind: "unavailable" });
        db.close();
        const blocked = vi.fn<() => void>();
        const request = factory.deleteDatabase(database);
        request.addEventListener("blocked", blocked);
        await settled(request);
        expect(blocked).not.toHaveBeenCalled();
      });

      test("rejects as unavailable when there is no IndexedDB, and when it refuses", async () => {
        const refusal = new DOMException("denied", "SecurityError");
        const refuse = (): never => {
          throw refusal;
        };
        const refusing = { open: refuse, deleteDatabase: refuse } as unknown as IDBFactory;
        const events = { blocked: () => {}, closed: () => {} };
        const storage = createIndexedDbStorage(refusing);
        const failure = { name: "StorageFailure", kind: "unavailable", cause: refusal };
        await expect(storage.open("any", events)).rejects.toMatchObject(failure);
        await expect(storage.destroy("any")).rejects.toMatchObject(failure);
        vi.stubGlobal("indexedDB", undefined);
        const nowhere = createIndexedDbStorage().open("any", events);
        vi.unstubAllGlobals();
        await expect(nowhere).rejects.toMatchObject({ kind: "unavailable" });
      });

      test("makes way for an upgrade, and says so once", async () => {
        const { connect, openRaw } = setUp();
        const connection = await connect();
        const appended = connection.append(commitRecord(1), "relaxed");
        await openRaw(2);
        expect(await appended).toBe(1);
        expect(connection.closed.mock.calls).toEqual([["upgraded"]]);
        const late = connection.append(commitRecord(2), "relaxed");
        await expect(late).rejects.toMatchObject({ kind: "lost" });
      });

      test("tells that it is blocked, and opens when the other tab closes", async () => {
        const { open, openRaw } = setUp();
        const old = await openRaw(1);
        const { connecting, blocked } = await open(2);
        await vi.waitFor(() => expect(blocked).toHaveBeenCalledTimes(1), { interval: 1 });
        old.close();
        const connection = await connecting;
        expect(await connection.append(commitRecord(1), "relaxed")).toBe(1);
      });

      test("tells that it was closed by force, once, and is lost from then on", async () => {
        const { connect } = setUp();
        const connection = await connect();
        await connection.append(commitRecord(1), "relaxed");
        forceClose(connection.db);
        await vi.waitFor(() => expect(connection.closed).toHaveBeenCalled(), { interval: 1 });
        connection.close();
        expect(connection.closed.mock.calls).toEqual([["forced"]]);
        const late = connection.append(commitRecord(2), "relaxed");
        await expect(late).rejects.toMatchObject({ kind: "lost" });
        expect((await readAll(await connect())).log).toHaveLength(1);
      });

      test("G4 lets go of what waits for this page, and of nothing that was committed", async () => {
        const { connect } = setUp();
        const [connection, other] = [await connect(), await connect()];
        const appended = connection.append(commitRecord(1), "relaxed");
        const waiting = [readAll(connection), connection.claim()];
        const behind = other.append(commitRecord(2), "relaxed");
        connection.letGo();
        for (const it of waiting) await expect(it).rejects.toMatchObject({ kind: "aborted" });
        expect(await appended).toBe(1);
        expect(await behind).toBe(2);
        expect(await connection.claim()).toBe(1);
        expect((await readAll(connection)).log).toHaveLength(2);
      });

      test("does not tell of a forced close after its own", async () => {
        const { connect } = setUp();
        const connection = await connect();
        connection.close();
        forceClose(connection.db);
        await readAll(await connect());
        expect(connection.closed).not.toHaveBeenCalled();
      });
    });

    test("leaves no rejection unhandled when a transaction fails with requests in flight", async () => {
      const { connect } = setUp();
      const connection = await connect();
      await connection.claim();
      const keys = Array.from({ length: 20 }, (_, no): SegmentKey => ["todos", no]);
      const puts = keys.map((key): Put => ({ store: "segments", key, value: 1 }));
      const results = await Promise.allSettled([
        connection.lead({ term: 9, tail: 9, puts, append: commitRecord(1), durability: "relaxed" }),
        connection.lead({ term: 1, tail: 0, puts, append: unstorable(1), durability: "relaxed" }),
        connection.ensure([commitRecord(1), unstorable(2)], "relaxed"),
        connection.read({
          after: 0,
          segments: () => keys,
          onSegment() {
            throw new Error("stop");
          },
        }),
      ]);
      // The runner fails on an unhandled rejection.
      expect(results.map(({ status }) => status)).toEqual([
        "fulfilled",
        "rejected",
        "rejected",
        "rejected",
      ]);
    });
  });
};
