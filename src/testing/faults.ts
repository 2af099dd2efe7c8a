/** What can go wrong with one operation of a storage, and which operation it goes wrong with. */
import {
  type Connection,
  type ConnectionEvents,
  StorageFailure,
  type StorageFailureKind,
} from "../services/ports.ts";

/** By the name of its method; `open` is the port's own. */
export type Operation = "open" | Exclude<keyof Connection, "letGo" | "close">;

/** What becomes of one operation: calls `run` when, and if, it shall happen. */
export type Fault = (run: () => Promise<unknown>, events: ConnectionEvents) => Promise<unknown>;

const never = (): Promise<never> => new Promise(() => undefined);

/** Seen to fail, and did not happen. */
export const failing =
  (kind: StorageFailureKind): Fault =>
  () =>
    Promise.reject(new StorageFailure(kind, `Injected: ${kind}`));

/** The outcome is not told, and it did happen. */
export const lostButStored: Fault = async (run) => {
  await run();
  throw new StorageFailure("lost", "Injected: lost, but stored");
};

/** The outcome is not told, and it did not happen. */
export const lostAndNotStored: Fault = failing("lost");

/** Nothing is ever told, and it did happen. */
export const hungButStored: Fault = async (run) => {
  await run();
  return never();
};

/** Nothing is ever told, and it did not happen. */
export const hungAndNotStored: Fault = never;

export interface Held {
  readonly fault: Fault;
  /** The operation has arrived. */
  readonly reached: Promise<void>;
  /** Lets it go on. */
  release(): void;
}

/** Holds an operation until it is released: `before` it happens, or `after`. */
export function hold(when: "before" | "after" = "before"): Held {
  let release: (() => void) | undefined;
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  let reach: (() => void) | undefined;
  const reached = new Promise<void>((resolve) => {
    reach = resolve;
  });
  return {
    reached,
    release: () => release?.(),
    async fault(run) {
      const early = when === "after" ? await run() : undefined;
      reach?.();
      await released;
      return when === "after" ? early : await run();
    },
  };
}

/** Opening waits for another tab, until it is released. */
export function block(): Held {
  const held = hold();
  return {
    ...held,
    fault(run, events) {
      events.blocked();
      return held.fault(run, events);
    },
  };
}

/** Which operations a fault is for. */
export type Which = Operation | ((operation: Operation) => boolean);

interface Plan {
  readonly which: Which;
  readonly fault: Fault;
}

/** The faults that operations will meet. */
export interface Faults {
  /** The next such operation, that no other fault is planned for, meets this. */
  next(which: Which, fault: Fault): void;
  /** Every such operation meets this, until the returned function is called. */
  always(which: Which, fault: Fault): () => void;
  /** The fault that this operation meets: a planned one is used up. */
  meet(operation: Operation): Fault | undefined;
}

/** No faults yet. */
export function createFaults(): Faults {
  const planned: Plan[] = [];
  const standing = new Set<Plan>();
  const isFor =
    (operation: Operation) =>
    ({ which }: Plan): boolean =>
      typeof which === "function" ? which(operation) : which === operation;
  return {
    next: (which, fault) => planned.push({ which, fault }),
    always(which, fault) {
      const rule: Plan = { which, fault };
      standing.add(rule);
      return () => standing.delete(rule);
    },
    meet(operation) {
      const at = planned.findIndex(isFor(operation));
      const [plan] = at === -1 ? [] : planned.splice(at, 1);
      return (plan ?? Array.from(standing).find(isFor(operation)))?.fault;
    },
  };
}

/** The connection with each of its operations done by `perform`, those that come later in its history included. */
export function wrapOperations(
  inner: Connection,
  perform: (
    operation: Operation,
    args: readonly unknown[],
    run: () => Promise<unknown>,
  ) => Promise<unknown>,
  own: Pick<Connection, "letGo" | "close">,
): Connection {
  const operations = Object.entries(inner as unknown as Record<string, unknown>).filter(
    (entry): entry is [Operation, (...args: readonly unknown[]) => Promise<unknown>] =>
      typeof entry[1] === "function" && !Object.hasOwn(own, entry[0]),
  );
  const wrapped = operations.map(([operation, call]) => [
    operation,
    (...args: readonly unknown[]) => perform(operation, args, () => call(...args)),
  ]);
  return { ...(Object.fromEntries(wrapped) as Connection), ...own };
}
