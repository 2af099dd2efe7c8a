import "fake-indexeddb/auto";
import { forceCloseDatabase, IDBFactory } from "fake-indexeddb";
import { createIndexedDbStorage } from "../../src/services/indexeddb.ts";
import { createMemoryStorage } from "../../src/services/memory-storage.ts";
import { storageContract } from "./storage.contract.ts";
import { positionsContract } from "./positions.contract.ts";
import { indexedDbContract } from "./storage.indexeddb.ts";

const makeFactory = (): IDBFactory => new IDBFactory();

storageContract("memory", createMemoryStorage);
storageContract("fake-indexeddb", () => createIndexedDbStorage(makeFactory()));
positionsContract("fake-indexeddb", () => new IDBFactory());
indexedDbContract("fake-indexeddb", {
  makeFactory,
  forceClose: (db) => forceCloseDatabase(db as never),
});
