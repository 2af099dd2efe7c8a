/** What the leader writes down of replication: each method is one step, and one fenced record. The machine says when. */
import {
  type LogPage,
  type PushRequest,
  type PushResponse,
  type Rejection,
  type WireTables,
} from "./protocol/index.ts";

/** `nothing`: there was nothing to write, or memory is not in a state to say; `fenced`: another tab leads. */
export type Written = "done" | "fenced" | "nothing";

/** What there is to do, from memory. */
export interface Outlook {
  /** Events that the server has to decide. */
  readonly undecided: number;
  /** Events that it took in, and that were not seen in its log yet. */
  readonly unseen: number;
  /** Where to pull from; null: from the beginning. */
  readonly cursor: string | null;
  readonly pos: number;
  readonly epoch: string | null;
  /** Nothing is to be sent before, ms since the epoch. */
  readonly notBefore: number;
  /** How many pushes in a row got no answer. */
  readonly attempt: number;
  /** The base was decided on the device, and the app has not said how the server gets to know it. */
  readonly blocked: "adoption" | null;
}

export interface PushLimits {
  /** Of the server: one unit alone that is over them is `oversize`. */
  readonly events: number;
  readonly bytes: number;
  readonly eventBytes?: number;
  /** How many events are wanted now: no more, but for one whole unit. */
  readonly most: number;
}

export type Attempted =
  | { readonly tag: "send"; readonly request: PushRequest }
  | { readonly tag: "nothing" }
  | { readonly tag: "fenced" }
  /** The first unit can never be sent. */
  | { readonly tag: "oversize"; readonly ids: readonly string[] };

/** `before`: so many entries of the page come before the one that this code does not understand; nothing was applied. */
export interface Incompatible {
  readonly incompatible: string;
  readonly before: number;
}

export interface Snapshot {
  readonly cursor: string;
  readonly pos: number;
  readonly epoch: string;
  readonly tables: WireTables;
}

/** Every method rejects with a `StorageFailure` when the write failed, and with nothing else. */
export interface Replicator {
  look(): Outlook;
  /** Gives numbers to the next events, on disk: what is sent is known to whoever leads next. */
  attempt(limits: PushLimits): Promise<Attempted>;
  /** Writes down decisions and acknowledgements. `rotate` and `resend` are what `stopped` asks for. */
  answered(request: PushRequest, answer: PushResponse): Promise<Written | "rotate" | "resend">;
  /** There was no answer, and nothing is to be sent before `notBefore`. */
  failed(notBefore: number): Promise<Written>;
  /** Rejects events, and those that were committed with them, that can never be sent. */
  refuse(ids: readonly string[], error: Rejection): Promise<Written>;
  /** From here on the server knows this device by another name, and every event has another number. */
  rotate(): Promise<Written>;
  /**
   * Applies a page, if memory is where it begins. One from the beginning is taken as it is where there is no base; else
   * pages are collected until one says that no more follow, and the base becomes what they come to.
   */
  pulled(page: LogPage): Promise<Written | "stale" | Incompatible>;
  /** The base becomes this snapshot; what is undecided stays, and is to be sent again. */
  reset(snapshot: Snapshot): Promise<Written | Incompatible>;
  /** Where `look` says `adoption`: the app's `adopt` is run, and what it gives takes the place of the base. */
  adopt(): Promise<Written>;
}
