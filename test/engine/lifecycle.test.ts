import { describe, expect, it } from "vitest";
import { block, failing, hold, hungAndNotStored } from "../support/faulty-storage.ts";
import { added, createLab, scope, shown, slid, stateOf } from "../support/lab.ts";
import { openTodos } from "../support/todos.ts";

describe("stop", () => {
  it("makes everything durable, and releases the lock and the connection", async () => {
    const lab = createLab();
    const tab = await lab.ready();
    await lab.pass(3000);
    const receipts = [tab.sync.commit(added("t1")), tab.sync.commit(slid(1))];
    const stopping = tab.sync.stop();
    receipts.push();
    await stopping;
    expect(await stateOf(receipts[0]?.durable as Promise<void>)).toBe("resolved");
    expect(await stateOf(receipts[1]?.durable as Promise<void>)).toBe("resolved");
    expect(await lab.locks.query(scope)).toEqual({ held: false, waiting: 0 });
    expect(tab.sync.status).toMatchObject({ phase: "stopped" });
    expect(tab.sync.getSnapshot()).toMatchObject({ status: "stopped", value: "stopped" });
    // Nothing holds the database open.
    await lab.base.destroy(scope);
    expect(lab.clock.next()).toBeNull();
    expect(tab.sync.stop()).toBe(stopping);
  });

  it("waits for the write in flight, and for what came meanwhile", async () => {
    const lab = createLab();
    const tab = await lab.ready();
    const held = hold();
    tab.disk.next("append", held.fault);
    const first = tab.sync.commit(added("t1"));
    await held.reached;
    const second = tab.sync.commit(added("t2"));
    const stopping = tab.sync.stop();
    await lab.settle();
    expect(await stateOf(stopping)).toBe("pending");
    held.release();
    await stopping;
    await Promise.all([first.durable, second.durable]);
    expect(shown(await lab.ready()).todos.length).toBe(2);
  });

  it("does not wait for ever for a storage that does not answer", async () => {
    const lab = createLab();
    const tab = await lab.ready();
    tab.disk.always("append", hungAndNotStored);
    tab.disk.always("ensure", hungAndNotStored);
    const receipt = tab.sync.commit(added("t1"));
    const stopping = tab.sync.stop();
    await lab.pass(6000);
    await stopping;
    expect(await stateOf(receipt.durable)).toBe("stopped");
    expect(await stateOf(receipt.settled)).toBe("stopped");
  });

  it("before ready rejects ready, and leaves nothing behind", async () => {
    const lab = createLab();
    const { sync } = lab.openTab();
    await sync.stop();
    await expect(sync.ready).rejects.toMatchObject({ code: "stopped" });
    expect(await lab.locks.query(scope)).toEqual({ held: false, waiting: 0 });
    expect(lab.clock.next()).toBeNull();
  });

  it("while the leader writes: the write ends before the lock is let go", async () => {
    const lab = createLab();
    const tab = await lab.ready();
    await lab.pass(3000);
    await tab.sync.commit(added("t1")).durable;
    const held = hold();
    tab.disk.next("lead", held.fault);
    await lab.pass(2500);
    await held.reached;
    const stopping = tab.sync.stop();
    await lab.settle();
    expect((await lab.locks.query(scope)).held).toBe(true);
    held.release();
    await stopping;
    expect((await lab.locks.query(scope)).held).toBe(false);
  });
});

describe("one engine after another", () => {
  it("create, stop, create, as React does in StrictMode", async () => {
    const lab = createLab();
    const first = lab.openTab();
    const { environment } = first;
    void first.sync.stop();
    const second = openTodos({ environment });
    void second.stop();
    const third = openTodos({ environment });
    await third.ready;
    await third.commit(added("t1")).durable;
    const stopping = third.stop();
    const fourth = openTodos({ environment });
    await fourth.ready;
    expect(fourth.tables.todos.size).toBe(1);
    await stopping;
    await fourth.stop();
    await expect(second.ready).rejects.toMatchObject({ code: "stopped" });
  });

  it("the next one begins after the data of the one before was deleted", async () => {
    const lab = createLab();
    const first = lab.openTab();
    await first.sync.ready;
    await first.sync.commit(added("t1")).settled;
    const gone = first.sync.destroy();
    const second = openTodos({ environment: first.environment });
    await gone;
    await second.ready;
    expect(second.tables.todos.size).toBe(0);
    await second.commit(added("t2")).durable;
    await lab.settle();
    expect(second.status).toMatchObject({ phase: "ready", fault: null });
  });
});

describe("storage", () => {
  it("that opens late is waited for", async () => {
    const lab = createLab();
    const tab = lab.openTab();
    const held = hold();
    tab.disk.next("open", held.fault);
    await held.reached;
    expect(tab.sync.status).toMatchObject({ phase: "loading", storage: "opening" });
    held.release();
    await tab.sync.ready;
    expect(tab.sync.status).toMatchObject({ phase: "ready", storage: "open" });
  });

  it("that is blocked by another tab is told, and waited for", async () => {
    const lab = createLab();
    const tab = lab.openTab();
    const held = block();
    tab.disk.next("open", held.fault);
    await held.reached;
    expect(tab.sync.status).toMatchObject({ phase: "loading", storage: "blocked" });
    expect(tab.sync.status.fault?.code).toBe("storage_blocked");
    held.release();
    await tab.sync.ready;
    expect(tab.sync.status.fault).toBeNull();
  });

  it("that cannot be opened is told, and tried again", async () => {
    const lab = createLab();
    const tab = lab.openTab();
    const heal = tab.disk.always("open", failing("unavailable"));
    await lab.pass(10_000);
    expect(tab.sync.status).toMatchObject({ phase: "loading", storage: "unavailable" });
    expect(tab.sync.status.fault?.code).toBe("storage_unavailable");
    expect(() => tab.sync.commit(added("t1"))).toThrow(
      expect.objectContaining({ code: "not_ready" }),
    );
    heal();
    await lab.pass(40_000);
    await tab.sync.ready;
    expect(tab.sync.status).toMatchObject({ phase: "ready", storage: "open", fault: null });
  });

  it("that never answers an open is told, and tried again", async () => {
    const lab = createLab();
    const tab = lab.openTab();
    const heal = tab.disk.always("open", hungAndNotStored);
    await lab.pass(11_000);
    expect(tab.sync.status.storage).toBe("unavailable");
    heal();
    await lab.pass(31_000);
    await tab.sync.ready;
  });

  it("memory-if-unavailable goes on in memory, and promises nothing", async () => {
    const lab = createLab();
    const real = await lab.ready();
    await lab.pass(3000);
    const tab = lab.openTab({ storage: "memory-if-unavailable" });
    tab.disk.always("open", failing("unavailable"));
    await lab.pass(10_000);
    await tab.sync.ready;
    expect(tab.sync.status).toMatchObject({ phase: "degraded", storage: "memory" });
    expect(tab.sync.status.fault?.code).toBe("memory_only");
    const receipt = tab.sync.commit(added("t1"));
    await lab.pass(60_000);
    expect(shown(tab).todos.length).toBe(1);
    expect(await stateOf(receipt.durable)).toBe("pending");
    expect(await stateOf(receipt.settled)).toBe("pending");
    expect(tab.sync.status.pending).toBe(1);
    // It is alone with its data: it takes nothing from the others, and says nothing to them.
    expect(real.sync.status).toMatchObject({ role: "leader", ignored: 0 });
    expect(shown(real).todos).toEqual([]);
    await tab.sync.stop();
    expect(await stateOf(receipt.durable)).toBe("stopped");
    expect(await stateOf(receipt.settled)).toBe("stopped");
  });

  it("memory-if-unavailable does not take the place of data that was shown", async () => {
    const lab = createLab();
    const tab = await lab.ready({ storage: "memory-if-unavailable" });
    await tab.sync.commit(added("t1")).durable;
    const heal = tab.disk.always("open", failing("unavailable"));
    tab.disk.close("forced");
    const receipt = tab.sync.commit(added("t2"));
    await lab.pass(20_000);
    expect(tab.sync.status).toMatchObject({ phase: "degraded", storage: "unavailable" });
    expect(await stateOf(receipt.durable)).toBe("pending");
    heal();
    await lab.pass(40_000);
    expect(await stateOf(receipt.durable)).toBe("resolved");
    expect(shown(await lab.ready())).toEqual(shown(tab));
  });

  it("G9 a failed read is not an empty database: nothing is written", async () => {
    const lab = createLab();
    const writer = await lab.ready();
    await writer.sync.commit(added("t1")).durable;
    await lab.pass(3000);
    await writer.sync.stop();
    const before = await lab.contents();
    const tab = lab.openTab();
    const heal = tab.disk.always("read", failing("lost"));
    await lab.pass(60_000);
    expect(tab.sync.status.phase).toBe("loading");
    expect(await lab.contents()).toEqual(before);
    heal();
    await lab.pass(20_000);
    await tab.sync.ready;
    expect(shown(tab).todos.length).toBe(1);

    const other = lab.openTab();
    other.disk.always("read", failing("aborted"));
    await lab.pass(60_000);
    expect(other.sync.status.phase).toBe("failed");
    await expect(other.sync.ready).rejects.toMatchObject({ code: "load_failed" });
  });

  it("G9 data of which nothing is understood is left as it is, and can be exported", async () => {
    const lab = createLab();
    const writer = await lab.ready();
    await writer.sync.commit(added("t1")).durable;
    await writer.sync.stop();
    const { meta = [], log = [] } = await lab.contents();
    for (const [key] of meta) await lab.put("meta", key as IDBValidKey, new Map([["junk", 1n]]));
    for (const [key] of log) await lab.put("log", key as IDBValidKey, "junk");
    const before = await lab.contents();
    const tab = lab.openTab();
    await expect(tab.sync.ready).rejects.toMatchObject({ code: "load_failed" });
    await lab.pass(60_000);
    expect(tab.sync.status.phase).toBe("failed");
    expect(await lab.contents()).toEqual(before);
    const { unreadable } = tab.sync.export();
    expect(unreadable).toContainEqual({ store: "log", key: 1, value: "junk" });
    expect(unreadable).toContainEqual({
      store: "meta",
      key: "term",
      value: { "(Map)": [["junk", { "(bigint)": "1" }]] },
    });
    await tab.sync.stop();
    expect(await lab.contents()).toEqual(before);
  });
});

describe("versions", () => {
  it.each([
    ["format", 2],
    ["schema", 2],
  ])("data of a newer %s makes the tab outdated, and nothing is changed", async (key, value) => {
    const lab = createLab();
    const writer = await lab.ready();
    await writer.sync.commit(added("t1")).durable;
    await lab.pass(3000);
    await writer.sync.stop();
    await lab.put("meta", key, value);
    const before = await lab.contents();
    const tab = lab.openTab();
    await expect(tab.sync.ready).rejects.toMatchObject({ code: "outdated" });
    await lab.pass(60_000);
    expect(tab.sync.status).toMatchObject({ phase: "outdated", fault: { code: "outdated" } });
    expect(() => tab.sync.commit(added("t2"))).toThrow(
      expect.objectContaining({ code: "outdated" }),
    );
    expect(await lab.contents()).toEqual(before);
    await tab.sync.stop();
    expect(await lab.contents()).toEqual(before);
  });

  it("a newer layout makes the tab outdated", async () => {
    const lab = createLab();
    const tab = lab.openTab();
    tab.disk.always("open", failing("newer"));
    await expect(tab.sync.ready).rejects.toMatchObject({ code: "outdated" });
    const other = await lab.ready();
    other.disk.close("upgraded");
    await lab.pass(1000);
    expect(other.sync.status.phase).toBe("outdated");
  });

  it("an old leader learns from the disk alone that the schema was raised, and does not lead", async () => {
    const lab = createLab();
    const old = await lab.ready();
    await lab.pass(3000);
    lab.channels.drop(() => true);
    const next = await lab.ready({ schema: { version: 2 } });
    await next.sync.stop();
    const before = (await lab.contents())["segments"];
    await old.sync.commit(added("t1")).durable;
    // Refused at its next write, it claims again, and finds whose data it is.
    await lab.pass(10_000);
    expect(old.sync.status).toMatchObject({ phase: "outdated", role: "candidate" });
    expect((await lab.contents())["segments"]).toEqual(before);
  });

  it("data of an older schema is raised, and the old tab changes nothing any more", async () => {
    const lab = createLab();
    const old = await lab.ready();
    await lab.pass(3000);
    await old.sync.commit(added("t1")).durable;
    await lab.pass(5000);
    expect(old.sync.status.role).toBe("leader");
    // The old leader hears nothing: it learns of it from the disk.
    lab.channels.drop(({ to }) => to === old.channel);
    const next = await lab.ready({ schema: { version: 2 } });
    expect(shown(next)).toEqual(shown(old));
    const { meta } = await lab.contents();
    expect(meta?.find(([key]) => key === "schema")?.[1]).toBe(2);
    await next.sync.commit(added("t2")).durable;
    await old.sync.commit(added("t3")).durable;
    await lab.pass(10_000);
    expect(old.sync.status.phase).toBe("outdated");
    expect(next.sync.status).toMatchObject({ phase: "ready", role: "leader" });
    expect(shown(next).todos.map((row) => row.id)).toEqual(["t1", "t2", "t3"]);
    expect(shown(await lab.ready({ schema: { version: 2 } }))).toEqual(shown(next));
  });
});
