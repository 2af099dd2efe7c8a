import * as fc from "fast-check";
import { expect, test } from "vitest";
import { event, names } from "./app.ts";
import { createWorld } from "./simulation.ts";

/** An event, by numbers: each run draws a few names and ids first, so that what rarely meets by chance meets often. */
const one = fc.record({ name: fc.nat(5), t: fc.nat(1), id: fc.nat(5), x: fc.nat(4) });
const palette = fc.record({
  names: fc.uniqueArray(fc.constantFrom(...names), { minLength: 1, maxLength: 4 }),
  ids: fc.integer({ min: 1, max: 4 }),
});

interface Facts {
  readonly facts: readonly { name: number; t: number; id: number; x: number }[];
  toString(): string;
}
const shown = (facts: Facts["facts"]): Facts => ({
  facts,
  toString: () => facts.map((fact) => JSON.stringify(fact)).join(" + "),
});
const unit: fc.Arbitrary<Facts> = fc.oneof(
  { weight: 3, arbitrary: one.map((fact) => shown([fact])) },
  { weight: 1, arbitrary: fc.array(one, { minLength: 2, maxLength: 4 }).map(shown) },
);
const late: fc.Arbitrary<Facts | undefined> = fc.option(unit, { nil: undefined });
const tab = fc.nat(2);
const nth = fc.nat(5);

const op = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(fc.constant("commit" as const), tab, unit) },
  { weight: 5, arbitrary: fc.tuple(fc.constant("take" as const), tab) },
  { weight: 5, arbitrary: fc.tuple(fc.constant("write" as const), tab, nth) },
  { weight: 5, arbitrary: fc.tuple(fc.constant("acknowledge" as const), tab, nth) },
  { weight: 4, arbitrary: fc.tuple(fc.constant("flush" as const), tab) },
  { weight: 6, arbitrary: fc.tuple(fc.constant("deliver" as const), tab, nth, fc.boolean()) },
  { weight: 3, arbitrary: fc.tuple(fc.constant("catchUp" as const), tab, fc.boolean()) },
  { weight: 3, arbitrary: fc.tuple(fc.constant("decide" as const), nth, late) },
  { weight: 3, arbitrary: fc.tuple(fc.constant("fold" as const), fc.boolean()) },
  { weight: 2, arbitrary: fc.tuple(fc.constant("lead" as const), tab) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("lose" as const), tab, nth) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("refuse" as const), tab, nth) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("withdraw" as const), tab, nth) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("dismiss" as const), tab, nth) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("hold" as const), tab) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("adoptHeld" as const), tab) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("kill" as const), tab) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("double" as const), fc.nat(30)) },
);

interface Palette {
  readonly names: readonly string[];
  readonly ids: number;
}
const envelopesOf =
  (drawn: Palette) =>
  ({ facts }: Facts) => {
    const tx = facts.length > 1 ? `tx-of-${event("put").id}` : undefined;
    return facts.map(({ name, t, id, x }) => {
      const payload = { t: t === 0 ? ("one" as const) : ("two" as const), x };
      const short = "abcd"[id % drawn.ids] ?? "a";
      return event(drawn.names[name % drawn.names.length] ?? "put", { ...payload, id: short }, tx);
    });
  };

type Op = typeof op extends fc.Arbitrary<infer T> ? T : never;

function run(size: number, tabs: number, drawn: Palette, ops: readonly Op[]): void {
  const envelopes = envelopesOf(drawn);
  const world = createWorld(size);
  for (let count = 0; count < tabs; count += 1) world.open();
  const at = (index: number) => world.tabs[index % world.tabs.length] as (typeof world.tabs)[0];
  world.tabs[0]?.lead();
  for (const step of ops) {
    switch (step[0]) {
      case "commit":
        at(step[1]).commit(envelopes(step[2]));
        break;
      case "flush":
        at(step[1]).finish();
        break;
      case "deliver":
        at(step[1]).deliver(step[2], step[3]);
        break;
      case "catchUp":
        at(step[1]).catchUp(step[2]);
        break;
      case "acknowledge":
        at(step[1]).acknowledge(step[2], step[2] > 2);
        break;
      case "decide":
        for (const each of world.tabs) each.decide(step[1] + 1, step[2] && envelopes(step[2]));
        break;
      case "fold":
        for (const each of world.tabs) each.fold(step[1]);
        break;
      case "kill":
      case "double":
        world[step[0]](step[1]);
        break;
      case "take":
      case "lead":
      case "hold":
      case "adoptHeld":
        at(step[1])[step[0]]();
        break;
      case "write":
      case "lose":
      case "refuse":
      case "withdraw":
      case "dismiss":
        at(step[1])[step[0]](step[2]);
        break;
    }
    world.check();
  }
  world.converge();
}

const runs = Number(process.env["MODEL_RUNS"] ?? 300);

test("G6 G7 G13 shows base and log in order, and own commits on top, after any history", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 3 }),
      palette,
      fc.array(op, { maxLength: 40, size: "max" }),
      run,
    ),
    { numRuns: runs },
  );
  expect.hasAssertions();
}, 600_000);
