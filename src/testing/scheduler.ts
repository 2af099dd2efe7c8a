/** Who runs next: all that waits is in one bag, and each task is drawn from it. The same draws give the same run. */
import { nextTask as nextMessage } from "../services/system-clock.ts";
import { type RandomPort } from "../services/ports.ts";

/** Draws whole numbers: `draw(6)` gives 0 to 5. */
export type Draw = (below: number) => number;

/** Draws from a source of random bytes. */
export const createDraw =
  (random: RandomPort): Draw =>
  (below) => {
    const bytes = random.bytes(4);
    const word = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0);
    return Math.floor((word / 2 ** 32) * below);
  };

interface Task {
  readonly run: () => void;
  readonly what: string;
}

/** The bag of tasks that wait. */
export const createBag = () => {
  const tasks: Task[] = [];
  return {
    size: () => tasks.length,
    add(run: () => void, what: string): void {
      tasks.push({ run, what });
    },
    /** Takes the task at an index out of the bag. */
    take(at: number): Task {
      const task = tasks[at];
      const last = tasks.pop();
      if (task === undefined || last === undefined)
        throw new Error(`Expected a task at ${at}, got none`);
      if (at < tasks.length) tasks[at] = last;
      return task;
    },
  };
};

/** Resolves when all promises that can go on without the outside have gone on. */
export const nextTask = (): Promise<void> => {
  const { setImmediate } = globalThis as { setImmediate?: (task: () => void) => unknown };
  return setImmediate === undefined
    ? nextMessage()
    : new Promise((resolve) => void setImmediate(resolve));
};
