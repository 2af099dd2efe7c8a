/**
 * Makes one test of each path of a machine. The path's events are caused by stimuli; after each the machine must have taken
 * the very transitions that the path says, and the public side must show what the machine's state means.
 */
import { describe, expect, it } from "vitest";
import { type AnyStateMachine } from "xstate";
import { type Path, type PathOptions, type PathStep, edgePaths } from "../../src/testing/index.ts";
import { transitionsOf } from "../../src/testing/transitions.ts";
import { type OpenOptions, type Reading, type Stimuli } from "./stimuli.ts";

/** Causes the event of a step. `wait` lets time go on until the machine does something. */
export type Cause = (
  stimuli: Stimuli,
  step: PathStep,
  wait: () => Promise<void>,
  model: Model,
) => Promise<unknown>;

/**
 * How an event is caused. With `ahead` it follows of itself from what causes the one before it: what has to be prepared for that
 * is prepared before that one, and the two are one step to whoever looks.
 */
type Drive = Cause | { readonly ahead: Cause };

/** A machine in surroundings of a kind. */
export interface Model extends PathOptions {
  readonly name: string;
  /** For guards that are replaced. Default: the machine that ships. */
  readonly machine?: AnyStateMachine;
  readonly open?: OpenOptions;
  /** Transitions that have a path of their own here, which ends with them: elsewhere they are taken for another reason. */
  readonly ends?: readonly string[];
}

export interface MachineSuite {
  readonly machine: AnyStateMachine;
  readonly models: readonly Model[];
  /** Makes the machine be in its first state. Default: opens the tab. */
  prepare?(stimuli: Stimuli, model: Model): Promise<unknown>;
  /** By type. Those of `after` need none: time goes on until something happens. */
  readonly drive: Readonly<Record<string, Drive>>;
  /** Changes the world as the case of a step says, before the event. */
  change?(stimuli: Stimuli, world: object): Promise<unknown>;
  /** Expects the public side to show what this state means. */
  check(reading: Reading, state: string, step: PathStep): void;
  /** Looks at more when a path is at its end, before the tab is closed. `last`: the last step of it. */
  atEnd?(stimuli: Stimuli, last: PathStep, model: Model): Promise<unknown>;
  /** Transitions that no stimulus can cause, with the reason. */
  readonly exempt?: Readonly<Record<string, string>>;
}

/** More timers than any step waits for. */
const mostTicks = 1000;

interface Planned {
  readonly model: Model;
  readonly path: Path;
}

/** For each transition a path, in the first model that reaches it. */
function planOf({ machine, models, exempt = {} }: MachineSuite): readonly Planned[] {
  let cover = transitionsOf(machine)
    .map(({ tid }) => tid)
    .filter((tid) => !Object.hasOwn(exempt, tid));
  const plan: Planned[] = [];
  for (const model of models) {
    const find = (tids: readonly string[]): readonly Path[] =>
      edgePaths(model.machine ?? machine, { ...model, cover: tids, unreachable: "any" });
    const paths = find(cover);
    const known = new Set(paths.map(({ name }) => name));
    const more = (model.ends ?? [])
      .flatMap((tid) => find([tid]))
      .filter(({ name }) => !known.has(name));
    plan.push(...[...paths, ...more].map((path) => ({ model, path })));
    const taken = new Set(paths.flatMap(({ steps }) => steps.flatMap(({ tids }) => tids)));
    for (const tid of paths[0]?.start.tids ?? []) taken.add(tid);
    cover = cover.filter((tid) => !taken.has(tid));
  }
  return plan;
}

/** Steps that happen as one: the first has a cause, the others follow from it. */
function groupsOf(steps: readonly PathStep[], drive: MachineSuite["drive"]): readonly PathStep[][] {
  const groups: PathStep[][] = [];
  for (const step of steps) {
    const how = drive[step.event.type];
    if (typeof how === "object") groups.at(-1)?.push(step);
    else groups.push([step]);
  }
  return groups;
}

/** What is certain of a commit that was rejected: nothing of it is stored. */
const refusals = new Set(["storage_failed", "storage_full"]);

/**
 * A receipt that is resolved has its row on disk: another tab sees it. Of one that is rejected nobody sees anything. And what the
 * tab shows that is not on its way to the disk any more is there just so (G6).
 */
async function expectKept(stimuli: Stimuli): Promise<void> {
  const { commits, changes, rows: shown, gate } = await stimuli.read();
  const rows = await stimuli.fresh();
  if (rows === null) {
    expect(gate, "where no other tab can read the data").not.toBe("open");
    return;
  }
  const ids = rows.map(({ id }) => id);
  const all = [...commits, ...changes];
  const moving = new Set(all.flatMap(({ id, durable }) => (durable === "pending" ? [id] : [])));
  const stored = new Map(rows.map((row) => [row.id, row]));
  for (const row of shown) if (!moving.has(row.id)) expect(stored.get(row.id)).toEqual(row);
  expect(new Set(ids).size).toBe(ids.length);
  for (const { id, durable, settled } of commits) {
    if (durable === "resolved" && settled !== "rejected") expect(ids).toContain(id);
    if (refusals.has(durable)) expect(ids).not.toContain(id);
  }
}

/** Goes along one path. Returns the transitions that were taken. */
export async function go(
  { machine, drive, check, change, prepare, atEnd }: MachineSuite,
  { model, path }: Planned,
  stimuli: Stimuli,
): Promise<readonly string[]> {
  const all: string[] = [];
  let since: string[] = [];
  const look = async (): Promise<void> => {
    for (const tid of await stimuli.taken()) if (tid.startsWith(`${machine.id}.`)) since.push(tid);
  };
  async function wait(): Promise<void> {
    await stimuli.time.settle();
    await look();
    for (let ticks = 0; since.length === 0; ticks += 1) {
      if (ticks === mostTicks) throw new Error("Expected something to happen in time, got nothing");
      await stimuli.time.tick();
      await look();
    }
  }
  async function cause(step: PathStep): Promise<void> {
    const how = drive[step.event.type];
    if (typeof how === "function") await how(stimuli, step, wait, model);
    else if (step.event.type.startsWith("xstate.after.")) await wait();
    else throw new Error(`Expected a cause of ${step.event.type}, got none`);
    await stimuli.time.settle();
    await look();
  }

  await (prepare === undefined ? stimuli.open(model.open) : prepare(stimuli, model));
  await stimuli.time.settle();
  await look();
  expect(since, "before the first event").toEqual(path.start.tids);
  for (const group of groupsOf(path.steps, drive)) {
    all.push(...since);
    since = [];
    const [first] = group;
    const last = group.at(-1);
    if (first === undefined || last === undefined) continue;
    for (const step of group) {
      const how = drive[step.event.type];
      if (step.event.world !== undefined) await change?.(stimuli, step.event.world);
      if (typeof how === "object") await how.ahead(stimuli, step, wait, model);
    }
    await cause(first);
    const what = group.map(({ event }) => event.title ?? event.type).join(" > ");
    expect(since, `${what} in ${first.from}`).toEqual(group.flatMap(({ tids }) => tids));
    check(await stimuli.read(), last.to, last);
  }
  all.push(...since);
  const last = path.steps.at(-1);
  if (last !== undefined) await atEnd?.(stimuli, last, model);
  await expectKept(stimuli);
  return all;
}

/** Where tabs live, if not in memory. */
interface Place {
  readonly name: string;
  /** Names of paths that cannot be gone there, with the reason. */
  readonly leftOut: Readonly<Record<string, string>>;
}

const tidsOf = ({ path }: Planned): readonly string[] =>
  [path.start, ...path.steps].flatMap(({ tids }) => tids);

/** The tests of a machine. `create`: what is done to a tab. */
export function testPaths(
  suite: MachineSuite,
  create: () => Promise<Stimuli>,
  place?: Place,
): void {
  const { machine, exempt = {} } = suite;
  const { leftOut = {} } = place ?? {};
  const title = place === undefined ? machine.id : `${machine.id} in ${place.name}`;
  const all = planOf(suite);
  const isOut = ({ path }: Planned): boolean => Object.hasOwn(leftOut, path.name);
  const plan = all.filter((planned) => !isOut(planned));
  const out = all.filter(isOut);
  const missed = new Set(transitionsOf(machine).map(({ tid }) => tid));
  const total = missed.size;
  describe(`paths of ${title}`, () => {
    it.each(
      plan.map((planned) => [`${planned.model.name}: ${planned.path.name}`, planned] as const),
    )("%s", async (_, planned) => {
      const stimuli = await create();
      try {
        const taken = await go(suite, planned, stimuli);
        expect(taken).not.toEqual([]);
        for (const tid of taken) missed.delete(tid);
      } finally {
        await stimuli.close();
      }
    });

    // A test as well, and the last one: where it fails, something was found.
    it("take every transition", () => {
      const exempted = Object.keys(exempt);
      const missing = place === undefined ? `${exempted.length} exempt` : `${out.length} left out`;
      console.log(
        [
          `${title}: ${plan.length} paths, ${total - missed.size} of ${total} transitions, ${missing}`,
          ...out.map(({ path }) => `  left out: ${path.name}: ${leftOut[path.name]}`),
        ].join("\n"),
      );
      expect(out.map(({ path }) => path.name).toSorted()).toEqual(Object.keys(leftOut).toSorted());
      const others = new Set([...plan.flatMap(tidsOf), ...exempted]);
      const excused = out.flatMap(tidsOf).filter((tid) => !others.has(tid));
      expect(Array.from(missed).toSorted()).toEqual(
        Array.from(new Set([...exempted, ...excused])).toSorted(),
      );
    });
  });
}
