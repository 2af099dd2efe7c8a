/**
 * Paths of the handoff. The tab has a commit that nobody decided, and a rival holds the lock. What a leader asks of its disk
 * waits until the path says how it is answered.
 */
import { expect } from "vitest";
import { createEmptyActor } from "xstate";
import { type Input, handoffMachine } from "../../../src/machines/handoff.ts";
import { type FaultKind, type PathCase, type PathState } from "../../../src/testing/index.ts";

import { type Stimuli } from "../stimuli.ts";
import { type Cause, type MachineSuite, type Model } from "../suite.ts";

interface World {
  /** There is something to decide, or to fold. */
  left: boolean;
  /** More than should gather. */
  long: boolean;
  /** More than one record decides. */
  much: boolean;
  connected: boolean;
}

/** A log of so many is long. */
const many = 5001;
/** So many are decided by one record, and what comes after them by the next. */
const most = 10_000;

/** The rest of a service: what it says, or how it fails. */
interface Answer extends PathCase {
  readonly output?: string;
  readonly error?: { readonly kind: FaultKind };
  readonly world?: Partial<World>;
}
const done = (id: string, output: string, world: Partial<World> = {}, title = output): Answer => ({
  type: `xstate.done.actor.${id}`,
  title: `${id} ${title}`,
  output,
  world,
});
const failed = (id: string, kind: FaultKind): Answer => ({
  type: `xstate.error.actor.${id}`,
  title: `${id} ${kind}`,
  error: { kind },
});

const full = "xstate.after.fullDelay.handoff.leading.serving.full";
const idle = "xstate.after.idleDelay.handoff.leading.serving.resting";

const cases: readonly PathCase[] = [
  failed("claim", "aborted"),
  done("recover", "recovered"),
  done("recover", "recovered", { much: true }, "recovered much"),
  done("recover", "newer"),
  failed("recover", "aborted"),
  ...["replay", "decide"].flatMap((id) => [
    done(id, "done"),
    done(id, "more"),
    done(id, "fenced"),
    failed(id, "aborted"),
    failed(id, "quota"),
  ]),
  done("fold", "done", { left: false }),
  done("fold", "done", { left: true }, "done while the log grew"),
  done("fold", "more", { left: true }),
  done("fold", "fenced"),
  failed("fold", "aborted"),
  failed("fold", "quota"),
  { type: "log.grew", title: "a commit", world: { left: true } },
  { type: "log.grew", title: "many commits", world: { left: true, long: true } },
  { type: idle, title: "after idleDelay with a commit", world: { left: true } },
  { type: full, title: "after fullDelay" },
  { type: full, title: "after fullDelay with much to decide", world: { much: true } },
];

/** Where a write of the leader is under way. */
const writes = /replaying|deciding|folding/;

const deadlines = ["fencing", "recovering", "replaying", "serving.deciding", "serving.folding"];

const isHung = (tids: readonly string[]): boolean => tids.some((tid) => tid.endsWith("Hung"));

function isPossible(
  { type, title, output }: Answer,
  value: string,
  world: World,
  older: number,
): boolean {
  if (type === "storage.opened") return !world.connected;
  if (!world.connected) return false;
  // A service that has nothing to decide answers by itself, before anything else can happen.
  if (type === full || output === "recovered") return world.left;
  // The machine is told of the log where it sleeps, or where it is long.
  if (type === "log.grew") return value.endsWith("asleep") || title === "many commits";
  if (/(replay|decide)$/.test(type) && output === "more") return world.much;
  if (/(replay|decide)$/.test(type) && output === "done") return !world.much;
  // Of old segments only so many are written at once.
  if (type.endsWith("fold") && output === "more") return older > 0;
  // Where no write is under way nothing is waited for.
  return type !== "drain" || writes.test(value);
}

function modelOf(name: string, older: number): Model {
  const world: World = { left: true, long: false, much: false, connected: true };
  const input: Input = {
    owner: createEmptyActor(),
    log: { isLong: () => world.long, hasLeft: () => world.left },
  };
  return {
    name,
    input,
    world,
    cases,
    open: { older },
    // No guard asks how often something failed.
    identify: () => null,
    filter: (event: PathCase, { value, world: around }: PathState) =>
      isPossible(event, value, around as World, older),
    react({ event, tids }): PathCase | void {
      if (event.type === "storage.lost") world.connected = false;
      if (event.type === "storage.opened") world.connected = true;
      // The connection is doubted, and dropped.
      if (isHung(tids)) return { type: "storage.lost" };
      if (!/(replay|decide)$/.test(event.type)) return undefined;
      const { output } = event as Answer;
      if (output === "done") Object.assign(world, { left: false, long: false });
      if (output === "more") world.much = false;
      return undefined;
    },
  };
}

/** Commits more than one record decides. */
async function commitMuch({ commit }: Stimuli): Promise<void> {
  await commit(most);
  await commit();
}

/** The disk answers what a leader writes. */
const written: Cause = async ({ disk, rival, commit }, { event, tids }) => {
  const { type, world, error } = event as Answer;
  if (tids.some((tid) => tid.endsWith("Fenced"))) await rival.claims();
  if (type.endsWith("fold") && world?.left === true) await commit();
  await disk.answer("lead", error?.kind);
};

const answers = Object.fromEntries(
  ["replay", "decide", "fold"].flatMap((id) => [
    [`xstate.done.actor.${id}`, written],
    [`xstate.error.actor.${id}`, written],
  ]),
);

export const handoffSuite: MachineSuite = {
  machine: handoffMachine,
  models: [modelOf("one version", 0), modelOf("an older version before", 25)],

  async prepare({ open, commit, disk, lock, time }, model) {
    await lock.rivalAsks();
    await open(model.open);
    await commit();
    await time.settle();
    await disk.hold("claim");
    await disk.hold("lead");
  },

  drive: {
    ...answers,
    "election.won": async ({ lock, time }) => {
      // After a term that was lost it waits before it asks again.
      await time.pass(1500);
      await lock.rivalLeaves();
      await time.settle();
      await lock.rivalAsks();
    },
    "election.lost": ({ lock }) => lock.rivalSteals(),
    "xstate.done.actor.claim": async ({ disk }) => {
      await disk.holdNext("read");
      await disk.answer("claim");
    },
    "xstate.error.actor.claim": ({ disk }) => disk.answer("claim", "aborted"),
    "xstate.done.actor.recover": async (stimuli, { event }) => {
      const { output, world } = event as Answer;
      if (world?.much === true) await commitMuch(stimuli);
      if (output === "newer") await stimuli.damage.newer();
      await stimuli.disk.release("read");
    },
    "xstate.error.actor.recover": ({ disk }) => disk.release("read", "aborted"),
    "log.grew": ({ commit }, { event }) => commit(event.title === "a commit" ? 1 : many),
    [idle]: async ({ commit }, _, wait) => {
      await commit();
      await wait();
    },
    [full]: async (stimuli, { event }, wait) => {
      if ((event as Answer).world?.much === true) await commitMuch(stimuli);
      await wait();
    },
    // The connection is doubted, and lost.
    ...Object.fromEntries(
      deadlines.map((state): [string, Cause] => [
        `xstate.after.deadline.handoff.leading.${state}`,
        async ({ disk }, _, wait) => {
          await disk.hold("open");
          await wait();
        },
      ]),
    ),
    "storage.lost": async ({ disk }) => {
      await disk.hold("open");
      await disk.close();
    },
    "storage.opened": ({ disk }) => disk.release("open"),
    drain: ({ stop }) => stop(),
    "xstate.done.actor.settle": ({ disk }) => disk.answer("lead"),
    "xstate.error.actor.settle": async ({ channel, disk }) => {
      await channel.breakNext();
      await disk.answer("lead", "aborted");
    },
  },

  check({ status, commits, logged, posted, term, asked }, state, { tids }) {
    const serves = state.startsWith("leading.serving");
    if (state === "drained") expect(status?.phase).toBe("stopped");
    else if (state !== "draining") expect(status?.role === "leader").toBe(serves);
    // Whoever leads, freezes or fails: what was committed is on disk, and stays it.
    for (const { durable } of commits) expect(durable).toBe("resolved");
    if (tids.includes("handoff.fenced")) expect(term).toBeGreaterThan(0);
    if (tids.includes("handoff.folded")) expect(logged).toEqual([]);
    if (tids.includes("handoff.drained")) expect(posted).toContain("bye");
    if (!writes.test(state) && !serves) expect(asked).not.toContain("lead");
    if (tids.some((tid) => /(decided|replayed)$/.test(tid)))
      for (const { settled } of commits) expect(settled).toBe("resolved");
  },
};
