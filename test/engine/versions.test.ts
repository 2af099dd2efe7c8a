import * as v from "valibot";
import { expect, it } from "vitest";
import { createSyncActor, defineEvent, upsert } from "../../src/index.ts";
import { failing } from "../support/faulty-storage.ts";
import { type Lab, createLab } from "../support/lab.ts";

const id = v.string();

/** Two versions of one app: the newer one gave its notes a size, and a default for those that have none. */
function openNotes(lab: Lab, version: "old" | "new") {
  const page = lab.openTab({ name: "elsewhere" });
  const newer = v.object({ id, size: v.optional(v.number(), 7) });
  const note = version === "new" ? newer : (v.object({ id }) as unknown as typeof newer);
  const sync = createSyncActor({
    name: "todos",
    tables: { notes: note, sizes: v.object({ id, size: v.optional(v.number()) }) },
    events: { noted: defineEvent({ schema: note }) },
    materializers: {
      noted: (row) => [upsert("notes", row), upsert("sizes", { id: row.id, size: row.size })],
    },
    environment: page.environment,
  });
  return { ...page, sync };
}

const rows = ({ sync }: ReturnType<typeof openNotes>) => [
  ...sync.tables.notes.toArray(),
  ...sync.tables.sizes.toArray(),
];

it("G6 a row of older code has its defaults wherever it is read from", async () => {
  const lab = createLab();
  const old = openNotes(lab, "old");
  await old.sync.ready;
  await lab.pass(3000);
  // It decides, and cannot fold: the base record stays in the log.
  old.disk.next("lead", (run) => run());
  old.disk.always("lead", failing("quota"));
  await old.sync.commit({ name: "noted", payload: { id: "n", size: 7 } }).durable;
  await lab.pass(2500);
  expect(Array.from((await lab.log()).values(), (record) => record?.kind)).toEqual([
    "commit",
    "base",
  ]);
  old.kill();
  const tab = openNotes(lab, "new");
  await tab.sync.ready;
  expect(rows(tab)).toEqual([{ id: "n", size: 7 }, { id: "n" }]);
  await lab.pass(5000);
  expect((await lab.contents())["log"]).toEqual([]);
  const fresh = openNotes(lab, "new");
  await fresh.sync.ready;
  expect(rows(fresh)).toEqual(rows(tab));
});

it("an event of older code that is not decided is replayed with its defaults", async () => {
  const lab = createLab();
  const old = openNotes(lab, "old");
  await old.sync.ready;
  await old.sync.commit({ name: "noted", payload: { id: "n", size: 7 } }).durable;
  old.kill();
  const tab = openNotes(lab, "new");
  await tab.sync.ready;
  expect(rows(tab)).toEqual([
    { id: "n", size: 7 },
    { id: "n", size: 7 },
  ]);
});
