/**
 * Devices, tabs that lead them, a network and a server. One seed, one history.
 *
 * A tab that leads has read the log up to some record. Others may have appended since; another tab may lead since. What it
 * writes is compared with the term on disk in the transaction that writes, and what it sends waits for that.
 */
import { type LogRecord, type Outcome, type State, emptyState } from "./device.ts";
import { type Mutant } from "./mutants.ts";
import {
  type Cursor,
  type PushRequest,
  type QueryResponse,
  type Server,
  createServer,
} from "./server.ts";

export const rowNames = ["r0", "r1", "r2", "r3"] as const;

/** A tab that holds, or believes to hold, the lock. */
export interface Leader {
  readonly device: Device;
  readonly term: number;
  /** How many records it has read. */
  known: number;
  alive: boolean;
}

export interface Device {
  readonly name: string;
  readonly first: State;
  log: readonly LogRecord[];
  /** What the whole log comes to. */
  state: State;
  term: number;
  /** Records up to here survive a power cut. */
  synced: number;
  leaders: readonly Leader[];
  /** What the app was told, by event. */
  readonly told: Map<string, Set<Outcome>>;
  /** Made from another one, or another one from it: their events are in no common order. */
  copied: boolean;
}

export type Message =
  | {
      readonly to: "server";
      readonly from: Leader;
      readonly kind: "push";
      readonly body: PushRequest;
    }
  | {
      readonly to: "server";
      readonly from: Leader;
      readonly kind: "pull";
      readonly cursor: Cursor | null;
      readonly seen: readonly Cursor[];
    }
  | {
      readonly to: "server";
      readonly from: Leader;
      readonly kind: "query";
      readonly row: string;
      readonly fresh: boolean;
    }
  | { readonly to: "tab"; readonly from: Leader; readonly record: LogRecord };

export interface Options {
  readonly mutant?: Mutant | undefined;
  /** Attempt records survive a power cut. */
  readonly strictAttempts?: boolean | undefined;
  readonly steps?: number | undefined;
  /** Is told what happens, in words. */
  readonly story?: ((line: string) => void) | undefined;
}

export interface World {
  readonly options: Options;
  server: Server;
  network: Message[];
  /** Answers to queries that something on the way kept. */
  readonly cache: Map<string, QueryResponse>;
  readonly devices: Device[];
  /** Event → the device that committed it, in order. */
  readonly committed: Map<string, Device>;
  /** Commits that a power cut took from their device. */
  readonly gone: Set<string>;
  /** Events that were sent, and whose device does not know it any more. */
  readonly forgotten: Set<string>;
  /** What the app was told of them, the device does not know any more. */
  readonly untold: Set<string>;
  /** Told accepted, then lost by a restore. */
  readonly restoredAway: Set<string>;
  restored: boolean;
  readonly counts: Map<string, number>;
}

export const count = ({ counts }: World, what: string): void => {
  counts.set(what, (counts.get(what) ?? 0) + 1);
};

const createDevice = (name: string, first: State): Device => ({
  name,
  first,
  log: [],
  state: first,
  term: 0,
  synced: 0,
  leaders: [],
  told: new Map(),
  copied: false,
});

export const createWorld = (options: Options, nextClient: () => string): World => ({
  options,
  server: createServer(rowNames),
  network: [],
  cache: new Map(),
  devices: ["A", "B", "C"].map((name, index) =>
    // One of them holds a part of the rows.
    createDevice(name, emptyState(nextClient(), index === 2 ? new Set([rowNames[0]]) : "all")),
  ),
  committed: new Map(),
  gone: new Set(),
  forgotten: new Set(),
  untold: new Set(),
  restoredAway: new Set(),
  restored: false,
  counts: new Map(),
});
