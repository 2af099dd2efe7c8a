/** W2, W6 and W7: a leader that dies, connections, and what strangers say. */
import { expect } from "vitest";
import { createEmptyActor } from "xstate";
import { type Input, handoffMachine } from "../../../src/machines/handoff.ts";
import { type Device, type PathCase } from "../../../src/testing/index.ts";
import { electionSuite } from "../machines/election.ts";
import { storageSuite } from "../machines/storage.ts";
import { type Stimuli } from "../stimuli.ts";
import { type MachineSuite, type Model } from "../suite.ts";
import { type Weakness } from "./audit.ts";

const scope = "sssync/todos/";

const handoffInput: Input = {
  owner: createEmptyActor(),
  log: { isLong: () => false, hasLeft: () => true },
};
const recovered = { type: "xstate.done.actor.recover", title: "recovered", output: "recovered" };
const replayed = { type: "xstate.done.actor.replay", title: "replayed", output: "done" };

/** A tab that takes over, after the leader before it died with events that nobody decided. */
export const leaderHandoff: Weakness = {
  name: "W2 leader-handoff",
  suite: () => ({
    machine: handoffMachine,
    async prepare({ open, commit, lock, page, disk, time, taken }) {
      await open();
      await time.pass(100);
      await commit();
      await commit();
      await time.settle();
      await lock.rivalAsks();
      await page.kill();
      await disk.hold("claim");
      await disk.hold("lead");
      await open();
      await time.settle();
      await taken();
    },
    drive: {
      "election.won": ({ lock }) => lock.rivalLeaves(),
      "xstate.done.actor.claim": async ({ disk }) => {
        await disk.hold("read");
        await disk.release("claim");
      },
      "xstate.done.actor.recover": ({ disk }) => disk.release("read"),
      "xstate.done.actor.replay": ({ disk }) => disk.release("lead"),
    },
    check({ status, term }, state, { tids }) {
      expect(status?.role === "leader").toBe(state.startsWith("leading.serving"));
      if (tids.includes("handoff.fenced")) expect(term).toBe(2);
    },
  }),
  model: {
    name: "the leader before died",
    input: handoffInput,
    cases: [recovered, replayed],
    identify: () => null,
    filter: ({ type }) => /^(election\.won|xstate\.done\.)/.test(type),
  },
  cover: ["handoff.won", "handoff.fenced", "handoff.recovered", "handoff.replayed"],
  rows: ["todo-1", "todo-2"],
  atEnd({ commits, status }) {
    // What it promised was kept, and is decided by now.
    expect(commits.map(({ durable }) => durable)).toEqual(["resolved", "resolved"]);
    expect(status).toMatchObject({ role: "leader", phase: "ready", pending: 0 });
  },
};

const [connected] = storageSuite.models as readonly [Model];
const oneByOne = new Set<PathCase["type"]>([
  "storage.open",
  "connection.opened",
  "connection.closed",
  "storage.suspected",
]);

export const oneConnection: Weakness = {
  name: "W6 one-connection",
  suite: () => ({
    ...storageSuite,
    check(reading, state, step) {
      storageSuite.check(reading, state, step);
      expect(reading.connections).toBeLessThanOrEqual(1);
      // It is opened where the machine says so, and nowhere else.
      const opens = reading.asked.filter((it) => it === "open");
      expect(opens).toHaveLength(step.tids.some((tid) => /\.(open|reopen)$/.test(tid)) ? 1 : 0);
    },
  }),
  model: {
    ...connected,
    filter: (event, state) =>
      event.title !== "closed, and throws" &&
      (oneByOne.has(event.type) || event.type.startsWith("xstate.after.reopenDelay")) &&
      connected.filter?.(event, state) === true,
  },
  cover: ["storage.opened", "storage.closed", "storage.suspected", "storage.reopen"],
  atEnd: expectOneConnection,
};

/** However much is read and written, by commits, a leader and a fold: it goes over the connection that is there. */
async function expectOneConnection(_: unknown, stimuli: Stimuli): Promise<void> {
  const { time, commit, read, disk } = stimuli;
  await disk.release("open");
  await time.pass(30_000);
  await read();
  for (let times = 0; times < 3; times += 1) {
    await commit();
    await time.pass(3000);
  }
  const { connections, asked } = await read();
  expect(connections).toBe(1);
  expect(asked).toContain("append");
  expect(asked).toContain("lead");
  expect(asked).not.toContain("open");
}

/** Whatever can be said on a channel that no tab of ours would say. */
function junk(device: Device): void {
  const incarnation = device.disk.get("meta", "incarnation", scope);
  const head = { p: 1, incarnation, tab: "stranger", schema: 1 };
  const position = Number(device.disk.contents(scope)?.log.at(-1)?.[0] ?? 0) + 1;
  const record = {
    kind: "base",
    tab: "stranger",
    n: 1,
    schema: 1,
    term: 1,
    settled: { position: 0, index: 0 },
    changes: [["todos", "evil", { id: "evil", text: 7, done: "no" }, position]],
    keys: [],
    rejected: [],
  };
  const channel = device.openPage().environment.channel?.open(
    scope,
    () => undefined,
    () => undefined,
  );
  for (const message of [
    null,
    "heartbeat",
    { kind: "heartbeat" },
    { ...head, kind: "heartbeat", term: "1", position: 0 },
    { ...head, kind: "changed", position, record },
    { ...head, kind: "changed", position, record: { kind: "base" } },
    { ...head, kind: "no such kind" },
  ])
    channel?.post(message);
  channel?.close();
}

const [, waiting] = electionSuite.models as readonly [Model, Model];

function amongStrangers(device: Device): Omit<MachineSuite, "models"> {
  const drive = Object.entries(electionSuite.drive).map(
    ([type, how]) =>
      [
        type,
        typeof how === "object"
          ? how
          : async (...args: Parameters<typeof how>) => {
              junk(device);
              await args[0].time.settle();
              await how(...args);
            },
      ] as const,
  );
  return {
    ...electionSuite,
    drive: Object.fromEntries(drive),
    async change(stimuli, world) {
      await electionSuite.change?.(stimuli, world);
      junk(device);
      await stimuli.time.settle();
    },
    check(reading, state, step) {
      electionSuite.check(reading, state, step);
      expect(reading.rows).toEqual([]);
      expect(reading.status?.fault).toBeNull();
    },
  };
}

export const invalidBroadcast: Weakness = {
  name: "W7 invalid-broadcast",
  suite: amongStrangers,
  model: waiting,
  // Nothing that a stranger says is a sign of life of a leader.
  cover: ["election.silent", "election.asked", "election.renewed", "election.stolen"],
  rows: [],
  async atEnd(_, { time, read }) {
    await time.pass(5000);
    const { status } = await read();
    expect(status?.ignored).toBeGreaterThanOrEqual(7);
    expect(status).toMatchObject({ phase: "ready", quarantined: 0, behind: 0 });
  },
};
