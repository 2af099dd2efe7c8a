/** What went wrong, for `switch (error.code)`. Documented one by one in docs/api.md. */
export type SyncErrorCode =
  /** `createSyncActor` was given a configuration that cannot work. */
  | "config"
  /** A schema whose output does not parse to itself: stored values would change at each reading. */
  | "unstable_schema"
  /** A second engine of one name in one page, while the first was not stopped. */
  | "already_running"
  /** `commit` of an event name that the configuration does not define. */
  | "unknown_event"
  /** `commit` of a payload that its schema refuses. */
  | "invalid_payload"
  /** A payload or row that is not a JSON value. */
  | "not_json"
  /** A materializer returned something that is not an action, or a row that its table's schema refuses. */
  | "invalid_row"
  /** A materializer threw. */
  | "materializer_failed"
  /** Development only: a materializer gave two different results for one input. */
  | "impure_materializer"
  /** `commit` was called inside a materializer. */
  | "reentrant"
  /** `commit` of more than the server takes: one event, or all of one commit. */
  | "too_large"
  /** `commit` before `ready`. */
  | "not_ready"
  /** The engine was stopped, or stops. */
  | "stopped"
  /** The database belongs to a newer version of the app or of sssync; nothing was changed. */
  | "outdated"
  /** Storage refused a commit for good; its rows were rolled back. */
  | "storage_failed"
  /** There was no space for a commit, and the app asked for it to be rejected; its rows were rolled back. */
  | "storage_full"
  /** Storage cannot be opened. */
  | "storage_unavailable"
  /** The stored data could not be read; nothing was changed. */
  | "load_failed"
  /** On replay, after commits of other tabs, an event no longer applies. */
  | "conflict"
  /** The server decided against an event: `cause` says why, `{ code, message, data? }`. */
  | "rejected"
  /** The app took the commit back before it was stored. */
  | "discarded"
  /** `destroy` or `switchUser` while events are undecided. */
  | "undecided"
  /** `retry` or `discard` of an id that is not in the collection. */
  | "not_found";

/** The one error class of sssync: what was expected and what was got, with the original error as `cause`. */
export class SyncError extends Error {
  override readonly name = "SyncError";
  readonly code: SyncErrorCode;
  /** With `undecided`: how many events are. */
  declare readonly pending?: number;

  constructor(code: SyncErrorCode, message: string, cause?: unknown, pending?: number) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    if (pending !== undefined) this.pending = pending;
  }
}
