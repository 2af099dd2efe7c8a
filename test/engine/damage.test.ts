import { expect, it } from "vitest";
import { added, createLab, scope, shown } from "../support/lab.ts";

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

it("G8 an image of a base record that its table refuses is never shown, and waits in quarantine", async () => {
  const lab = createLab();
  const writer = await lab.ready();
  await writer.sync.commit([added("t1"), added("t2")]).durable;
  await lab.pass(5000);
  await writer.sync.stop();
  const floor = (await lab.meta("floor")) as number;
  const bad = { id: "t1", text: 42, done: false };
  const record = {
    kind: "base",
    tab: "elsewhere",
    n: 1,
    schema: 1,
    term: 1,
    settled: { position: floor, index: 0 },
    changes: [["todos", "t1", bad, floor]],
    keys: [],
    rejected: [],
  };
  await lab.put("log", undefined, record);
  const tab = await lab.ready();
  expect(shown(tab).todos.map(({ id }) => id)).toEqual(["t2"]);
  expect(tab.sync.quarantine.list()).toMatchObject([{ id: "row/todos/t1", raw: bad }]);
  // The same through the channel: what is not on disk is not believed.
  lab.channels.send(scope, {
    p: 1,
    incarnation: await lab.meta("incarnation"),
    tab: "stranger",
    schema: 1,
    kind: "changed",
    position: floor + 2,
    record: { ...record, n: 2, changes: [["todos", "t2", { ...bad, id: "t2" }, floor]] },
  });
  await lab.pass(5000);
  expect(shown(tab).todos.map(({ id }) => id)).toEqual(["t2"]);
  expect(tab.sync.status).toMatchObject({ ignored: 1, quarantined: 1 });
  expect(shown(await lab.ready())).toEqual(shown(tab));
});
