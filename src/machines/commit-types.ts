/** What the commit machine is told, tells, and asks: the vocabulary of commit.ts. */
import { type Died, type Failure, type Owned } from "./common.ts";

export type PersisterCommand =
  | { readonly type: "write" }
  | { readonly type: "ensure" }
  | { readonly type: "flush" }
  /** Makes space for group `n`. */
  | { readonly type: "evict"; readonly n: number };

export type CommitEvent =
  | { readonly type: "gate.open" }
  | { readonly type: "drain" }
  | { readonly type: "batch.ready" }
  | { readonly type: "write.done"; readonly n: number; readonly position: number | null }
  | { readonly type: "write.failed"; readonly n: number; readonly failure: Failure }
  | { readonly type: "ensure.done"; readonly n: number; readonly position: number | null }
  | { readonly type: "ensure.failed"; readonly n: number; readonly failure: Failure }
  | { readonly type: "evict.done"; readonly n: number; readonly evicted: number }
  | { readonly type: "storage.opened" }
  | { readonly type: "storage.lost" }
  | { readonly type: "page.leaving" }
  | { readonly type: "page.returned" };

export type CommitReport =
  | Died
  | { readonly type: "storage.suspected" }
  | { readonly type: "commit.delayed" }
  | { readonly type: "commit.full" }
  | { readonly type: "commit.flowing" }
  | { readonly type: "commit.closed" };

/** The queue of commits, by reference: the machine only asks. */
export interface QueueView {
  /** Whether commits wait to be written. */
  hasQueued(): boolean;
  /** Whether group `n` is in flight, and no other is. */
  isLastInFlight(n: number): boolean;
  isInFlight(n: number): boolean;
  hasInFlight(): boolean;
  /** Whether `commit()` passes. */
  isOpen(): boolean;
}

export interface Input extends Owned {
  readonly queue: QueueView;
  /** What becomes of commits for which there is no space. */
  readonly whenFull: "keep" | "reject";
}

export interface Context extends Input {
  /** Failures since something was stored. */
  readonly attempts: number;
}
