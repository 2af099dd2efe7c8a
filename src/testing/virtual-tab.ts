/** What can happen to a page as a whole. Each virtual port that has tabs gives each tab these. */
export interface VirtualTab {
  /** Stops its code: what arrives from now on waits. What it holds it keeps. */
  freeze(): void;
  /** Ends a freeze: what waited is handed over, in order. */
  thaw(): void;
  /** A crash or a close: nothing is handed over any more, and what it held is let go. */
  die(): void;
}

/** Runs a task later. Swap it to decide when, and in which order, things happen. */
export type Schedule = (task: () => void) => void;

/** A page's event loop as others see it: what is handed to it runs later, in order, not while frozen, never once dead. */
export interface Mailbox {
  readonly hand: (task: () => void) => void;
  readonly freeze: () => void;
  readonly thaw: () => void;
  readonly die: () => void;
  readonly dead: () => boolean;
}

/** Creates the mailbox of a page that runs. */
export const createMailbox = (schedule: Schedule): Mailbox => {
  let state: "running" | "frozen" | "dead" = "running";
  const tasks: (() => void)[] = [];
  const next = (): void => {
    if (state === "running") tasks.shift()?.();
  };
  return {
    hand(task) {
      if (state === "dead") return;
      tasks.push(task);
      schedule(next);
    },
    freeze() {
      if (state === "running") state = "frozen";
    },
    thaw() {
      if (state !== "frozen") return;
      state = "running";
      for (const _ of tasks) schedule(next);
    },
    die() {
      state = "dead";
    },
    dead: () => state === "dead",
  };
};
