/**
 * IndexedDB transactions: one helper that every transaction of the engine runs in, so that each ends in exactly one of
 * three ways: all of it is stored, nothing of it is stored, or the outcome is unknown and says so.
 *
 * What goes wrong, and what is known then (seen in Chromium with both of its backends, unless said otherwise):
 *
 * | seen                                                        | kind          | because                               |
 * |-------------------------------------------------------------|---------------|---------------------------------------|
 * | `open`: VersionError                                        | `newer`       | nothing was opened                    |
 * | `open`: any other error; a foreign layout                   | `unavailable` | nothing was opened                    |
 * | `transaction()` throws (InvalidStateError)                  | `lost`        | the connection is closing or closed   |
 * | a write throws (DataCloneError, DataError, a getter)        | `refused`     | it will throw again; aborted by us    |
 * | a write throws UnknownError (WebKit, after a sleep)         | `lost`        | it is not about the value             |
 * | request or abort: ConstraintError; UnknownError "too large" | `refused`     | it will fail again                    |
 * | abort: QuotaExceededError (after `success` of all requests) | `quota`       | seen to abort                         |
 * | abort: DataError ("Failed to write blobs"), no request's    | `quota`       | seen to abort: the files of large     |
 * |                                                             |               | values did not fit on the disk        |
 * | abort: any other UnknownError, InvalidStateError            | `lost`        | the disk failed while it committed, or|
 * |                                                             |               | (WebKit) its process is gone          |
 * | abort: AbortError, DataError of a request, no reason, others| `aborted`     | seen to abort                         |
 * | `close` event, and neither `complete` nor `abort` before    | `lost`        | some never get an event (forced close)|
 *
 * - A bubbled `error` alone says nothing: `abort` follows, or `close`, or even `complete` (Chromium on LevelDB, when the
 *   file of a record is gone and the commit is under way). So idb's `done`, which rejects at the first `error`, is not used.
 * - Where no event ever comes (a frozen browser process), this waits for ever: its owner keeps a watchdog.
 */
import { type DBSchema, type IDBPDatabase, type IDBPTransaction, unwrap } from "idb";
import {
  type Durability,
  StorageFailure,
  type StorageFailureKind,
  type StoreName,
} from "./ports.ts";

/** Every store holds unvalidated values under keys that are given by hand, or by the store (`log`). */
export interface Layout extends DBSchema, Record<StoreName, { key: IDBValidKey; value: unknown }> {}

export type Database = IDBPDatabase<Layout>;
export type Transaction<Mode extends IDBTransactionMode> = IDBPTransaction<
  Layout,
  StoreName[],
  Mode
>;

export const ignore = (): void => {};

/** How each transaction that is under way on a connection is aborted. */
const underWay = new WeakMap<Database, Set<() => unknown>>();

/** Aborts the transactions of a connection that are not committed yet. */
export function abortAll(db: Database): void {
  for (const abort of underWay.get(db) ?? []) abort();
}

/**
 * Runs `body` in a transaction and settles with what the transaction did: resolves on `complete` with what `body`
 * resolved with, and rejects with a `StorageFailure` otherwise. An error that `body` throws, and that IndexedDB did not
 * raise, aborts the transaction and is passed on as it is.
 *
 * `body` awaits nothing but requests of this transaction. `undo` aborts it and makes its argument the result.
 */
export async function transact<Result, Mode extends IDBTransactionMode>(
  db: Database,
  stores: readonly StoreName[],
  mode: Mode,
  durability: Durability,
  body: (tx: Transaction<Mode>, undo: (result: Result) => Result) => Promise<Result>,
): Promise<Result> {
  let tx: Transaction<Mode>;
  try {
    tx = db.transaction([...stores], mode, { durability });
  } catch (error) {
    throw new StorageFailure("lost", "Expected the connection to be open, got a closed one", error);
  }

  let close = ignore;
  const closed = new Promise<"close">((resolve) => {
    close = () => resolve("close");
  });
  db.addEventListener("close", close);
  tx.done.catch(ignore);
  const ended = new Promise<"complete" | "abort" | "close">((resolve) => {
    tx.addEventListener("complete", () => resolve("complete"));
    tx.addEventListener("abort", () => resolve("abort"));
    void closed.then(resolve);
  });
  const abort = (): boolean => tryAbort(tx);
  const forget = noteUnderWay(db, abort);

  let undone = false;
  let failed: { readonly reason: unknown } | undefined;
  const run = async (): Promise<Result> => {
    try {
      return await body(tx, (result) => {
        undone = abort();
        return result;
      });
    } catch (reason) {
      // Without this, what was put before the throw would be committed.
      failed = { reason };
      abort();
      throw reason;
    }
  };
  const result = run();
  result.catch(ignore);

  try {
    let end = await ended;
    // A readonly transaction that was committed early may complete before its last results arrive.
    if (end === "complete") {
      const delivered = await Promise.race([closed, Promise.allSettled([result])]);
      if (delivered === "close") end = "close";
    }
    if (failed !== undefined && !(failed.reason instanceof DOMException)) throw failed.reason;
    if (undone || (end === "complete" && failed === undefined)) return await result;
    if (end === "close") throw closedMeanwhile();
    const stored = end === "complete" && mode !== "readonly";
    throw failure(tx.error ?? failed?.reason, stored, failed?.reason);
  } finally {
    db.removeEventListener("close", close);
    forget();
  }
}

/** Notes how to abort a transaction, for `abortAll`. Gives the function that forgets it. */
function noteUnderWay(db: Database, abort: () => unknown): () => void {
  const others = underWay.get(db) ?? new Set();
  underWay.set(db, others.add(abort));
  return () => others.delete(abort);
}

function tryAbort(tx: { abort(): void }): boolean {
  try {
    tx.abort();
    return true;
  } catch {
    // It has ended, or its commit is under way: its events tell which.
    return false;
  }
}

const closedMeanwhile = (): StorageFailure =>
  new StorageFailure("lost", "Expected the transaction to end, got a closed connection");

/**
 * The hot path: adds one value, and commits. Resolves with its key, on `complete`; settles as `transact` does, without the
 * wrappers that would make a commit half as slow again.
 */
export function addOne(
  db: Database,
  store: StoreName,
  value: unknown,
  durability: Durability,
): Promise<IDBValidKey> {
  const raw = unwrap(db);
  return new Promise((resolve, reject) => {
    let tx: IDBTransaction;
    try {
      tx = raw.transaction([store], "readwrite", { durability });
    } catch (error) {
      reject(
        new StorageFailure("lost", "Expected the connection to be open, got a closed one", error),
      );
      return;
    }
    let request: IDBRequest<IDBValidKey> | undefined;
    let thrown: unknown;
    const forget = noteUnderWay(db, () => tryAbort(tx));
    const close = (): void => end(() => reject(closedMeanwhile()));
    const end = (settle: () => void): void => {
      forget();
      raw.removeEventListener("close", close);
      settle();
    };
    raw.addEventListener("close", close);
    tx.oncomplete = () =>
      end(() => {
        const failed = request?.readyState === "done" ? request.error : undefined;
        // Chromium may complete a transaction a request of which failed.
        if (request === undefined || failed) reject(failure(failed, true, failed));
        else resolve(request.result);
      });
    tx.onabort = () =>
      end(() =>
        reject(
          thrown instanceof StorageFailure
            ? thrown
            : failure(
                tx.error ?? thrown,
                false,
                request?.readyState === "done" && request.error === null,
              ),
        ),
      );
    try {
      request = tx.objectStore(store).add(value);
      tx.commit();
    } catch (error) {
      thrown = asRefusal(error);
      tryAbort(tx);
    }
  });
}

/** What is not about the value: the transaction had ended, or (WebKit, at times after a sleep) could not be reached. */
const passing = [
  "TransactionInactiveError",
  "InvalidStateError",
  "UnknownError",
  "AbortError",
  "QuotaExceededError",
];

/** What a write threw at once is about the value or its key: it can never be stored. Unless it says otherwise. */
const asRefusal = (error: unknown): unknown =>
  isNamed(error, ...passing)
    ? error
    : new StorageFailure("refused", "Expected the value to be storable, got a refusal", error);

/**
 * Issues a write. What it throws at once is about the value or its key: it can never be stored. Its later failure is the
 * transaction's, and needs no handler of its own.
 */
export function write<Key>(issue: () => Promise<Key>): Promise<Key> {
  try {
    const written = issue();
    written.catch(ignore);
    return written;
  } catch (error) {
    throw asRefusal(error);
  }
}

/** So many writes are issued in one task: a segment of 1,000 rows takes the main thread about a millisecond. */
const burst = 8;

/**
 * Issues writes, a burst at a time so that no task gets long. `refusal` is asked once, when the first burst was issued:
 * what it resolves with ends the writing, and is the result.
 */
export async function issueAll<Refusal>(
  writes: readonly (() => Promise<unknown>)[],
  refusal?: () => Promise<Refusal | undefined>,
): Promise<Refusal | undefined> {
  for (let from = 0; ; from += burst) {
    const issued = Promise.all(writes.slice(from, from + burst).map((issue) => issue()));
    issued.catch(ignore);
    const refused = from === 0 ? await refusal?.() : undefined;
    if (refused !== undefined || from + burst >= writes.length) return refused;
    await issued;
  }
}

/** Keeps a request that fails in an expected way from aborting its transaction. */
export function forgive(request: Promise<unknown>, isExpected: (error: unknown) => boolean): void {
  const asked = unwrap(request as Promise<unknown> & IDBRequest);
  asked.addEventListener("error", (event) => {
    if (!isExpected(asked.error)) return;
    event.preventDefault();
    event.stopPropagation();
  });
}

export function isNamed(error: unknown, ...names: readonly string[]): error is DOMException {
  return error instanceof DOMException && names.includes(error.name);
}

/**
 * What is known after a transaction aborted with `error`, or a request of it failed with it though it was `stored`.
 * `ofRequest`: what a request of it failed with, if one did.
 */
function failure(error: unknown, stored: boolean, ofRequest: unknown): StorageFailure {
  const shown = error instanceof DOMException ? `${error.name} (${error.message})` : "no reason";
  return new StorageFailure(
    stored ? "lost" : kindOf(error, ofRequest),
    `Expected the transaction to complete, got ${shown}`,
    error,
  );
}

function kindOf(error: unknown, ofRequest: unknown): StorageFailureKind {
  if (isNamed(error, "QuotaExceededError")) return "quota";
  // A request that fails with it has read a damaged value.
  if (isNamed(error, "DataError") && !isNamed(ofRequest, "DataError")) return "quota";
  if (isNamed(error, "ConstraintError", "DataCloneError")) return "refused";
  // The only sign of a value over 127 MiB on Chromium's SQLite backend: every retry would fail as well.
  if (isNamed(error, "UnknownError") && error.message.includes("too large")) return "refused";
  if (isNamed(error, "UnknownError", "InvalidStateError", "TransactionInactiveError"))
    return "lost";
  return "aborted";
}
