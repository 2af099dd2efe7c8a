import { describe, expect, onTestFinished, test } from "vitest";
import { createIndexedDbStorage } from "../../src/services/indexeddb.ts";
import { commitRecord, readAll } from "./storage.contract.ts";

/** What is done about keys in the log that are nobody's positions, and about a key generator that they have spoilt. */
export const positionsContract = (subject: string, makeFactory: () => IDBFactory): void => {
  const setUp = () => {
    const factory = makeFactory();
    const storage = createIndexedDbStorage(factory);
    const database = `positions/${crypto.randomUUID()}`;
    const connect = async () => {
      const connection = await storage.open(database, { blocked() {}, closed() {} });
      onTestFinished(() => connection.close());
      return connection;
    };
    /** Works on the log past the engine. */
    const raw = (work: (log: IDBObjectStore, meta: IDBObjectStore) => unknown): Promise<void> =>
      new Promise((resolve, reject) => {
        const request = factory.open(database);
        request.onerror = () => reject(request.error ?? new Error("Expected it to open"));
        request.onsuccess = () => {
          const db = request.result;
          const tx = db.transaction(["log", "meta"], "readwrite");
          work(tx.objectStore("log"), tx.objectStore("meta"));
          tx.oncomplete = () => resolve(db.close());
          tx.onabort = () => reject(tx.error ?? new Error("Expected it to complete"));
        };
      });
    return { connect, raw };
  };

  describe(`${subject}, the keys of its log`, () => {
    test.each([2 ** 52, 2 ** 53, 2 ** 53 - 1, Number.POSITIVE_INFINITY])(
      "G8 goes on by hand where a record under %d has used them up",
      async (key) => {
        const { connect, raw } = setUp();
        const connection = await connect();
        await connection.append(commitRecord(1), "relaxed");
        await raw((log) => log.put("not ours", key));
        expect(await connection.append(commitRecord(2), "relaxed")).toBe(2);
        expect(
          await connection.ensure([commitRecord(2), commitRecord(3), commitRecord(4)], "relaxed"),
        ).toEqual([
          { position: 2, added: false },
          { position: 3, added: true },
          { position: 4, added: true },
        ]);
        const term = await connection.claim();
        const append = commitRecord(5);
        expect(await connection.lead({ term, tail: 4, append, durability: "relaxed" })).toEqual({
          tag: "written",
          position: 5,
        });
        expect(await connection.append(commitRecord(6), "relaxed")).toBe(6);
        // What is not ours stays where it is, and nobody is led to believe that it is a record.
        expect((await readAll(connection)).log).toEqual(
          [1, 2, 3, 4, 5, 6].map((n) => [n, commitRecord(n)]),
        );
        await raw((log) => {
          log.get(key).onsuccess = ({ target }) =>
            expect((target as IDBRequest).result).toBe("not ours");
        });
      },
    );

    test("refuses a record where no position is left, and reads on", async () => {
      const { connect, raw } = setUp();
      const connection = await connect();
      const last = 2 ** 52 - 1;
      await raw((log) => log.put(commitRecord(1), last));
      await expect(connection.append(commitRecord(2), "relaxed")).rejects.toMatchObject({
        kind: "refused",
      });
      const { log } = await connection.read({
        after: last,
        segments: () => [],
        onSegment() {},
      });
      expect(log).toEqual([]);
      expect((await readAll(connection)).log).toEqual([[last, commitRecord(1)]]);
    });

    test("G7 gives no position twice where the browser has lost count", async () => {
      const { connect, raw } = setUp();
      const first = await connect();
      await raw((log, meta) => {
        log.add(commitRecord(1));
        meta.put(7, "floor");
      });
      await readAll(first);
      expect(await first.append(commitRecord(2), "relaxed")).toBe(8);
      expect(await first.append(commitRecord(3), "relaxed")).toBe(9);
      expect((await readAll(first)).log).toEqual([
        [1, commitRecord(1)],
        [8, commitRecord(2)],
        [9, commitRecord(3)],
      ]);
    });

    test("G8 leaves out what is under no position", async () => {
      const { connect, raw } = setUp();
      const connection = await connect();
      await connection.append(commitRecord(1), "relaxed");
      await raw((log) => {
        for (const key of [-1, 0, 0.5, 1.5, "1", "z", ["todos", 1], new Date(1)])
          log.put(commitRecord(9), key);
      });
      expect((await readAll(connection)).log).toEqual([[1, commitRecord(1)]]);
      expect(await connection.ensure([commitRecord(9)], "relaxed")).toEqual([
        { position: 2, added: true },
      ]);
      const term = await connection.claim();
      expect(
        await connection.lead({ term, tail: 2, append: commitRecord(3), durability: "relaxed" }),
      ).toEqual({ tag: "written", position: 3 });
    });
  });
};
