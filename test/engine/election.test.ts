import { describe, expect, it } from "vitest";
import { type ActorRefFrom, createActor, createEmptyActor, fromCallback } from "xstate";
import { type LockCommand, electionMachine } from "../../src/machines/election.ts";
import { createSeededRandom } from "../../src/testing/seeded-random.ts";
import { createVirtualClock } from "../../src/testing/virtual-clock.ts";
import { createVirtualLocks } from "../../src/testing/virtual-locks.ts";
import { hold } from "../support/faulty-storage.ts";
import { added, createLab, renamed, shown } from "../support/lab.ts";

/** Election alone, with as many tabs as it takes: locks, a clock that frozen tabs do not hear, and heartbeats by hand. */
function createElections(supported: boolean) {
  const clock = createVirtualClock();
  const later: (() => void)[] = [];
  const locks = createVirtualLocks({ schedule: (task) => void later.push(task) });
  const tabs = new Set<ReturnType<typeof openTab>>();
  /** In the database. */
  let term = 0;
  const owner = createEmptyActor();
  owner.start();

  function openTab(spread: number) {
    const port = locks.openTab();
    let state: "running" | "frozen" | "gone" = "running";
    let visible = true;
    let mine: number | undefined;
    const waiting: (() => void)[] = [];
    /** What happens to a page that is frozen happens when it thaws. */
    const hand = (task: () => void): void => {
      if (state === "running") task();
      else if (state === "frozen") waiting.push(task);
    };
    const ownClock = {
      setTimeout(fn: () => void, ms: number) {
        return clock.setTimeout(() => hand(fn), ms);
      },
      clearTimeout: (id: unknown) => clock.clearTimeout(id),
    };
    const lock = fromCallback<LockCommand>(({ receive, sendBack }) => {
      let release: (() => void) | undefined;
      const drop = (): void => {
        release?.();
        release = undefined;
      };
      receive(({ type }) => {
        if (type === "query") {
          void port.query("lock");
          return;
        }
        drop();
        if (type === "release" || !supported) return;
        release = port.request(
          "lock",
          {
            granted: () => sendBack({ type: "lock.granted" }),
            lost: () => sendBack({ type: "lock.lost" }),
            failed: () => sendBack({ type: "lock.failed" }),
          },
          { steal: type === "steal" },
        );
      });
      return drop;
    });
    const heart = fromCallback<{ readonly type: "beat" }>(() => {
      mine = term += 1;
      let timer: unknown;
      const beat = (): void => {
        for (const tab of tabs) if (tab !== self) tab.hear(mine ?? 0);
        timer = ownClock.setTimeout(beat, 2000);
      };
      beat();
      return () => {
        mine = undefined;
        ownClock.clearTimeout(timer);
      };
    });
    const actor: ActorRefFrom<typeof electionMachine> = createActor(
      electionMachine.provide({ actors: { lock, heart } }),
      {
        clock: ownClock,
        input: {
          owner,
          locks: {
            supported: () => supported,
            hears: () => true,
            visible: () => visible,
            spread: () => spread,
          },
        },
      },
    );
    const self = {
      actor,
      leads: () => state === "running" && mine !== undefined,
      watches: () => state === "running" && visible,
      hear: (heard: number) =>
        hand(() => {
          actor.send({ type: "heartbeat.seen" });
          if (mine !== undefined && heard > mine) actor.send({ type: "term.lost" });
        }),
      /** A write of the leader: refused when another one has claimed since. */
      write(): void {
        if (mine !== undefined && mine < term) hand(() => actor.send({ type: "term.lost" }));
      },
      emit: (type: "page.leaving" | "page.returned") => hand(() => actor.send({ type })),
      show: () => (visible = true),
      hide: () => (visible = false),
      freeze() {
        if (state !== "running") return;
        state = "frozen";
        port.freeze();
      },
      thaw() {
        if (state !== "frozen") return;
        state = "running";
        port.thaw();
        for (const task of waiting.splice(0)) task();
      },
      die() {
        state = "gone";
        port.die();
        tabs.delete(self);
        actor.stop();
      },
    };
    tabs.add(self);
    actor.start();
    actor.send({ type: "election.start" });
    return self;
  }

  function settle(): void {
    while (later.length > 0) later.shift()?.();
  }
  function pass(ms: number): void {
    const end = clock.now() + ms;
    settle();
    for (let next = clock.next(); next !== null && next <= end; next = clock.next()) {
      clock.advance(next - clock.now());
      settle();
      for (const tab of tabs) tab.write();
    }
    clock.advance(end - clock.now());
  }
  return { tabs, locks, openTab, settle, pass, step: () => later.shift()?.() };
}

describe.each([true, false])("elections with locks: %s", (supported) => {
  it.each([0, 1, 2, 3, 4, 5])(
    "G10 G11 end with one leader, whatever the pages go through: %s",
    (round) => {
      for (let seed = round * 10; seed < round * 10 + 10; seed += 1) {
        const bytes = createSeededRandom(seed).bytes(400);
        let at = 0;
        const draw = (below: number): number => (bytes[(at += 1) % bytes.length] ?? 0) % below;
        const elections = createElections(supported);
        const story: string[] = [];
        elections.openTab(draw(256) / 255);
        for (let step = 0; step < 40; step += 1) {
          const tabs = Array.from(elections.tabs);
          const tab = tabs[draw(Math.max(1, tabs.length))];
          const acts: readonly (readonly [string, () => unknown])[] = [
            ["open", () => tabs.length < 4 && elections.openTab(draw(256) / 255)],
            ["die", () => tab?.die()],
            ["freeze", () => tab?.freeze()],
            ["leave and freeze", () => (tab?.emit("page.leaving"), tab?.freeze())],
            ["leave", () => tab?.emit("page.leaving")],
            ["return", () => tab?.emit("page.returned")],
            ["leave and return", () => (tab?.emit("page.leaving"), tab?.emit("page.returned"))],
            ["thaw", () => tab?.thaw()],
            ["thaw and return", () => (tab?.thaw(), tab?.emit("page.returned"))],
            ["hide", () => tab?.hide()],
            ["show", () => tab?.show()],
            ["strange steal", () => elections.locks.steal("lock")()],
            ["one step", () => elections.step()],
            ["settle", () => elections.settle()],
            ["a while", () => elections.pass(draw(20) * 700)],
            ["a moment", () => elections.pass(draw(5) * 500)],
          ];
          const [name, act] = acts[draw(acts.length)] ?? ["", () => undefined];
          story.push(name);
          act();
        }
        // Now it is quiet, and somebody looks.
        const tabs = Array.from(elections.tabs);
        const somebody = tabs.find((tab) => tab.watches()) ?? elections.openTab(0.5);
        somebody.show();
        elections.pass(60_000);
        const leaders = Array.from(elections.tabs).filter((tab) => tab.leads());
        expect({ seed, story, leaders: leaders.length }).toEqual({ seed, story, leaders: 1 });
        for (const tab of elections.tabs) tab.die();
      }
    },
  );
});

describe("with locks", () => {
  it("G10 a leader that hears of a later term lets go before it writes", async () => {
    const lab = createLab();
    const [a, b] = [await lab.ready(), await lab.ready()];
    await lab.pass(3000);
    // It cannot be told, and has nothing to write: only the new leader's heartbeat says so.
    const held = hold();
    a.disk.always("lead", held.fault);
    a.locks.freeze();
    lab.locks.steal("sssync/todos/")();
    await lab.pass(5000);
    expect(b.sync.status.role).toBe("leader");
    expect(a.sync.status.role).toBe("follower");
    held.release();
    a.locks.thaw();
  });
});

describe("with locks, without a channel", () => {
  it("G10 G11 nobody takes the lock from a leader that cannot be heard", async () => {
    const lab = createLab();
    const channelless = { ports: { channel: null } };
    const [a, b] = [await lab.ready(channelless), await lab.ready(channelless)];
    await lab.pass(3000);
    const term = async (): Promise<unknown> =>
      (await lab.contents()).meta?.find(([key]) => key === "term")?.[1];
    const before = await term();
    expect(before).toBeDefined();
    await lab.pass(120_000);
    expect(await term()).toBe(before);
    expect([a, b].map(({ sync }) => sync.status.role)).toEqual(["leader", "candidate"]);
    await a.sync.stop();
    await lab.pass(3000);
    expect(b.sync.status.role).toBe("leader");
  });
});

describe("without locks", () => {
  const lockless = { ports: { locks: null } };

  it("G11 a visible tab leads by its term alone, decides and folds", async () => {
    const lab = createLab();
    const [a, b] = [await lab.ready(lockless), await lab.ready(lockless)];
    await a.sync.commit(added("t1")).durable;
    await lab.pass(30_000);
    const roles = [a, b].map(({ sync }) => sync.status.role);
    expect(roles.toSorted()).toEqual(["follower", "leader"]);
    expect((await lab.contents())["log"]).toEqual([]);
    const [leader, other] = roles[0] === "leader" ? [a, b] : [b, a];
    leader.kill();
    await other.sync.commit(renamed("t1", "Bread")).durable;
    await lab.pass(30_000);
    expect(other.sync.status.role).toBe("leader");
    expect((await lab.contents())["log"]).toEqual([]);
    expect(shown(await lab.ready(lockless))).toEqual(shown(other));
  });

  it("G10 of two that lead without knowing of each other, one is refused and waits again", async () => {
    const lab = createLab();
    const hear = lab.channels.drop(() => true);
    const [a, b] = [await lab.ready(lockless), await lab.ready(lockless)];
    await lab.pass(30_000);
    const leads = (): number => [a, b].filter(({ sync }) => sync.status.role === "leader").length;
    await a.sync.commit(added("t1")).durable;
    await b.sync.commit(renamed("t1", "Bread")).durable;
    await lab.pass(8000);
    expect(leads()).toBeLessThan(2);
    hear();
    await lab.pass(30_000);
    expect(leads()).toBe(1);
    expect((await lab.contents())["log"]).toEqual([]);
    expect(shown(a)).toEqual(shown(b));
    expect(shown(await lab.ready(lockless))).toEqual(shown(a));
  });

  it("hidden tabs do not judge", async () => {
    const lab = createLab();
    const tab = await lab.ready(lockless);
    tab.lifecycle.emit("hidden");
    await lab.pass(60_000);
    expect(tab.sync.status.role).toBe("candidate");
    tab.lifecycle.emit("visible");
    await lab.pass(20_000);
    expect(tab.sync.status.role).toBe("leader");
    tab.lifecycle.emit("pagehide");
    await lab.settle();
    expect(tab.sync.status.role).not.toBe("leader");
  });
});
