import { describe, expect, it } from "vitest";
import { type AnyStateMachine, type StateNode, createActor, createEmptyActor } from "xstate";
import { getAdjacencyMap, getStateNodes } from "xstate/graph";
import { commitMachine } from "../../src/machines/commit.ts";
import { electionMachine } from "../../src/machines/election.ts";
import { handoffMachine } from "../../src/machines/handoff.ts";
import { liveMachine } from "../../src/machines/live.ts";
import { loadMachine } from "../../src/machines/load.ts";
import { replicationMachine } from "../../src/machines/replication.ts";
import { storageMachine } from "../../src/machines/storage.ts";
import { syncMachine } from "../../src/machines/sync.ts";
import { errorCodes, statusOf } from "../../src/protocol/index.ts";
import { serverView } from "../support/server-view.ts";

const owner = createEmptyActor();
const no = (): boolean => false;

const configured = (undecided: number, over: Parameters<typeof serverView>[0] = {}) =>
  serverView({
    configured: true,
    look: () => ({ ...serverView().look(), undecided, cursor: "c" }),
    ...over,
  });
const blocked = (): ReturnType<ReturnType<typeof serverView>["look"]> => ({
  ...serverView().look(),
  blocked: "adoption",
});
const outlooks = [
  serverView(),
  configured(0),
  configured(1),
  configured(1, { online: no, watched: no, chance: () => 1 }),
  configured(0, { adopts: true, look: blocked }),
  configured(0, { look: blocked }),
];

const log = { mode: "log", epoch: "e", from: "c", cursor: "d", pos: 1, head: 2, more: false };
const snapshot = { ...log, mode: "snapshot", data: {}, snapshot: "s" };
const pushed = [{ id: "event-1", seq: 1, name: "a", payload: {}, at: 0 }];
const request = { client: "client-1", events: pushed };
const refusing = (status: number, code: string, known = true) => ({
  tag: "refused",
  status,
  error: { code, retryAfter: 6000 },
  known,
});
/** Whatever a server, or something on the way, may answer. */
const answers = [
  { tag: "offline", reason: "" },
  { tag: "timeout" },
  { tag: "invalid", reason: "" },
  ...errorCodes.map((code) => refusing(statusOf(code), code)),
  refusing(413, "too_large", false),
];
const outcomes = ["done", "nothing", "fenced"];

/**
 * With the inputs that together make every state a place where a machine rests; without those that `test/paths` goes through.
 */
const machines: readonly (readonly [string, AnyStateMachine, ...unknown[]])[] = [
  ["commit", commitMachine],
  ["election", electionMachine],
  ["handoff", handoffMachine],
  ["live", liveMachine],
  ["load", loadMachine],
  ["replication", replicationMachine, ...outlooks.map((server) => ({ owner, server }))],
  ["storage", storageMachine],
  ["sync", syncMachine],
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
  "xstate.done.actor.attempt": [
    { tag: "send", request },
    { tag: "send", request: { ...request, events: [...pushed, ...pushed] } },
    { tag: "nothing" },
    { tag: "fenced" },
    { tag: "oversize", ids: ["event-1"] },
  ].map((output) => ({ output })),
  "xstate.done.actor.push": [
    { tag: "ok", value: { epoch: "e", head: 3, results: [] } },
    { tag: "ok", value: { epoch: "e", head: 3, results: [], stopped: { code: "unavailable" } } },
    ...answers,
  ].map((output) => ({ output })),
  "xstate.done.actor.pull": [
    { tag: "ok", value: { ...log, entries: [] } },
    { tag: "ok", value: { ...log, entries: [{ pos: 1, ts: 1 }], more: true } },
    { tag: "ok", value: { ...snapshot, next: null } },
    { tag: "ok", value: { ...snapshot, next: "2" } },
    ...answers,
  ].map((output) => ({ output })),
  "xstate.done.actor.page": [
    { tag: "ok", value: { ...snapshot, next: null } },
    { tag: "ok", value: { ...snapshot, next: "2" } },
    ...answers,
  ].map((output) => ({ output })),
  "xstate.done.actor.record": [...outcomes, "rotate", "resend"].map((output) => ({ output })),
  "xstate.done.actor.apply": [
    ...outcomes,
    "stale",
    { incompatible: "x", before: 0 },
    { incompatible: "x", before: 2 },
  ].map((output) => ({ output })),
  "xstate.done.actor.swap": [...outcomes, { incompatible: "x", before: 0 }].map((output) => ({
    output,
  })),
  "xstate.done.actor.note": outcomes.map((output) => ({ output })),
  "xstate.done.actor.refuse": outcomes.map((output) => ({ output })),
  "xstate.done.actor.rotate": outcomes.map((output) => ({ output })),
  "xstate.done.actor.adopt": outcomes.map((output) => ({ output })),
  "xstate.done.actor.info": [{ output: { tag: "timeout" } }],
  "xstate.done.actor.renew": [{ output: true }, { output: false }],
  "live.poked": [{ head: 5 }],
  "live.page": [{ page: { ...log, entries: [] } }, { page: { ...log, from: "z", entries: [] } }],
  "stream.hello": [{ heartbeat: 20_000 }],
  "stream.poke": [{ head: 5 }],
  "stream.page": [{ page: log }],
  "stream.ended": ["bye", "short", "cut", "unoffered"].map((how) => ({ how, retryAfter: 0 })),
  "xstate.done.actor.longPoll": ["bye", "short", "cut", "unoffered"].map((how) => ({
    output: { how, retryAfter: 0, page: log },
  })),
};

/** Whatever fails in a state or below it. */
const anyFailure = "xstate.error.actor.*";
const isCaught = (node: StateNode): boolean =>
  node.transitions.has(anyFailure) || (node.parent !== undefined && isCaught(node.parent));

const cast = machines.map(([name, machine, ...inputs]) => ({ name, machine, inputs }));

describe.each(cast)("machine $name", ({ name, machine }) => {
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

  it("handles the failure of everything that it invokes and that a port can make fail, and has no catch-all", () => {
    for (const node of nodesOf(machine)) {
      const handled = Array.from(node.transitions.keys()).map(String);
      expect(handled.filter((type) => type.includes("*") && type !== anyFailure)).toEqual([]);
      // The persister catches what its port throws: should it throw itself, its machine ends, and the root is told of that.
      const invoked = isCaught(node) ? [] : node.invoke.filter(({ id }) => id !== "persister");
      for (const { id } of invoked) expect(handled).toContain(`xstate.error.actor.${id}`);
    }
  });

  it("bounds its own steps", () => {
    expect(machine.options?.maxIterations).toBe(1000);
  });
});

describe.each(cast.filter(({ inputs }) => inputs.length > 0))(
  "machine $name",
  ({ machine, inputs }) => {
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
          // Counters and references are no states; whether there is something to pull is nearly one.
          serializeState: (state: {
            readonly value: unknown;
            readonly context: { readonly due?: boolean };
          }) => JSON.stringify([state.value, state.context.due]),
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
  },
);

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
