import { describe, expect, it } from "vitest";
import { failing } from "../support/faulty-storage.ts";
import { added, codeOf, createLab, invited, shown, slid, stateOf } from "../support/lab.ts";
import { openTodos } from "../support/todos.ts";

const users = [undefined, "a", "a/b", "a%2Fb", "A", "a#1", "ä", " ", "__proto__", "undefined"];

describe("G12 a user", () => {
  it("G12 never sees rows, outbox, messages or the lock of another one, whatever their names are", async () => {
    const lab = createLab();
    const tabs = await Promise.all(
      users.map((user) => lab.ready(user === undefined ? {} : { user })),
    );
    expect(new Set(tabs.map(({ sync }) => sync.id)).size).toBe(users.length);
    await lab.pass(3000);
    for (const [at, tab] of tabs.entries()) {
      expect(tab.sync.status.role).toBe("leader");
      await tab.sync.commit([added(`mine${at}`), invited("one@example.org")]).durable;
      tab.sync.commit(slid(at));
    }
    await lab.settle();
    for (const [at, { sync }] of tabs.entries()) {
      expect(sync.tables.todos.has(`mine${at}`)).toBe(true);
      expect(sync.tables.todos.size).toBe(2);
      expect(sync.outbox.list().map(({ payload }) => payload)).toEqual([{ value: at }]);
      expect(sync.status).toMatchObject({ ignored: 0, behind: 0, rejected: 0, fault: null });
    }
    await lab.pass(5000);
    for (const [at, user] of users.entries()) {
      const again = await lab.ready(user === undefined ? {} : { user });
      expect(shown(again)).toEqual(shown(tabs[at] as (typeof tabs)[number]));
    }
    // What one of them deletes is its own.
    await tabs[1]?.sync.destroy({ force: true });
    expect(shown(await lab.ready({ user: "a/b" })).todos.length).toBe(2);
    expect(shown(await lab.ready({ user: "a" })).todos.length).toBe(0);
  });

  it("the name of the app and that of the user do not run into each other", () => {
    const lab = createLab();
    const names = [
      { name: "a", user: "b/c" },
      { name: "a/b", user: "c" },
      { name: "a/b/c" },
      { name: "a", user: "b" },
      { name: "a" },
    ];
    const idsOf = names.map((config) => lab.openTab(config).sync.id);
    expect(new Set(idsOf).size).toBe(names.length);
  });

  it.each(["", "\ud800", 7])("is not called %j", (user) => {
    const open = () =>
      openTodos({ user: user as string, environment: createLab().openTab().environment });
    expect(open).toThrow(expect.objectContaining({ code: "config" }));
  });
});

describe("switchUser", () => {
  it("stops this engine, and gives one of the same configuration for that user", async () => {
    const lab = createLab();
    const tab = await lab.ready({ user: "anna" });
    await lab.pass(3000);
    await tab.sync.commit(added("hers")).durable;
    const ben = await tab.sync.switchUser("ben");
    expect(tab.sync.status.phase).toBe("stopped");
    await ben.ready;
    expect(ben.tables.todos.size).toBe(0);
    await ben.commit(added("his")).durable;
    const nobody = await ben.switchUser(undefined);
    await nobody.ready;
    expect(nobody.id).toBe("sssync/todos/");
    expect(nobody.tables.todos.size).toBe(0);
    const anna = await nobody.switchUser("anna");
    await anna.ready;
    expect(anna.tables.todos.toArray().map(({ id }) => id)).toEqual(["hers"]);
    // To whom it is already: an engine of its own, after the one before.
    const same = await anna.switchUser("anna");
    await same.ready;
    expect(same.tables.todos.size).toBe(1);
    expect(anna.status.phase).toBe("stopped");
    expect((await lab.locks.query("sssync/todos/anna")).held).toBe(true);
    expect(await lab.locks.query("sssync/todos/ben")).toEqual({ held: false, waiting: 0 });
  });

  it("first waits for decisions that are about to come", async () => {
    const lab = createLab();
    const tab = await lab.ready();
    await lab.pass(3000);
    const receipts = [tab.sync.commit(added("t1")), tab.sync.commit(slid(1))];
    const switching = tab.sync.switchUser("ben");
    await lab.pass(4000);
    expect(await stateOf(switching)).toBe("resolved");
    for (const { settled } of receipts) expect(await stateOf(settled)).toBe("resolved");
  });

  it("rejects while events are undecided, says how many, and stops nothing", async () => {
    const lab = createLab();
    const tab = await lab.ready();
    const heals = [
      tab.disk.always("append", failing("quota")),
      tab.disk.always("ensure", failing("quota")),
    ];
    const receipt = tab.sync.commit([added("t1"), added("t2")]);
    const switching = tab.sync.switchUser("ben");
    await lab.pass(4000);
    expect(await stateOf(switching)).toBe("pending");
    await lab.pass(2000);
    await expect(switching).rejects.toMatchObject({ code: "undecided", pending: 2 });
    expect(tab.sync.status.phase).toBe("degraded");
    for (const heal of heals) heal();
    await lab.pass(10_000);
    expect(await stateOf(receipt.settled)).toBe("resolved");
    await tab.sync.switchUser("ben");
    expect(tab.sync.status.phase).toBe("stopped");
  });

  it("while it loads asks of what is undecided on disk all the same", async () => {
    const lab = createLab();
    const writer = await lab.ready({ ports: { locks: null } });
    await writer.sync.commit(slid(1)).durable;
    await writer.sync.stop();
    const tab = lab.openTab({ ports: { locks: null } });
    const refused = tab.sync.switchUser("ben").catch((error: unknown) => error);
    await lab.pass(6000);
    expect(await refused).toMatchObject({ code: "undecided", pending: 1 });
    expect(tab.sync.status.phase).toBe("ready");
  });

  it("G1 by force leaves what is undecided on disk, where it is when its user comes back", async () => {
    const lab = createLab();
    const tab = await lab.ready({ user: "anna", ports: { locks: null } });
    const receipt = tab.sync.commit([added("t1"), slid(5)]);
    const later = tab.sync.commit(slid(7));
    const ben = await tab.sync.switchUser("ben", { force: true });
    expect(await stateOf(receipt.durable)).toBe("resolved");
    expect(await stateOf(later.durable)).toBe("resolved");
    await ben.ready;
    expect([ben.outbox.size, ben.status.pending, ben.tables.settings.size]).toEqual([0, 0, 0]);
    const anna = await ben.switchUser("anna");
    await anna.ready;
    expect(anna.outbox.list().map(({ id }) => id)).toEqual([later.events[0]?.id]);
    expect(anna.tables.settings.get("slider")?.value).toBe(7);
  });

  it("to a user who has an engine in this page, or cannot be, rejects and stops nothing", async () => {
    const lab = createLab();
    const tab = await lab.ready({ user: "anna" });
    const other = openTodos({ user: "ben", environment: tab.environment });
    await other.ready;
    await expect(tab.sync.switchUser("ben")).rejects.toMatchObject({ code: "already_running" });
    await expect(tab.sync.switchUser("")).rejects.toMatchObject({ code: "config" });
    expect(tab.sync.status.phase).toBe("ready");
    // Somebody comes while it waits.
    tab.sync.commit(slid(1));
    const refused = codeOf(tab.sync.switchUser("carl"));
    const carl = openTodos({ user: "carl", environment: tab.environment });
    await lab.pass(6000);
    expect(await refused).toBe("already_running");
    expect(tab.sync.status.phase).toBe("ready");
    await carl.stop();
    await tab.sync.switchUser("carl");
  });

  it("twice at once, or of an engine that is stopped, is an error", async () => {
    const lab = createLab();
    const tab = await lab.ready();
    tab.sync.commit(slid(1));
    const first = tab.sync.switchUser("ben");
    await expect(tab.sync.switchUser("carl")).rejects.toMatchObject({ code: "already_running" });
    await lab.pass(6000);
    const ben = await first;
    await expect(tab.sync.switchUser("carl")).rejects.toMatchObject({ code: "stopped" });
    await ben.ready;
    ben.commit(slid(2));
    const second = ben.switchUser("carl");
    await lab.settle();
    const stopping = ben.stop();
    await expect(second).rejects.toMatchObject({ code: "stopped" });
    await stopping;
  });
});
