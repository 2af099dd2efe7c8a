import { IDBFactory } from "fake-indexeddb";
import { type RowChange } from "../src/index.ts";
import { createIndexedDbStorage } from "../src/services/indexeddb.ts";
import { expect, it, vi } from "vitest";
import { createDevice } from "./support/todos.ts";

/** More than a leader lets pass before it folds them into segments. */
const many = 6000;

const countSegments = (factory: IDBFactory): Promise<number> =>
  new Promise((resolve, reject) => {
    const opening = factory.open("sssync/todos/");
    opening.onerror = () => reject(opening.error);
    opening.onsuccess = () => {
      const database = opening.result;
      const counting = database.transaction("segments").objectStore("segments").count();
      counting.onsuccess = () => {
        database.close();
        resolve(counting.result);
      };
    };
  });

it("tells listeners that were there first of the rows that the load brings", async () => {
  const factory = new IDBFactory();
  const device = createDevice({ storage: createIndexedDbStorage(factory) });
  const writer = device.openTab().sync;
  await writer.ready;
  await vi.waitFor(() => expect(writer.status.role).toBe("leader"));
  await writer.commit(
    Array.from({ length: many }, (_, at) => ({
      name: "todoAdded" as const,
      payload: { id: `t${at}`, text: "Milk" },
    })),
  ).durable;
  await vi.waitFor(async () => expect(await countSegments(factory)).toBeGreaterThan(0), 10_000);
  await writer.stop();

  const reader = device.openTab().sync;
  const told: RowChange<unknown>[] = [];
  reader.tables.todos.subscribe((changes) => told.push(...changes));
  await reader.ready;
  expect(reader.tables.todos.size).toBe(many);
  expect(told.length).toBe(many);
  expect(told[0]).toEqual({
    id: "t0",
    before: undefined,
    after: { id: "t0", text: "Milk", done: false },
  });
  await reader.stop();
}, 20_000);
