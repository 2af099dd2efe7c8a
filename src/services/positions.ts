/**
 * Positions of the log: IndexedDB's key generator gives them. It can be spoilt: a record under a key of 2^53, which only
 * damage or a stranger leaves there, uses it up for good; where the browser lost its state, it begins again at 1. Then a
 * position is given by hand, in the transaction that adds the record.
 */
import { type LogRecord } from "../model/log.ts";
import { StorageFailure } from "./ports.ts";
import { type Transaction, forgive, isNamed, write } from "./transaction.ts";

/** Keys beyond it are nobody's positions: they stay where they are, and are not looked at. */
const highest = 2 ** 52 - 1;

/** Keys after this position that can be positions; others than integers are left out by `isPosition`. */
export const after = (position: number): IDBKeyRange =>
  IDBKeyRange.bound(Math.min(position, highest), highest + 1, true, true);

/** Whether the key can be the position of a record that was added after `known`. */
export const isPosition = (key: unknown, known = 0): key is number =>
  Number.isSafeInteger(key) && (key as number) > known && (key as number) <= highest;

/** Whether an `add` failed because there are no keys left. */
export const isUsedUp = (error: unknown): boolean =>
  isNamed(error instanceof StorageFailure ? error.cause : error, "ConstraintError");

/** The newest position in the log. */
export async function newestPosition(
  tx: Transaction<"readonly"> | Transaction<"readwrite">,
): Promise<number> {
  let cursor = await tx.objectStore("log").openKeyCursor(after(0), "prev");
  while (cursor !== null && !isPosition(cursor.key)) cursor = await cursor.continue();
  return (cursor?.key ?? 0) as number;
}

/**
 * Adds records after all others. `known`: a position that is taken for certain. `misplaced`: the keys under which the
 * generator has put these records, if it has.
 */
export async function addByHand(
  tx: Transaction<"readwrite">,
  records: readonly LogRecord[],
  known: number,
  misplaced: readonly IDBValidKey[],
): Promise<readonly number[]> {
  const log = tx.objectStore("log");
  for (const key of misplaced) void write(() => log.delete(key));
  const [newest, floor] = await Promise.all([
    newestPosition(tx),
    tx.objectStore("meta").get("floor"),
  ]);
  const next = Math.max(newest, known, isPosition(floor) ? floor : 0) + 1;
  if (next + records.length > highest)
    throw new StorageFailure(
      "refused",
      "Expected a position for the record, got none that is free",
    );
  return Promise.all(
    records.map((record, at) => write(() => log.add(record, next + at) as Promise<number>)),
  );
}

/** Adds records in a transaction that has more to do. */
export async function addRecords(
  tx: Transaction<"readwrite">,
  records: readonly LogRecord[],
  known: number,
): Promise<readonly number[]> {
  const added = records.map((record) => {
    const key = write(() => tx.objectStore("log").add(record));
    forgive(key, isUsedUp);
    return key;
  });
  const keys: IDBValidKey[] = [];
  for (const it of await Promise.allSettled(added)) {
    if (it.status === "fulfilled") keys.push(it.value);
    else if (!isUsedUp(it.reason)) throw it.reason;
  }
  const positions = keys.filter((key) => isPosition(key, known));
  return positions.length === records.length ? positions : addByHand(tx, records, known, keys);
}
