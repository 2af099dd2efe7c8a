import { expect, test, vi } from "vitest";
import { createIndexedDbStorage } from "../../src/services/indexeddb.ts";
import { commitRecord, storageContract } from "./storage.contract.ts";
import { indexedDbContract } from "./storage.indexeddb.ts";

/** What a page can do of it: the event alone, after the connection is closed. The real thing is in the e2e tests. */
const forceClose = (db: IDBDatabase): void => {
  db.close();
  db.dispatchEvent(new Event("close"));
};

storageContract("IndexedDB in Chromium", createIndexedDbStorage);
indexedDbContract("IndexedDB in Chromium", { makeFactory: () => indexedDB, forceClose });

test("G2 rejects as lost when the connection goes away before the transaction tells its outcome", async () => {
  const storage = createIndexedDbStorage();
  const database = `lost/${crypto.randomUUID()}`;
  const closed = vi.fn<(reason: string) => void>();
  const transaction = vi.spyOn(IDBDatabase.prototype, "transaction");
  const connection = await storage.open(database, { blocked: () => {}, closed });
  const appended = connection.append(commitRecord(1), "relaxed");
  const tx = transaction.mock.results[0]?.value as IDBTransaction;
  transaction.mockRestore();
  // What a forced close shows of some transactions: a bubbled error, and nothing else ever.
  tx.dispatchEvent(new Event("error"));
  forceClose(tx.db);
  await expect(appended).rejects.toMatchObject({ name: "StorageFailure", kind: "lost" });
  expect(closed.mock.calls).toEqual([["forced"]]);
  await storage.destroy(database);
});
