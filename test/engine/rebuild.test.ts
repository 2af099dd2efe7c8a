/** What is rebuilt of `meta` beside what is sound: nothing counts twice, and nothing that somebody just wrote is undone. */
import { describe, expect, it } from "vitest";
import { hungButStored } from "../support/faulty-storage.ts";
import { type Lab, added, createLab, invited, shown, toggled } from "../support/lab.ts";

const quarantined = ({ sync }: Awaited<ReturnType<Lab["ready"]>>): string[] =>
  sync.quarantine.list().map(({ id }) => id);

describe("one bad part of meta", () => {
  it("G7 does not let a commit be stored twice that was folded before its writer knew of it", async () => {
    const lab = createLab();
    const leader = await lab.ready();
    await leader.sync.commit(added("t1")).durable;
    await lab.pass(3000);
    const writer = await lab.ready();
    writer.disk.next("append", hungButStored);
    const hear = lab.channels.drop(() => true);
    const late = writer.sync.commit(toggled("t1"));
    await leader.sync.commit(added("t2")).durable;
    await lab.pass(2500);
    expect((await lab.contents())["log"]).toEqual([]);
    const writers = (await lab.meta("writers")) as object;
    // The leader dies before it writes its own over it.
    leader.kill();
    await lab.put("meta", "writers", { ...writers, other: { max: "many" } });
    const fresh = await lab.ready();
    expect(quarantined(fresh)).toEqual(["meta/writers"]);
    expect(await lab.meta("writers")).toEqual(writers);
    hear();
    await lab.pass(30_000);
    await late.durable;
    for (const tab of [writer, fresh, await lab.ready()])
      expect(shown(tab).todos).toEqual([
        { id: "t1", text: "Milk", done: true },
        { id: "t2", text: "Milk", done: false },
      ]);
  });

  it("G7 frees no dedupe key but its own", async () => {
    const lab = createLab();
    const writer = await lab.ready();
    await writer.sync.commit([invited("ann@example.org"), invited("bob@example.org")]).durable;
    await lab.pass(5000);
    await writer.sync.stop();
    const [first, second] = (await lab.meta("keys")) as unknown[][];
    await lab.put("meta", "keys", [first, [7], second]);
    const tab = await lab.ready();
    expect(await lab.meta("keys")).toEqual([first, second]);
    const again = tab.sync.commit([invited("ann@example.org"), invited("bob@example.org")]);
    expect(await again.settled).toMatchObject([{ status: "duplicate" }, { status: "duplicate" }]);
    expect(shown(tab).todos.length).toBe(2);
  });

  it("G8 keeps the carried rows that are sound, and the marks of the other tables", async () => {
    const lab = createLab();
    const writer = await lab.ready();
    await writer.sync.commit([added("t1"), added("t2")]).durable;
    await lab.pass(5000);
    await writer.sync.stop();
    const carried = ["todos", "t9", { id: "t9", text: "Bread", done: true }, 1, 1];
    await lab.put("meta", "carried", [carried, ["todos"], 7]);
    const manifest = (await lab.meta("manifest")) as object;
    await lab.put("meta", "manifest", { ...manifest, settings: [{ no: -1 }] });
    await lab.remove("segments", ["todos", 1]);
    const tab = await lab.ready();
    // The manifest still tells what is gone.
    expect(quarantined(tab)).toEqual(["meta/carried", "meta/manifest", "segment/todos/1"]);
    expect(shown(tab).todos).toEqual([carried[2]]);
  });
});

it("G9 a fold between the reading and the rebuilding counts: nothing that it wrote is rebuilt", async () => {
  const lab = createLab();
  const writer = await lab.ready();
  await writer.sync.commit(added("t1")).durable;
  await lab.pass(5000);
  await writer.sync.stop();
  const floor = (await lab.meta("floor")) as number;
  const settled = { position: floor, index: 0 };
  const base = { kind: "base", tab: "other", n: 1, schema: 1, term: 1, settled, changes: [] };
  await lab.put("log", floor + 1, { ...base, keys: [], rejected: [] });
  await lab.put("meta", "client", 7);
  const tab = lab.openTab();
  tab.disk.next("repair", async (run) => {
    await lab.remove("log", floor + 1);
    await lab.put("meta", "floor", floor + 1);
    return await run();
  });
  await tab.sync.ready;
  await lab.settle();
  expect(quarantined(tab)).toEqual(["meta/client"]);
  expect(await lab.meta("floor")).toBeGreaterThan(floor);
  expect(shown(tab).todos.length).toBe(1);
});
