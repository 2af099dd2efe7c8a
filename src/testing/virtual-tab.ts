/** What can happen to a page as a whole. Each virtual port that has tabs gives each tab these. */
export interface VirtualTab {
  /** Stops its code: what arrives from now on waits. What it holds it keeps. */
  freeze(): void;
  /** Ends a freeze: what waited is handed over, in order. */
  thaw(): void;
  /** A crash or a close: nothing is handed over any more, and what it held is let go. */
  die(): void;
}

/** Runs a task later. Swap it to decide when, and in which order, things happen; `what` names the task in a trace. */
export type Schedule = (task: () => void, what?: string) => void;

/** A page's event loop as others see it: what is handed to it runs later, in order, not while frozen, never once dead. */
export interface Mailbox {
  readonly hand: (task: () => void, what?: string) => void;
  readonly freeze: () => void;
  readonly thaw: () => void;
  readonly die: () => void;
  readonly dead: () => boolean;
  readonly frozen: () => boolean;
}

/** Creates the mailbox of a page that runs. */
export const createMailbox = (schedule: Schedule): Mailbox => {
  let state: "running" | "frozen" | "dead" = "running";
  let tasks: { readonly task: () => void; readonly what: string | undefined }[] = [];
  const next = (): void => {
    if (state === "running") tasks.shift()?.task();
  };
  return {
    hand(task, what) {
      if (state === "dead") return;
      tasks.push({ task, what });
      if (state === "running") schedule(next, what);
    },
    freeze() {
      if (state === "running") state = "frozen";
    },
    thaw() {
      if (state !== "frozen") return;
      state = "running";
      for (const { what } of tasks) schedule(next, what);
    },
    die() {
      state = "dead";
      tasks = [];
    },
    dead: () => state === "dead",
    frozen: () => state === "frozen",
  };
};
