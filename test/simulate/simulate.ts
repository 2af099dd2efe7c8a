/** Runs the history of a seed, checks it after every step, and makes a failing one as short as it can be. */
import { shorten } from "../../src/testing/shrink.ts";
import { Violation } from "./demand.ts";
import { type Lasting, type Step, drawSteps, perform } from "./steps.ts";
import { createWorld } from "./world.ts";

export interface Outcome {
  readonly failure: string | undefined;
  readonly story: readonly string[];
  readonly counts: ReadonlyMap<string, number>;
  /** Every task that ran. */
  readonly trace: readonly string[];
}

/** A device alone, or several with a server. */
export type Sort = "alone" | "server";

export const stepsOfSeed = (seed: number, sort: Sort = "alone"): Step[] =>
  drawSteps(seed, 60, sort === "server");

/** Runs a seed. Throws, with a short story, where something does not hold. */
export async function simulate(seed: number, sort: Sort = "alone"): Promise<Outcome> {
  const steps = stepsOfSeed(seed, sort);
  const again: Attempt = (of, shorter) => run(of, shorter, sort);
  const outcome = await run(seed, steps, sort);
  if (outcome.failure === undefined) return outcome;
  const short = await run(seed, await shrink(seed, steps, outcome.failure, again, sort), sort);
  throw new Error(tell(seed, sort, short.failure === undefined ? outcome : short));
}

/** The story of a failure. */
const tell = (seed: number, sort: Sort, { failure, story }: Outcome): string =>
  [
    `seed ${seed}: ${String(failure)}`,
    ...story.map((it, at) => `  ${at + 1}. ${it}`),
    `  npm run simulate -- --seed ${seed} --only ${sort}`,
  ].join("\n");

/** Runs these steps on new devices of the seed. */
export async function run(
  seed: number,
  steps: readonly Step[],
  sort: Sort = "alone",
): Promise<Outcome> {
  const world = createWorld(seed, sort === "server");
  const lasting: Lasting = new Map();
  const story: string[] = [];
  const rejections: unknown[] = [];
  const note = (reason: unknown): void => void rejections.push(reason);
  process.on("unhandledRejection", note);
  let failure: string | undefined;
  try {
    for (const step of steps) {
      const said = await perform(world, lasting, step);
      if (said !== "") story.push(said);
      world.check();
      if (rejections.length > 0) throw new Error(`unhandled: ${String(rejections[0])}`);
    }
    for (const end of lasting.values()) end();
    story.push("all faults stop, and time passes");
    await world.finish();
    if (rejections.length > 0) throw new Error(`unhandled: ${String(rejections[0])}`);
  } catch (error) {
    const isFound = error instanceof Violation || !(error instanceof Error);
    failure = isFound ? String(error) : error.stack;
  } finally {
    process.off("unhandledRejection", note);
  }
  const trace = Array.from(world.devices.trace);
  world.leave();
  return { failure, story, counts: world.counts, trace };
}

/** At most so many runs to make a story short; with a server each takes ten times as long. */
const mostTries = { alone: 250, server: 80 };

/** What a failure is about, without names and numbers. */
const kindOf = (failure: string | undefined): string | undefined =>
  failure
    ?.replaceAll(/[\d-]+/g, "")
    .split(" ")
    .slice(0, 4)
    .join(" ");

type Attempt = (seed: number, steps: readonly Step[]) => Promise<Pick<Outcome, "failure">>;

/** The shortest history found that still fails in the same way. */
export async function shrink(
  seed: number,
  steps: readonly Step[],
  failure: string,
  attempt: Attempt = run,
  sort: Sort = "alone",
): Promise<readonly Step[]> {
  const fails = async (shorter: readonly Step[]): Promise<boolean> =>
    kindOf((await attempt(seed, shorter)).failure) === kindOf(failure);
  return shorten(steps, fails, { left: mostTries[sort] });
}
