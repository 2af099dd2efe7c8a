/** The step of a path that is the app's: somebody does one of its commands in a tab. */
import { type EventInput } from "../api.ts";
import { SyncError } from "../errors.ts";
import { type EventDefinitions } from "../model/definition.ts";
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
import { withoutChance } from "./purity.ts";

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

/** What the command gives in this tab: one commit, or none. */
function inputsOf(scene: Scene, name: string, { it: { sync } }: PathTab, draw: Draw): Inputs {
  const { commands, id = (at: number) => `id-${at}` } = scene.app.options;
  const input = withoutChance(
    () =>
      commands[name]?.({
        draw,
        pick: (of) => pickOf(of, draw),
        id: () => id(scene.next("id")),
        tables: sync.tables,
        sync,
      }),
    (source) => {
      throw new Error(
        `Expected command "${name}" to choose with draw, pick and id alone, got a call of ${source}`,
      );
    },
  );
  if (input === undefined) return [];
  return Array.isArray(input) ? input : [input as Inputs[number]];
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
    if (!isExpected) throw error;
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
