/**
 * The leader's end, at every place where it can come: once a run without it is recorded, it is repeated for every port call that
 * any tab made in it, and the leader is struck immediately before that call, or after it, while another tab takes over and a
 * third one writes.
 */
import { demand } from "../../simulate/demand.ts";
import { comeToRest, expectWhole } from "./oracles.ts";
import { type Moment, type PortCall } from "./probe.ts";
import { type Scene, type Tab, createScene } from "./scene.ts";

/**
 * What happens to the leader: it crashes; its process stops and is told nothing, so that it keeps the lock, and goes on when
 * another one has stolen it; it goes into the back/forward cache; its connection is closed by force; it goes offline.
 */
export type Stroke = "killed" | "stopped" | "cached" | "disconnected" | "offline";

export interface Course {
  readonly name: string;
  readonly server: boolean;
  /** Those that are always tried. Default: all. */
  readonly strokes?: readonly Stroke[];
  /** Which tab is the leader that is struck, and which one writes then, by the order in which they were opened. */
  readonly victim: number;
  readonly third: number;
  /** Up to where the recorded part begins. */
  begin(scene: Scene): Promise<void>;
  /** The recorded part. */
  go(scene: Scene): Promise<void>;
}

export interface Recording {
  readonly course: Course;
  readonly calls: readonly PortCall[];
  /** The first call of the recorded part. */
  readonly from: number;
  /** What is wrong even without a stroke. */
  readonly wrong: unknown;
}

export interface Cut {
  readonly title: string;
  /** Just before or just after a call. */
  readonly call?: Moment;
  /** After so many tasks. */
  readonly task?: number;
}

const seed = 5;

const tabAt = ({ tabs }: Scene, at: number): Tab => {
  const tab = tabs[at];
  if (tab === undefined) throw new Error(`Expected a tab ${at}, got ${tabs.length} tabs`);
  return tab;
};

export async function record(course: Course): Promise<Recording> {
  const scene = createScene({ seed, server: course.server });
  await course.begin(scene);
  const from = scene.probe.calls.length;
  await course.go(scene);
  const calls = Array.from(scene.probe.calls);
  // Without any stroke all is well. What is not is told by a test.
  let wrong: unknown;
  try {
    await scene.act(() => scene.tabs.forEach(comeBack));
    await comeToRest(scene);
    await expectWhole(scene);
  } catch (error) {
    wrong = error;
  }
  return { course, calls, from, wrong };
}

const nameOf = ({ tab, name }: PortCall): string => `${tab}: ${name}`;

/**
 * One cut for each different place between calls. Two places are the same where no call lies between them that reaches beyond
 * its tab: a timer is the tab's own, and what the tab does with its memory dies with it.
 */
export function cutsBetweenCalls({ calls, from }: Recording): readonly Cut[] {
  const cuts: Cut[] = [];
  for (let at = from; at < calls.length; at += 1) {
    const [call, before] = [calls[at] as PortCall, calls[at - 1]];
    const isNew = at === from || before?.moment !== call.moment;
    if (isNew) cuts.push({ title: `before ${at} ${nameOf(call)}`, call: { at, when: "before" } });
    if (!call.name.startsWith("clock."))
      cuts.push({ title: `after ${at} ${nameOf(call)}`, call: { at, when: "after" } });
  }
  return cuts;
}

/** One cut for each end of a task that makes calls: what a page is told, it is told between two of its tasks. */
export function cutsBetweenTasks({ calls, from }: Recording): readonly Cut[] {
  const cuts = new Map<number, Cut>();
  for (const call of calls.slice(from)) {
    for (const [task, when] of [
      [call.moment, "before"],
      [call.moment + 1, "after"],
    ] as const)
      if (!cuts.has(task)) cuts.set(task, { title: `${when} ${task} ${nameOf(call)}`, task });
  }
  return Array.from(cuts.values());
}

const strike: Readonly<Record<Stroke, (tab: Tab, scene: Scene) => void>> = {
  killed: ({ page }) => page.kill(),
  stopped({ page }, { probe }) {
    probe.deaf.add(page.name);
    page.freeze();
  },
  cached: ({ page }) => page.bfcache(),
  disconnected: ({ page }) => page.closeConnection(),
  offline: ({ page }) => page.setOnline(false),
};

export const isTold = (stroke: Stroke): boolean => stroke === "cached" || stroke === "offline";

/** What a page that is still there does when the others have gone on. */
function comeBack({ page }: Tab): void {
  page.thaw();
  page.restore();
  page.setOnline(true);
}

/** Runs it again, strikes at the cut, and sees that nothing was lost and everything goes on. */
export async function runCut(
  { course, calls }: Recording,
  stroke: Stroke,
  cut: Cut,
): Promise<Scene> {
  const scene = createScene({ seed, server: course.server });
  const { probe, world } = scene;
  let struck = false;
  let spoke = false;
  const hit = (): void => {
    struck = true;
    const made = probe.calls.map(nameOf);
    const at = made.findIndex((name, index) => name !== nameOf(calls[index] as PortCall));
    demand(at === -1, `Expected call ${at} to be the recorded one, got`, String(made[at]));
    strike[stroke](tabAt(scene, course.victim), scene);
  };
  if (cut.call !== undefined) probe.betweenCalls(cut.call, hit);
  if (cut.task !== undefined) probe.betweenTasks(cut.task, hit);
  const stop = world.watch(() => {
    if (!struck || spoke) return;
    spoke = true;
    const third = tabAt(scene, course.third);
    third.page.restore();
    scene.commit(third, "third");
  });
  await course.begin(scene);
  await course.go(scene);
  stop();
  demand(struck, "Expected the place of the cut to come, got the end of the run");
  const victim = tabAt(scene, course.victim);
  const isLed = (): boolean =>
    scene.tabs.some(
      ({ device, page, sync }) =>
        device === victim.device && page.state === "running" && sync.status.role === "leader",
    );
  for (let tries = 0; tries < 30 && !isLed(); tries += 1) await world.pass(2000);
  demand(isLed(), "Expected a tab that runs to lead within a minute, got none");
  await scene.act(() => scene.tabs.forEach(comeBack));
  await world.pass(1000);
  await scene.act(() => {
    for (const [at, tab] of scene.tabs.entries()) scene.commit(tab, `last-${at}`);
  });
  await comeToRest(scene);
  await expectWhole(scene);
  return scene;
}
