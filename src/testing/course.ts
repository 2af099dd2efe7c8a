/**
 * The course of things in memory: who runs next, and what time it is. Nothing happens unless the test says so, and what could
 * happen in several orders happens in one that is drawn from the seed.
 *
 * Of real time it uses none but a turn of the event loop after each task, in which promises go on.
 */
import { type Draw, createBag, nextTask } from "./scheduler.ts";
import { type Schedule } from "./virtual-tab.ts";

/** Time and order, as a test has them in hand. Devices of one world share them. */
export interface Course {
  /** ms since the epoch, by the clock of the device. */
  now(): number;
  /** Whole numbers from the seed, for a test's own choices: `draw(6)` gives 0 to 5. */
  readonly draw: Draw;
  /** Runs one of the tasks that wait, drawn by the seed. False: none waits, but perhaps for time. */
  step(): Promise<boolean>;
  /** Runs until nothing is left that needs no time to pass. */
  settle(): Promise<void>;
  /** Lets `ms` pass, timer by timer, and settles after each. The timers of a frozen page wait until it thaws. */
  pass(ms: number): Promise<void>;
  /** Settles until the promise settles, letting time pass (at most ten minutes) when nothing else goes on. */
  run<R>(promise: Promise<R>): Promise<R>;
  /** What ran so far, in order. */
  readonly trace: readonly string[];
  /** Calls back after each task, with its name: the place for what must always hold. The returned function ends it. */
  watch(listener: (what: string) => void): () => void;
}

/** @internal What has timers: a page, or a server. */
export interface Timed {
  readonly name: string;
  /** What does not run has timers that wait. */
  runs(): boolean;
  /** When its next timer falls due; null when there is none. */
  nextTimer(): number | null;
  /** Calls that timer. */
  fireTimer(): void;
  /** Time went on. */
  skipTo(time: number): void;
}

/** More tasks than any test needs: something goes round in circles. */
const mostTasks = 1_000_000;

/** Begins at `now`, with nothing to do. */
export function createCourse(
  draw: Draw,
  now: number,
): {
  readonly course: Course;
  readonly schedule: Schedule;
  readonly join: (timed: Timed) => void;
} {
  const bag = createBag();
  const trace: string[] = [];
  const all: Timed[] = [];
  const listeners = new Set<(what: string) => void>();
  let time = now;

  const awake = (): readonly Timed[] => all.filter((it) => it.runs());

  async function runOne(): Promise<boolean> {
    const due = awake().filter((it) => (it.nextTimer() ?? Infinity) <= time);
    const count = bag.size() + due.length;
    if (count === 0) return false;
    const at = draw(count);
    const timed = due[at - bag.size()];
    const { run, what } =
      timed === undefined
        ? bag.take(at)
        : { run: () => timed.fireTimer(), what: `${timed.name}: timer` };
    trace.push(what);
    run();
    await nextTask();
    for (const listener of listeners) listener(what);
    return true;
  }

  async function settle(): Promise<void> {
    await nextTask();
    for (let tasks = 0; await runOne(); tasks += 1)
      if (tasks > mostTasks)
        throw new Error(`Expected the device to come to rest, got ${tasks} tasks`);
  }

  /** Goes on to the next timer, at most to `end`. False: there is none before. */
  function advance(end: number): boolean {
    const timers = awake().map((it) => it.nextTimer() ?? Infinity);
    const next = Math.min(...timers, Infinity);
    time = Math.max(time, Math.min(next, end));
    for (const it of all) it.skipTo(time);
    return next <= end;
  }

  const course: Course = {
    now: () => time,
    draw,
    async step() {
      await nextTask();
      return await runOne();
    },
    settle,
    async pass(ms) {
      const end = time + ms;
      do await settle();
      while (advance(end));
      await settle();
    },
    async run(promise) {
      const state = { settled: false };
      const outcome = promise.finally(() => {
        state.settled = true;
      });
      outcome.catch(() => undefined);
      const end = time + 600_000;
      do await settle();
      while (!state.settled && advance(end));
      if (!state.settled)
        throw new Error(
          "Expected the promise to settle within ten minutes of the device, got none",
        );
      return await outcome;
    },
    trace,
    watch(listener) {
      const own = (what: string): void => listener(what);
      listeners.add(own);
      return () => {
        listeners.delete(own);
      };
    },
  };
  return {
    course,
    schedule: (task, what = "task") => bag.add(task, what),
    join: (timed) => all.push(timed),
  };
}
