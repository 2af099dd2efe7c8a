import "fake-indexeddb/auto";
import { forceCloseDatabase, IDBFactory } from "fake-indexeddb";
import { createIndexedDbStorage } from "../../src/services/indexeddb.ts";
import { createMemoryStorage } from "../../src/services/memory-storage.ts";
import { storageContract } from "./storage.contract.ts";
import { positionsContract } from "./positions.contract.ts";
import { indexedDbContract } from "./storage.indexeddb.ts";

interface Internals {
  _execRequestAsync(request: { source: unknown; operation(): unknown }): IDBRequest;
}

const makeFactory = (): IDBFactory => new IDBFactory();

storageContract("memory", createMemoryStorage);
storageContract("fake-indexeddb", () => createIndexedDbStorage(makeFactory()));
positionsContract("fake-indexeddb", () => new IDBFactory());
indexedDbContract("fake-indexeddb", {
  makeFactory,
  forceClose: (db) => forceCloseDatabase(db as never),
  failRequest: (store) =>
    // oxlint-disable-next-line no-underscore-dangle -- the only way to a request that fails
    (store.transaction as unknown as Internals)._execRequestAsync({
      source: store,
      operation() {
        throw new DOMException("gone", "NotReadableError");
      },
    }) as never,
});
