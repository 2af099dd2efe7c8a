/** The read side of the actor: status and snapshot, made when somebody looks, and told when they change. */
import { type Observer, type Subscription } from "xstate";
import { type SyncEmitted, type SyncSnapshot, type SyncStatus, type TableReaders } from "./api.ts";
import { type TableSchemas } from "./model/definition.ts";
import { callSafely, createListeners } from "./publisher.ts";
import { type StatusFacts, deriveStatus } from "./status.ts";

export interface Reporter<T extends TableSchemas> {
  readonly status: SyncStatus;
  getSnapshot(): SyncSnapshot<T>;
  subscribe(
    observer: Observer<SyncSnapshot<T>> | ((snapshot: SyncSnapshot<T>) => void),
    error?: (error: unknown) => void,
    complete?: () => void,
  ): Subscription;
  on<K extends SyncEmitted["type"]>(
    type: K,
    listener: (event: Extract<SyncEmitted, { type: K }>) => void,
  ): Subscription;
  emit(event: SyncEmitted): void;
  /** Facts may have changed. */
  touch(): void;
  /** Rows changed: a new snapshot, whatever the status. */
  rowsChanged(): void;
  /** Tells the last snapshot, and that there will be no other. */
  complete(): void;
}

export function createReporter<T extends TableSchemas>(
  facts: () => StatusFacts,
  tables: TableReaders<T>,
): Reporter<T> {
  const observers = createListeners<[SyncSnapshot<T>]>();
  const completions = createListeners<[]>();
  const emitted = createListeners<[SyncEmitted]>();
  let status: SyncStatus | undefined;
  let stale = true;
  let snapshot: SyncSnapshot<T> | undefined;
  let completed = false;

  function getStatus(): SyncStatus {
    if (status === undefined || stale) {
      stale = false;
      const last = status;
      status = deriveStatus(facts(), last);
      if (status !== last) snapshot = undefined;
    }
    return status;
  }

  function getSnapshot(): SyncSnapshot<T> {
    const context = getStatus();
    snapshot ??= Object.freeze({
      status: context.phase === "stopped" ? "stopped" : "active",
      value: facts().root,
      context: Object.freeze({ ...context, tables }),
    });
    return snapshot;
  }

  function tell(): void {
    const fault = status?.fault ?? null;
    const told = snapshot;
    const now = getStatus().fault;
    if (now !== null && now !== fault) emitted.call({ type: "fault", fault: now });
    if (observers.size > 0 && getSnapshot() !== told) observers.call(getSnapshot());
  }

  return {
    get status() {
      return getStatus();
    },
    getSnapshot,
    subscribe(observer, error, complete) {
      const parts = typeof observer === "function" ? { next: observer, error, complete } : observer;
      // Only changes from now on are told, so the snapshot of now has to exist.
      getSnapshot();
      const ends = [
        observers.add((it) => parts.next?.(it)),
        completions.add(() => parts.complete?.()),
      ];
      if (completed) callSafely(() => parts.complete?.());
      return { unsubscribe: () => ends.forEach((end) => end()) };
    },
    on(type, listener) {
      const end = emitted.add((event) => {
        if (event.type === type) listener(event as Parameters<typeof listener>[0]);
      });
      return { unsubscribe: end };
    },
    emit: (event) => emitted.call(event),
    touch() {
      stale = true;
      if (observers.size > 0 || emitted.size > 0) tell();
    },
    rowsChanged() {
      stale = true;
      snapshot = undefined;
      if (observers.size > 0) observers.call(getSnapshot());
    },
    complete() {
      stale = true;
      tell();
      completed = true;
      completions.call();
      observers.clear();
      completions.clear();
      emitted.clear();
    },
  };
}
