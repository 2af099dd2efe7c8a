/** Single bytes of damage that reach further than the record they are in. */
import { expect, it } from "vitest";
import { added, createLab, invited, shown } from "../support/lab.ts";

async function filled() {
  const lab = createLab();
  const writer = await lab.ready();
  await writer.sync.commit([added("t1"), added("t2"), added("t3")]).durable;
  await writer.sync.commit(added("t4")).durable;
  await lab.pass(5000);
  await writer.sync.stop();
  return { lab, rows: shown(writer).todos };
}

it("G8 a hole in the positions of a segment does not spread to the segment that a fold writes", async () => {
  const { lab, rows } = await filled();
  const { segments = [] } = await lab.contents();
  const [[key, value] = []] = segments;
  // oxlint-disable-next-line no-sparse-arrays -- that is what is tried
  await lab.put("segments", key as IDBValidKey, { ...(value as object), pos: [1, , 1, 2] });
  const tab = await lab.ready();
  expect(shown(tab).todos).toEqual(rows);
  expect(tab.sync.status.quarantined).toBe(1);
  await tab.sync.commit(added("t5")).durable;
  await lab.pass(5000);
  const later = await lab.ready();
  expect(shown(later).todos.map(({ id }) => id)).toEqual(["t1", "t2", "t3", "t4", "t5"]);
});

it("G8 a record that claims a newer schema than the database is damage, and shuts nobody out", async () => {
  const { lab, rows } = await filled();
  const stray = { kind: "commit", tab: "x", n: 1, schema: 7, events: [] };
  await lab.put("log", undefined, stray);
  const tab = await lab.ready();
  expect(shown(tab).todos).toEqual(rows);
  expect(tab.sync.status).toMatchObject({ phase: "ready", quarantined: 1 });
  expect(tab.sync.quarantine.list()[0]).toMatchObject({ raw: stray });
  await tab.sync.commit(added("t5")).durable;
  expect(shown(await lab.ready()).todos).toHaveLength(5);
});

it("G8 damaged bytes of any store are gone for good when they were discarded", async () => {
  const { lab } = await filled();
  await lab.put("rejected", "e1", { event: null });
  await lab.put("quarantine", "", "no entry");
  await lab.put("log", undefined, "no record");
  const tab = await lab.ready();
  const ids = tab.sync.quarantine.list().map(({ id }) => id);
  expect(ids.filter((id) => id === "" || id === "rejected/e1")).toHaveLength(2);
  expect(ids).toHaveLength(3);
  for (const id of ids) await tab.sync.quarantine.discard(id);
  await tab.sync.commit(invited("a@example.org")).durable;
  await lab.pass(5000);
  await tab.sync.stop();
  const later = await lab.ready();
  expect(later.sync.quarantine.list()).toEqual([]);
  expect((await lab.contents())["rejected"]).toEqual([]);
  expect(shown(later)).toEqual(shown(tab));
});

it("G9 a key with more parts than a segment's is nobody's, and names no segment", async () => {
  const { lab, rows } = await filled();
  const { segments = [] } = await lab.contents();
  const [[key, value] = []] = segments;
  const [table] = key as [string, number];
  const stray = [table, 7, 9];
  await lab.put("segments", stray, value);
  const tab = await lab.ready();
  expect(shown(tab).todos).toEqual(rows);
  expect(tab.sync.status.phase).toBe("ready");
  expect((await lab.contents())["segments"]).toHaveLength(segments.length + 1);
});
