import { describe, expect, it } from "vitest";
import { type AnyStateMachine, type StateNode, createActor, createEmptyActor } from "xstate";
import { getAdjacencyMap, getStateNodes } from "xstate/graph";
import { commitMachine } from "../../src/machines/commit.ts";
import { electionMachine } from "../../src/machines/election.ts";
import { handoffMachine } from "../../src/machines/handoff.ts";
import { loadMachine } from "../../src/machines/load.ts";
import { storageMachine } from "../../src/machines/storage.ts";
import { syncMachine } from "../../src/machines/sync.ts";

const owner = createEmptyActor();
const yes = (): boolean => true;

const queue = (queued: boolean, flying = !queued) => ({
  hasQueued: () => queued,
  isLastInFlight: yes,
  isInFlight: yes,
  hasInFlight: () => flying,
  isOpen: yes,
});

/** Holds one commit at a time. */
const emptying = () => {
  let asked = 0;
  return { ...queue(true), hasQueued: () => (asked += 1) % 2 === 1 };
};

/** With the inputs that together make every state a place where a machine rests. */
const machines: readonly (readonly [string, AnyStateMachine, ...unknown[]])[] = [
  [
    "commit",
    commitMachine,
    ...[queue(true), queue(false), queue(false, false), emptying()].flatMap((view) =>
      ["keep", "reject"].map((whenFull) => ({ owner, queue: view, whenFull })),
    ),
  ],
  [
    "election",
    electionMachine,
    ...[true, false].map((some) => ({
      owner,
      locks: { supported: () => some, hears: yes, visible: yes, spread: () => 0 },
    })),
  ],
  ["handoff", handoffMachine, { owner, log: { isLong: () => false, hasLeft: () => false } }],
  ["load", loadMachine, { owner }],
  ["storage", storageMachine, { owner }],
  [
    "sync",
    syncMachine,
    {
      queue: queue(false),
      whenFull: "keep",
      locks: { supported: yes, hears: yes, visible: yes, spread: () => 0 },
      log: { isLong: () => false, hasLeft: () => false },
      memory: { allowed: yes },
    },
  ],
];

const nodesOf = (machine: AnyStateMachine): readonly StateNode[] => {
  const all = (node: StateNode): StateNode[] => [node, ...getStateNodes(node).flatMap(all)];
  return Array.from(new Set(all(machine.root as unknown as StateNode)));
};

const transitionsOf = (machine: AnyStateMachine) =>
  nodesOf(machine).flatMap((node) =>
    Array.from(node.transitions.values())
      .flat()
      .concat(node.always ?? []),
  );

const transient = (node: StateNode): boolean =>
  (node.always ?? []).some((transition) => transition.guard === undefined);

/** Events that guards or assignments look into, as services report them. */
const cases: Readonly<Record<string, readonly object[]>> = {
  "xstate.done.actor.read": [
    { output: { tag: "read", damaged: 0 } },
    { output: { tag: "read", damaged: 1 } },
    { output: { tag: "newer" } },
    { output: { tag: "older" } },
    { output: { tag: "unreadable" } },
    { output: { tag: "damaged" } },
  ],
  "xstate.error.actor.read": [{ error: { kind: "lost" } }, { error: new Error("unknown") }],
  "xstate.done.actor.repair": [{ output: true }, { output: false }],
  "xstate.error.actor.repair": [{ error: { kind: "refused" } }, { error: { kind: "lost" } }],
  "xstate.done.actor.replay": [{ output: -1 }, { output: 5 }, { output: "fenced" }],
  "xstate.done.actor.recover": [{ output: "recovered" }, { output: "newer" }],
  "xstate.done.actor.decide": [{ output: "done" }, { output: "more" }, { output: "fenced" }],
  "xstate.error.actor.fold": [{ error: { kind: "quota" } }, { error: { kind: "lost" } }],
  "xstate.done.actor.fold": ["done", "more", "nothing", "fenced"].map((output) => ({ output })),
  "gap.found": [{ position: 1 }],
  "write.done": [{ n: 1, position: 1 }],
  "ensure.done": [{ n: 1, position: null }],
  "write.failed": ["aborted", "quota", "refused", "lost"].map((failure) => ({ n: 1, failure })),
  "evict.done": [
    { n: 1, evicted: 0 },
    { n: 1, evicted: 1 },
  ],
  "ensure.failed": ["aborted", "quota", "refused", "lost"].map((failure) => ({ n: 1, failure })),
  "connection.failed": [{ failure: "newer" }, { failure: "unavailable" }],
  "connection.closed": [{ reason: "forced" }, { reason: "deleted" }, { reason: "upgraded" }],
};

const cast = machines.map(([name, machine, ...inputs]) => ({ name, machine, inputs }));

describe.each(cast)("machine $name", ({ name, machine, inputs }) => {
  it("has a unique meta.tid on every transition", () => {
    const tids = transitionsOf(machine).map(
      (transition) => (transition.meta as { tid?: string } | undefined)?.tid,
    );
    expect(tids.length).toBeGreaterThan(5);
    for (const tid of tids) expect(tid).toMatch(new RegExp(`^${name}\\.[a-zA-Z]+$`));
    const counts = new Map<unknown, number>();
    for (const tid of tids) counts.set(tid, (counts.get(tid) ?? 0) + 1);
    expect(Array.from(counts).filter(([, count]) => count > 1)).toEqual([]);
  });

  it("handles the failure of everything that it invokes, and has no catch-all", () => {
    for (const node of nodesOf(machine)) {
      const handled = Array.from(node.transitions.keys()).map(String);
      expect(handled.filter((type) => type.includes("*"))).toEqual([]);
      for (const { id } of node.invoke) expect(handled).toContain(`xstate.error.actor.${id}`);
    }
  });

  it("bounds its own steps", () => {
    expect(machine.options?.maxIterations).toBe(1000);
  });

  it("can be walked from state to state, without a throw and without getting stuck", () => {
    const types = new Set(transitionsOf(machine).map(({ eventType }) => eventType));
    const events = Array.from(types)
      .filter((type) => type !== "")
      .flatMap((type) => (cases[type] ?? [{}]).map((rest) => Object.assign({ type }, rest)));
    const reached = new Set<string>();
    for (const input of inputs) {
      const map = getAdjacencyMap(machine, {
        input,
        events,
        limit: 5000,
        // Counters and references are no states.
        serializeState: (state: { readonly value: unknown }) => JSON.stringify(state.value),
        stopWhen: (state: { readonly status: string }) => state.status !== "active",
      } as never);
      for (const { state } of Object.values(map)) {
        const { _nodes: nodes, status } = state as unknown as {
          readonly _nodes: readonly StateNode[];
          readonly status: string;
        };
        expect(status).not.toBe("error");
        for (const node of nodes) reached.add(node.id);
      }
    }
    const missed = nodesOf(machine).filter((node) => !reached.has(node.id) && !transient(node));
    expect(missed.map((node) => node.id)).toEqual([]);
  });
});

it("tids are unique over all machines", () => {
  const tids = machines.flatMap(([, machine]) =>
    transitionsOf(machine).map(({ meta }) => (meta as { tid: string }).tid),
  );
  expect(new Set(tids).size).toBe(tids.length);
});

it("a service that nobody provided fails its machine, and not the page", () => {
  owner.start();
  const actor = createActor(storageMachine, { input: { owner } });
  actor.subscribe({ error: () => undefined });
  actor.start();
  expect(actor.getSnapshot().value).toBe("unavailable");
  actor.stop();
});
