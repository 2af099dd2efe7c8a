import { describe, expect, it, vi } from "vitest";
import { type Connection, type StoragePort } from "../../src/services/ports.ts";
import { type EventObject, createActor, fromCallback } from "xstate";
import { type PersisterCommand } from "../../src/machines/commit.ts";
import { commitMachine } from "../../src/machines/commit.ts";
import { type ConnectorCommand, storageMachine } from "../../src/machines/storage.ts";
import { syncMachine } from "../../src/machines/sync.ts";
import {
  type Operation,
  block,
  failing,
  hold,
  hungAndNotStored,
} from "../support/faulty-storage.ts";
import { serverView } from "../support/server-view.ts";
import { type Tab, added, createLab, shown, stateOf } from "../support/lab.ts";

const count = ({ disk }: Tab, operation: string): number =>
  disk.calls.filter((call) => call === operation).length;

const all: readonly Operation[] = ["append", "ensure", "read", "claim", "lead", "quarantine"];

/** The handle of now is dead, and no event says so: all that is asked of it fails, until another one is opened. */
function breakHandle({ disk }: Tab): void {
  const ends = all.map((operation) => disk.always(operation, failing("lost")));
  disk.next("open", (run) => {
    for (const end of ends) end();
    return run();
  });
}

describe("a dead handle", () => {
  it("G2 is dropped and reopened once, however many failures it causes", async () => {
    const lab = createLab();
    const tab = await lab.ready();
    await lab.pass(3000);
    breakHandle(tab);
    const opened = count(tab, "open");
    const receipts = Array.from({ length: 20 }, (_, at) => tab.sync.commit(added(`t${at}`)));
    tab.lifecycle.emit("pageshow");
    tab.lifecycle.emit("pagehide");
    tab.lifecycle.emit("pageshow");
    await lab.pass(5000);
    expect(count(tab, "open") - opened).toBe(1);
    const states = await Promise.all(receipts.map(({ durable }) => stateOf(durable)));
    expect(new Set(states)).toEqual(new Set(["resolved"]));
    expect(shown(await lab.ready())).toEqual(shown(tab));
    expect(tab.sync.status).toMatchObject({ phase: "ready", storage: "open", fault: null });
  });

  it("is found by a tab that only reads, and by a leader that only decides", async () => {
    const lab = createLab();
    const leader = await lab.ready();
    await lab.pass(3000);
    const reader = await lab.ready();
    breakHandle(reader);
    await leader.sync.commit(added("t1")).durable;
    reader.lifecycle.emit("visible");
    await lab.pass(2000);
    expect(count(reader, "open")).toBe(2);
    expect(shown(reader)).toEqual(shown(leader));

    await lab.pass(20_000);
    await reader.sync.commit(added("t2")).durable;
    await lab.settle();
    breakHandle(leader);
    await lab.pass(10_000);
    expect(count(leader, "open")).toBe(2);
    expect((await lab.contents())["log"]).toEqual([]);
  });

  it.each([["all of it", all] as const, ["writes", ["append", "ensure"] as const] as const])(
    "that is lost again and again (%s) is opened after ever longer pauses",
    async (_, operations) => {
      const lab = createLab();
      const tab = await lab.ready();
      for (const operation of operations) tab.disk.always(operation, failing("lost"));
      tab.sync.commit(added("t1"));
      await lab.pass(60_000);
      expect(count(tab, "open")).toBeGreaterThan(5);
      expect(count(tab, "open")).toBeLessThan(20);
    },
  );

  it("reported late does not cost the connection that took its place", async () => {
    const lab = createLab();
    const tab = await lab.ready();
    await lab.pass(3000);
    // A leader's write that is never answered, on a connection that goes away meanwhile.
    tab.disk.next("lead", hungAndNotStored);
    await tab.sync.commit(added("t1")).durable;
    await lab.pass(15_000);
    tab.disk.close("forced");
    const held = hold();
    tab.disk.next("read", held.fault);
    await lab.pass(14_000);
    // The leader would have lost its patience by now; the new connection is still being read.
    await lab.pass(5000);
    held.release();
    await lab.pass(10_000);
    expect(count(tab, "open")).toBe(2);
    expect(tab.sync.status).toMatchObject({ phase: "ready", role: "leader", storage: "open" });
    expect((await lab.contents())["log"]).toEqual([]);
  });

  it("whose read ends after it was lost does not count as the one that is awaited", async () => {
    const lab = createLab();
    const tab = await lab.ready();
    const other = await lab.ready();
    const held = hold("after");
    tab.disk.next("read", held.fault);
    tab.lifecycle.emit("visible");
    await held.reached;
    const blocked = hold();
    tab.disk.next("open", blocked.fault);
    tab.disk.close("forced");
    held.release();
    await lab.pass(1000);
    expect(tab.sync.getSnapshot().value).toBe("disconnected");
    expect(tab.sync.status).toMatchObject({ phase: "degraded", storage: "lost" });
    blocked.release();
    await lab.pass(1000);
    await other.sync.commit(added("t1")).durable;
    await lab.settle();
    expect(tab.sync.status).toMatchObject({ phase: "ready", storage: "open" });
    expect(shown(tab)).toEqual(shown(other));
  });
});

describe("an open", () => {
  it("that is not answered is helped by a second one after 3 s", async () => {
    const lab = createLab();
    const tab = lab.openTab();
    tab.disk.next("open", hungAndNotStored);
    await lab.pass(2900);
    expect(tab.sync.status).toMatchObject({ storage: "opening", fault: null });
    await lab.pass(200);
    await tab.sync.ready;
    expect(tab.disk.calls.filter((call) => call === "open")).toEqual(["open", "open"]);
  });

  it("that hangs is told apart from one that is refused, and taken however late it comes", async () => {
    const lab = createLab();
    const [hung, refused] = [lab.openTab(), lab.openTab()];
    const first = hold();
    hung.disk.next("open", first.fault);
    hung.disk.always("open", hungAndNotStored);
    refused.disk.always("open", failing("unavailable"));
    await lab.pass(15_000);
    for (const { sync } of [hung, refused])
      expect(sync.status).toMatchObject({
        storage: "unavailable",
        fault: { code: "storage_unavailable" },
      });
    const [a, b] = [hung, refused].map(({ sync }) => sync.status.fault?.message);
    expect(a).toMatch(/does not answer/);
    expect(b).not.toBe(a);
    first.release();
    await lab.settle();
    await hung.sync.ready;
    expect(hung.sync.status.fault).toBeNull();
  });

  it("that comes after another one was taken is closed", async () => {
    const lab = createLab();
    const late = hold("after");
    const held: unknown[] = [];
    let asked = 0;
    const storage: StoragePort = {
      ...lab.base,
      async open(...args) {
        asked += 1;
        const opening = async () => await lab.base.open(...args);
        const connection = (await (asked === 1
          ? late.fault(opening, args[1])
          : opening())) as Connection;
        held.push(connection);
        return { ...connection, close: () => (held.pop(), connection.close()) };
      },
    };
    const tab = lab.openTab({ ports: { storage } });
    await lab.pass(3100);
    await tab.sync.ready;
    late.release();
    await lab.settle();
    expect([asked, held.length]).toEqual([2, 1]);
    await tab.sync.stop();
    expect(held).toEqual([]);
  });

  it("that comes after memory was chosen is closed, and memory stays", async () => {
    const lab = createLab();
    const tab = lab.openTab({ storage: "memory-if-unavailable" });
    const late = hold("after");
    tab.disk.next("open", late.fault);
    tab.disk.always("open", hungAndNotStored);
    await lab.pass(11_000);
    await tab.sync.ready;
    tab.sync.commit(added("t1"));
    late.release();
    await lab.pass(5000);
    expect(tab.sync.status).toMatchObject({ storage: "memory", phase: "degraded" });
    expect((await lab.contents())["log"]).toEqual([]);
    await tab.sync.stop();
  });

  it("is asked for ever when it is refused, and ten times when it hangs", async () => {
    const lab = createLab();
    const [hung, refused] = [lab.openTab(), lab.openTab()];
    hung.disk.always("open", hungAndNotStored);
    refused.disk.always("open", failing("unavailable"));
    await lab.pass(3_600_000);
    expect(count(hung, "open")).toBe(10);
    expect(count(refused, "open")).toBeGreaterThan(100);
    for (const { sync } of [hung, refused]) expect(await stateOf(sync.ready)).toBe("pending");
  });

  it("is asked again at once when the person comes back", async () => {
    const lab = createLab();
    const tab = lab.openTab();
    const heal = tab.disk.always("open", failing("unavailable"));
    await lab.pass(10_000);
    heal();
    tab.lifecycle.emit("visible");
    await lab.settle();
    expect(await stateOf(tab.sync.ready)).toBe("resolved");
  });

  it("that is blocked waits as long as it takes, and goes on by itself", async () => {
    const lab = createLab();
    const tab = lab.openTab();
    const held = block();
    tab.disk.next("open", held.fault);
    await lab.pass(600_000);
    expect(tab.sync.status).toMatchObject({ storage: "blocked", phase: "loading" });
    held.release();
    await lab.settle();
    await tab.sync.ready;
    expect(count(tab, "open")).toBe(1);
  });
});

describe("a page that leaves while a write is looked up", () => {
  it("G1 hears of what it wrote then, and does not wait for the watchdog", async () => {
    const lab = createLab();
    const tab = await lab.ready();
    tab.disk.next("append", failing("aborted"));
    const held = hold();
    tab.disk.next("ensure", held.fault);
    const first = tab.sync.commit(added("t1"));
    await lab.pass(0);
    await held.reached;
    const second = tab.sync.commit(added("t2"));
    tab.lifecycle.emit("pagehide");
    await lab.settle();
    expect(await stateOf(second.durable)).toBe("resolved");
    held.release();
    await lab.settle();
    expect(await stateOf(first.durable)).toBe("resolved");
    const third = tab.sync.commit(added("t3"));
    await lab.settle();
    expect(await stateOf(third.durable)).toBe("resolved");
    expect(shown(await lab.ready())).toEqual(shown(tab));
  });

  it("G7 finds what was stored by a write that answers too late, once", async () => {
    const lab = createLab();
    const tab = await lab.ready();
    const late = hold("after");
    tab.disk.next("append", late.fault);
    const held = hold();
    tab.disk.next("ensure", held.fault);
    const receipt = tab.sync.commit(added("t1"));
    await lab.pass(5500);
    await held.reached;
    late.release();
    await lab.settle();
    held.release();
    await lab.pass(6000);
    expect(await stateOf(receipt.durable)).toBe("resolved");
    expect((await lab.loggedEvents()).length).toBeLessThan(2);
    await tab.sync.commit(added("t2")).durable;
    expect(tab.sync.status).toMatchObject({ phase: "ready", fault: null });
    expect(shown(await lab.ready())).toEqual(shown(tab));
  });
});

const service = <Command extends EventObject>(dies: boolean) =>
  fromCallback<Command>(({ receive }) =>
    receive(() => {
      if (dies) throw new Error("broken");
    }),
  );

describe("a service that throws", () => {
  const input = {
    queue: {
      hasQueued: () => true,
      hasInFlight: () => false,
      isInFlight: () => false,
      isLastInFlight: () => false,
      isOpen: () => true,
    },
    server: serverView(),
    whenFull: "keep",
    locks: { supported: () => true, hears: () => true, visible: () => true, spread: () => 0 },
    log: { isLong: () => false, hasLeft: () => false },
    memory: { allowed: () => false },
  } as const;

  it.each([
    ["persister", { error: new Error("broken") }],
    ["connector", { reason: "Error: broken" }],
  ])("fails the engine loudly: the %s", (which, event) => {
    const connector = service<ConnectorCommand>(which === "connector");
    const persister = service<PersisterCommand>(which === "persister");
    const unusable = vi.fn<(args: unknown, params: unknown) => void>();
    const root = createActor(
      syncMachine.provide({
        actors: {
          storage: storageMachine.provide({ actors: { connector } }),
          commit: commitMachine.provide({ actors: { persister } }),
        },
        actions: { unusable },
      }),
      { input },
    );
    root.start();
    root.getSnapshot().children.commit?.send({ type: "gate.open" });
    expect(root.getSnapshot().value).toBe("failed");
    expect(unusable).toHaveBeenCalledOnce();
    expect(unusable.mock.calls[0]?.[0]).toMatchObject({ event });
    root.stop();
  });
});
