/** A storage that fails when it is told to: wraps any other, and stands for one tab's view of it. */
import {
  type Connection,
  type ConnectionEvents,
  StorageFailure,
  type StorageFailureKind,
  type StoragePort,
} from "../../src/services/ports.ts";

export type Operation =
  | "open"
  | "append"
  | "ensure"
  | "read"
  | "initialise"
  | "claim"
  | "lead"
  | "quarantine"
  | "evict";

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

export interface FaultyStorage extends StoragePort {
  /** Operations in the order in which they were asked for. */
  readonly calls: readonly Operation[];
  /** The next operation of the kind, that no other fault is planned for, meets this. */
  next(operation: Operation, fault: Fault): void;
  /** Every operation of the kind meets this, until the returned function is called. */
  always(operation: Operation, fault: Fault): () => void;
  /** Closes all connections from outside. */
  close(reason: "forced" | "deleted" | "upgraded"): void;
  /** The tab is dead: nothing it asks for happens any more, and nothing is told. */
  die(): void;
  /** Operations under way. */
  busy(): number;
}

export function createFaultyStorage(base: StoragePort): FaultyStorage {
  const calls: Operation[] = [];
  const planned: { readonly operation: Operation; readonly fault: Fault }[] = [];
  const standing = new Set<{ readonly operation: Operation; readonly fault: Fault }>();
  const connections = new Map<Connection, ConnectionEvents>();
  let dead = false;
  let under = 0;

  async function perform<T>(
    operation: Operation,
    run: () => Promise<T>,
    events: ConnectionEvents,
  ): Promise<T> {
    if (dead) return never();
    calls.push(operation);
    const at = planned.findIndex((it) => it.operation === operation);
    const [plan] = at === -1 ? [] : planned.splice(at, 1);
    const rule = plan ?? Array.from(standing).find((it) => it.operation === operation);
    const counted = async (): Promise<T> => {
      if (dead) return never();
      under += 1;
      try {
        return await run();
      } finally {
        under -= 1;
      }
    };
    try {
      const result = await (rule === undefined ? counted() : rule.fault(counted, events));
      return dead ? await never() : (result as T);
    } catch (error) {
      if (dead) return never();
      throw error;
    }
  }

  function wrap(inner: Connection, events: ConnectionEvents): Connection {
    const through =
      <A extends readonly unknown[], T>(
        operation: Operation,
        call: (...args: A) => Promise<T>,
      ): ((...args: A) => Promise<T>) =>
      (...args) =>
        perform(operation, () => call(...args), events);
    connections.set(inner, events);
    return {
      append: through("append", inner.append),
      ensure: through("ensure", inner.ensure),
      read: through("read", inner.read),
      initialise: through("initialise", inner.initialise),
      claim: through("claim", inner.claim),
      lead: through("lead", inner.lead),
      quarantine: through("quarantine", inner.quarantine),
      evict: through("evict", inner.evict),
      letGo: () => inner.letGo(),
      close() {
        connections.delete(inner);
        inner.close();
      },
    };
  }

  return {
    calls,
    open: (name, events) =>
      perform("open", async () => wrap(await base.open(name, events), events), events),
    destroy: (name) => base.destroy(name),
    next: (operation, fault) => planned.push({ operation, fault }),
    always(operation, fault) {
      const rule = { operation, fault };
      standing.add(rule);
      return () => standing.delete(rule);
    },
    close(reason) {
      for (const [connection, events] of Array.from(connections)) {
        connections.delete(connection);
        connection.close();
        events.closed(reason);
      }
    },
    die() {
      dead = true;
      for (const connection of connections.keys()) connection.close();
    },
    busy: () => under,
  };
}
