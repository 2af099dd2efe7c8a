/** Runs a path: step by step, with what must hold after each, and at the end. */
import { type SyncConfig, type TableReaders } from "../api.ts";
import { type EventDefinitions, type TableSchemas } from "../model/definition.ts";
import { serveApp } from "./app-server.ts";
import { converge } from "./converge.ts";
import { createWorld } from "./device.ts";
import { type AnyApp, hasServer } from "./app-options.ts";
import { Found, type PathFailure, kindOf, messageOf } from "./app-failure.ts";
import { addedServer, literal } from "./app-source.ts";
import { type PathReceipt, type Scene, isReady } from "./app-scene.ts";
import { type Step, perform } from "./app-steps.ts";
import { checkPurity, impurityOf } from "./purity.ts";

export interface PathOutcome {
  readonly failure: PathFailure | undefined;
  readonly lines: readonly string[];
  /** What each step drew. Those that were not done are missing. */
  readonly draws: readonly (readonly number[])[];
  readonly counts: ReadonlyMap<string, number>;
}

interface Wrong {
  readonly said: string;
  readonly how: string;
  /** A line of a test that asks the same. */
  readonly line: string;
}

/**
 * What is wrong, if the app says that something is. Throwing is another kind of failure than saying so. Assertions of some
 * libraries give objects, but yes, no and later would never be heard.
 */
function ask(check: () => unknown, sentence: string, call: string): Wrong | undefined {
  let said: unknown;
  try {
    said = check();
  } catch (error) {
    return { said: messageOf(error), how: kindOf(messageOf(error)), line: `${call};` };
  }
  if (typeof said === "string") return { said, how: "", line: `expect(${call}).toBeUndefined();` };
  if (said instanceof Promise) said.catch(() => undefined);
  if (typeof said === "boolean" || said instanceof Promise)
    throw new Error(
      `Expected "${sentence}" to say what is wrong at once, or nothing, got ${said instanceof Promise ? "a promise" : said}`,
    );
  return undefined;
}

/** The configuration of all tabs: with a server or without, and watched. */
function configOf(app: AnyApp): AnyApp["config"] {
  const { server, ...alone } = app.config;
  return checkPurity(hasServer(app) ? { ...alone, server: server ?? addedServer } : alone);
}

function createScene(app: AnyApp, seed: number): Scene {
  const world = createWorld({ seed });
  const config = configOf(app);
  const { server: rules = {} } = app.options;
  const numbers = new Map<string, number>();
  return {
    app,
    config,
    world,
    server: hasServer(app) && rules !== false ? serveApp(world, config, rules) : undefined,
    devices: new Map(),
    tabs: [],
    receipts: [],
    lasting: new Map(),
    counts: new Map(),
    lines: [],
    next(what) {
      const number = (numbers.get(what) ?? 0) + 1;
      numbers.set(what, number);
      return number;
    },
  };
}

/** After each step. */
function expectInvariants(scene: Scene): void {
  const impurity = impurityOf(scene.config);
  if (impurity !== undefined)
    throw new Found({
      title: "materializers are pure",
      kind: `impure ${kindOf(impurity)}`,
      message: impurity,
      lines: ["await converge(world, app);"],
    });
  for (const { name, it } of scene.tabs.filter(isReady))
    expectHolds(scene, it.sync.tables, `in ${name}`, `${name}.sync.tables`);
}

/** That the invariants hold in these tables, which a test knows by that name. */
function expectHolds(
  { app }: Scene,
  tables: TableReaders<TableSchemas>,
  where: string,
  name: string,
  lines: readonly string[] = [],
): void {
  for (const [sentence, invariant] of Object.entries(app.options.invariants ?? {})) {
    const call = `options.invariants[${literal(sentence)}](${name})`;
    const wrong = ask(() => invariant(tables), sentence, call);
    if (wrong === undefined) continue;
    throw new Found({
      title: sentence,
      kind: `invariant ${sentence} ${wrong.how}`,
      message: `Expected ${where}: ${sentence}, got: ${wrong.said}`,
      lines: [...lines, wrong.line],
    });
  }
}

/** What the one who committed was told must be what became of it. */
function expectTold(scene: Scene, receipt: PathReceipt, counted: ReadonlySet<string>): void {
  const { name, it, tab, line, durable, settled } = receipt;
  if (tab.it.state === "gone" || durable === "rejected") return;
  const ids = it.events.map(({ id }) => id);
  const isTold = settled !== undefined && settled.map(({ id }) => id).join() === ids.join();
  const isTrue = settled?.every(({ id, status }) => counted.has(id) === (status === "accepted"));
  if (isTold && isTrue === true) return;
  scene.lines[line] = `const ${name} = ${scene.lines[line]}`;
  throw new Found({
    title: "each event has one decision, and its tab is told",
    kind: `receipt ${isTold}`,
    message: `Expected ${name} to tell what became of its events, got ${
      isTold ? settled.map(({ status }) => status).join() : `${durable}, and no decisions`
    }`,
    lines: [
      "const decided = new Set(end.events.map(({ id }) => id));",
      `for (const { id, status } of await world.run(${name}.settled))`,
      `  expect([id, decided.has(id)]).toEqual([id, status === "accepted"]);`,
    ],
  });
}

async function finish(scene: Scene): Promise<void> {
  const { world, config, server, lines, app } = scene;
  for (const end of scene.lasting.values()) end();
  const call = server === undefined ? "converge(world, app)" : "converge(world, app, server)";
  let end;
  try {
    end = await converge(world, config as SyncConfig<TableSchemas, EventDefinitions>, server);
  } catch (error) {
    throw new Found({
      title: "all tabs and devices come to one thing",
      kind: `converge ${kindOf(messageOf(error))}`,
      message: messageOf(error),
      lines: [`await ${call};`],
    });
  }
  const converged = end;
  const ended = `const end = await ${call};`;
  expectHolds(scene, converged.tables, "in the end", "end.tables", [ended]);
  const counted = new Set(converged.events.map(({ id }) => id));
  for (const [sentence, outcome] of Object.entries(app.options.outcomes ?? {})) {
    const wrong = ask(
      () => outcome(converged),
      sentence,
      `options.outcomes[${literal(sentence)}](end)`,
    );
    if (wrong === undefined) continue;
    throw new Found({
      title: sentence,
      kind: `outcome ${sentence} ${wrong.how}`,
      message: `Expected in the end: ${sentence}, got: ${wrong.said}`,
      lines: [ended, wrong.line],
    });
  }
  lines.push(ended);
  for (const receipt of scene.receipts) expectTold(scene, receipt, counted);
}

/** Runs these steps in a world of this seed. Throws what is no failure of the app, but of what was said of it. */
export async function runPath(
  app: AnyApp,
  seed: number,
  steps: readonly Step[],
): Promise<PathOutcome> {
  const scene = createScene(app, seed);
  const draws: (readonly number[])[] = [];
  let failure: PathFailure | undefined;
  try {
    for (const step of steps) {
      const drawn: number[] = [];
      draws.push(drawn);
      const done = perform(scene, step, drawn);
      if (done !== undefined) await done;
      expectInvariants(scene);
    }
    await finish(scene);
  } catch (error) {
    if (!(error instanceof Found)) throw error;
    ({ failure } = error);
  }
  return { failure, lines: scene.lines, draws, counts: scene.counts };
}
