/**
 * Paths of the commits. Another tab leads, so that nothing is decided, and each commit is a group of its own. What the tab asks
 * of its disk waits until a path says how it is answered; a new connection waits as well.
 */
import { expect } from "vitest";
import { assign, createEmptyActor } from "xstate";
import { type Context, type Input, commitMachine } from "../../../src/machines/commit.ts";
import { type FaultKind, type PathCase, type PathState } from "../../../src/testing/index.ts";
import { type MachineSuite, type Model } from "../suite.ts";

interface World {
  /** Commits so far. The number of a commit is the number of its group. */
  made: number;
  /** The one that waits to be written, or 0. */
  queued: number;
  flying: number[];
  /** Writes without an answer, of this connection and of those before. */
  asked: number[];
  stale: number[];
  /** What is still to be looked up. */
  round: number[];
  durable: number[];
  refused: number[];
  rejected: number[];
  open: boolean;
  /** There is no connection. */
  lost: boolean;
  told: "flowing" | "delayed" | "full";
  outdated: boolean;
  stopped: boolean;
}

/** What a case brings along. */
interface Change {
  readonly commit?: boolean;
}

const waiting = new Set(["open.retrying.waiting", "open.blocked.waiting"]);
const retry = "xstate.after.retryDelay.commit.open.retrying.waiting";
const suspecting = /\.(watchdog|ensureWatchdog|evictHung|ensureLostAgain|\w*[sS]torageLost)$/;

const most = 3;
const numbers = [1, 2, 3];
const failures = ["aborted", "quota", "refused", "lost"] as const;
const commit: Change = { commit: true };

const without = (numbersOf: number[], n: number): number[] => numbersOf.filter((it) => it !== n);

function modelOf(whenFull: Input["whenFull"]): Model {
  const world: World & Change = {
    made: 0,
    queued: 0,
    flying: [],
    asked: [],
    stale: [],
    round: [],
    durable: [],
    refused: [],
    rejected: [],
    open: false,
    lost: false,
    told: "flowing",
    outdated: false,
    stopped: false,
  };
  /** As it is now that the case has changed it. */
  function now(): World {
    if (world.commit === true) {
      world.queued = world.made += 1;
      delete (world as { commit?: boolean }).commit;
    }
    return world;
  }
  const does = (act: (it: World, n: number, params: unknown) => unknown) =>
    assign(({ event }: { event: object }, params: unknown) => {
      act(now(), "n" in event ? Number(event.n) : 0, params);
      return {};
    }) as never;
  const take = (it: World): void => {
    if (it.queued === 0) return;
    it.flying.push(it.queued);
    it.asked.push(it.queued);
    it.queued = 0;
  };
  const machine = commitMachine.provide({
    actions: {
      write: does(take),
      flush: does(take),
      ensure: does((it) => (it.round = [...it.flying])),
      acknowledge: does((it, n) => {
        if (it.flying.includes(n)) it.durable.push(n);
        it.flying = without(it.flying, n);
      }),
      rollBack: does((it, n, params) => {
        const { code } = params as { readonly code: string };
        it[code === "storage_full" ? "rejected" : "refused"].push(n);
        it.flying = without(it.flying, n);
      }),
      openGate: does((it) => (it.open = true)),
      closeGate: does((it) => (it.open = false)),
      tellDelayed: does((it) => (it.told = it.told === "full" ? "full" : "delayed")),
      tellFull: does((it) => (it.told = "full")),
      tellFlowing: does((it) => (it.told = "flowing")),
    },
  });
  const input: Input = {
    owner: createEmptyActor(),
    whenFull,
    queue: {
      hasQueued: () => now().queued > 0,
      hasInFlight: () => now().flying.length > 0,
      isInFlight: (n) => now().flying.includes(n),
      isLastInFlight: (n) => now().flying.length === 1 && world.flying[0] === n,
      isOpen: () => now().open,
    },
  };

  function lose(): void {
    world.lost = true;
    forgetConnection();
  }
  function forgetConnection(): void {
    world.stale = [...world.stale, ...world.asked];
    world.asked = [];
    world.round = [];
  }

  return {
    name: whenFull,
    machine,
    input,
    world,
    open: { whenFull },
    cases: [
      { type: "batch.ready", title: "commit", world: commit },
      { type: "drain", title: "stop", how: "stop" },
      { type: "drain", title: "newer", how: "newer" },
      { type: "page.leaving", title: "commit and leave", world: commit },
      { type: "storage.opened", how: "back" },
      { type: "storage.opened", title: "another connection", how: "new" },
      ...numbers.flatMap((n): PathCase[] => [
        { type: "write.done", title: `write ${n} done`, n, position: n },
        { type: "write.done", title: `commit and write ${n} done`, n, position: n, world: commit },
        { type: "ensure.done", title: `ensure ${n} done`, n, position: n },
        ...failures.flatMap((failure): PathCase[] => [
          { type: "write.failed", title: `write ${n} ${failure}`, n, failure },
          { type: "ensure.failed", title: `ensure ${n} ${failure}`, n, failure },
        ]),
        { type: "evict.done", title: "nothing to evict", n, evicted: 0 },
        { type: "evict.done", title: "evicted", n, evicted: 1 },
      ]),
    ],
    identify: (context) => Math.min((context as Context).attempts, 2),
    filter({ type, ...event }: PathCase, state: PathState) {
      const it = state.world as World;
      const n = Number(event["n"] ?? 0);
      if (it.stopped && (type === "drain" || type.startsWith("xstate.after."))) return false;
      if (it.stopped && state.value === "closed") return false;
      if (event.world !== undefined) {
        if (!it.open || it.queued > 0 || it.made === most) return false;
        // A third one is for answers that come late.
        const isLate = type === "batch.ready" && it.asked.length + it.stale.length > 0;
        if (it.made === 2 && (whenFull === "reject" || !isLate)) return false;
      }
      if (it.lost) return type === "storage.opened" && event["how"] === "back";
      switch (type) {
        case "gate.open":
          return !it.outdated;
        case "drain":
          // Early: it changes nothing of what comes later.
          if (it.made > 1 || it.told !== "flowing") return false;
          return event["how"] === "stop" || (state.value !== "closed" && !it.outdated);
        case "page.leaving":
          // Where it is idle, what was committed is on its way.
          return state.value !== "open.idle";
        case "storage.opened":
          return event["how"] === "new";
        case "write.done":
          return it.asked.includes(n);
        case "write.failed":
          return it.asked.includes(n) || (it.stale.includes(n) && event["failure"] === "lost");
        case "ensure.done":
        case "ensure.failed":
          return it.round[0] === n;
        case "evict.done":
          return it.flying[0] === n;
        default:
          return true;
      }
    },
    react({ event, from, to, tids }, context): PathCase | void {
      const it = now();
      const { type } = event;
      const n = Number(event["n"] ?? 0);
      if (type.startsWith("write.")) {
        it.asked = without(it.asked, n);
        it.stale = without(it.stale, n);
      }
      if (type === "ensure.done") it.round = without(it.round, n);
      if (type === "ensure.failed") it.round = [];
      if (type === "storage.opened") {
        it.lost = false;
        if (event["how"] === "new") forgetConnection();
        if (to === "open.retrying.ensuring") it.round = [...it.flying];
      }
      if (type === "drain") it[event["how"] === "stop" ? "stopped" : "outdated"] = true;
      const isLost = event["failure"] === "lost" && !tids.includes("commit.staleFailed");
      if (isLost || tids.some((tid) => suspecting.test(tid))) lose();
      // It is frozen, and comes back.
      if (type === "page.leaving" && waiting.has(to)) return { type: "page.returned" };
      if (from === to) return;
      // No time at all.
      if (to === "open.retrying.waiting" && (context as Context).attempts === 1)
        return { type: retry };
      // Nothing is asked of a connection that is not there.
      if (to === "open.retrying.ensuring" && it.lost)
        return { type: "ensure.failed", n: it.flying[0], failure: "aborted" };
    },
  };
}

const idOf = (n: number): string => `todo-${n}`;

const howOf = (event: PathCase): FaultKind =>
  (event as { readonly failure?: FaultKind }).failure ?? "lost";

export const commitSuite: MachineSuite = {
  machine: commitMachine,
  models: [modelOf("keep"), modelOf("reject")],

  async prepare({ open, disk, lock }, model) {
    await lock.rivalAsks();
    await disk.hold("read");
    await open(model.open);
    for (const operation of ["open", "append", "ensure", "evict"] as const)
      await disk.hold(operation);
  },

  change: async (stimuli, change) => {
    if ((change as Change).commit === true) await stimuli.commit();
  },

  drive: {
    "gate.open": ({ disk }) => disk.release("read"),
    drain: ({ stop, rival }, { event }) => (event["how"] === "stop" ? stop() : rival.isNewer()),
    // It was committed just before.
    "batch.ready": async () => {
      await Promise.resolve();
    },
    "page.leaving": async ({ page, time }) => {
      await page.freeze();
      await time.settle();
      await page.thaw();
    },
    "page.returned": async ({ page }) => {
      await page.hide();
      await page.show();
    },
    "storage.lost": ({ disk }) => disk.close(),
    "storage.opened": async ({ disk, time }, { event }) => {
      if (event["how"] === "new") {
        await disk.close();
        await time.settle();
      }
      await disk.answer("open");
    },
    "write.done": ({ disk }, { event }) => disk.answerNo("append", Number(event["n"])),
    "write.failed": ({ disk }, { event }) =>
      disk.answerNo("append", Number(event["n"]), howOf(event)),
    "ensure.done": async ({ disk }) => {
      // In the order in which they were asked for; only the answers may come in another one.
      await disk.take("append");
      await disk.answer("ensure");
    },
    "ensure.failed": ({ disk }, { event }) => disk.answer("ensure", howOf(event)),
    "evict.done": async ({ disk }, { event }) => {
      if (event["evicted"] === 1) await disk.putQuery();
      await disk.answer("evict");
    },
  },

  check({ status, commits, gate, rows, logged, ready }, state, { world }) {
    const it = world as World;
    const closed = it.stopped ? "stopped" : "outdated";
    expect(gate).toBe(it.open ? "open" : closed);
    if (it.made === 0 && it.stopped) return;
    expect(ready).toBe("resolved");
    for (const [at, { durable, settled }] of commits.entries()) {
      const n = at + 1;
      const refusal = it.refused.includes(n) ? "storage_failed" : "storage_full";
      const isRefused = it.refused.includes(n) || it.rejected.includes(n);
      expect([n, durable]).toEqual([
        n,
        it.durable.includes(n) ? "resolved" : isRefused ? refusal : "pending",
      ]);
      expect(settled).toBe(durable);
    }
    const gone = new Set([...it.refused, ...it.rejected].map(idOf));
    const shown = numbers
      .slice(0, it.made)
      .map(idOf)
      .filter((id) => !gone.has(id));
    expect(rows.map(({ id }) => id).toSorted()).toEqual(shown);
    expect(logged.filter((id) => gone.has(id))).toEqual([]);
    if (it.stopped && state === "closed") return;
    expect(status?.pending).toBe(shown.length - it.durable.length);
    if (it.stopped || it.outdated) return;
    const storage = it.told === "full" ? "full" : it.lost ? "lost" : "open";
    expect(status?.storage).toBe(storage);
    expect(status?.fault?.code).toBe(
      { full: "storage_full", lost: "storage_lost", open: undefined }[storage] ??
        (it.told === "delayed" ? "write_delayed" : undefined),
    );
  },
};
