/**
 * What can happen on a path. A step is drawn before anything runs, and means something on any path before it. What it does
 * it says as well, as a line of a test that does the same: no step does what its lines do not say.
 */
import { type FaultKind } from "./fault-kinds.ts";
import { commit, race } from "./app-commit.ts";
import { type AnyApp, type Trouble, devicesOf, hasServer, tabsOf } from "./app-options.ts";
import {
  type Act,
  type AnyTab,
  type PathDevice,
  type PathTab,
  type Scene,
  count,
  pickOf,
} from "./app-scene.ts";
import { type Draw, createDraw } from "./scheduler.ts";
import { createSeededRandom } from "./seeded-random.ts";
import { literal } from "./app-source.ts";
import { type NetworkFault } from "./virtual-network.ts";

/** `draws`: what its choices were, in order; those that come after are 0. Without it they are drawn from the seed. */
export interface Step {
  readonly kind: StepKind;
  readonly seed: number;
  readonly draws?: readonly number[];
}

const open: Act = (scene, draw) => {
  const { app, config, world, devices, tabs, lines } = scene;
  const slot = draw(devicesOf(app));
  const mine = tabs.filter(({ device, it }) => device === devices.get(slot) && it.state !== "gone");
  if (mine.length >= tabsOf(app)) return;
  let device = devices.get(slot);
  if (device === undefined) {
    device = { name: `device${devices.size + 1}`, it: world.createDevice() };
    devices.set(slot, device);
    lines.push(`const ${device.name} = world.createDevice();`);
  }
  const name = `tab${scene.next("tab")}`;
  tabs.push({ name, device, it: device.it.openTab(config) });
  lines.push(`const ${name} = ${device.name}.openTab(app);`);
};

type State = AnyTab["state"];
const alive: readonly State[] = ["running", "frozen", "cached"];

/** Calls a method of a tab that is in one of these states. */
const onPage =
  (
    method: "kill" | "close" | "freeze" | "thaw" | "bfcache" | "restore",
    from: readonly State[],
  ): Act =>
  (scene, draw) => {
    const tab = pickOf(
      scene.tabs.filter(({ it }) => from.includes(it.state)),
      draw,
    );
    if (tab === undefined) return;
    count(scene, method);
    tab.it[method]();
    scene.lines.push(`${tab.name}.${method}();`);
  };

const onTab =
  (act: (tab: PathTab, scene: Scene, draw: Draw) => void): Act =>
  (scene, draw) => {
    const running = scene.tabs.filter(({ it }) => it.state === "running");
    const tab = pickOf(running, draw);
    if (tab !== undefined) act(tab, scene, draw);
  };

const onDevice =
  (act: (device: PathDevice, scene: Scene, draw: Draw) => void): Act =>
  (scene, draw) => {
    const device = pickOf(Array.from(scene.devices.values()), draw);
    if (device !== undefined) act(device, scene, draw);
  };

const reload: Act = (scene, draw) => {
  const tab = pickOf(
    scene.tabs.filter(({ it }) => alive.includes(it.state)),
    draw,
  );
  if (tab === undefined) return;
  count(scene, "reload");
  tab.it.close();
  const name = `tab${scene.next("tab")}`;
  scene.tabs.push({ name, device: tab.device, it: tab.device.it.openTab(scene.config) });
  scene.lines.push(
    `${tab.name}.close(); // and loaded again`,
    `const ${name} = ${tab.device.name}.openTab(app);`,
  );
};

/** Lower draws are plainer: all that needs no time; some time; a few tasks, after which much is half done. */
const waits = [0, 0, 1000, 1000, 10_000, 10_000, 60_000, "tasks", "tasks"] as const;
const inWords = (ms: number): string => `${ms}`.replace(/000$/, "_000");

const time: Act = async (scene, draw) => {
  const { world, lines } = scene;
  const wait = waits[draw(waits.length)] ?? 0;
  if (wait === "tasks") {
    const tasks = 1 + draw(12);
    lines.push(`for (let task = 0; task < ${tasks}; task += 1) await world.step();`);
    for (let task = 0; task < tasks; task += 1) await world.step();
  } else {
    lines.push(wait === 0 ? "await world.settle();" : `await world.pass(${inWords(wait)});`);
    await (wait === 0 ? world.settle() : world.pass(wait));
  }
};

/** Begins a fault that lasts, or ends it: `begin` gives what ends it. */
const lasts = (
  what: string,
  begin: (scene: Scene, device: PathDevice) => () => void,
  of: (device: PathDevice) => string = ({ name }) => name,
): Act =>
  onDevice((device, scene) => {
    const key = `${what} ${of(device)}`;
    const end = scene.lasting.get(key);
    if (end !== undefined) {
      scene.lasting.delete(key);
      end();
      return;
    }
    count(scene, what);
    scene.lasting.set(key, begin(scene, device));
  });

const onMessages = (what: "dropMessages" | "delayMessages" | "duplicateMessages"): Act =>
  lasts(what, (scene, { name, it }) => {
    const stop = `end${scene.next("end")}`;
    const end = it[what]();
    scene.lines.push(`const ${stop} = ${name}.${what}();`);
    return () => {
      end();
      scene.lines.push(`${stop}();`);
    };
  });

/** Says it on, and later off. */
function switching({ lines }: Scene, line: (on: boolean) => string, set: (on: boolean) => void) {
  const turn = (on: boolean): void => {
    set(on);
    lines.push(line(on));
  };
  turn(true);
  return () => turn(false);
}

const writeFaults: readonly FaultKind[] = [
  "aborted",
  "quota",
  "lostAndNotStored",
  "lostButStored",
  "hungButStored",
  "hungAndNotStored",
];
const networkFaults: readonly NetworkFault[] = [
  "requestLost",
  "answerLost",
  "doubled",
  "requestHung",
  "answerHung",
  "html",
  "truncated",
  503,
];
const endpoints = ["push", "pull", "live"];

/** How often each step is drawn, what it needs, and what it does. */
const catalogue = {
  open: [5, undefined, open],
  commit: [34, undefined, commit],
  race: [14, undefined, race],
  time: [26, undefined, time],
  reload: [3, "pages", reload],
  close: [1.5, "pages", onPage("close", alive)],
  kill: [2, "pages", onPage("kill", alive)],
  freeze: [2.5, "pages", onPage("freeze", ["running"])],
  thaw: [2, "pages", onPage("thaw", ["frozen"])],
  bfcache: [1, "pages", onPage("bfcache", ["running"])],
  restore: [1, "pages", onPage("restore", ["cached"])],
  drop: [2, "messages", onMessages("dropMessages")],
  delay: [2, "messages", onMessages("delayMessages")],
  double: [1, "messages", onMessages("duplicateMessages")],
  failWrite: [
    4,
    "storage",
    onTab((tab, scene, draw) => {
      const kind = pickOf(writeFaults, draw) ?? "aborted";
      count(scene, "failNextWrite");
      tab.it.failNextWrite(kind);
      scene.lines.push(`${tab.name}.failNextWrite("${kind}");`);
    }),
  ],
  closeConnection: [
    1.5,
    "storage",
    onTab((tab, scene) => {
      count(scene, "closeConnection");
      tab.it.closeConnection();
      scene.lines.push(`${tab.name}.closeConnection();`);
    }),
  ],
  quota: [
    1,
    "storage",
    lasts("quota", (scene, { name, it }) =>
      switching(
        scene,
        (on) => `${name}.quota(${on});`,
        (on) => it.quota(on),
      ),
    ),
  ],
  offline: [
    7,
    "network",
    lasts("offline", (scene, { name, it }) =>
      switching(
        scene,
        (on) => `${name}.setOnline(${!on});`,
        (on) => it.setOnline(!on),
      ),
    ),
  ],
  failRequest: [
    6,
    "network",
    onDevice((_, scene, draw) => {
      const fault = pickOf(networkFaults, draw) ?? 503;
      const which = pickOf(endpoints, draw);
      count(scene, "network.next");
      scene.world.network.next(fault, which);
      scene.lines.push(`world.network.next(${literal(fault)}, "${which}");`);
    }),
  ],
  reject: [
    2.5,
    "rejections",
    lasts(
      "rejectAll",
      (scene) =>
        switching(
          scene,
          (on) => `server.rejectAll(${on});`,
          (on) => scene.server?.rejectAll(on),
        ),
      () => "server",
    ),
  ],
} satisfies Record<string, readonly [weight: number, trouble: Trouble | undefined, act: Act]>;

export type StepKind = keyof typeof catalogue;

/** The steps of a seed: a tab of each device is opened, or two of a single one, and then whatever is drawn. */
export function drawSteps(app: AnyApp, seed: number): readonly Step[] {
  const draw = createDraw(createSeededRandom(seed + 0.25));
  const { without = [], steps = 30 } = app.options;
  const entries = Object.entries(catalogue) as [StepKind, (typeof catalogue)[StepKind]][];
  const kinds = entries.filter(([, [, trouble]]) => {
    if (trouble === undefined) return true;
    const isOfServer = trouble === "network" || trouble === "rejections";
    return !without.includes(trouble) && (hasServer(app) || !isOfServer);
  });
  const total = kinds.reduce((sum, [, [weight]]) => sum + weight, 0);
  const drawKind = (): StepKind => {
    let left = (draw(2 ** 30) / 2 ** 30) * total;
    for (const [kind, [weight]] of kinds) {
      left -= weight;
      if (left < 0) return kind;
    }
    return "commit";
  };
  const slots = devicesOf(app) > 1 ? devicesOf(app) : Math.min(2, tabsOf(app));
  const all = Array.from({ length: slots }, (_, slot): Step => ({
    kind: "open",
    seed: 0,
    draws: [slot],
  }));
  // Something to begin with, that all know of: most of what can go wrong is about what is there.
  const wait: Step = { kind: "time", seed: 0, draws: [2] };
  const begin = (): Step => ({ kind: "commit", seed: draw(2 ** 30) });
  all.push(wait, begin(), begin(), wait);
  // Short ones and long ones. Whatever else happened, in the end all do the same before they hear of each other.
  const length = Math.ceil((steps * (1 + draw(4))) / 4);
  while (all.length < length - 1) all.push({ kind: drawKind(), seed: draw(2 ** 30) });
  all.push({ kind: "race", seed: draw(2 ** 30) });
  return all;
}

/**
 * Does a step, and notes what it draws. What takes no time gives no promise, and must not be awaited: in the test that is
 * printed nothing is between two of its lines either.
 */
export function perform(
  scene: Scene,
  { kind, seed, draws }: Step,
  drawn: number[],
): void | Promise<void> {
  const fromSeed = createDraw(createSeededRandom(seed + 0.75));
  const draw: Draw = (below) => {
    const value =
      draws === undefined
        ? fromSeed(below)
        : Math.max(0, Math.min(draws[drawn.length] ?? 0, below - 1));
    drawn.push(value);
    return value;
  };
  const act: Act = catalogue[kind][2];
  return act(scene, draw);
}

/** The same step with lower choices, the plainest first: of a race, first the part of one tab alone. */
export function plainer({ kind, seed, draws = [] }: Step): readonly Step[] {
  const alone = kind === "race" ? [0, 1, 2, 3] : [];
  return [
    ...alone.map((tab): Step => ({ kind: "commit", seed, draws: [tab, ...draws] })),
    ...draws.flatMap((drawn, at) =>
      Array.from(new Set([0, drawn - 1]))
        .filter((it) => it >= 0 && it < drawn)
        .map((it): Step => ({ kind, seed, draws: draws.with(at, it) })),
    ),
  ];
}
