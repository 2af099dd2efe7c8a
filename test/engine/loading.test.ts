import { expect, it } from "vitest";
import { StorageFailure } from "../../src/services/ports.ts";
import { failing, hold, hungAndNotStored } from "../support/faulty-storage.ts";
import { added, createLab, removed, shown } from "../support/lab.ts";
import { createLosingStorage } from "../support/losing-storage.ts";

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

it("G8 a first load waits for space to make a database, however long that takes", async () => {
  const lab = createLab();
  const tab = lab.openTab();
  const heal = tab.disk.always("initialise", failing("quota"));
  await lab.pass(60_000);
  expect(tab.sync.status.phase).toBe("loading");
  heal();
  await lab.pass(30_000);
  expect(tab.sync.status.phase).toBe("ready");
});

it("G8 a newer app whose first write is never answered asks again on a new connection", async () => {
  const lab = createLab();
  await lab.ready();
  const tab = lab.openTab({ schema: { version: 2 } });
  tab.disk.next("claim", hungAndNotStored);
  await lab.pass(5000);
  expect(tab.sync.status.phase).toBe("loading");
  await lab.pass(120_000);
  expect(tab.sync.status.phase).toBe("ready");
});

it("G8 a quarantine that is never answered is written again on a new connection", async () => {
  const lab = createLab();
  await lab.ready();
  await lab.put("log", 1, "no record");
  const tab = lab.openTab();
  tab.disk.next("quarantine", hungAndNotStored);
  await lab.pass(5000);
  expect(tab.sync.status.phase).toBe("loading");
  await lab.pass(120_000);
  expect([tab.sync.status.phase, tab.sync.status.quarantined]).toEqual(["ready", 1]);
});

it("G8 a record of which reads fail as if the connection was lost hides no other one", async () => {
  const disk = createLosingStorage("lost");
  const lab = createLab({ wrap: disk.wrap });
  const writer = await lab.ready({ ports: { locks: null } });
  for (const id of ["t1", "t2", "t3"]) await writer.sync.commit(added(id)).durable;
  await writer.sync.stop();
  disk.lose("log", 2);
  const tab = lab.openTab();
  await lab.pass(5000);
  expect(tab.sync.status.phase).toBe("ready");
  expect(shown(tab).todos.map(({ id }) => id)).toEqual(["t1", "t3"]);
  expect(tab.sync.quarantine.list()).toMatchObject([{ id: "log/2", raw: null }]);
  expect(tab.sync.status.role).toBe("leader");
});
