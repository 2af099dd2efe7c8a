import { expect, onTestFinished, test, vi } from "vitest";
import { createIndexedDbStorage } from "../../src/services/indexeddb.ts";
import { commitRecord, storageContract } from "./storage.contract.ts";
import { positionsContract } from "./positions.contract.ts";
import { type IndexedDbSubject, indexedDbContract } from "./storage.indexeddb.ts";

/** What a page can do of it: the event alone, after the connection is closed. The real thing is in the e2e tests. */
const forceClose = (db: IDBDatabase): void => {
  db.close();
  db.dispatchEvent(new Event("close"));
};

storageContract("IndexedDB in Chromium", createIndexedDbStorage);
positionsContract("IndexedDB in Chromium", () => indexedDB);
/** Its success is turned into the error that it would be. */
const failRequest: IndexedDbSubject["failRequest"] = (store, ask) => {
  const request = ask();
  const error = new DOMException("gone", "NotReadableError");
  const onSuccess = (event: Event): void => {
    event.stopImmediatePropagation();
    Object.defineProperty(request, "error", { value: error });
    const failed = new Event("error", { bubbles: true, cancelable: true });
    if (!request.dispatchEvent(failed)) return;
    try {
      store.transaction.abort();
    } catch {
      // It was told to commit: then it does, as Chromium on LevelDB.
    }
  };
  request.addEventListener("success", onSuccess);
  return request;
};

indexedDbContract("IndexedDB in Chromium", {
  makeFactory: () => indexedDB,
  forceClose,
  failRequest,
});

/** A connection with an append in flight, and its transaction, which tells nothing at all when it is mute. */
const setUp = async ({ mute = false } = {}) => {
  const storage = createIndexedDbStorage();
  const database = `in flight/${crypto.randomUUID()}`;
  const closed = vi.fn<(reason: string) => void>();
  const connection = await storage.open(database, { blocked: () => {}, closed });
  onTestFinished(async () => {
    vi.restoreAllMocks();
    connection.close();
    await storage.destroy(database);
  });
  if (mute) vi.spyOn(IDBTransaction.prototype, "addEventListener").mockImplementation(() => {});
  const transaction = vi.spyOn(IDBDatabase.prototype, "transaction");
  const appended = connection.append(commitRecord(1), "relaxed");
  return { closed, appended, tx: transaction.mock.results[0]?.value as IDBTransaction };
};

test("G2 rejects as lost when the connection goes away before the transaction tells its outcome", async () => {
  // What a forced close makes of some transactions.
  const { closed, appended, tx } = await setUp({ mute: true });
  forceClose(tx.db);
  await expect(appended).rejects.toMatchObject({ name: "StorageFailure", kind: "lost" });
  expect(closed.mock.calls).toEqual([["forced"]]);
});

test("G2 takes no bubbled error for an outcome", async () => {
  const { appended, tx } = await setUp();
  tx.dispatchEvent(new Event("error"));
  expect(await appended).toBe(1);
});
