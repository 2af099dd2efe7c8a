/**
 * Paths of the root. There is a row on disk, a rival holds the lock, and what the other machines ask of the disk waits where
 * they would go on by themselves.
 */
import { expect } from "vitest";
import { syncMachine } from "../../../src/machines/sync.ts";
import { type PathCase, type PathState } from "../../../src/testing/index.ts";
import { serverView } from "../../support/server-view.ts";
import { type Stimuli } from "../stimuli.ts";
import { type MachineSuite, type Model } from "../suite.ts";

interface World {
  /** There is a connection, and the disk is being read. */
  opened: boolean;
  reading: boolean;
  slow: boolean;
  /** Frozen. */
  away: boolean;
  /** This tab has the lock; it serves. */
  won: boolean;
  serving: boolean;
  /** What `stop` waits for. */
  hangs: "nothing" | "commit" | "leader";
  /** Of a case: what comes with it. */
  also: "" | "cleared" | "dies" | "beat" | "returned";
  /** Data was in memory once. */
  loaded: boolean;
  /** With a server. */
  server: boolean;
  /** Nothing more happens. */
  ended: boolean;
}

type Possible = (world: World, state: string) => boolean;

const isLive: Possible = (_, state) => state.startsWith("live.");
/** A follower with nothing else to do. */
const isAtRest: Possible = ({ won }, state) =>
  !won && state === "live.(connection.connected, commits.flowing)";
const isConnected: Possible = (_, state) => state.includes("connection.connected");
const isDisconnected: Possible = (_, state) => state.includes("connection.disconnected");
const isWaiting: Possible = ({ hangs }, state) => state === "stopping" && hangs === "commit";
const never: Possible = () => false;

const died = (id: string): string => `xstate.error.actor.${id}`;

/** When an event can be caused. Those that follow from others cannot be by themselves. */
const possible: Readonly<Record<string, Possible>> = {
  "storage.opened": ({ opened }) => !opened,
  "storage.lost": (world, state) =>
    world.opened &&
    (isAtRest(world, state) ||
      isWaiting(world, state) ||
      state === "loading" ||
      state === "outdated"),
  "storage.suspected": ({ reading }, state) => reading && state === "loading",
  "storage.outdated": (world, state) =>
    world.opened ? isWaiting(world, state) : state === "loading",
  "load.ready": ({ reading }) => reading,
  "load.failed": ({ reading }, state) =>
    reading && (state === "loading" || isLive({} as World, state)),
  "load.outdated": ({ reading }) => reading,
  "schema.newer": (world, state) =>
    isAtRest(world, state) || isWaiting(world, state) || (state === "outdated" && world.loaded),
  "gap.found": (world, state) => world.won || isAtRest(world, state),
  "heartbeat.seen": isAtRest,
  "log.grew": ({ serving }, state) => serving && isLive({} as World, state),
  "term.lost": ({ serving }, state) => serving && isLive({} as World, state),
  "election.won": isAtRest,
  "election.lost": ({ won }, state) => won && isLive({} as World, state),
  "handoff.serving": ({ won, serving }, state) => won && !serving && isLive({} as World, state),
  "handoff.suspended": never,
  "handoff.drained": ({ hangs }) => hangs === "leader",
  "service.died": never,
  "data.replaced": never,
  wake: isAtRest,
  look: isAtRest,
  "page.leaving": isAtRest,
  "commit.delayed": isAtRest,
  "commit.full": ({ won }, state) => !won && state.includes("connection.connected"),
  "commit.flowing": isConnected,
  "commit.closed": isWaiting,
  "xstate.after.stopDeadline.sync.stopping": ({ hangs }) => hangs === "leader",
  "xstate.after.slowDelay.sync.loading": ({ slow }) => !slow,
  [died("storage")]: ({ opened }, state) => !opened && state === "loading",
  [died("load")]: ({ reading }, state) => reading && state === "loading",
  [died("commit")]: isAtRest,
  [died("election")]: isAtRest,
  [died("handoff")]: never,
  [died("replication")]: never,
  "storage.unavailable": ({ opened }) => !opened,
};

/** What is only there with something else. */
const only: Readonly<Record<string, Possible>> = {
  "opened, and cleared": isDisconnected,
  "connection lost, and its closing throws": ({ opened }, state) =>
    opened && (state === "loading" || state === "stopping"),
  "the claim fails, and the handoff": ({ won, serving }, state) =>
    won && !serving && isLive({} as World, state),
  "serving, and replication fails": ({ server }) => server,
  "stop with a commit on its way": isAtRest,
  "stop with a leader's write on its way": ({ serving }, state) =>
    serving && isLive({} as World, state),
};

const begun: World = {
  opened: false,
  reading: false,
  slow: false,
  away: false,
  won: false,
  serving: false,
  hangs: "nothing",
  also: "",
  loaded: false,
  server: false,
  ended: false,
};

/** What a step makes of the world, and what follows from it. */
function follow(world: World, { event, to }: { event: PathCase; to: string }): PathCase | void {
  const { also } = world;
  switch (event.type) {
    case "storage.opened":
      Object.assign(world, { opened: true, reading: true, also: "" });
      if (world.ended) return { type: "load.ready" };
      return also === "cleared" ? { type: "gap.found", world: { also } } : undefined;
    case "gap.found":
      world.also = "";
      if (also === "cleared") return { type: "data.replaced" };
      if (also === "returned") return { type: "wake" };
      return also === "dies" ? { type: died("handoff") } : undefined;
    case "data.replaced":
      return { type: "load.ready" };
    case "storage.lost":
      Object.assign(world, { opened: false, reading: false, also: "" });
      return also === "dies" ? { type: "service.died" } : undefined;
    case "storage.suspected":
      return { type: "storage.lost" };
    case "storage.outdated":
      Object.assign(world, { opened: false, ended: true });
      return undefined;
    case "load.ready":
      Object.assign(world, { reading: false, loaded: true });
      return world.ended ? { type: "election.won" } : undefined;
    case "load.failed":
    case "load.outdated":
      world.reading = false;
      return undefined;
    case "xstate.after.slowDelay.sync.loading":
      world.slow = true;
      return undefined;
    case "page.leaving":
      world.away = true;
      return undefined;
    case "page.returned":
      world.away = false;
      return { type: "gap.found", world: { also: "returned" } };
    case "election.won":
      world.won = true;
      return world.ended ? { type: "handoff.serving" } : undefined;
    case "handoff.serving":
      Object.assign(world, { serving: true, also: "" });
      return also === "dies" ? { type: died("replication") } : undefined;
    case "storage.unavailable":
      world.ended = true;
      return { type: "storage.opened" };
    case "term.lost":
      world.also = "beat";
      return { type: "election.lost" };
    case "election.lost": {
      const { serving } = world;
      Object.assign(world, { won: false, serving: false });
      return serving ? { type: "handoff.suspended" } : undefined;
    }
    case "handoff.suspended":
      world.also = "";
      if (also === "beat") return { type: "heartbeat.seen" };
      return to === "stopping" && world.hangs !== "leader"
        ? { type: "handoff.drained" }
        : undefined;
    case died("handoff"):
    case died("replication"):
      return { type: "election.lost" };
    case "stop":
      return world.hangs === "commit" ? undefined : { type: "commit.closed" };
    case "commit.closed":
      if (world.serving) {
        world.serving = false;
        return { type: "handoff.suspended" };
      }
      return to === "stopping" && world.hangs !== "leader"
        ? { type: "handoff.drained" }
        : undefined;
    default:
      return undefined;
  }
}

const cases: readonly PathCase[] = [
  { type: "storage.opened" },
  { type: "storage.opened", title: "opened, and cleared", world: { also: "cleared" } },
  { type: "storage.lost" },
  {
    type: "storage.lost",
    title: "connection lost, and its closing throws",
    world: { also: "dies" },
  },
  { type: "gap.found" },
  { type: "gap.found", title: "the claim fails, and the handoff", world: { also: "dies" } },
  { type: "handoff.serving" },
  { type: "handoff.serving", title: "serving, and replication fails", world: { also: "dies" } },
  { type: "stop" },
  { type: "stop", title: "stop with a commit on its way", world: { hangs: "commit" } },
  { type: "stop", title: "stop with a leader's write on its way", world: { hangs: "leader" } },
];

function modelOf(name: string, open: Model["open"], over: Partial<Model> = {}): Model {
  const world: World = { ...begun, server: open?.live !== undefined };
  return {
    name,
    world,
    ...(open && { open }),
    cases,
    input: {
      queue: {
        hasQueued: () => false,
        isLastInFlight: () => true,
        isInFlight: () => true,
        hasInFlight: () => false,
        isOpen: () => true,
      },
      locks: { supported: () => true, hears: () => true, visible: () => true, spread: () => 0 },
      log: { isLong: () => false, hasLeft: () => false },
      server: serverView(),
      whenFull: "keep",
      memory: { allowed: () => open?.storage === "memory-if-unavailable" && !world.ended },
    },
    filter(event: PathCase, state: PathState) {
      const now = state.world as World;
      if (now.ended) return false;
      if (now.away || event.type === "page.returned")
        return now.away && event.type === "page.returned";
      return [possible[event.type], only[event.title ?? ""]].every(
        (is) => is?.(now, state.value) ?? true,
      );
    },
    react: (step) => follow(world, step),
    ...over,
  };
}

/** It is told that the disk failed by whoever reads it. */
async function fail(stimuli: Stimuli, ms: number, act: () => Promise<unknown>): Promise<void> {
  await stimuli.time.breakNext(ms);
  await act();
}

export const syncSuite: MachineSuite = {
  machine: syncMachine,
  models: [
    modelOf("alone", {}),
    modelOf("with a server", { live: "poll" }),
    modelOf("memory if unavailable", { storage: "memory-if-unavailable" }),
  ],

  async prepare(stimuli, model) {
    const { open, commit, disk, lock, page, time } = stimuli;
    await open(model.open);
    await time.settle();
    await commit();
    await page.kill();
    await lock.rivalAsks();
    await disk.hold("open");
    await disk.hold("read");
    await stimuli.taken();
    await open(model.open);
  },

  drive: {
    "storage.opened": async ({ disk }, { event }) => {
      if (event.title === "opened, and cleared") {
        await disk.remove();
        await disk.release("read");
      }
      await disk.release("open");
    },
    "storage.lost": async ({ disk }, { event }) => {
      await disk.hold("open");
      await disk.hold("read");
      if (event.title !== undefined) await disk.breakClose();
      await disk.close();
    },
    "storage.suspected": async ({ disk }, _, wait) => {
      await disk.hold("open");
      await disk.answerFirst("read", "lostAndNotStored");
      await wait();
    },
    "storage.outdated": async ({ disk }, { from }) => {
      if (from === "loading") await disk.answerFirst("open", "newer");
      else await disk.upgrade();
    },
    "load.ready": ({ disk }) => disk.release("read"),
    "load.failed": async ({ disk, damage }) => {
      await damage.meta();
      await disk.failNext("repair", "refused");
      await disk.release("read");
    },
    "load.outdated": async ({ disk, damage }) => {
      await damage.newer();
      await disk.release("read");
    },
    "schema.newer": ({ rival }) => rival.isNewer(),
    "gap.found": async (stimuli, { event }) => {
      if (event.title === undefined) await stimuli.rival.tells(5);
      else await fail(stimuli, 200, () => stimuli.disk.answerFirst("claim", "aborted"));
    },
    "heartbeat.seen": ({ rival }) => rival.beats(),
    "log.grew": async ({ commit, time }) => {
      // It rests, decides, folds and sleeps.
      await time.pass(5000);
      await commit();
    },
    "term.lost": ({ rival }) => rival.beats(true),
    "election.won": async ({ disk, lock }) => {
      await disk.hold("claim");
      await lock.rivalLeaves();
    },
    "election.lost": ({ lock }) => lock.rivalSteals(),
    "handoff.serving": async ({ disk, time }, { event }) => {
      // When replication has asked for what is new, it waits.
      if (event.title !== undefined) await time.breakNext(60_000);
      await disk.release("claim");
    },
    "storage.unavailable": async ({ disk, time }) => {
      for (let attempt = 0; attempt < 4; attempt += 1) {
        await disk.answerFirst("open", "unavailable");
        await time.pass(500);
      }
    },
    "handoff.drained": ({ disk }) => disk.release("lead"),
    wake: async ({ page, time }) => {
      await page.online(false);
      await time.settle();
      await page.online(true);
    },
    look: ({ page }) => page.hide(),
    "page.leaving": ({ page }) => page.freeze(),
    "page.returned": ({ page }) => page.thaw(),
    "commit.delayed": async ({ disk, commit }) => {
      await disk.hold("ensure");
      await disk.failNext("append", "aborted");
      await commit();
    },
    "commit.full": async ({ disk, commit }, { from }) => {
      if (from.includes("commits.delayed")) return await disk.answer("ensure", "quota");
      await disk.failNext("append", "quota");
      return await commit();
    },
    "commit.flowing": async ({ disk }, { from }, wait) => {
      await disk.release("ensure");
      if (from.includes("commits.full")) await wait();
    },
    "commit.closed": async ({ disk }) => {
      await disk.release("append");
    },
    stop: async ({ stop, disk, commit, time }, { event }) => {
      if (event.title === "stop with a commit on its way") {
        await disk.hold("append");
        await disk.hold("ensure");
        await commit();
      }
      if (event.title === "stop with a leader's write on its way") {
        await disk.hold("lead");
        await commit();
        await time.pass(3000);
      }
      await stop();
    },
    [died("storage")]: (stimuli) =>
      fail(stimuli, 0, () => stimuli.disk.answerFirst("open", "unavailable")),
    [died("load")]: (stimuli) =>
      fail(stimuli, 200, () => stimuli.disk.answerFirst("read", "aborted")),
    [died("commit")]: (stimuli) => fail(stimuli, 5000, () => stimuli.commit()),
    [died("election")]: (stimuli) => fail(stimuli, 1000, () => stimuli.lock.refuse()),
  },

  check({ value, ready, status, lock, queues }, state) {
    const values = [
      [/^live\.\(connection\.disconnected/, "disconnected"],
      [/commits\.flowing\)$/, "running"],
      [/^live/, "degraded"],
    ] as const;
    expect(value).toBe(values.find(([is]) => is.test(state))?.[1] ?? state);
    if (state === "loading") expect(ready).toBe("pending");
    if (state.startsWith("live")) expect(ready).toBe("resolved");
    if (state.includes("commits.full")) expect(status?.storage).toBe("full");
    if (state.includes("commits.delayed")) expect(status?.fault?.code).toBe("write_delayed");
    // Whoever cannot go on does not lead, and is in nobody's way.
    if (["outdated", "failed", "stopped"].includes(state))
      expect([lock === "tab", queues]).toEqual([false, false]);
    if (state === "failed") expect(status?.fault?.code).toBe("load_failed");
  },
};
