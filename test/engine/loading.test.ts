import { expect, it } from "vitest";
import { StorageFailure } from "../../src/services/ports.ts";
import { hold } from "../support/faulty-storage.ts";
import { added, createLab, removed, shown } from "../support/lab.ts";

it("G6 a first load that begins again shows no row that is gone by then", async () => {
  const lab = createLab();
  const writer = await lab.ready();
  await writer.sync.commit([added("t1"), added("t2"), added("t3")]).settled;
  await lab.pass(5000);
  const tab = lab.openTab();
  const held = hold("after");
  tab.disk.next("read", async (run, events) => {
    await held.fault(run, events);
    throw new StorageFailure("lost", "Injected: lost");
  });
  await held.reached;
  // The rows are there as they arrive, and this app looks.
  expect(shown(tab).todos.length).toBe(3);
  await writer.sync.commit(removed("t2")).settled;
  await lab.pass(5000);
  held.release();
  await lab.pass(5000);
  await tab.sync.ready;
  expect(shown(tab)).toEqual(shown(writer));
  expect(shown(tab).todos.map(({ id }) => id)).toEqual(["t1", "t3"]);
});
