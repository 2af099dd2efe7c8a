import { expect, it } from "vitest";
import { added, createLab, shown } from "../support/lab.ts";

it("G8 rows that are gone from a segment without any error are told", async () => {
  const lab = createLab();
  const writer = await lab.ready();
  await writer.sync.commit([added("t1"), added("t2"), added("t3")]).durable;
  await lab.pass(5000);
  await writer.sync.stop();
  const { segments = [] } = await lab.contents();
  const [[key, whole] = []] = segments;
  const { ids, columns, ...rest } = whole as {
    ids: string[];
    columns: [string, unknown[]][];
  };
  await lab.put("segments", key as IDBValidKey, {
    ...rest,
    ids: ids.slice(0, 2),
    columns: columns.map(([name, values]) => [name, values.slice(0, 2)]),
  });
  const tab = await lab.ready();
  expect(shown(tab).todos.map(({ id }) => id)).toEqual(["t1", "t2"]);
  expect(tab.sync.status).toMatchObject({ phase: "ready", quarantined: 1 });
  expect(tab.sync.quarantine.list()[0]?.reason).toBe("Expected 3 rows, got 2");
  await tab.sync.commit(added("t4")).durable;
  await lab.pass(5000);
  expect(shown(await lab.ready())).toEqual(shown(tab));
});

it("G6 a row made anew outlives the word that its damaged bytes were dealt with", async () => {
  const lab = createLab();
  const writer = await lab.ready();
  await writer.sync.commit([added("t1"), added("t2"), added("t3")]).durable;
  await lab.pass(5000);
  await writer.sync.stop();
  const { segments = [] } = await lab.contents();
  const [[key, whole] = []] = segments;
  const { columns, ...rest } = whole as { columns: [string, unknown[]][] };
  await lab.put("segments", key as IDBValidKey, {
    ...rest,
    columns: columns.map(([name, values]) => [
      name,
      name === "text" ? [values[0], 7, values[2]] : values,
    ]),
  });
  const a = await lab.ready();
  await lab.pass(3000);
  expect(a.sync.quarantine.list().map(({ id }) => id)).toEqual(["row/todos/t2"]);
  await a.sync.commit(added("t2", "anew")).durable;
  await lab.pass(5000);
  const b = await lab.ready();
  await a.sync.quarantine.discard("row/todos/t2");
  await lab.settle();
  await a.sync.stop();
  await lab.pass(1000);
  expect(b.sync.status.role).toBe("leader");
  expect(shown(b).todos.map(({ id }) => id)).toEqual(["t1", "t2", "t3"]);
  await b.sync.commit(added("t4")).durable;
  await lab.pass(5000);
  expect(shown(await lab.ready()).todos.map(({ id }) => id)).toEqual(["t1", "t2", "t3", "t4"]);
});
