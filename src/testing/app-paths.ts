/**
 * Generated tests of an app: its own commands in several tabs and devices, with everything that goes wrong in between. What
 * fails is made as short as it can be, and printed as a test.
 */
import { type EventDefinitions, type TableSchemas } from "../model/definition.ts";
import { type AnyApp, type AppConfig, type AppPathOptions, hasServer } from "./app-options.ts";
import { type PathFailure, messageOf } from "./app-failure.ts";
import { type PathOutcome, runPath } from "./app-run.ts";
import { printTest } from "./app-source.ts";
import { type Step, drawSteps, plainer } from "./app-steps.ts";
import { type Fails, type Tries, shorten, simplify } from "./shrink.ts";

/** What was tried. */
export interface AppPathReport {
  readonly runs: number;
  /** How often each thing happened. */
  readonly counts: ReadonlyMap<string, number>;
}

/** A path that fails, as a test. */
export class AppPathError extends Error {
  override readonly name = "AppPathError";
  /** TypeScript for vitest: fails in the same way. */
  readonly test: string;
  /** Of the run. */
  readonly seed: number;
  constructor(message: string, test: string, seed: number) {
    super(message);
    this.test = test;
    this.seed = seed;
  }
}

/** Seeds beyond have no fractions, which tell one stream of a run from another. */
const highestSeed = 2 ** 50;

/** Throws for what would try nothing, or not what was meant. */
function expectOptions({ commands, seed = 1, runs, steps, devices, tabs }: AnyApp["options"]) {
  if (Object.keys(commands).length === 0) throw new Error("Expected commands, got none");
  for (const [name, value = 1] of Object.entries({ runs, steps, devices, tabs }))
    if (!Number.isInteger(value) || value < 1)
      throw new Error(`Expected ${name} to be a whole number above 0, got ${value}`);
  if (!Number.isInteger(seed) || Math.abs(seed) > highestSeed)
    throw new Error(`Expected seed to be a whole number up to 2 ** 50, got ${seed}`);
}

/** At most so many runs to make a path short and plain. */
const mostTries = 100;

/** The shortest and plainest path found that fails in the same way; undefined: it does not fail again. */
async function shrink(
  app: AnyApp,
  seed: number,
  steps: readonly Step[],
  { kind }: PathFailure,
): Promise<{ steps: readonly Step[]; outcome: PathOutcome } | undefined> {
  let best: { steps: readonly Step[]; outcome: PathOutcome } | undefined;
  const fails: Fails<Step> = async (tried) => {
    // A command may throw where it finds less than it did before.
    const outcome = await runPath(app, seed, tried).catch(() => undefined);
    if (outcome === undefined || outcome.failure?.kind !== kind) return false;
    best = { steps: tried, outcome };
    return true;
  };
  const tries: Tries = { left: mostTries };
  if (!(await fails(steps))) return undefined;
  for (let before = steps; ; before = best?.steps ?? before) {
    const short = await shorten(before, fails, tries);
    const plain = await simplify(short, plainer, fails, tries);
    if (tries.left <= 0 || (plain === short && short.length === before.length)) return best;
  }
}

function sourceOf(
  { config, options }: AnyApp,
  seed: number,
  { lines }: PathOutcome,
  failure: PathFailure,
) {
  const app = { config, options };
  return printTest({
    title: failure.title,
    failure: failure.message,
    seed,
    module: options.module ?? "./app.paths.ts",
    server: hasServer(app)
      ? config.server === undefined
        ? "added"
        : "own"
      : config.server === undefined
        ? "none"
        : "left out",
    hasRules: options.server !== undefined && options.server !== false,
    lines: [...lines, ...failure.lines],
  });
}

async function tellOf(app: AnyApp, seed: number, first: PathOutcome): Promise<AppPathError> {
  const failure = first.failure as PathFailure;
  const all = drawSteps(app, seed);
  const steps = first.draws.map((draws, at): Step => ({ ...(all[at] as Step), draws }));
  const short = await shrink(app, seed, steps, failure);
  const outcome = short?.outcome ?? first;
  const shown = outcome.failure ?? failure;
  const test = sourceOf(app, seed, outcome, shown);
  const how =
    short === undefined
      ? "It did not fail again with the same seed: something of the app is not the same each time"
      : `Found with seed ${seed}, made shorter from ${all.length} steps to ${short.steps.length}`;
  return new AppPathError(`${shown.message}\n\n${how}. As a test:\n\n${test}`, test, seed);
}

/**
 * Runs sequences of an app's own commands, drawn from seeds, in several tabs and devices in memory, with pages that are
 * killed, frozen and loaded again, messages and requests that are lost, writes that fail, and a server that rejects. Checks
 * after each step the app's `invariants`, and at the end, when faults have stopped, what `converge` checks, the `invariants` once
 * more, and the app's `outcomes`. Throws an `AppPathError` whose message ends with a test of the shortest sequence that was found
 * to fail; another error where what was said of the app is no good: a command that throws, or never gives an event.
 *
 * @example
 * import * as v from "valibot";
 * import { create, defineEvent } from "sssync";
 * import { appPaths } from "sssync/testing";
 *
 * const todo = v.object({ id: v.string(), text: v.string() });
 * const config = {
 *   name: "todos",
 *   tables: { todos: todo },
 *   events: { todoAdded: defineEvent({ schema: todo }) },
 *   materializers: { todoAdded: (added: v.InferOutput<typeof todo>) => [create("todos", added)] },
 * };
 * await appPaths(config, {
 *   commands: { addTodo: ({ id }) => ({ name: "todoAdded", payload: { id: id(), text: "Milk" } }) },
 *   outcomes: {
 *     "no todo is lost": ({ tables, events }) =>
 *       tables.todos.size === events.length ? undefined : `${tables.todos.size} todos`,
 *   },
 *   runs: 10,
 * });
 */
export async function appPaths<const T extends TableSchemas, const E extends EventDefinitions>(
  config: AppConfig<T, E>,
  options: AppPathOptions<T, E>,
): Promise<AppPathReport> {
  const app = { config, options } as unknown as AnyApp;
  const { seed: first = 1, runs = 30, commands } = options;
  expectOptions(app.options);
  const counts = new Map<string, number>();
  for (let seed = first; seed < first + runs; seed += 1) {
    const outcome = await runPath(app, seed, drawSteps(app, seed)).catch((cause: unknown) => {
      throw new Error(`${messageOf(cause)} (seed ${seed})`, { cause });
    });
    for (const [what, times] of outcome.counts) counts.set(what, (counts.get(what) ?? 0) + times);
    if (outcome.failure !== undefined) throw await tellOf(app, seed, outcome);
  }
  const never = Object.keys(commands).filter((name) => !counts.has(`command ${name}`));
  if (never.length > 0)
    throw new Error(
      `Expected each command to give events in ${runs} runs, got none of ${never.join(", ")}`,
    );
  return { runs, counts };
}
