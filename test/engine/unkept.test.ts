import { describe, expect, it } from "vitest";
import { failing, hold } from "../support/faulty-storage.ts";
import { type Lab, type Tab, added, createLab, scope, shown } from "../support/lab.ts";

const kept = async (lab: Lab): Promise<readonly unknown[]> =>
  ((await lab.contents())["quarantine"] ?? []).map(([key]) => key);

/** Leaves todos behind one of which is damaged. */
async function damageRow(lab: Lab): Promise<void> {
  const writer = await lab.ready();
  await writer.sync.commit([added("t1"), added("t3")]).durable;
  await lab.pass(5000);
  await writer.sync.stop();
  const { segments = [] } = await lab.contents();
  const [key, value] = segments[0] as [IDBValidKey, { columns: [string, unknown[]][] }];
  const columns = value.columns.map(([name, [, last]]) => [name, [{ not: name }, last]]);
  await lab.put("segments", key, { ...value, columns });
}

/** A leader, a commit of which is folded, and then junk in the log: `log/3`. */
async function withJunk() {
  const lab = createLab();
  const leader = await lab.ready();
  await leader.sync.commit(added("t1")).durable;
  await lab.pass(5000);
  await lab.put("log", undefined, { kind: "commit", junk: 1 });
  return { lab, leader };
}

describe("damage for which there was no space in quarantine", () => {
  it("G8 G9 of a row is kept before a fold writes over it, however long there is no space", async () => {
    const lab = createLab();
    await damageRow(lab);
    const tab = lab.openTab();
    const heal = tab.disk.always("quarantine", failing("quota"));
    await tab.sync.ready;
    await tab.sync.commit(added("t2")).durable;
    await lab.pass(10_000);
    expect(tab.sync.quarantine.list().map(({ id }) => id)).toEqual(["row/todos/t1"]);
    const { segments = [] } = await lab.contents();
    expect(segments).toMatchObject([[["todos", 1], { ids: ["t1", "t3"] }]]);
    heal();
    await lab.pass(70_000);
    expect((await lab.contents())["segments"]).toMatchObject([
      [["todos", 2], { ids: ["t2", "t3"] }],
    ]);
    expect(await kept(lab)).toEqual(["row/todos/t1"]);
  });

  it("G8 G9 of a record that a leader meets is kept before a fold deletes it", async () => {
    const { lab, leader: tab } = await withJunk();
    tab.disk.next("quarantine", failing("quota"));
    await lab.pass(15_000);
    await tab.sync.commit(added("t2")).durable;
    await lab.pass(10_000);
    expect((await lab.contents())["log"]).toEqual([]);
    expect(await kept(lab)).toEqual(["log/3"]);
  });

  type Act = (tab: Tab, lab: Lab) => Promise<void> | void;
  const ways: readonly (readonly [string, (tab: Tab) => void, Act, readonly string[]])[] = [
    ["has heard of it, and leads next", () => undefined, () => undefined, []],
    ["was frozen meanwhile, and leads next", (tab) => tab.freeze(), () => undefined, []],
    [
      "has heard of it, and meets more",
      () => undefined,
      async ({ lifecycle }, lab) => {
        await lab.put("log", undefined, { kind: "commit", junk: 2 });
        lifecycle.emit("visible");
        await lab.settle();
      },
      ["log/5"],
    ],
  ];
  it.each(ways)(
    "G6 G8 and that others dealt with is kept no more by a tab that %s",
    async (_, leave, meet, left) => {
      const { lab, leader } = await withJunk();
      const tab = lab.openTab();
      const heal = tab.disk.always("quarantine", failing("quota"));
      await tab.sync.ready;
      expect(tab.sync.quarantine.list().map(({ id }) => id)).toEqual(["log/3"]);
      leave(tab);
      await lab.pass(15_000);
      await leader.sync.quarantine.discard("log/3");
      await lab.pass(10_000);
      expect((await lab.contents())["log"]).toEqual([]);
      heal();
      tab.resume();
      await meet(tab, lab);
      await leader.sync.stop();
      await lab.pass(15_000);
      expect(tab.sync.status.role).toBe("leader");
      expect(tab.sync.quarantine.list().map(({ id }) => id)).toEqual(left);
      expect(await kept(lab)).toEqual(left);
    },
  );

  it("G8 is not kept late, when others have dealt with it and folded", async () => {
    const { lab, leader } = await withJunk();
    const tab = lab.openTab();
    const held = hold();
    tab.disk.next("quarantine", held.fault);
    await held.reached;
    leader.lifecycle.emit("visible");
    await lab.settle();
    await leader.sync.quarantine.discard("log/3");
    await lab.pass(4000);
    expect((await lab.contents())["log"]).toEqual([]);
    held.release();
    await lab.pass(5000);
    expect(await kept(lab)).toEqual([]);
    for (const { sync } of [leader, tab]) {
      expect(sync.status).toMatchObject({ phase: "ready", quarantined: 0 });
      expect(sync.tables.todos.size).toBe(1);
    }
  });

  it("is nobody's when the data is cleared", async () => {
    const lab = createLab();
    await damageRow(lab);
    const tab = lab.openTab();
    const heal = tab.disk.always("quarantine", failing("quota"));
    await tab.sync.ready;
    await lab.base.destroy(scope);
    await lab.pass(3000);
    heal();
    await tab.sync.commit(added("t1")).durable;
    await lab.pass(70_000);
    expect(shown(tab).todos).toMatchObject([{ id: "t1", text: "Milk" }]);
    expect((await lab.contents())["log"]).toEqual([]);
    expect(tab.sync.quarantine.size).toBe(0);
    expect(await kept(lab)).toEqual([]);
  });
});
