/** Log records that cannot be read when their turn comes, and can be later. */
import { describe, expect, it } from "vitest";
import { failing } from "../support/faulty-storage.ts";
import { createLosingStorage } from "../support/losing-storage.ts";
import { type Lab, added, createLab, shown } from "../support/lab.ts";

const idsOf = (tab: Parameters<typeof shown>[0]): string[] => shown(tab).todos.map(({ id }) => id);

/** Three commits on disk that nobody has decided, the second of which cannot be read. */
async function setUp() {
  const disk = createLosingStorage();
  const lab = createLab({ wrap: disk.wrap });
  const writer = await lab.ready();
  for (const id of ["t1", "t2", "t3"]) await writer.sync.commit(added(id)).durable;
  writer.kill();
  disk.lose("log", 2);
  const positions = async () => Array.from((await lab.log()).keys());
  return { disk, lab, positions };
}

/** A tab that has read what there is, and decided nothing. */
async function load(lab: Lab): Promise<ReturnType<Lab["openTab"]>> {
  const tab = lab.openTab();
  await lab.pass(1000);
  return tab;
}

describe("a log record that cannot be read", () => {
  it("G9 stays where it is when all others are folded, and is told once", async () => {
    const { lab, positions } = await setUp();
    for (let round = 0; round < 2; round += 1) {
      const tab = await load(lab);
      await lab.pass(60_000);
      expect(await positions()).toEqual([2]);
      expect(tab.sync.quarantine.list()).toMatchObject([{ id: "log/2", raw: null }]);
      tab.kill();
    }
  });

  it("G9 counts in its place when it can be read before others were decided, and is told no more", async () => {
    const { lab, disk } = await setUp();
    const tab = lab.openTab();
    // It decides nothing.
    tab.disk.always("lead", failing("aborted"));
    await lab.pass(1000);
    expect([idsOf(tab), tab.sync.quarantine.size]).toEqual([["t1", "t3"], 1]);
    tab.kill();
    disk.find("log", 2);
    const other = await load(lab);
    expect([idsOf(other), other.sync.quarantine.size]).toEqual([["t1", "t2", "t3"], 0]);
    expect((await lab.contents())["quarantine"]).toEqual([]);
    await lab.pass(60_000);
    expect(idsOf(await load(lab))).toEqual(["t1", "t2", "t3"]);
  });

  it("G9 has its bytes in quarantine when it can be read too late, to be committed again", async () => {
    const { lab, disk, positions } = await setUp();
    const first = await load(lab);
    await lab.pass(60_000);
    first.kill();
    disk.find("log", 2);
    const tab = await load(lab);
    expect(idsOf(tab)).toEqual(["t1", "t3"]);
    expect(tab.sync.quarantine.list()).toMatchObject([
      { id: "log/2", raw: { kind: "commit" }, reason: expect.stringContaining("found again") },
    ]);
    await tab.sync.quarantine.retry("log/2");
    await lab.pass(60_000);
    expect([idsOf(tab), tab.sync.quarantine.size]).toEqual([["t1", "t2", "t3"], 0]);
    expect(await positions()).toEqual([]);
    const fresh = await load(lab);
    expect([idsOf(fresh), fresh.sync.quarantine.size]).toEqual([["t1", "t2", "t3"], 0]);
  });

  it("G9 keeps the bytes that it had in quarantine when it cannot be read once more", async () => {
    const { lab, disk } = await setUp();
    const first = await load(lab);
    await lab.pass(10_000);
    first.kill();
    disk.find("log", 2);
    const second = await load(lab);
    expect(second.sync.quarantine.list()).toMatchObject([{ raw: { kind: "commit" } }]);
    second.kill();
    disk.lose("log", 2);
    const third = await load(lab);
    expect(third.sync.quarantine.list()).toMatchObject([{ raw: { kind: "commit" } }]);
  });

  it("goes when the app discards it", async () => {
    const { lab, positions } = await setUp();
    const tab = await load(lab);
    await lab.pass(10_000);
    expect(await positions()).toEqual([2]);
    await tab.sync.quarantine.discard("log/2");
    await lab.pass(10_000);
    expect(await positions()).toEqual([]);
    expect((await load(lab)).sync.quarantine.size).toBe(0);
  });
});
