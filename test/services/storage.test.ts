import "fake-indexeddb/auto";
import { expect, test } from "vitest";
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

test.each([
  ["total", 1],
  ["none", 0],
])(
  "with dataLoss %s, tells %i times that the browser threw the data away",
  async (dataLoss, times) => {
    const factory = new IDBFactory();
    const open = factory.open.bind(factory);
    Object.assign(factory, {
      open(name: string, version: number) {
        const request = open(name, version);
        request.addEventListener("upgradeneeded", (event) => Object.assign(event, { dataLoss }));
        return request;
      },
    });
    let told = 0;
    const events = { blocked() {}, closed() {}, thrownAway: () => (told += 1) };
    for (let round = 0; round < 2; round += 1) {
      const connection = await createIndexedDbStorage(factory).open("lost", events);
      connection.close();
      expect(told).toBe(times);
    }
  },
);
