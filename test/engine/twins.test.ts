/** Two records of one name `(tab, n)`: of a tab that was restored or copied, of a bug, or damage. */
import { describe, expect, it } from "vitest";
import { type CommitRecord } from "../../src/model/log.ts";
import { added, createLab, shown } from "../support/lab.ts";

const idsOf = (tab: Parameters<typeof shown>[0]): string[] => shown(tab).todos.map(({ id }) => id);

/** A tab with a commit in the log, and the record of it. */
async function setUp() {
  const lab = createLab();
  const writer = await lab.ready();
  await writer.sync.commit(added("t1")).durable;
  const first = (await lab.log()).get(1) as CommitRecord;
  const [event] = first.events;
  const other = (id: string, n = first.n): CommitRecord => ({
    ...first,
    n,
    events: [{ ...event, id: `event-of-${id}`, payload: { id, text: id } } as never],
  });
  return { lab, writer, first, other };
}

describe("the later of two records of one name that differ", () => {
  it("G2 G7 goes to quarantine with its events in every tab, and is there after a fold, to be committed again", async () => {
    const { lab, writer, other } = await setUp();
    const follower = await lab.ready();
    await lab.put("log", undefined, other("t9"));
    for (const tab of [writer, follower]) tab.lifecycle.emit("visible");
    await lab.pass(100);
    for (const tab of [writer, follower]) {
      expect(idsOf(tab)).toEqual(["t1"]);
      expect(tab.sync.quarantine.list()).toMatchObject([
        { id: "log/2", raw: { events: [{ id: "event-of-t9" }] } },
      ]);
    }
    await lab.pass(10_000);
    expect((await lab.contents())["log"]).toEqual([]);
    const fresh = await lab.ready();
    expect(fresh.sync.quarantine.list()).toMatchObject([{ id: "log/2" }]);
    await fresh.sync.quarantine.retry("log/2");
    await lab.pass(10_000);
    for (const tab of [writer, follower, fresh, await lab.ready()])
      expect([idsOf(tab), tab.sync.quarantine.size]).toEqual([["t1", "t9"], 0]);
  });

  it("G2 goes to quarantine when both are read", async () => {
    const { lab, writer, other } = await setUp();
    await lab.put("log", undefined, other("t9"));
    writer.kill();
    const reader = await lab.ready();
    expect(idsOf(reader)).toEqual(["t1"]);
    expect(reader.sync.quarantine.list()).toMatchObject([{ id: "log/2" }]);
  });

  it("G2 keeps no commit of the tab whose name it has from being stored", async () => {
    const { lab, writer, other } = await setUp();
    await lab.put("log", undefined, other("t9", 2));
    const receipt = writer.sync.commit(added("t2"));
    await receipt.durable;
    await lab.pass(10_000);
    expect(await receipt.settled).toMatchObject([{ status: "accepted" }]);
    const fresh = await lab.ready();
    for (const tab of [writer, fresh]) {
      expect(idsOf(tab)).toEqual(["t1", "t2"]);
      expect(tab.sync.quarantine.list()).toMatchObject([{ id: "log/2" }]);
    }
  });

  it("G7 is no loss when it is the same, whether it is met live or read", async () => {
    const { lab, writer, first } = await setUp();
    await lab.put("log", undefined, first);
    writer.lifecycle.emit("visible");
    const reader = await lab.ready();
    await lab.pass(100);
    for (const tab of [writer, reader])
      expect([idsOf(tab), tab.sync.quarantine.size]).toEqual([["t1"], 0]);
    await lab.pass(10_000);
    const fresh = await lab.ready();
    expect([idsOf(fresh), fresh.sync.quarantine.size]).toEqual([["t1"], 0]);
  });
});
