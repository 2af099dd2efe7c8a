/** What can happen in a history: each step is drawn before anything runs, and means something on any history before it. */
import { type FaultKind } from "../../src/testing/index.ts";
import { createDraw } from "../../src/testing/scheduler.ts";
import { createSeededRandom } from "../../src/testing/seeded-random.ts";
import { type Input, scope } from "./app.ts";
import { type Act, counted, lasts, pick } from "./acts.ts";
import { network } from "./network-steps.ts";
import { type Place, type Tab, type World } from "./world.ts";

/** `slot`: which of the tabs that live. `a` and `b`: numbers that the step makes what it wants of. */
export interface Step {
  readonly kind: Kind;
  readonly slot: number;
  readonly a: number;
  readonly b: number;
}

/** Faults that last, and how they end. */
export type Lasting = Map<string, () => void>;

const mostTabs = 4;
const writeFaults: readonly FaultKind[] = [
  "lostButStored",
  "lostAndNotStored",
  "hungButStored",
  "hungAndNotStored",
  "aborted",
  "lost",
  "quota",
  "refused",
];
const readFaults: readonly FaultKind[] = ["aborted", "lost", "hungButStored"];
const openFaults: readonly FaultKind[] = ["unavailable", "lost", "hungAndNotStored"];

const name = (at: number): string => `e${at % 12}`;

/** An entry that the tab shows; mostly it has some. */
function shownName({ sync }: Tab, at: number): string {
  const entries = sync.tables.entries.toArray();
  return pick(entries, at)?.id ?? name(at);
}

/** Events that may be committed as one. */
function inputsOf({ kind, a, b }: Step, tab: Tab, marks: number): Input[] {
  const fresh: Input = { name: "added", payload: { id: `mark-${marks}` } };
  const moved: Input = { name: "moved", payload: { id: shownName(tab, b), place: `p${a % 9}` } };
  const added: Input = { name: "added", payload: { id: name(a) } };
  const taken: Input = { name: "taken", payload: { id: shownName(tab, a) } };
  const invited: Input = { name: "invited", payload: { mail: `m${a % 5}` } };
  const raised: Input = { name: "levelRaised", payload: { id: `level-${a % 6}` } };
  if (kind === "commitSeveral")
    return pick<Input[]>(
      [
        [fresh, taken],
        [added, moved],
        [fresh, raised, moved],
        [invited, fresh],
        [added, taken, fresh],
      ],
      b,
    );
  if (kind === "slide") return [{ name: "slid", payload: { value: a % 100 } }];
  return [
    pick(
      [fresh, added, moved, { name: "removed", payload: { id: name(b) } }, taken, invited, raised],
      a >> 4,
    ),
  ];
}

const say = (inputs: readonly Input[]): string =>
  inputs.map((it) => `${it.name} ${Object.values(it.payload).join(" ")}`).join(" and ");

/** All that run take the same entry before any of them hears of the others: one will have it. */
const race: Act = ({ world, step }, tab) => {
  const taken: Input = { name: "taken", payload: { id: shownName(tab, step.a) } };
  const racers = world
    .alive()
    .filter(({ page }) => page.state === "running")
    .filter((it, at) => {
      const mark: Input = { name: "added", payload: { id: `mark-${world.nextMark()}` } };
      return world.commit(it, (step.b + at) % 2 === 0 ? [mark, taken] : [taken]) === undefined;
    });
  if (racers.length > 1) world.count("several tabs take one entry");
  return `: ${racers.map(({ page }) => page.name).join(" and ") || "nobody"} take ${taken.payload.id}`;
};

const plant: Act = ({ world, step: { a } }, { place }) => {
  const level: Input = { name: "levelRaised", payload: { id: `level-${a % 6}` } };
  const gone = { name: "gone", payload: {} };
  const [what, events] = pick<[string, object[]?]>(
    [["junk in the log"], ["a strange event", [gone]], ["a strange commit", [level, gone]]],
    a >> 4,
  );
  if (!world.plant(place, events)) return "";
  world.count(what);
  return `: ${what}`;
};

const commit: Act = ({ world, step }, tab) => {
  const inputs = inputsOf(step, tab, world.nextMark());
  const refused = world.commit(tab, inputs);
  return `commits ${say(inputs)}${refused === undefined ? "" : ` (${refused})`}`;
};

const open = (world: World, { b }: Step, isNewer = false): string => {
  const place = pick(world.places, b);
  const { length } = world.alive().filter((tab) => tab.place === place);
  // With a server there are several devices.
  if (length >= (world.space === undefined ? mostTabs : 3)) return "";
  const version = isNewer ? 2 : newest(place, world);
  const { page } = world.open(version, place);
  return `${page.name} is opened${version > 1 ? ", with a newer app" : ""}`;
};

const onPage =
  (what: string, from: readonly string[], act: (tab: Tab) => void): Act =>
  ({ world }, tab) => {
    if (!from.includes(tab.page.state)) return "";
    world.count(what);
    act(tab);
    return what;
  };

/** How often each step is drawn, and what it does. Those without a tab begin their sentence themselves. */
const catalogue = {
  open: [8, ({ world, step }) => open(world, step)],
  openNewer: [2.5, ({ world, step }) => open(world, step, true)],
  commit: [34, commit],
  commitSeveral: [16, commit],
  race: [10, race],
  slide: [6, commit],
  kill: [2, onPage("crashes", ["running", "frozen", "cached"], ({ page }) => page.kill())],
  close: [2, onPage("is closed", ["running", "frozen", "cached"], ({ page }) => page.close())],
  stop: [
    1,
    ({ world }, tab) => {
      if (tab.page.state !== "running") return "";
      world.count("is stopped");
      tab.stopped = true;
      void tab.sync.stop();
      return "is stopped";
    },
  ],
  freeze: [6, onPage("is frozen", ["running"], ({ page }) => page.freeze())],
  thaw: [4, onPage("is thawed", ["frozen"], ({ page }) => page.thaw())],
  cache: [3, onPage("goes into the back/forward cache", ["running"], ({ page }) => page.bfcache())],
  restore: [3, onPage("comes back from the cache", ["cached"], ({ page }) => void page.restore())],
  hide: [2, onPage("is hidden", ["running"], ({ page }) => page.hide())],
  show: [2, onPage("is shown", ["running"], ({ page }) => page.show())],
  failWrite: [
    8,
    ({ world, step }, tab) => {
      const kind = pick(writeFaults, step.a);
      world.count(`write ${kind}`);
      // Only what a commit holds can be such that it is never stored; and the rare writes should have their share.
      const operation =
        kind === "refused" ? "append" : pick([undefined, "append", "lead"] as const, step.b);
      tab.page.failNextWrite(kind, operation);
      return `will see its next ${operation ?? "write"} fail: ${kind}`;
    },
  ],
  failRead: [
    3,
    ({ world, step }, tab) => {
      const kind = pick(readFaults, step.a);
      world.count(`read ${kind}`);
      tab.page.failNextRead(kind);
      return `will see its next read fail: ${kind}`;
    },
  ],
  failOpen: [
    2,
    ({ world, step }, tab) => {
      const kind = pick(openFaults, step.a);
      world.count(`open ${kind}`);
      tab.page.failNextOpen(kind);
      return `will see its next opening fail: ${kind}`;
    },
  ],
  closeOne: [
    3,
    counted("its connection is closed by force", (_, { page }) => page.closeConnection()),
  ],
  closeAll: [
    1,
    counted("all connections are closed by force", (_, { place }) =>
      place.device.closeConnection(),
    ),
  ],
  quota: [
    2,
    lasts("there is no space", (device) => {
      device.quota(true);
      return () => device.quota(false);
    }),
  ],
  unavailable: [
    2,
    lasts("no database can be opened", (device) => {
      device.unavailable(true);
      return () => device.unavailable(false);
    }),
  ],
  block: [2, lasts("opening is blocked", (device) => device.blockOpen())],
  drop: [3, lasts("messages are lost", (device) => device.dropMessages())],
  delay: [3, lasts("messages are held back", (device) => device.delayMessages())],
  double: [3, lasts("messages come twice", (device) => device.duplicateMessages())],
  forge: [2, counted("a broken message arrives", (_, { place }) => place.device.sendBroken(scope))],
  steal: [2, lasts("a stranger has the lock", (device) => device.stealLock())],
  usurp: [
    3,
    counted("a stranger takes the lock for a moment", (_, { place }) => place.device.stealLock()()),
  ],
  stall: [
    4,
    ({ world, lasting }, { page }) => {
      const what = `the disk is slow for ${page.name}`;
      const end = lasting.get(what);
      lasting.delete(what);
      end?.();
      if (end !== undefined) return `: ${what} no more`;
      world.count("the disk is slow");
      lasting.set(what, page.stall());
      return `: ${what}`;
    },
  ],
  heal: [
    8,
    ({ lasting }) => {
      if (lasting.size === 0) return "";
      for (const end of lasting.values()) end();
      lasting.clear();
      return ": what lasted ends";
    },
  ],
  clear: [0.6, counted("site data is cleared", (_, { place }) => place.device.clearSiteData())],
  deletion: [
    0.3,
    counted("another page deletes the database", (_, { place }) => place.device.deleteDatabase()),
  ],
  discardOutbox: [
    1,
    ({ world, step }, { sync }) => {
      const event = pick(sync.outbox.list(), step.a);
      if (event === undefined) return "";
      world.count("outbox discard");
      sync.outbox.discard(event.id).catch(() => undefined);
      return `discards ${event.name}, if it is not written yet`;
    },
  ],
  retryOutbox: [
    1,
    ({ world, step }, { sync }) => {
      const event = pick(sync.outbox.list(), step.a);
      if (event === undefined) return "";
      world.count("outbox retry");
      sync.outbox.retry(event.id).catch(() => undefined);
      return "tries at once what waits";
    },
  ],
  discardRejected: [
    1,
    ({ world, step }, { sync }) => {
      const it = pick(sync.rejected.list(), step.a);
      if (it === undefined) return "";
      world.count("rejected discard");
      sync.rejected.discard(it.event.id).catch(() => undefined);
      return `discards the rejected ${it.event.name}`;
    },
  ],
  retryRejected: [
    3,
    ({ world, step }, tab) => {
      const it = pick(tab.sync.rejected.list(), step.a);
      if (it === undefined) return "";
      const those = step.b % 2 === 0 ? world.alive() : [tab];
      for (const each of those.filter(({ page }) => page.state === "running")) {
        world.count("rejected retry");
        world.adopt(each, () => each.sync.rejected.retry(it.event.id));
      }
      return `${those.length > 1 ? "and all others try" : "tries"} the rejected ${it.event.name} again`;
    },
  ],
  mend: [
    8,
    (scene, tab) => {
      const { world, step } = scene;
      const entry = pick(tab.sync.quarantine.list(), step.a);
      if (entry === undefined) return plant(scene, tab);
      // All that run try the same one, each in its own way.
      const menders = world.alive().filter(({ page }) => page.state === "running");
      const those = step.b % 2 === 0 ? menders : [tab];
      those.forEach((it, at) => {
        world.count("quarantine retry");
        const mended: Input = {
          name: "levelRaised",
          payload: { id: `level-${(step.b + at) % 6}` },
        };
        const mend = (raw: unknown): unknown =>
          (raw as { readonly name?: string } | null)?.name === undefined ? [mended] : mended;
        world.adopt(it, () => it.sync.quarantine.retry(entry.id, mend));
      });
      return `: ${those.map(({ page }) => page.name).join(" and ")} mend ${entry.id}`;
    },
  ],
  discardQuarantine: [
    1,
    ({ world, step }, { sync }) => {
      const entry = pick(sync.quarantine.list(), step.a);
      if (entry === undefined) return "";
      world.count("quarantine discard");
      sync.quarantine.discard(entry.id).catch(() => undefined);
      return `discards ${entry.id}`;
    },
  ],
  work: [
    22,
    async ({ world, step }) => {
      const tasks = 1 + (step.a % 12);
      for (let at = 0; at < tasks; at += 1) if (!(await world.devices.step())) break;
      return `: ${tasks} tasks run`;
    },
  ],
  settle: [
    6,
    async ({ world }) => {
      await world.devices.settle();
      return ": all goes on that needs no time";
    },
  ],
  rest: [
    14,
    async ({ world, step }) => {
      const ms = 1 + (step.a % 4000);
      await world.devices.pass(ms);
      return `: ${ms} ms pass`;
    },
  ],
  wait: [
    4,
    async ({ world, step }) => {
      const ms = 5000 + (step.a % 20_000);
      await world.devices.pass(ms);
      return `: ${ms} ms pass`;
    },
  ],
  ...network,
} satisfies Record<string, readonly [weight: number, act: Act]>;

type Kind = keyof typeof catalogue;

/** Once somebody has the newer app, most who open it get that. */
const newest = (place: Place, world: World): number =>
  world.alive().some((tab) => tab.place === place && tab.version > 1)
    ? 2
    : (place.history.epochs.at(-1)?.schema ?? 1);

/** The steps of a seed. */
export function drawSteps(seed: number, count: number, withServer = false): Step[] {
  const draw = createDraw(createSeededRandom(seed + 0.5));
  const kinds = (Object.entries(catalogue) as [Kind, readonly [number, Act]][]).filter(([kind]) =>
    withServer ? !ofDevice.has(kind) : !Object.hasOwn(network, kind),
  );
  const total = kinds.reduce((sum, [, [weight]]) => sum + weight, 0);
  const drawKind = (): Kind => {
    let left = (draw(2 ** 30) / 2 ** 30) * total;
    for (const [kind, [weight]] of kinds) {
      left -= weight;
      if (left < 0) return kind;
    }
    return "work";
  };
  // Something to begin with: most faults are about what is there.
  const first: readonly Kind[] = ["open", "settle", "commitSeveral", "open", "settle", "commit"];
  const steps = first.map((kind, at): Step => ({ kind, slot: 0, a: draw(2 ** 16), b: at }));
  while (steps.length < count)
    steps.push({ kind: drawKind(), slot: draw(mostTabs), a: draw(2 ** 16), b: draw(2 ** 16) });
  return steps;
}

/** Not tried with a server: newer versions of the app. */
const ofDevice: ReadonlySet<Kind> = new Set<Kind>(["openNewer"]);

const withoutTab: ReadonlySet<Kind> = new Set(["open", "openNewer"]);

const ofCode: ReadonlySet<Kind> = new Set([
  "commit",
  "commitSeveral",
  "race",
  "slide",
  "discardOutbox",
  "retryOutbox",
  "discardRejected",
  "retryRejected",
  "mend",
  "discardQuarantine",
]);

/** Does a step. Gives its sentence; nothing where it had no meaning. */
export async function perform(world: World, lasting: Lasting, step: Step): Promise<string> {
  const tabs = world.alive();
  const tab = tabs[step.slot % Math.max(1, tabs.length)];
  const act: Act = catalogue[step.kind][1];
  if (withoutTab.has(step.kind)) return await act({ world, lasting, step }, undefined as never);
  if (tab === undefined) return "";
  // The code of a page that does not run commits nothing.
  if (ofCode.has(step.kind) && tab.page.state !== "running") return "";
  const said = await act({ world, lasting, step }, tab);
  if (said === "") return "";
  return said.startsWith(": ") ? said.slice(2) : `${tab.page.name} ${said}`;
}
