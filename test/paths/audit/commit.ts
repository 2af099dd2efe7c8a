/** W1, W3 and W5: what becomes of a commit whose write fails, changes nothing, or is made a second time. */
import { expect } from "vitest";
import { createEmptyActor } from "xstate";
import { type CommitEvent, type Input, commitMachine } from "../../../src/machines/commit.ts";
import { type FaultKind, type PathCase, type PathState } from "../../../src/testing/index.ts";
import { type Stimuli } from "../stimuli.ts";
import { type MachineSuite, type Model } from "../suite.ts";
import { type Weakness } from "./audit.ts";

interface World {
  queued: boolean;
  flying: boolean;
  /** The connection is gone. */
  lost: boolean;
}

type Type = CommitEvent["type"];

const retry: PathCase = { type: "xstate.after.retryDelay.commit.open.retrying.waiting" };
const ensureLost: PathCase = { type: "ensure.failed", n: 1, failure: "lost" };
const reopened: PathCase = { type: "storage.opened", world: { lost: false } };

/** One commit, whose first write goes as the cases say. Nothing else happens. */
function modelOf(name: string, cases: readonly (PathCase & { readonly type: Type })[]): Model {
  const world: World = { queued: false, flying: false, lost: false };
  const input: Input = {
    owner: createEmptyActor(),
    whenFull: "keep",
    queue: {
      hasQueued: () => world.queued,
      hasInFlight: () => world.flying,
      isInFlight: () => true,
      isLastInFlight: () => true,
      isOpen: () => true,
    },
  };
  const all: readonly PathCase[] = [
    { type: "gate.open" },
    { type: "batch.ready", title: "commit", world: { queued: true } },
    ...cases,
  ];
  return {
    name,
    input,
    world,
    cases: all,
    identify: () => null,
    filter: ({ type }: PathCase, { value }: PathState) =>
      all.some((it) => it.type === type) && (type !== "batch.ready" || value === "open.idle"),
    react({ to, tids }): PathCase | void {
      if (to === "open.persisting") Object.assign(world, { queued: false, flying: true });
      // The first pause takes no time. Without a connection nothing can be looked for, and the next one opens at once.
      if (tids.includes("commit.failed")) return retry;
      if (to === "open.retrying.ensuring" && world.lost) return ensureLost;
      if (tids.includes("commit.ensureFailed")) return reopened;
    },
  };
}

/** The answer to the write takes it out of flight. */
const answered = { flying: false };

function suiteOf(commit: (stimuli: Stimuli) => Promise<void>): Omit<MachineSuite, "models"> {
  return {
    machine: commitMachine,
    async prepare({ disk, open }) {
      await disk.hold("read");
      await open();
    },
    drive: {
      "gate.open": async ({ disk }) => {
        await disk.release("read");
        await disk.hold("append");
        await disk.hold("ensure");
      },
      "batch.ready": commit,
      "write.done": ({ disk }) => disk.release("append"),
      "write.failed": ({ disk }, { event }) => disk.release("append", event.how as FaultKind),
      "ensure.done": ({ disk }) => disk.release("ensure"),
    },
    check({ status, commits, logged }, state) {
      // Nothing is promised before it is there, and what waits is told.
      for (const { id, durable } of commits)
        if (!logged.includes(id)) expect(durable).not.toBe("resolved");
      if (state.startsWith("open.retrying")) expect(status?.fault).not.toBeNull();
    },
  };
}

const commitOne = suiteOf(({ commit }) => commit());

export const writeFailure: Weakness = {
  name: "W1 write-failure",
  suite: () => commitOne,
  model: modelOf("a write that fails", [
    { type: "write.failed", title: "write aborted", failure: "aborted", how: "aborted" },
    { type: "ensure.done", title: "found absent and added", n: 1, position: 1, world: answered },
  ]),
  cover: ["commit.failed", "commit.retry", "commit.ensured"],
  rows: ["todo-1"],
  atEnd({ commits, logged }) {
    expect(commits).toEqual([expect.objectContaining({ durable: "resolved" })]);
    expect(logged).toEqual(["todo-1"]);
  },
};

export const refusedWrite: Weakness = {
  name: "W1 write-failure",
  suite: () => commitOne,
  model: modelOf("a write that is refused", [
    {
      type: "write.failed",
      title: "write refused",
      failure: "refused",
      how: "refused",
      world: answered,
    },
  ]),
  cover: ["commit.refused", "commit.rolledBack"],
  rows: [],
  atEnd({ commits, rows }) {
    expect(commits).toEqual([
      expect.objectContaining({ durable: "storage_failed", settled: "storage_failed" }),
    ]);
    expect(rows).toEqual([]);
  },
};

export const replayedCreate: Weakness = {
  name: "W5 replayed-create",
  suite: () => commitOne,
  model: modelOf("a write whose outcome is lost", [
    {
      type: "write.failed",
      title: "write lost, but stored",
      failure: "lost",
      how: "lostButStored",
      world: { lost: true },
    },
    { type: "ensure.done", title: "found present", n: 1, position: 1, world: answered },
  ]),
  cover: ["commit.failed", "commit.reopened", "commit.ensured"],
  rows: ["todo-1"],
  async atEnd({ commits, logged }, { time, read }) {
    expect(commits).toEqual([expect.objectContaining({ durable: "resolved" })]);
    expect(logged).toEqual(["todo-1"]);
    // The leader replays it when it decides, and folds it.
    await time.pass(10_000);
    expect((await read()).rows).toHaveLength(1);
  },
};

export const missingRow: Weakness = {
  name: "W3 update-missing-row",
  suite: () => suiteOf(({ change }) => change("nobody")),
  model: modelOf("a change of a row that is missing", [
    { type: "write.done", n: 1, position: 1, world: answered },
  ]),
  cover: ["commit.done"],
  rows: [],
  async atEnd({ rows, changes }, { time, read }) {
    expect(rows).toEqual([]);
    expect(changes).toEqual([expect.objectContaining({ durable: "resolved" })]);
    // Nor does it come into being when it is decided and folded.
    await time.pass(10_000);
    const after = await read();
    expect(after.rows).toEqual([]);
    expect(after.status).toMatchObject({ phase: "ready", pending: 0, quarantined: 0 });
  },
};
