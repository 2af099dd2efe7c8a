/** Paths of the connection to the database. What it asks for waits until a path says how it is answered. */
import { expect } from "vitest";
import { createEmptyActor } from "xstate";
import { type Context, storageMachine } from "../../../src/machines/storage.ts";
import { type PathCase, type PathState } from "../../../src/testing/index.ts";
import { type FaultKind } from "../../../src/testing/index.ts";
import { type MachineSuite, type Model } from "../suite.ts";

interface World {
  /** Attempts to open that are not answered, and would be taken if they were. */
  waiting: number;
  /** How often it began to open since there was a connection. */
  tries: number;
  /** In `opening`: there was a second attempt. */
  second: boolean;
  /** The handle throws when it is closed. */
  broken: boolean;
  /** Storage is memory, which opens at once. */
  memory: boolean;
  /** There was a connection: it is too late for memory. */
  loaded: boolean;
  /** Nothing can be opened or closed any more. */
  dead: boolean;
}

const after = (delay: string, state: string): string => `xstate.after.${delay}.storage.${state}`;
const reopen = after("reopenDelay", "reopening");
const [second, deadline] = [after("secondDelay", "opening"), after("openDeadline", "opening")];

/** What drops the connection, and all attempts. */
const dropping = new Set(["losing", "outdated"]);

/** `memory`: storage is memory as soon as it is told to be unavailable. */
function modelOf(name: string, memory: boolean): Model {
  const world: World = {
    waiting: 0,
    tries: 0,
    second: false,
    broken: false,
    memory: false,
    loaded: false,
    dead: false,
  };
  return {
    name,
    input: { owner: createEmptyActor() },
    world,
    open: { storage: memory ? "memory-if-unavailable" : "required" },
    cases: [
      { type: "connection.failed", failure: "newer", title: "newer layout" },
      { type: "connection.failed", failure: "unavailable" },
      { type: "connection.closed", reason: "upgraded", title: "upgraded" },
      { type: "connection.closed", reason: "forced" },
      {
        type: "connection.closed",
        reason: "forced",
        title: "closed, and throws",
        world: { broken: true },
      },
    ],
    identify: (context) => {
      const { attempts, losses } = context as Context;
      return { attempts: Math.min(attempts, 5), losses: Math.min(losses, 2) };
    },
    filter({ type }: PathCase, state: PathState) {
      const { waiting, second: was, memory: is, dead } = state.world as World;
      if (is || dead || type === "xstate.error.actor.connector") return false;
      if (type === second) return !was;
      if (type === deadline) return was;
      if (type === "storage.open") return state.value === "closed";
      return !/^connection\.(opened|failed|blocked)$/.test(type) || waiting > 0;
    },
    react({ event, from, to, tids }, context): PathCase | void {
      const { attempts, losses } = context as Context;
      if (tids.includes("storage.openSecond")) Object.assign(world, { second: true });
      else if (to === "opening") world.second = false;
      if (to === "opening" && from !== to) world.tries = Math.min(world.tries + 1, 5);
      if (to === "open") world.loaded = true;
      if (to === "open" && !world.memory) world.tries = 0;
      if (event.type === "connection.failed") world.waiting -= 1;
      if (
        event.type === "connection.opened" ||
        tids.includes("storage.dropped") ||
        dropping.has(to)
      )
        world.waiting = 0;
      if (tids.some((tid) => /\.(openHung|retryNow)$/.test(tid))) {
        world.waiting = 0;
        world.memory = true;
      }
      if (to === "opening") world.waiting = Math.min(10, world.waiting + 1);
      if (world.broken) {
        Object.assign(world, { broken: false, dead: true });
        return { type: "xstate.error.actor.connector" };
      }
      if (world.memory && to === "opening") return { type: "connection.opened" };
      if (memory && !world.loaded && from !== to && (to === "hung" || to === "unavailable"))
        return { type: "storage.open" };
      // No time at all.
      if (to === "reopening" && Math.max(attempts, losses) <= 1) return { type: reopen };
    },
  };
}

export const storageSuite: MachineSuite = {
  machine: storageMachine,
  models: [modelOf("required", false), modelOf("memory if unavailable", true)],

  prepare: ({ disk }) => disk.hold("open"),

  drive: {
    "storage.open": ({ open }, _, __, model) => open(model.open),
    "storage.suspected": async ({ disk, commit }) => {
      await disk.failNext("append", "lostAndNotStored");
      await commit();
    },
    "page.returned": async ({ page }) => {
      await page.hide();
      await page.show();
    },
    "connection.opened": async ({ disk }, { from }) => {
      if (from === "blocked") await disk.unblock();
      else await disk.answerFirst("open");
    },
    "connection.blocked": async ({ disk }) => {
      await disk.block();
      await disk.answerFirst("open");
    },
    "connection.failed": async ({ disk }, { event, from }) => {
      const { failure } = event as { readonly failure?: FaultKind };
      if (from === "blocked") await disk.unblock(failure);
      else await disk.answerFirst("open", failure);
    },
    "connection.closed": async ({ disk }, { event }) => {
      if (event.title === "closed, and throws") await disk.breakClose();
      if (event.title === "upgraded") await disk.upgrade();
      else await disk.close();
    },
  },

  check({ status, connections }, state, { tids, world }) {
    const { tries } = world as World;
    // It gives up at the fourth time, and not before.
    if (tids.includes("storage.gaveUp")) expect(tries).toBeGreaterThanOrEqual(4);
    if (tids.includes("storage.openFailed")) expect(tries).toBeLessThanOrEqual(4);
    const inMemory = tids.some((tid) => /\.(openHung|retryNow)$/.test(tid));
    const loading = status?.phase === "loading";
    const shown = {
      closed: "opening",
      opening: loading ? "opening" : "lost",
      open: inMemory ? "memory" : "open",
      reopening: "lost",
      hung: "unavailable",
    }[state];
    if (state === "outdated") expect(status?.phase).toBe("outdated");
    else expect(status?.storage).toBe(shown ?? state);
    expect(connections).toBe(state === "open" && !inMemory ? 1 : 0);
    if (tids.includes("storage.connectorFailed")) expect(status?.phase).toBe("failed");
  },
};
