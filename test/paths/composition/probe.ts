/**
 * Counts what tabs ask of their ports, and names each call, in the one order in which all of them are made: the same seed gives
 * the same calls. Between two calls a test may do something to a tab, and it finds the place again in the next run.
 *
 * Not counted: what only reads (the time, random bytes, whether the page is visible). Nothing outside can tell before it from after.
 */
import { type Connection, type Environment, type LockPort } from "../../../src/services/ports.ts";
import { type DevicePage } from "../../../src/testing/index.ts";
import { wrapOperations } from "../../../src/testing/faults.ts";

/** One call of a port. */
export interface PortCall {
  readonly tab: string;
  readonly name: string;
  /** How many tasks were done before the one that makes it. */
  readonly moment: number;
}

/** What a leader's write was told. */
export interface Led {
  readonly tab: string;
  readonly term: number;
  readonly tag: string;
  readonly position: number | null;
}

/** Between calls, just before or just after one; or between tasks, just before or just after the one that makes it. */
export interface Moment {
  readonly at: number;
  readonly when: "before" | "after";
}

const never = (): Promise<never> => new Promise(() => undefined);
const nothing = (): void => undefined;

export function createProbe() {
  const calls: PortCall[] = [];
  const claims: { readonly tab: string; readonly term: number }[] = [];
  const led: Led[] = [];
  /** Tabs that are told nothing of what becomes of their pages. */
  const deaf = new Set<string>();
  /** Tabs whose appends wait on their way to the disk. */
  const held = new Map<string, Promise<void>>();
  let moments = 0;
  let betweenCalls: { readonly moment: Moment; readonly act: () => void } | undefined;
  let betweenTasks: { readonly at: number; readonly act: () => void } | undefined;

  /** Acts once: what it does makes calls as well. */
  function reach(index: number, when: Moment["when"]): void {
    const { moment, act } = betweenCalls ?? {};
    if (moment?.at !== index || moment.when !== when) return;
    betweenCalls = undefined;
    act?.();
  }

  function wrap(page: DevicePage): Environment {
    const { environment, name: tab } = page;
    /** What a page does that is dead reaches nobody. */
    function call<T>(name: string, run: () => T, dead: () => T): T {
      if (page.state === "gone") return dead();
      const index = calls.push({ tab, name, moment: moments }) - 1;
      reach(index, "before");
      if ((page.state as DevicePage["state"]) === "gone") return dead();
      const result = run();
      reach(index, "after");
      return result;
    }

    const perform = async (
      operation: string,
      args: readonly unknown[],
      run: () => Promise<unknown>,
    ): Promise<unknown> => {
      const gate = operation === "append" ? held.get(tab) : undefined;
      if (gate !== undefined) await gate;
      const answer = await call(`storage.${operation}`, run, never);
      if (operation === "claim") claims.push({ tab, term: answer as number });
      if (operation === "lead") {
        const { term } = args[0] as { readonly term: number };
        const { tag, position = null } = answer as Omit<Led, "position"> & Partial<Led>;
        led.push({ tab, term, tag, position });
      }
      return answer;
    };
    const { storage, locks, channel, network, clock, lifecycle } = environment;
    const wrapConnection = (inner: Connection): Connection =>
      wrapOperations(inner, perform, {
        letGo: () => call("storage.letGo", () => inner.letGo(), nothing),
        close: () => call("storage.close", () => inner.close(), nothing),
      });
    const wrapLocks = (inner: LockPort): LockPort => ({
      request(name, handlers, options) {
        const what = options?.steal === true ? "steal" : "request";
        const run = () => inner.request(name, handlers, options);
        const release = call(`locks.${what}`, run, () => nothing);
        return () => call("locks.release", release, nothing);
      },
      query: (name) => call("locks.query", () => inner.query(name), never),
    });

    return {
      ...environment,
      storage: storage && {
        open: async (name, events) =>
          wrapConnection(await call("storage.open", () => storage.open(name, events), never)),
        destroy: (name) => call("storage.destroy", () => storage.destroy(name), never),
        persist: () => call("storage.persist", () => storage.persist?.() ?? never(), never),
      },
      locks: locks && wrapLocks(locks),
      channel: channel && {
        open(...args) {
          const inner = call(
            "channel.open",
            () => channel.open(...args),
            () => ({ post: nothing, close: nothing }),
          );
          return {
            post: (message) =>
              call(
                `channel.post ${(message as { readonly kind: string }).kind}`,
                () => inner.post(message),
                nothing,
              ),
            close: () => call("channel.close", () => inner.close(), nothing),
          };
        },
      },
      network: network && {
        fetch: (url, init) =>
          call(
            `network.fetch ${url.split("?")[0]?.split("/").at(-1)}`,
            () => network.fetch(url, init),
            never,
          ),
      },
      lifecycle: {
        visible: () => lifecycle.visible(),
        online: () => lifecycle.online(),
        subscribe: (listener) =>
          lifecycle.subscribe((event) => {
            if (!deaf.has(tab)) listener(event);
          }),
      },
      clock: {
        now: () => clock.now(),
        setTimeout: (fn, ms) => call("clock.setTimeout", () => clock.setTimeout(fn, ms), nothing),
        clearTimeout: (id) => call("clock.clearTimeout", () => clock.clearTimeout(id), nothing),
        pause: () => call("clock.pause", () => clock.pause(), never),
      },
    };
  }

  return {
    calls,
    claims,
    led,
    deaf,
    wrap,
    /** What this tab appends waits, until the returned function is called. */
    hold(tab: string): () => void {
      let release: (() => void) | undefined;
      held.set(
        tab,
        new Promise((resolve) => {
          release = resolve;
        }),
      );
      return () => {
        held.delete(tab);
        release?.();
      };
    },
    /** A task is over, or what the test did by itself. */
    tick(): void {
      moments += 1;
      if (betweenTasks?.at !== moments) return;
      const { act } = betweenTasks;
      betweenTasks = undefined;
      act();
    },
    moments: () => moments,
    betweenCalls(moment: Moment, act: () => void): void {
      betweenCalls = { moment, act };
    },
    betweenTasks(at: number, act: () => void): void {
      betweenTasks = { at, act };
    },
  };
}
