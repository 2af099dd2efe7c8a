/** Bugs that the server can be made to have, so that the conformance suite can prove that it finds them. Internal. */

/** Rules of the protocol that can be left out, one by one. */
export type Bug =
  /** Cursors are checked by epoch and position only. */
  | "no-hash"
  /** Tokens of queries are not verified. */
  | "no-seen"
  /** A used number is answered without comparing ids. */
  | "no-id-check"
  /** Decisions are remembered per client. */
  | "no-id-unique"
  /** Gaps between numbers are accepted. */
  | "no-gap-check"
  /** Numbers mean nothing. */
  | "pure-id"
  /** Rejections are not remembered. */
  | "reeval-rejected"
  /** Compaction forgets decisions with the entries. */
  | "ids-die-with-log"
  /** Events of a commit are decided one by one. */
  | "split-tx"
  /** Dedupe keys are ignored. */
  | "no-dedupe";

export type Bugs = ReadonlySet<Bug>;
export const noBugs: Bugs = new Set();
