/** A base that the device decided becomes events, whatever of the log is not decided then. */
import { expect, test } from "vitest";
import { event } from "../model/app.ts";
import { createDisk, openTab } from "./tab.ts";

/** Each row becomes an event. */
const adopt = (tables: Readonly<Record<string, readonly object[]>>): unknown =>
  Object.entries(tables).flatMap(([t, rows]) =>
    rows.map((row) => ({ name: "up", payload: { t, ...row } })),
  );

test("G1 adoption waits for a commit that takes another one's place, and for what was logged with that one", async () => {
  const disk = createDisk("device");
  const tab = await openTab(disk, { adopt });
  Object.assign(tab.shared, { server: undefined });
  await tab.lead();
  tab.commit([event("put", { id: "a" })]);
  await tab.flush();
  await tab.decide();
  Object.assign(tab.shared, { server: { adopt } });
  tab.commit([event("put", { id: "b" })]);
  tab.commit([event("slide", { id: "s", x: 1 })]);
  await tab.flush();
  // Written after all that the leader writes now: storage was away.
  tab.commit([event("slide", { id: "s", x: 2 })]);
  expect(await tab.replicator.adopt()).toBe("nothing");
  await tab.flush();
  expect(await tab.replicator.adopt()).toBe("done");
  for (const it of [tab, await openTab(disk)]) {
    expect(Array.from(it.replica.tables.get("one")?.rows.keys() ?? [])).toEqual(["a", "b"]);
    expect(it.replica.tables.get("two")?.toArray()).toEqual([{ id: "s", x: 2 }]);
    expect(it.replica.byServer()).toBe(true);
  }
});
