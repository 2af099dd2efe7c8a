/** Faults by name, for tests that say what happens and not how. */
import { type StorageFailureKind } from "../services/ports.ts";
import {
  type Fault,
  failing,
  hungAndNotStored,
  hungButStored,
  lostAndNotStored,
  lostButStored,
} from "./faults.ts";
import { type Draw } from "./scheduler.ts";

/**
 * How an operation fails. Besides what a `StorageFailure` says: `lostButStored` and `lostAndNotStored` are `lost` with what
 * really happened (`lost` alone: the seed draws it), and `hung…` are those that are never told anything.
 */
export type FaultKind =
  | StorageFailureKind
  | "lostButStored"
  | "lostAndNotStored"
  | "hungButStored"
  | "hungAndNotStored";

const unknownOutcomes: ReadonlyMap<FaultKind, Fault> = new Map([
  ["lostButStored", lostButStored],
  ["lostAndNotStored", lostAndNotStored],
  ["hungButStored", hungButStored],
  ["hungAndNotStored", hungAndNotStored],
]);

/** The fault of that name. */
export function faultOf(kind: FaultKind, draw: Draw): Fault {
  if (kind === "lost") return draw(2) === 0 ? lostButStored : lostAndNotStored;
  return unknownOutcomes.get(kind) ?? failing(kind as StorageFailureKind);
}
