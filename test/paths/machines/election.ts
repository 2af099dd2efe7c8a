/** Paths of the election. A rival wants the lock all the time: whoever of the two lets it go, the other one gets it. */
import { expect } from "vitest";
import { createEmptyActor } from "xstate";
import { type Input, electionMachine } from "../../../src/machines/election.ts";
import { type PathCase, type PathState } from "../../../src/testing/index.ts";
import { type MachineSuite, type Model } from "../suite.ts";

interface World {
  supported: boolean;
  visible: boolean;
  /** Frozen: nothing happens to it but that it comes back. */
  away: boolean;
}

/** On the way to ask for the lock. */
const asking = new Set(["election.start", "election.returned", "election.requeued"]);

const lockFailed = "xstate.error.actor.lock";

function modelOf(name: string, supported: boolean): Model {
  const world: World = { supported, visible: true, away: false };
  const input: Input = {
    owner: createEmptyActor(),
    locks: {
      supported: () => world.supported,
      hears: () => true,
      visible: () => world.visible,
      spread: () => 0,
    },
  };
  const silences = [
    "xstate.after.silence.election.candidate.waiting",
    "xstate.after.ownSilence.election.lockless.waiting",
  ];
  return {
    name,
    input,
    world,
    open: { noLocks: !supported },
    cases: silences.flatMap((type): PathCase[] => [
      { type, title: "silence", world: { visible: true } },
      { type, title: "silence while hidden", world: { visible: false } },
    ]),
    filter(event: PathCase, state: PathState) {
      if ((state.world as World).away) return event.type === "page.returned";
      // The port throws when it is asked, and it is asked on the way into this state.
      return event.type !== lockFailed || state.value === "candidate.waiting";
    },
    react({ event }) {
      if (event.type === "page.leaving") world.away = true;
      if (event.type === "page.returned") Object.assign(world, { away: false, visible: true });
    },
  };
}

export const electionSuite: MachineSuite = {
  machine: electionMachine,
  models: [modelOf("without locks", false), modelOf("with locks", true)],

  async prepare({ open, disk, lock }, model) {
    await lock.rivalAsks();
    await disk.hold("read");
    await open(model.open);
  },

  change: async ({ page }, world) =>
    (world as World).visible ? await page.show() : await page.hide(),

  drive: {
    "election.start": ({ disk }) => disk.release("read"),
    "election.retire": ({ disk, rival }, { from }) =>
      from === "starting" ? disk.upgrade() : rival.isNewer(),
    "lock.granted": async ({ lock, time }, { from }) => {
      if (from === "stealing") await lock.tell();
      else await lock.rivalLeaves();
      await time.settle();
      await lock.rivalAsks();
    },
    "lock.lost": ({ lock }) => lock.rivalSteals(),
    "lock.failed": async ({ lock, time }, { to }) => {
      if (to !== "stealing") {
        await lock.refuse();
        await lock.tell();
        return;
      }
      // It would have the lock at once.
      await lock.hush();
      await lock.refuse();
      await time.settle();
      await lock.rivalAsks();
    },
    "heartbeat.seen": ({ rival }) => rival.beats(),
    "term.lost": async ({ rival, commit }, { from }, wait) => {
      if (from === "leader") return await rival.beats(true);
      // It is refused what it writes.
      await rival.claims();
      await commit();
      return await wait();
    },
    "page.leaving": async ({ page, lock }) => {
      await page.freeze();
      await lock.tell();
    },
    "page.returned": async ({ page }) => {
      // Of a page that is frozen nobody can hide or show anything.
      await page.hide();
      await page.thaw();
      await page.show();
    },
    "xstate.after.renewDelay.election.probing.renewing": async ({ lock }, _, wait) => {
      await lock.hush();
      await wait();
      await lock.rivalAsks();
    },
    "xstate.after.stealDelay.election.stealing": async ({ lock }, _, wait) => {
      await wait();
      await lock.tell();
    },
    [lockFailed]: { ahead: ({ lock }) => lock.breakNext() },
    "xstate.error.actor.heart": { ahead: ({ time }) => time.breakNext(2000) },
    "xstate.error.actor.beat": { ahead: ({ time }) => time.breakNext(2000) },
  },

  check({ status, lock, posted, queues }, state, { event, tids }) {
    // A page that leaves takes no lock along, and no request for one; whoever lost it, or was refused, waits before it asks.
    if (/^(page\.leaving|lock\.lost|term\.lost|election\.retire)$/.test(event.type))
      expect([lock === "tab", queues]).toEqual([false, false]);
    if (
      event.type === "page.returned" &&
      status?.phase === "ready" &&
      state.startsWith("candidate")
    )
      expect(queues).toBe(true);
    const leads = state === "leader" || state === "lockless.leading";
    expect(status?.role === "leader").toBe(leads);
    expect(lock === "tab").toBe(state === "leader");
    const phase = { starting: "loading", retired: "outdated" }[state] ?? "ready";
    expect(status?.phase).toBe(phase);
    // Whoever waits asks the leader to show itself.
    if (tids.some((tid) => asking.has(tid))) expect(posted).toContain("poke");
  },
};
