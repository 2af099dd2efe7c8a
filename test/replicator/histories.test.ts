import * as fc from "fast-check";
import { expect, test } from "vitest";
import { event, names } from "../model/app.ts";
import { createWorld } from "./world.ts";

const one = fc.record({ name: fc.nat(5), t: fc.nat(1), id: fc.nat(5), x: fc.nat(4) });
const palette = fc.record({
  names: fc.uniqueArray(fc.constantFrom(...names), { minLength: 1, maxLength: 4 }),
  ids: fc.integer({ min: 1, max: 4 }),
});
const unit = fc.oneof(
  { weight: 3, arbitrary: one.map((it) => [it]) },
  { weight: 1, arbitrary: fc.array(one, { minLength: 2, maxLength: 3 }) },
);
const device = fc.nat(1);
const tab = fc.nat(2);
const nth = fc.nat(5);
const most = fc.integer({ min: 1, max: 6 });

const op = fc.oneof(
  { weight: 10, arbitrary: fc.tuple(fc.constant("commit" as const), device, tab, unit) },
  { weight: 9, arbitrary: fc.tuple(fc.constant("flush" as const), device, tab) },
  { weight: 5, arbitrary: fc.tuple(fc.constant("deliver" as const), device, tab, nth) },
  { weight: 4, arbitrary: fc.tuple(fc.constant("catchUp" as const), device, tab, fc.boolean()) },
  { weight: 8, arbitrary: fc.tuple(fc.constant("push" as const), device, most, fc.nat(6)) },
  { weight: 8, arbitrary: fc.tuple(fc.constant("pull" as const), device, most) },
  { weight: 3, arbitrary: fc.tuple(fc.constant("late" as const), device, nth) },
  { weight: 2, arbitrary: fc.tuple(fc.constant("decide" as const), device) },
  { weight: 3, arbitrary: fc.tuple(fc.constant("fold" as const), device) },
  { weight: 3, arbitrary: fc.tuple(fc.constant("lead" as const), device, tab) },
  { weight: 2, arbitrary: fc.tuple(fc.constant("die" as const), device, fc.nat(3), fc.boolean()) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("kill" as const), device, tab) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("open" as const), device) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("refuse" as const), device, nth) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("forbid" as const), nth) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("forget" as const)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("backup" as const)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("restore" as const)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("epoch" as const)) },
  { weight: 3, arbitrary: fc.tuple(fc.constant("fresh" as const), device, tab) },
);
type Op = typeof op extends fc.Arbitrary<infer T> ? T : never;

async function run(
  snapshots: boolean,
  drawn: { readonly names: readonly string[]; readonly ids: number },
  ops: readonly Op[],
): Promise<void> {
  const nameAt = (at: number): string => drawn.names[at % drawn.names.length] ?? "put";
  const world = await createWorld({ snapshots, devices: 2 });
  await world.lead(0, 0);
  await world.lead(1, 0);
  for (const step of ops) {
    switch (step[0]) {
      case "commit": {
        const tx = step[3].length > 1 ? `tx-of-${event("put").id}` : undefined;
        const envelopes = step[3].map(({ name, t, id, x }) => {
          const payload = { t: t === 0 ? ("one" as const) : ("two" as const), x };
          return event(nameAt(name), { ...payload, id: "abcd"[id % drawn.ids] ?? "a" }, tx);
        });
        world.commit(step[1], step[2], envelopes);
        break;
      }
      case "flush":
        await world.flush(step[1], step[2]);
        break;
      case "deliver":
        world.deliver(step[1], step[2], step[3]);
        break;
      case "catchUp":
        await world.catchUp(step[1], step[2], step[3]);
        break;
      case "push":
        await world.push(step[1], step[2], step[3]);
        break;
      case "pull":
        await world.pull(step[1], step[2]);
        break;
      case "late":
        await world.late(step[1], step[2]);
        break;
      case "decide":
        await world.decide(step[1]);
        break;
      case "fold":
        await world.fold(step[1]);
        break;
      case "lead":
        await world.lead(step[1], step[2]);
        break;
      case "die":
        world.dieAt(step[1], step[2], step[3]);
        break;
      case "kill":
        await world.kill(step[1], step[2]);
        break;
      case "open":
        await world.open(step[1]);
        break;
      case "refuse":
        await world.refuse(step[1], step[2]);
        break;
      case "forbid":
        world.forbid([nameAt(step[1])]);
        break;
      case "forget":
        world.forgetClients();
        break;
      case "backup":
        world.backup();
        break;
      case "restore":
        world.restore();
        break;
      case "epoch":
        world.newEpoch();
        break;
      case "fresh":
        await world.fresh(step[1], step[2]);
        break;
    }
    world.check();
  }
  await world.settle();
}

test.each([false, true])(
  "G5 G6 G13 tabs of two devices come to the server's log, and each event to one decision, snapshots %s",
  async (snapshots) => {
    expect.hasAssertions();
    await fc.assert(
      fc.asyncProperty(
        palette,
        fc.array(op, { minLength: 20, maxLength: 80, size: "max" }),
        (drawn, ops) => run(snapshots, drawn, ops),
      ),
      { numRuns: 15 },
    );
  },
  60_000,
);
