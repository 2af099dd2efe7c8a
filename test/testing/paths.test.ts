import { describe, expect, it } from "vitest";
import { assign, createActor, fromPromise, setup } from "xstate";
import { cellsOf, coverage, edgePaths, randomPaths } from "../../src/testing/index.ts";
import { without } from "../../src/testing/instrument.ts";

const world = { open: true };

/** A machine with all that is not simple: `always`, `after`, an invocation, guards that ask the world, a counter. */
const shop = setup({
  actors: { pay: fromPromise(() => Promise.reject(new Error("Expected not to be run"))) },
  delays: { patience: 1000 },
  guards: {
    isOpen: () => world.open,
    isEnough: ({ context }) => Number(context["tries"]) >= 2,
    isPoor: ({ event }) => (event as { readonly error?: unknown }).error === "poor",
  },
  actions: { count: assign({ tries: ({ context }) => Number(context["tries"]) + 1 }) },
}).createMachine({
  id: "shop",
  context: { tries: 0 },
  initial: "outside",
  on: { fire: { target: ".gone", meta: { tid: "shop.fire" } } },
  states: {
    outside: {
      on: { enter: { guard: "isOpen", target: "inside", meta: { tid: "shop.enter" } } },
    },
    inside: {
      initial: "looking",
      on: { leave: { target: "outside", meta: { tid: "shop.leave" } } },
      states: {
        looking: { on: { buy: { target: "paying", meta: { tid: "shop.buy" } } } },
        paying: {
          invoke: {
            id: "pay",
            src: "pay",
            onDone: { target: "#shop.gone", meta: { tid: "shop.paid" } },
            onError: [
              { guard: "isPoor", target: "#shop.gone", meta: { tid: "shop.poor" } },
              { target: "again", actions: "count", meta: { tid: "shop.unpaid" } },
            ],
          },
          after: { patience: { target: "looking", meta: { tid: "shop.impatient" } } },
        },
        again: {
          always: [
            { guard: "isEnough", target: "#shop.gone", meta: { tid: "shop.gaveUp" } },
            { target: "looking", meta: { tid: "shop.again" } },
          ],
        },
      },
    },
    gone: { type: "final" },
  },
});

const cases = [
  { type: "xstate.error.actor.pay", title: "no money", error: "poor" },
  { type: "xstate.error.actor.pay", error: "broken" },
];

describe("edgePaths", () => {
  it("take every transition on the shortest way, in a stable order, under readable names", () => {
    const paths = edgePaths(shop, { cases });
    expect(paths.map(({ name }) => name)).toEqual([
      "fire",
      "enter > leave",
      "enter > buy > after patience",
      "enter > buy > no money",
      "enter > buy > pay done",
      "enter > buy > pay failed > buy > pay failed",
    ]);
    expect(edgePaths(shop, { cases })).toEqual(paths);
  });

  it("tell what each event takes, transitions without an event included, and where it leads", () => {
    const last = edgePaths(shop, { cases }).at(-1);
    expect(last?.steps.slice(2)).toEqual([
      {
        event: cases[1],
        tids: ["shop.unpaid", "shop.again"],
        from: "inside.paying",
        to: "inside.looking",
        world: {},
      },
      {
        event: { type: "buy" },
        tids: ["shop.buy"],
        from: "inside.looking",
        to: "inside.paying",
        world: {},
      },
      {
        event: cases[1],
        tids: ["shop.unpaid", "shop.gaveUp"],
        from: "inside.paying",
        to: "gone",
        world: {},
      },
    ]);
  });

  it("name what they cannot reach, unless that is expected", () => {
    expect(() => edgePaths(shop)).toThrow(
      "Expected paths to every transition of shop, got none to shop.poor",
    );
    expect(() => edgePaths(shop, { unreachable: ["shop.poor"] })).not.toThrow();
    expect(edgePaths(shop, { cover: ["shop.buy", "shop.poor"], unreachable: "any" })).toHaveLength(
      1,
    );
  });

  it("leave out what a filter refuses", () => {
    expect(() => edgePaths(shop, { cases, filter: ({ type }) => type !== "leave" })).toThrow(
      /got none to shop\.leave$/,
    );
  });

  it("go through a world that guards ask, and leave it as it was", () => {
    const paths = edgePaths(shop, {
      cases: [...cases, { type: "enter", world: { open: false } }],
      world,
      unreachable: "any",
    });
    expect(paths.map(({ name }) => name)).toEqual(["fire"]);
    expect(world).toEqual({ open: true });
    const closing = edgePaths(shop, {
      cases,
      world,
      react: ({ tids }) => {
        if (tids.includes("shop.leave")) world.open = false;
      },
      cover: ["shop.leave"],
    });
    expect(closing.map(({ name }) => name)).toEqual(["enter > leave"]);
    expect(closing[0]?.steps.map((step) => step.world)).toEqual([{ open: true }, { open: false }]);
    expect(world).toEqual({ open: true });
  });

  it("join what follows of itself to the step that it follows from", () => {
    const paths = edgePaths(shop, {
      cover: ["shop.unpaid"],
      cases,
      react: ({ tids }) => (tids.includes("shop.buy") ? cases[1] : undefined),
    });
    expect(paths.map(({ name }) => name)).toEqual(["enter > buy"]);
    expect(paths[0]?.steps[1]).toMatchObject({
      tids: ["shop.buy", "shop.unpaid", "shop.again"],
      from: "inside.looking",
      to: "inside.looking",
    });
  });

  it("fail loudly when there is no end of states, and say what grows", () => {
    const counter = setup({}).createMachine({
      id: "counter",
      context: { count: 0, same: 1 },
      on: {
        up: {
          actions: assign({ count: ({ context }) => Number(context["count"]) + 1 }),
          meta: { tid: "counter.up" },
        },
      },
    });
    expect(() => edgePaths(counter, { limit: 100 })).toThrow(
      'Expected at most 100 states of counter, got more: 101 values of "count"',
    );
    expect(edgePaths(counter, { limit: 100, identify: () => null })).toHaveLength(1);
  });
});

describe("randomPaths", () => {
  it("are the same for the same seed, and others for others", () => {
    const [one, same, other] = [1, 1, 2].map((seed) =>
      randomPaths(shop, { cases, seed, steps: 6, count: 5 }).map(({ name }) => name),
    );
    expect(one).toEqual(same);
    expect(one).not.toEqual(other);
    expect(new Set(one).size).toBeGreaterThan(1);
  });
});

describe("coverage", () => {
  it("counts what actors took, of provided copies too, and names what they did not", () => {
    const covered = coverage(shop);
    const actor = createActor(
      shop.provide({ actors: { pay: fromPromise(() => new Promise<never>(() => undefined)) } }),
      { inspect: covered.inspect },
    );
    actor.start();
    for (const type of ["enter", "leave", "enter", "buy", "fire"]) actor.send({ type });
    expect(covered.taken().get("shop.enter")).toBe(2);
    expect(covered.missed()).toEqual([
      "shop.paid",
      "shop.poor",
      "shop.unpaid",
      "shop.impatient",
      "shop.gaveUp",
      "shop.again",
    ]);
    expect(covered.report()).toMatch(/^shop: 4 of 10 transitions\n {2}missed shop\.paid\n/);
  });
});

describe("cellsOf", () => {
  it("has each state with each event, and timers and answers where they can come", () => {
    const cells = cellsOf(shop).map(({ state, event, tids }) => `${state} ${event} ${tids.join()}`);
    expect(cells.filter((cell) => cell.startsWith("inside.paying"))).toEqual([
      "inside.paying buy ",
      "inside.paying enter ",
      "inside.paying fire shop.fire",
      "inside.paying leave shop.leave",
      "inside.paying xstate.after.patience.shop.inside.paying shop.impatient",
      "inside.paying xstate.done.actor.pay shop.paid",
      "inside.paying xstate.error.actor.pay shop.poor,shop.unpaid",
    ]);
    expect(cells).toContain("inside.again always shop.gaveUp,shop.again");
    expect(cells.filter((cell) => cell.startsWith("outside"))).toHaveLength(4);
  });

  it("differs when a transition is gone", () => {
    for (const tid of coverage(shop).missed())
      expect(cellsOf(without(shop, tid))).not.toEqual(cellsOf(shop));
  });
});
