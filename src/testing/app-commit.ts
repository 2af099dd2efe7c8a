/** The step of a path that is the app's: somebody does one of its commands in a tab. */
import { type EventInput } from "../api.ts";
import { SyncError } from "../errors.ts";
import { type EventDefinitions } from "../model/definition.ts";
import { Found, kindOf, messageOf } from "./app-failure.ts";
import { literal } from "./app-source.ts";
import {
  type Act,
  type PathReceipt,
  type PathTab,
  type Scene,
  count,
  isReady,
  pickOf,
} from "./app-scene.ts";
import { type Draw } from "./scheduler.ts";
import { impurityOf, withoutChance } from "./purity.ts";

type Inputs = readonly EventInput<EventDefinitions>[];

/** What becomes of it when time passes. */
async function follow(receipt: PathReceipt): Promise<void> {
  try {
    await receipt.it.durable;
    receipt.durable = "resolved";
    receipt.settled = await receipt.it.settled;
  } catch {
    if (receipt.durable === "pending") receipt.durable = "rejected";
  }
}

/** Codes of a tab that cannot commit now. */
const notNow: ReadonlySet<string> = new Set(["not_ready", "outdated", "stopped"]);

const isEvent = (value: unknown): value is Inputs[number] =>
  typeof value === "object" && value !== null && "name" in value;

/** What the command gives in this tab: one commit, or none. Throws where it gives something else, or throws itself. */
function inputsOf(scene: Scene, name: string, { it: { sync } }: PathTab, draw: Draw): Inputs {
  const { commands, id = (at: number) => `id-${at}` } = scene.app.options;
  const asked: string[] = [];
  let input: unknown;
  try {
    input = withoutChance(
      () =>
        commands[name]?.({
          draw,
          pick: (of) => pickOf(of, draw),
          id: () => id(scene.next("id")),
          tables: sync.tables,
          sync,
        }),
      (source) => void asked.push(source),
    );
  } catch (cause) {
    throw new Error(`Expected command "${name}" not to throw, got: ${messageOf(cause)}`, { cause });
  }
  if (asked.length > 0)
    throw new Error(
      `Expected command "${name}" to choose with draw, pick and id alone, got a call of ${asked[0]}`,
    );
  const inputs: readonly unknown[] =
    input === undefined ? [] : Array.isArray(input) ? input : [input];
  if (!inputs.every(isEvent))
    throw new Error(
      `Expected command "${name}" to give an event, a list of events, or undefined, got ${
        input instanceof Promise ? "a promise" : literal(input)
      }`,
    );
  return inputs;
}

function commitIn(scene: Scene, tab: PathTab, inputs: Inputs): void {
  const { lines, receipts } = scene;
  const [only] = inputs;
  if (only === undefined) return;
  const input = inputs.length === 1 ? only : inputs;
  const line = `${tab.name}.sync.commit(${literal(input)})`;
  try {
    const receipt: PathReceipt = {
      name: `receipt${receipts.length + 1}`,
      it: tab.it.sync.commit(input),
      tab,
      line: lines.length,
      durable: "pending",
      settled: undefined,
    };
    receipts.push(receipt);
    void follow(receipt);
    lines.push(`${line};`);
  } catch (error) {
    const code = error instanceof SyncError ? error.code : "";
    const { mayThrow = [] } = scene.app.options;
    const isExpected = notNow.has(code) || mayThrow.some((it) => it === code);
    lines.push(isExpected ? `expect(() => ${line}).toThrow();` : `${line};`);
    if (isExpected) return;
    // What it asked for says more than that it is not pure.
    const message = impurityOf(scene.config) ?? messageOf(error);
    throw new Found({
      title: "every commit can be made",
      kind: `commit ${kindOf(message)}`,
      message,
      lines: [],
    });
  }
}

interface Done {
  readonly name: string;
  /** What the command drew. */
  readonly drawn: readonly number[];
}

/** Somebody does a command: where one cannot be done, perhaps another one can. */
const mostAttempts = 4;

function doCommand(scene: Scene, tab: PathTab | undefined, draw: Draw): Done | undefined {
  if (tab === undefined) return undefined;
  const names = Object.keys(scene.app.options.commands);
  for (let attempt = 0; attempt < mostAttempts; attempt += 1) {
    const name = pickOf(names, draw);
    if (name === undefined) return undefined;
    const drawn: number[] = [];
    const noted: Draw = (below) => {
      const value = draw(below);
      drawn.push(value);
      return value;
    };
    const inputs = inputsOf(scene, name, tab, noted);
    if (inputs.length === 0) continue;
    count(scene, `command ${name}`);
    commitIn(scene, tab, inputs);
    return { name, drawn };
  }
  return undefined;
}

/** In one tab. */
export const commit: Act = (scene, draw) => {
  doCommand(scene, pickOf(scene.tabs.filter(isReady), draw), draw);
};

/** The same is done in all tabs before any of them hears of the others: most bugs between tabs are about this. */
export const race: Act = (scene, draw) => {
  const [first, ...others] = scene.tabs.filter(isReady);
  const done = doCommand(scene, first, draw);
  if (done === undefined) return;
  const { name, drawn } = done;
  for (const tab of others) {
    let next = 0;
    const again: Draw = (below) => Math.min(drawn[(next += 1) - 1] ?? 0, below - 1);
    commitIn(scene, tab, inputsOf(scene, name, tab, again));
  }
  count(scene, "race");
};
