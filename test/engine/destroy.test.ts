import { describe, expect, it } from "vitest";
import { type StoragePort, StorageFailure } from "../../src/services/ports.ts";
import { failing, hold } from "../support/faulty-storage.ts";
import { type Tab, added, codeOf, createLab, scope, shown, slid, stateOf } from "../support/lab.ts";
import { openTodos } from "../support/todos.ts";

const ids = ({ sync }: Pick<Tab, "sync">): string[] =>
  sync.tables.todos.toArray().map(({ id }) => id);

const events = { blocked: () => undefined, closed: () => undefined };

describe("destroy with other tabs open", () => {
  it("G13 in one of three tabs: the others begin anew, tell what is gone, and go on", async () => {
    const lab = createLab();
    const tabs = [await lab.ready(), await lab.ready(), await lab.ready()] as const;
    const [a, b, c] = tabs;
    await a.sync.commit([added("t1"), added("t2")]).settled;
    await lab.pass(5000);
    const told: unknown[] = [];
    for (const { sync } of [b, c]) sync.on("lost", (event) => told.push(event));
    // The leader's, and with a commit of another tab under way.
    const held = hold();
    b.disk.next("append", held.fault);
    const kept = b.sync.commit(added("kept"));
    await held.reached;
    const gone = a.sync.destroy({ force: true });
    await lab.settle();
    held.release();
    await lab.pass(20_000);
    await gone;
    expect(a.sync.status.phase).toBe("stopped");
    const reason = "It was cleared while the app was open.";
    expect(told).toEqual(
      expect.arrayContaining([
        { type: "lost", rows: 2, kept: 1, reason },
        { type: "lost", rows: 2, kept: 0, reason },
      ]),
    );
    expect(await stateOf(kept.settled)).toBe("resolved");
    await c.sync.commit(added("new")).durable;
    await lab.pass(5000);
    const fresh = await lab.ready();
    expect(ids(fresh)).toEqual(["kept", "new"]);
    for (const tab of [b, c]) expect(shown(tab)).toEqual(shown(fresh));
    expect([b, c].filter(({ sync }) => sync.status.role === "leader").length).toBe(1);
  });

  it("in a tab while another one begins: nothing of the old data is in the new", async () => {
    const lab = createLab();
    const a = await lab.ready();
    await a.sync.commit(added("old")).settled;
    await lab.pass(5000);
    const fresh = lab.openTab();
    const held = hold("after");
    fresh.disk.next("read", held.fault);
    await held.reached;
    const gone = a.sync.destroy();
    await lab.settle();
    held.release();
    await lab.pass(20_000);
    await gone;
    await fresh.sync.ready;
    expect(ids(fresh)).toEqual([]);
    await fresh.sync.commit(added("new")).settled;
    await lab.pass(5000);
    expect(ids(await lab.ready())).toEqual(["new"]);
  });
});

describe("destroy", () => {
  it("refuses while events are undecided, and says how many, unless it is forced", async () => {
    const lab = createLab();
    const tab = await lab.ready();
    const heals = [
      tab.disk.always("append", failing("quota")),
      tab.disk.always("ensure", failing("quota")),
    ];
    tab.sync.commit([added("t1"), added("t2")]);
    await lab.settle();
    await expect(tab.sync.destroy()).rejects.toMatchObject({ code: "undecided", pending: 2 });
    expect(tab.sync.status.phase).toBe("degraded");
    for (const heal of heals) heal();
    const gone = tab.sync.destroy({ force: true });
    await lab.pass(6000);
    await gone;
    expect(await lab.contents()).toEqual({});
  });

  it("refuses also after stop(), while the last event waits on disk for its decision", async () => {
    const lab = createLab();
    const tab = await lab.ready({ ports: { locks: null } });
    await tab.sync.commit(slid(1)).durable;
    await tab.sync.stop();
    await expect(tab.sync.destroy()).rejects.toMatchObject({ code: "undecided", pending: 1 });
    expect((await lab.contents())["log"]?.length).toBe(1);
    await tab.sync.destroy({ force: true });
    expect(await lab.contents()).toEqual({});
  });

  it("before the data is read waits for what is undecided in it", async () => {
    const lab = createLab();
    const writer = await lab.ready({ ports: { locks: null } });
    await writer.sync.commit(slid(1)).durable;
    await writer.sync.stop();
    const tab = lab.openTab({ ports: { locks: null } });
    await expect(tab.sync.destroy()).rejects.toMatchObject({ code: "undecided", pending: 1 });
    await tab.sync.stop();
    // Where it cannot be read nobody knows.
    const blind = lab.openTab();
    blind.disk.always("read", failing("aborted"));
    const refused = codeOf(blind.sync.destroy());
    await lab.pass(5000);
    expect(await refused).toBe("not_ready");
    expect((await lab.contents())["log"]?.length).toBe(1);
    const gone = blind.sync.destroy({ force: true });
    await lab.pass(6000);
    await gone;
    expect(await lab.contents()).toEqual({});
  });

  it("where storage was unavailable, and memory took its place, says that the data is still there", async () => {
    const lab = createLab();
    const writer = await lab.ready();
    await writer.sync.commit(added("t1")).settled;
    await writer.sync.stop();
    const refusal = Promise.reject(new Error("no storage"));
    refusal.catch(() => undefined);
    let answer: Promise<void> = refusal;
    const storage: StoragePort = {
      open: () => Promise.reject(new StorageFailure("unavailable", "no storage")),
      destroy: async (name) => {
        await answer;
        await lab.base.destroy(name);
      },
    };
    const tab = lab.openTab({ storage: "memory-if-unavailable", ports: { storage } });
    await lab.pass(20_000);
    expect(tab.sync.status.storage).toBe("memory");
    expect(await codeOf(tab.sync.destroy())).toBe("storage_unavailable");
    expect((await lab.contents())["log"]?.length).toBe(1);
    answer = Promise.resolve();
    await tab.sync.destroy();
    expect(await lab.contents()).toEqual({});
  });

  it("does not delete under an engine of the name that came since", async () => {
    const lab = createLab();
    const old = await lab.ready();
    await old.sync.commit(added("t1")).settled;
    const stopping = old.sync.stop();
    const next = openTodos({ environment: old.environment });
    await expect(old.sync.destroy({ force: true })).rejects.toMatchObject({
      code: "already_running",
    });
    await stopping;
    await next.ready;
    await expect(old.sync.destroy()).rejects.toMatchObject({ code: "already_running" });
    expect(ids({ sync: next })).toEqual(["t1"]);
    // When that one is gone as well, nobody minds.
    await next.stop();
    await old.sync.destroy();
    expect(await lab.contents()).toEqual({});
  });

  it("an engine that comes when stop() is done waits for the deletion all the same", async () => {
    const lab = createLab();
    const old = await lab.ready();
    await old.sync.commit(added("t1")).settled;
    const held = hold();
    const { destroy } = old.disk;
    Object.assign(old.disk, { destroy: (name: string) => held.fault(() => destroy(name), events) });
    const gone = old.sync.destroy();
    await lab.pass(100);
    expect(old.sync.status.phase).toBe("stopped");
    const opens = old.disk.calls.filter((call) => call === "open").length;
    const next = openTodos({ environment: old.environment });
    const told: unknown[] = [];
    next.on("lost", (event) => told.push(event));
    await lab.pass(1000);
    expect(old.disk.calls.filter((call) => call === "open").length).toBe(opens);
    held.release();
    await gone;
    await next.ready;
    expect(ids({ sync: next })).toEqual([]);
    expect(told).toEqual([]);
  });

  it("that is never answered rejects after ten seconds, and says that the data is still there", async () => {
    const lab = createLab();
    const tab = await lab.ready();
    Object.assign(tab.disk, { destroy: () => new Promise(() => undefined) });
    const gone = tab.sync.destroy();
    await lab.pass(9000);
    expect(await stateOf(gone)).toBe("pending");
    await lab.pass(1500);
    await expect(gone).rejects.toThrow("still there");
    expect(await stateOf(gone)).toBe("storage_unavailable");
    // The name is free.
    const next = openTodos({ environment: { ...tab.environment, storage: lab.base } });
    await next.ready;
    await next.stop();
  });

  it("that is refused says so, and leaves no timer behind", async () => {
    const lab = createLab();
    const tab = await lab.ready();
    Object.assign(tab.disk, { destroy: () => Promise.reject(new Error("disk")) });
    await expect(tab.sync.destroy()).rejects.toMatchObject({ code: "storage_unavailable" });
    expect(lab.clock.next()).toBeNull();
  });

  it("behind a tab that holds the database goes on when that one lets go", async () => {
    const lab = createLab();
    const tab = await lab.ready();
    await tab.sync.commit(added("t1")).settled;
    // A frozen page of older code: it does not hear that it should close.
    const held = hold();
    const holding = lab.raw(() => held.fault(() => Promise.resolve(), events));
    await lab.settle();
    const refused = codeOf(tab.sync.destroy());
    await lab.pass(11_000);
    expect(await refused).toBe("storage_unavailable");
    held.release();
    await holding;
    await lab.settle();
    expect(await lab.contents()).toEqual({});
    expect(scope).toBe(tab.sync.id);
  });
});
