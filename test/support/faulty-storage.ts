/** A storage that fails when it is told to: wraps any other, and stands for one tab's view of it. */
import {
  type Connection,
  type ConnectionEvents,
  type StoragePort,
} from "../../src/services/ports.ts";
import {
  type Faults,
  type Operation,
  createFaults,
  wrapOperations,
} from "../../src/testing/faults.ts";

export {
  type Fault,
  type Operation,
  block,
  failing,
  hold,
  hungAndNotStored,
  hungButStored,
  lostAndNotStored,
  lostButStored,
} from "../../src/testing/faults.ts";

const never = (): Promise<never> => new Promise(() => undefined);

export interface FaultyStorage extends StoragePort, Pick<Faults, "next" | "always"> {
  /** Operations in the order in which they were asked for. */
  readonly calls: readonly Operation[];
  /** Closes all connections from outside. */
  close(reason: "forced" | "deleted" | "upgraded"): void;
  /** The tab is dead: nothing it asks for happens any more, and nothing is told. */
  die(): void;
  /** Operations under way. */
  busy(): number;
}

export function createFaultyStorage(base: StoragePort): FaultyStorage {
  const calls: Operation[] = [];
  const faults = createFaults();
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
    const fault = faults.meet(operation);
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
      const result = await (fault === undefined ? counted() : fault(counted, events));
      return dead ? await never() : (result as T);
    } catch (error) {
      if (dead) return never();
      throw error;
    }
  }

  function wrap(inner: Connection, events: ConnectionEvents): Connection {
    connections.set(inner, events);
    return wrapOperations(inner, (operation, _, run) => perform(operation, run, events), {
      letGo: () => inner.letGo(),
      close() {
        connections.delete(inner);
        inner.close();
      },
    });
  }

  return {
    calls,
    open: (name, events) =>
      perform("open", async () => wrap(await base.open(name, events), events), events),
    destroy: (name) => base.destroy(name),
    next: (operation, fault) => faults.next(operation, fault),
    always: (operation, fault) => faults.always(operation, fault),
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
