import * as v from "valibot";
import { describe, expect, test } from "vitest";
import { create, createSyncActor, defineEvent } from "../../src/index.ts";
import { type Device, createDevice } from "../../src/testing/index.ts";

const config = {
  name: "todos",
  tables: { todos: v.object({ id: v.string(), text: v.string() }) },
  events: {
    todoAdded: defineEvent({ schema: v.object({ id: v.string(), text: v.string() }) }),
  },
  materializers: {
    todoAdded: ({ id, text }: { id: string; text: string }) => [create("todos", { id, text })],
  },
} as const;

const openTab = (device: Device) => device.openTab(config);
type Tab = ReturnType<typeof openTab>;
const added = (id: string) => ({ name: "todoAdded", payload: { id, text: id } }) as const;
const ids = ({ sync }: Tab) => sync.tables.todos.toArray().map(({ id }) => id);
/** Opens so many tabs, the first of which leads. */
async function openTabs(device: Device, count: number): Promise<Tab[]> {
  const tabs: Tab[] = [];
  for (let at = 0; at < count; at += 1) {
    const tab = openTab(device);
    await device.run(tab.sync.ready);
    await device.settle();
    tabs.push(tab);
  }
  return tabs;
}
const outcome = (promise: Promise<unknown>) => {
  const seen = { state: "pending" };
  promise.then(
    () => (seen.state = "resolved"),
    (error: { readonly code?: string }) => (seen.state = String(error.code)),
  );
  return seen;
};

/** A morning with everything in it. */
async function live(seed: number) {
  const device = createDevice({ seed });
  const tabs = await openTabs(device, 3);
  const [a, b, c] = tabs as [Tab, Tab, Tab];
  for (let at = 0; at < 6; at += 1) for (const tab of tabs) tab.sync.commit(added(`${at}`));
  a.failNextWrite("lost");
  b.freeze();
  await device.pass(3000);
  a.closeConnection();
  c.bfcache();
  a.sync.commit(added("late"));
  await device.pass(20_000);
  b.thaw();
  c.restore();
  device.quota(true);
  b.sync.commit(added("later"));
  await device.pass(2000);
  device.quota(false);
  a.kill();
  await device.pass(30_000);
  return { trace: device.trace, contents: device.disk.contents(), shown: ids(b) };
}

test("G14 gives the same run for the same seed, and another for another", async () => {
  const [first, again, other] = [await live(5), await live(5), await live(6)];
  expect(again).toEqual(first);
  expect(other.trace).not.toEqual(first.trace);
  expect(other.shown).toEqual(first.shown);
  expect(first.trace.length).toBeGreaterThan(150);
});

test("does nothing until it is asked to", async () => {
  const device = createDevice();
  const tab = openTab(device);
  const ready = outcome(tab.sync.ready);
  await new Promise((resolve) => setImmediate(resolve));
  expect([device.trace, ready.state]).toEqual([[], "pending"]);
  while (await device.step());
  expect(ready.state).toBe("resolved");
});

test("applies an operation before it tells of it, and other tabs' operations come between", async () => {
  const seen = new Set<string>();
  for (let seed = 1; seed < 20; seed += 1) {
    const device = createDevice({ seed });
    const [a, b] = (await openTabs(device, 2)) as [Tab, Tab];
    const durable = [a, b].map(({ sync }, at) => outcome(sync.commit(added(`${at}`)).durable));
    const logged = () => device.disk.contents()?.log.length ?? 0;
    const before = logged();
    const states: string[] = [];
    do states.push(`${logged() - before} ${durable.map(({ state }) => state).join(" ")}`);
    while (await device.step());
    expect([states[0], states.at(-1)]).toEqual(["0 pending pending", "2 resolved resolved"]);
    for (const state of states) seen.add(state);
  }
  expect(seen).toContain("1 pending resolved");
  expect(seen).toContain("2 pending pending");
  expect(Array.from(seen)).not.toContain("0 resolved pending");
});

test("lets a test watch each task", async () => {
  const device = createDevice();
  const seen: string[] = [];
  const end = device.watch((what) => seen.push(what));
  await openTabs(device, 1);
  expect(seen).toEqual(device.trace);
  end();
  await device.pass(10_000);
  expect(seen.length).toBeLessThan(device.trace.length);
});

describe("time", () => {
  test("passes when it is told to, timer by timer", async () => {
    const device = createDevice();
    const page = device.openPage();
    const { clock } = page.environment;
    const diary: number[] = [];
    const began = device.now();
    const note = (): void => {
      diary.push(clock.now() - began);
      if (diary.length < 3) clock.setTimeout(note, 10);
    };
    clock.setTimeout(note, 10);
    await device.pass(25);
    expect([diary, device.now() - began, clock.now() - began]).toEqual([[10, 20], 25, 25]);
  });

  test("stands still for the timers of a frozen tab, which fall due when it thaws", async () => {
    const device = createDevice();
    const page = device.openPage();
    const diary: string[] = [];
    page.environment.clock.setTimeout(() => diary.push("timer"), 10);
    page.freeze();
    await device.pass(100);
    expect(diary).toEqual([]);
    page.thaw();
    await device.settle();
    expect(diary).toEqual(["timer"]);
  });

  test("says when a promise does not settle", async () => {
    const device = createDevice();
    await expect(device.run(new Promise(() => undefined))).rejects.toThrow("within ten minutes");
    await expect(device.run(Promise.reject(new Error("mine")))).rejects.toThrow("mine");
  });
});

describe("a tab", () => {
  test("that is killed leaves its work to another", async () => {
    const device = createDevice();
    const [a, b] = (await openTabs(device, 2)) as [Tab, Tab];
    const { durable } = a.sync.commit(added("milk"));
    await device.run(durable);
    a.kill();
    await device.pass(5000);
    expect([ids(b), b.sync.status.role, a.state]).toEqual([["milk"], "leader", "gone"]);
  });

  test("that is frozen is told nothing until it thaws", async () => {
    const device = createDevice();
    const [a, b] = (await openTabs(device, 2)) as [Tab, Tab];
    const receipt = outcome(b.sync.commit(added("mine")).durable);
    b.freeze();
    await device.run(a.sync.commit(added("other")).durable);
    await device.settle();
    expect([ids(b), receipt.state]).toEqual([["mine"], "pending"]);
    b.thaw();
    await device.pass(5000);
    expect([ids(b), receipt.state]).toEqual([["mine", "other"], "resolved"]);
  });

  test("that is closed has its last commit stored, told to nobody", async () => {
    const device = createDevice();
    const [a] = (await openTabs(device, 1)) as [Tab];
    a.sync.commit(added("last"));
    a.close();
    await device.settle();
    const [b] = (await openTabs(device, 1)) as [Tab];
    expect(ids(b)).toEqual(["last"]);
  });

  test("that crashes may lose what nobody was promised", async () => {
    const found = new Set<number>();
    for (let seed = 1; seed < 12; seed += 1) {
      const device = createDevice({ seed });
      const [a] = (await openTabs(device, 1)) as [Tab];
      a.sync.commit(added("last"));
      await Promise.resolve();
      a.kill();
      await device.settle();
      const [b] = (await openTabs(device, 1)) as [Tab];
      found.add(ids(b).length);
    }
    expect(found).toEqual(new Set([0, 1]));
  });

  test("comes back from the cache, or is thrown out of it by whoever asks about its lock", async () => {
    const device = createDevice();
    const [page, other] = [device.openPage(), device.openPage()];
    const granted: string[] = [];
    const ask = ({ name, environment: { locks } }: typeof page) =>
      locks?.request("l", { granted: () => granted.push(name), lost() {}, failed() {} });
    ask(page);
    await device.settle();
    ask(other);
    page.bfcache();
    await device.settle();
    expect([page.restore(), page.state, granted]).toEqual([true, "running", ["tab 1"]]);
    page.bfcache();
    void other.environment.locks?.query("l");
    await device.settle();
    expect([page.restore(), page.state, granted]).toEqual([false, "gone", ["tab 1", "tab 2"]]);
  });

  test("in the cache is thrown out by a message for it", async () => {
    const device = createDevice();
    const [page, other] = [device.openPage(), device.openPage()];
    const open = ({ environment: { channel } }: typeof page) =>
      channel?.open(
        "c",
        () => undefined,
        () => undefined,
      );
    open(page);
    const sender = open(other);
    page.bfcache();
    sender?.post("hello");
    expect(page.state).toBe("gone");
  });
});

describe("a fault", () => {
  test.each([
    "aborted",
    "lostButStored",
    "lostAndNotStored",
    "hungButStored",
    "hungAndNotStored",
    "lost",
    "quota",
  ] as const)("of a write (%s) has the commit stored once", async (kind) => {
    const device = createDevice();
    const [a] = (await openTabs(device, 1)) as [Tab];
    a.failNextWrite(kind);
    const { durable } = a.sync.commit(added("milk"));
    const receipt = outcome(durable);
    await device.settle();
    // Where it was seen to fail, or said to be lost, the first try after it comes at once.
    const waits = kind === "quota" || kind.startsWith("hung");
    expect(receipt.state).toBe(waits ? "pending" : "resolved");
    await device.run(durable);
    expect(device.trace).toContain("tab 1: ensure told");
    const commits = device.disk
      .contents()
      ?.log.filter(([, it]) => (it as { kind: string }).kind === "commit");
    expect(commits).toHaveLength(1);
  });

  test("of a write that can never succeed rolls the commit back", async () => {
    const device = createDevice();
    const [a] = (await openTabs(device, 1)) as [Tab];
    device.failNextWrite("refused");
    const { durable } = a.sync.commit(added("milk"));
    await expect(device.run(durable)).rejects.toMatchObject({ code: "storage_failed" });
    expect(ids(a)).toEqual([]);
  });

  test("of a read, or of opening, delays the start", async () => {
    const device = createDevice();
    device.failNextOpen("unavailable");
    device.failNextRead("lost");
    const tab = openTab(device);
    const ready = outcome(tab.sync.ready);
    await device.settle();
    expect(ready.state).toBe("pending");
    await device.run(tab.sync.ready);
  });

  test("of space stops commits, and ends with it", async () => {
    const device = createDevice();
    const [a] = (await openTabs(device, 1)) as [Tab];
    device.quota(true);
    const { durable } = a.sync.commit(added("milk"));
    await device.pass(20_000);
    expect(a.sync.status.storage).toBe("full");
    device.quota(false);
    await device.run(durable);
  });

  test("that is none: a disk that is slow for a tab gets all of it later, and a stale leader's write is refused", async () => {
    const device = createDevice();
    const [a, b] = (await openTabs(device, 2)) as [Tab, Tab];
    const { settled } = a.sync.commit(added("milk"));
    await device.settle();
    const [go, before] = [a.stall(), device.disk.get("meta", "term")];
    await device.pass(2000);
    device.stealLock()();
    await device.pass(2000);
    expect([b.sync.status.role, device.disk.get("meta", "term")]).toEqual(["leader", 2]);
    go();
    go();
    await device.run(settled);
    expect([before, ids(a), ids(b)]).toEqual([1, ["milk"], ["milk"]]);
    const bases = device.disk
      .contents()
      ?.log.filter(([, it]) => (it as { kind: string }).kind === "base");
    expect(bases?.every(([, it]) => (it as { term: number }).term === 2)).toBe(true);
  });

  test("of opening is over when it is said to be", async () => {
    const device = createDevice();
    device.unavailable(true);
    const tab = openTab(device);
    await device.pass(60_000);
    expect(tab.sync.status.storage).toBe("unavailable");
    device.unavailable(false);
    await device.run(tab.sync.ready);
    const release = device.blockOpen();
    tab.closeConnection();
    await device.pass(1000);
    expect(tab.sync.status.storage).toBe("blocked");
    release();
    await device.pass(1000);
    expect(tab.sync.status.storage).toBe("open");
  });
});

describe("the disk", () => {
  test.each([
    ["log", 2],
    ["segments", ["todos", 1]],
  ] as const)(
    "G8 with a record that is never answered (%s) is read without it, in bounded time, and says why it takes long",
    async (store, key) => {
      const device = createDevice();
      const [writer] = (await openTabs(device, 1)) as [Tab];
      await device.run(writer.sync.commit(added("folded")).durable);
      if (store === "segments") await device.pass(5000);
      await device.run(writer.sync.commit(added("later")).durable);
      writer.kill();
      const answer = device.disk.mute(store, key);
      const tab = openTab(device);
      const faults: string[] = [];
      tab.sync.on("fault", ({ fault }) => faults.push(fault.code));
      await device.pass(15_000);
      expect([tab.sync.status.phase, faults]).toEqual(["loading", ["load_delayed"]]);
      await device.pass(15_000);
      expect([tab.sync.status.phase, tab.sync.status.fault]).toEqual(["ready", null]);
      expect(ids(tab)).toEqual([store === "log" ? "folded" : "later"]);
      const where = store === "log" ? "log/2" : "segment/todos/1";
      expect(tab.sync.quarantine.list()).toMatchObject([{ id: where, raw: null }]);
      // It leads, and what comes is stored.
      await device.run(tab.sync.commit(added("new")).settled);
      answer();
    },
  );

  test("shows copies of what is stored, and can be damaged", async () => {
    const device = createDevice();
    await openTabs(device, 1);
    expect(device.disk.names()).toEqual(["sssync/todos/"]);
    const term = device.disk.get("meta", "term");
    expect(new Map(device.disk.contents()?.meta).get("term")).toBe(term);
    device.disk.put("meta", "term", { not: "a term" });
    expect(device.disk.get("meta", "term")).toEqual({ not: "a term" });
    device.disk.remove("meta", "term");
    expect(device.disk.get("meta", "term")).toBeUndefined();
    device.disk.put("log", 9, "no record");
    const { storage } = device.openPage().environment;
    const connection = await device.run(
      storage?.open("sssync/todos/", { blocked() {}, closed() {} }) ?? Promise.reject(new Error()),
    );
    expect(await device.run(connection.append({ kind: "commit" } as never, "relaxed"))).toBe(10);
  });

  test("is empty for the next one who opens it, when site data was cleared", async () => {
    const device = createDevice();
    const [a] = (await openTabs(device, 1)) as [Tab];
    await device.run(a.sync.commit(added("milk")).durable);
    device.clearSiteData();
    expect(device.disk.names()).toEqual([]);
    a.kill();
    const [b] = (await openTabs(device, 1)) as [Tab];
    expect(ids(b)).toEqual([]);
  });

  test("is deleted when the last connection was closed, and a frozen tab keeps its own", async () => {
    const device = createDevice();
    const page = device.openPage();
    const told: string[] = [];
    const events = { blocked() {}, closed: (reason: string) => told.push(reason) };
    const { storage } = page.environment;
    if (storage === null) throw new Error("Expected storage");
    await device.run(storage.open("d", events));
    page.freeze();
    device.deleteDatabase();
    await device.settle();
    expect([device.disk.names(), told]).toEqual([["d"], []]);
    page.thaw();
    await device.settle();
    expect([device.disk.names(), told]).toEqual([[], ["deleted"]]);
  });
});

/** Two pages on one channel, and what the second one hears. */
function connect() {
  const device = createDevice();
  const heard: unknown[] = [];
  const [from, to] = [device.openPage(), device.openPage()];
  to.environment.channel?.open(
    "c",
    (message) => heard.push(message),
    () => undefined,
  );
  const channel = from.environment.channel?.open(
    "c",
    () => undefined,
    () => undefined,
  );
  const post = async (message: unknown) => {
    channel?.post(message);
    await device.settle();
    return heard;
  };
  return { device, post, heard };
}

describe("messages", () => {
  test("are lost on purpose, until they are not", async () => {
    const { device, post } = connect();
    const stop = device.dropMessages();
    expect(await post(1)).toEqual([]);
    stop();
    expect(await post(2)).toEqual([2]);
  });

  test("are held back, and then go on", async () => {
    const { device, post, heard } = connect();
    const release = device.delayMessages();
    await post(1);
    expect(await post(2)).toEqual([]);
    release();
    await device.settle();
    expect(heard).toEqual([1, 2]);
  });

  test("come twice", async () => {
    const { device, post } = connect();
    const stop = device.duplicateMessages(({ message }) => message === 1);
    await post(1);
    expect(await post(2)).toEqual([1, 1, 2]);
    stop();
    expect(await post(1)).toEqual([1, 1, 2, 1]);
  });
});

describe("locks", () => {
  test("are stolen by a stranger, who gives them back", async () => {
    const device = createDevice();
    const [a] = (await openTabs(device, 1)) as [Tab];
    const giveBack = device.stealLock();
    await device.settle();
    expect(a.sync.status.role).not.toBe("leader");
    giveBack();
    await device.pass(5000);
    expect(a.sync.status.role).toBe("leader");
  });

  test("do not exist on a device without", async () => {
    const device = createDevice({ noLocks: true });
    const [a] = (await openTabs(device, 1)) as [Tab];
    await device.run(a.sync.commit(added("milk")).durable);
    expect([a.environment.locks, a.sync.status.role]).toEqual([null, "candidate"]);
  });
});

test("a page makes its own engine from its environment", async () => {
  const device = createDevice();
  const { environment } = device.openPage();
  const sync = createSyncActor({ ...config, environment });
  await device.run(sync.ready);
  expect(sync.status.phase).toBe("ready");
});
