/**
 * How a tab's memory follows the log. Pure: from what is known it says what to do, and does nothing.
 *
 *      base          log                        this tab only
 *   ┌────────┐  ┌────────────────────────┐  ┌──────────────────┐
 *   │ folded │  │ 7:a1   8:b1   9:a2     │  │ a3 (in flight) a4 │      rows = base + overlay, in this order
 *   └────────┘  └────────────────────────┘  └──────────────────┘
 *      decided      undecided, `position`       `position` null
 *                └────────────── overlay ─────────────────────┘
 *
 * 1. Logged entries come first, in log order; local ones follow, in the order of their commits.
 * 2. A record is taken in only when its position is the next one. What is older is known already (G7), what is newer
 *    shows that something was missed, and memory waits until that was read.
 * 3. A record of this tab's own that is first in line is confirmed: rows do not move.
 * 4. Any other commit record goes in before the local entries: they are undone, and replayed on top.
 * 5. A base record takes the place of the entries that it decides; the others are replayed on top of it.
 * 6. Nothing here asks which tab it runs in for anything but (3): all tabs come to the same rows (G13).
 */
import { type LogRecord, type Watermark } from "./log.ts";

/** An entry of the overlay, as far as merging needs it. */
export interface Placeable {
  readonly tab: string;
  readonly n: number;
  /** Where its record is in the log; null while it is this tab's alone. */
  readonly position: number | null;
  /** Index of its first event in its record, and how many it has. */
  readonly offset: number;
  readonly unit: { readonly length: number };
}

/** A record that arrived, as far as merging needs it. */
export interface Arrival {
  readonly kind: LogRecord["kind"];
  readonly position: number;
  readonly tab: string;
  readonly n: number;
}

export type Merge =
  /** It is known already. */
  | { readonly tag: "known" }
  /** Positions `from` to `to` are missing in memory. */
  | { readonly tag: "gap"; readonly from: number; readonly to: number }
  /** This tab's own record, first in line: entries `at` to `at + count - 1` are logged now. Rows stay. */
  | { readonly tag: "confirm"; readonly at: number; readonly count: number }
  /** This tab's own record, but an earlier one of its own is still unknown: it moves before it. */
  | {
      readonly tag: "overtake";
      readonly at: number;
      readonly first: number;
      readonly count: number;
    }
  /** Another tab's commit: goes in at `at`; the entries from there on are undone and replayed. */
  | { readonly tag: "insert"; readonly at: number }
  /** The base moves: handled by `decidedBy`. */
  | { readonly tag: "advance" }
  /** It changes no rows. */
  | { readonly tag: "note" };

/** What to do with an arrival. The first `logged` entries of the overlay are logged, and `position` is the last one known. */
export function merge(
  overlay: readonly Placeable[],
  logged: number,
  position: number,
  arrival: Arrival,
): Merge {
  if (arrival.position <= position) return { tag: "known" };
  if (arrival.position > position + 1)
    return { tag: "gap", from: position + 1, to: arrival.position - 1 };
  if (arrival.kind === "base") return { tag: "advance" };
  if (arrival.kind !== "commit") return { tag: "note" };
  const isOf = (entry: Placeable | undefined): boolean =>
    entry !== undefined && entry.tab === arrival.tab && entry.n === arrival.n;
  let first = logged;
  while (first < overlay.length && !isOf(overlay[first])) first += 1;
  if (first === overlay.length) return { tag: "insert", at: logged };
  let count = 1;
  while (isOf(overlay[first + count])) count += 1;
  return first === logged
    ? { tag: "confirm", at: logged, count }
    : { tag: "overtake", at: logged, first, count };
}

/** Whether a watermark covers an entry: a unit is decided as a whole. */
export function isDecided(entry: Placeable, settled: Watermark): boolean {
  if (entry.position === null) return false;
  if (entry.position <= settled.position) return true;
  return (
    entry.position === settled.position + 1 && entry.offset + entry.unit.length <= settled.index
  );
}
