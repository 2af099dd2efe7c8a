/** What a case is, and what it is given. */
import { type Answer, type Ask, type Target } from "./target.ts";
import { type Info } from "../protocol/index.ts";
import { type Client, type ClientOptions } from "./client.ts";
import { type Live, type LiveOptions } from "./live.ts";
import { type PullOptions, type Reader, type Reading } from "./reader.ts";
import { type LogPage, type PullResponse } from "../protocol/index.ts";

/** How much of the protocol a server offers: queries, push, pull, live. Each contains those before it. */
export const levels = ["L0", "L1", "L2", "L3"] as const;
export type Level = (typeof levels)[number];

export const covers = (level: Level, needed: Level): boolean =>
  levels.indexOf(level) >= levels.indexOf(needed);

/** What is not required of a server: a case that needs it is skipped where it is missing. */
export type Need = "snapshot" | "tx" | "key" | "wait" | "actions" | "control" | "query" | "peer";

export interface Case {
  /** The letter of its group and a number, as `P7`. */
  readonly id: string;
  /** A sentence in the present tense: what the server does. */
  readonly title: string;
  /** Of docs/protocol.md, as `§6.2`. */
  readonly clause: string;
  readonly level: Level;
  readonly needs?: readonly Need[];
  /** It changes the server for everyone: nothing else runs meanwhile. */
  readonly alone?: boolean;
  /** Before it counts as hung. Default 30. */
  readonly seconds?: number;
  run(trial: Trial): Promise<void>;
}

/** How hard the long cases try. */
export interface Effort {
  /** Of all that is random. */
  readonly seed: number;
  /** Random histories of each of C1 to C3. */
  readonly histories: number;
  /** s that L13 reads while others write. */
  readonly soak: number;
  /** Events that C8 starts from. */
  readonly bootstrap: number;
  /** The protocol's times are multiplied by it, on slow machines. */
  readonly slack: number;
}

/** One run of one case: its spaces are its own. */
export interface Trial {
  readonly target: Target;
  readonly info: Info;
  readonly level: Level;
  readonly effort: Effort;
  /** Aborted when the case took too long. */
  readonly signal: AbortSignal;
  /** A new space for A and B to write and R to read, or for A alone. */
  space(whose?: "all" | "A"): string;
  /** An id that was not used before. */
  id(): string;
  ask(path: string, ask?: Ask): Promise<Answer>;
  client(space: string, options?: ClientOptions): Client;
  pull(space: string, options?: PullOptions): Promise<Answer>;
  /** A pull that has to be answered with a page. */
  page(space: string, options?: PullOptions): Promise<PullResponse>;
  /** A page of the log. */
  logPage(space: string, options?: PullOptions): Promise<LogPage>;
  /** Pulls until there is no more, from the start or from a cursor. */
  readAll(space: string, options?: PullOptions): Promise<Reading>;
  /** What enters the log from now on. On servers below L2 it cannot be known, and its checks are left out. */
  follow(space: string): Promise<Reader>;
  live(space: string, options?: LiveOptions): Promise<Live>;
  /** Asks the control plane; skips the case where it does not know the operation. */
  control(operation: string, body?: Readonly<Record<string, unknown>>): Promise<Controlled>;
  sleep(ms: number): Promise<void>;
}

export type Controlled = Readonly<Record<string, unknown>>;
