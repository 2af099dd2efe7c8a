/** Paths of machines of every kind that XState knows: each leads where a real actor goes. */
import { expect, test } from "vitest";
import { type AnyStateMachine, assign, createActor, createMachine, setup } from "xstate";
import {
  type PathOptions,
  cellsOf,
  coverage,
  edgePaths,
  randomPaths,
} from "../../src/testing/index.ts";
import { textOf } from "../../src/testing/instrument.ts";

const to = (target: string, tid: string) => ({ target, meta: { tid } });
const namesOf = (machine: AnyStateMachine, options?: PathOptions) =>
  edgePaths(machine, options).map(({ name }) => name);

/** Sends the events of any ways to a real actor, and expects it to be where they lead. */
function expectReal(machine: AnyStateMachine, options: PathOptions = {}): void {
  for (const { name, steps } of randomPaths(machine, {
    ...options,
    seed: 1,
    steps: 8,
    count: 40,
  })) {
    const actor = createActor(machine).start();
    const went = steps.map(({ event }) => {
      actor.send(event);
      return textOf(actor.getSnapshot().value);
    });
    expect([name, ...went]).toEqual([name, ...steps.map((step) => step.to)]);
    actor.stop();
  }
}

test("history leads to where it led before, and is no state itself", () => {
  const player = createMachine({
    id: "player",
    initial: "on",
    states: {
      on: {
        initial: "first",
        on: { pause: to("off", "pause") },
        states: {
          first: { on: { next: to("second", "next") } },
          second: {},
          before: { type: "history", history: "deep" },
        },
      },
      off: { on: { resume: to("on.before", "resume") } },
    },
  });
  expectReal(player);
  expect(cellsOf(player).some(({ state }) => state === "on.before")).toBe(false);
});

test("a state is done when all of it is, and not because an event says so", () => {
  const leaf = (type: string) => ({
    initial: "begun",
    states: { begun: { on: { [type]: to("done", type) } }, done: { type: "final" as const } },
  });
  const both = createMachine({
    id: "both",
    initial: "running",
    states: {
      running: {
        type: "parallel",
        onDone: to("over", "over"),
        states: { a: leaf("a"), b: leaf("b") },
      },
      over: { type: "final" },
    },
    output: { ok: true },
  });
  expect(edgePaths(both).map(({ steps }) => steps.map(({ tids }) => tids))).toEqual([
    [["a"], ["b", "over"]],
  ]);
  expectReal(both);
});

test("a type for many events takes the cases that it is for, and asks for one where there is none", () => {
  const mouse = createMachine({
    id: "mouse",
    initial: "idle",
    states: {
      idle: { on: { "*": to("other", "any"), known: to("idle", "known") } },
      other: { on: { "mouse.*": to("idle", "mouse") } },
    },
  });
  const cases = [{ type: "key" }, { type: "mouse.up" }, { type: "known" }];
  expect(namesOf(mouse, { cases })).toEqual(["known", "key > mouse.up"]);
  expectReal(mouse, { cases });
  expect(() => edgePaths(mouse)).toThrow(
    'Expected a case of an event that "*" of mouse is for, got none',
  );
  const cells = cellsOf(mouse).map(({ state, event, tids }) => `${state} ${event} ${tids.join()}`);
  expect(cells).toContain("idle known known,any");
  expect(cells).toContain("idle mouse.* any");
  expect(cells).toContain("other known ");
});

const door = (...tids: readonly (string | undefined)[]) => {
  const [open, close] = tids.map((tid) => (tid === undefined ? {} : { meta: { tid } }));
  return createMachine({
    id: "door",
    initial: "shut",
    states: {
      shut: { on: { open: { ...open, target: "open" } } },
      open: { on: { close: { ...close, target: "shut" } } },
    },
  });
};

test("a transition without a name of its own is an error, since nobody could tell whether it was taken", () => {
  const expected = "Expected each transition of door to have a meta.tid of its own, got ";
  expect(() => edgePaths(door("open"))).toThrow(`${expected}none of close in door.open`);
  expect(() => coverage(door("open"))).toThrow(`${expected}none of close in door.open`);
  expect(() => randomPaths(door("x", "x"), { seed: 1, steps: 2 })).toThrow(
    `${expected}x of close in door.open`,
  );
});

test("a case of an event that the machine does not have is an error, as it would be left out", () => {
  const lamp = createMachine({ id: "lamp", on: { press: { meta: { tid: "press" } } } });
  expect(() => edgePaths(lamp, { cases: [{ type: "pres" }] })).toThrow(
    "Expected cases of events that lamp has, got pres",
  );
});

test("what is thrown at the start is told, and circles without an end are", () => {
  const needs = createMachine({
    id: "needs",
    context: ({ input }) => ({ n: (input as { readonly n: number }).n }),
    on: { go: { meta: { tid: "go" } } },
  });
  expect(() => edgePaths(needs)).toThrow("Cannot read properties of undefined");
  expect(namesOf(needs, { input: { n: 1 } })).toEqual(["go"]);
  const circle = createMachine({
    id: "circle",
    initial: "idle",
    states: {
      idle: { on: { go: to("there", "go") } },
      there: { always: to("back", "there") },
      back: { always: to("there", "back") },
    },
  });
  expect(() => edgePaths(circle)).toThrow("Infinite loop detected");
});

test("the world is as it was, also when there are too many states", () => {
  const world = { up: 0 };
  const counter = setup({
    actions: { count: assign({ n: ({ context }) => Number(context["n"]) + 1 }) },
  }).createMachine({
    id: "counter",
    context: { n: 0 },
    on: { up: { actions: "count", meta: { tid: "up" } } },
  });
  const react = () => void (world.up += 1);
  expect(() => edgePaths(counter, { world, react, limit: 20 })).toThrow("at most 20 states");
  expect(world).toEqual({ up: 0 });
});
