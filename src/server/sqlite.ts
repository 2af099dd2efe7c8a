/**
 * Storage in one SQLite file (`libsql`, in WAL mode, `synchronous = full`).
 *
 * 1. Pushes that come while others are written are written together, in one transaction: a commit waits for the disk, and
 *    that is nearly all that a push costs. Each is decided on what those before it in the transaction did.
 * 2. A push is acknowledged after the commit. When that fails, all of its transaction fail, and their clients ask again.
 * 3. Reads have a connection of their own, and see what is committed.
 * 4. Several processes may use one file: `begin immediate` is the lock, for which nobody blocks the process; heads that
 *    others made are looked for every `pollMs`. When that fails, `watch` tells so once, and the next look tries again.
 */
import { SyncError } from "../errors.ts";
import { HookFailure } from "./failure.ts";
import {
  type Database,
  type Row,
  type SqlValue,
  checkValues,
  loadDriver,
  prepareConnection,
  prepareTables,
} from "./sqlite-database.ts";
import {
  findForPush,
  findSpace,
  listHeads,
  readSpace,
  writeCompaction,
  writePush,
} from "./sqlite-rows.ts";
import {
  type PushFound,
  type PushWant,
  type PushWrite,
  type ReadFound,
  type Storage,
} from "./storage.ts";

/** A transaction, for the app's own tables in the same file. It ends with the hook that got it. */
export interface SqliteTx {
  /** Runs a statement. Gives the number of rows that it changed. */
  run(sql: string, ...parameters: readonly SqlValue[]): number;
  get(sql: string, ...parameters: readonly SqlValue[]): Row | undefined;
  all(sql: string, ...parameters: readonly SqlValue[]): Row[];
}

export interface SqliteStorage extends Storage<SqliteTx> {
  /** Writes a whole copy to a file that does not exist yet. Nobody is answered meanwhile; then the server goes on. */
  backup(file: string): Promise<void>;
}

export interface SqliteOptions {
  /** Path of the file; it is made when there is none. Beside it are `-wal` and `-shm`. */
  readonly file: string;
  /** ms between looks for what other processes have written. Default 500. */
  readonly pollMs?: number;
  /** ms that other processes may keep the file locked. Default 5,000. */
  readonly busyMs?: number;
}

interface Job {
  readonly writes: boolean;
  /** Returns what is to be told after the commit. */
  run(db: Database, tx: SqliteTx): Promise<(() => void) | undefined>;
  resolve(): void;
  reject(error: unknown): void;
}

/** So many pushes are written together at most. */
const mostAtOnce = 256;

const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

/** Lets everything that has arrived be read first, so that it can be written together. */
const nextTurn = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });

const isBusy = (error: unknown): boolean =>
  String((error as { code?: unknown } | null)?.code).startsWith("SQLITE_BUSY");

/** What a read transaction sees does not change until it ends. */
function reading<T>(db: Database, read: () => T): T {
  try {
    db.exec("begin");
    return read();
  } catch (error) {
    throw storageFailure(error);
  } finally {
    if (db.inTransaction) db.exec("commit");
  }
}

/** What SQLite threw, as trouble that passes: nothing is decided by it. */
const storageFailure = (error: unknown): HookFailure =>
  new HookFailure("the storage", "unavailable", error);

/** A transaction that a hook may use until it is revoked: one that comes late must not write outside of it. */
function lend(db: Database): { readonly tx: SqliteTx; revoke(): void } {
  let over = false;
  const use = <T>(call: () => T): T => {
    if (over) throw new Error("Expected the transaction to be open, got one that has ended");
    return call();
  };
  return {
    tx: {
      run: (sql, ...parameters) => use(() => db.run(sql, ...checkValues(parameters))),
      get: (sql, ...parameters) =>
        use(() => {
          const row = db.get(sql, ...checkValues(parameters));
          if (row === undefined) return undefined;
          const { _metadata: _, ...own } = row;
          return own;
        }),
      all: (sql, ...parameters) => use(() => db.all(sql, ...checkValues(parameters))),
    },
    revoke: () => {
      over = true;
    },
  };
}

/**
 * Opens a file. Throws `SyncError`: `config` when `libsql` is not installed or `file` is no path, `outdated` when the file is of newer code.
 *
 * @example
 * const storage = await sqlite({ file: "sync.db" });
 */
export async function sqlite(options: SqliteOptions): Promise<SqliteStorage> {
  const { file, pollMs = 500, busyMs = 5000 } = options;
  // Each connection would have one of its own.
  if (file === "" || file === ":memory:")
    throw new SyncError("config", `Expected the path of a file, got "${file}"`);
  const open = await loadDriver();
  const connect = (): Database => {
    const db = open(file);
    prepareConnection(db);
    return db;
  };
  /** For hooks that read: one that writes is told so. */
  const connectToRead = (): Database => {
    const db = connect();
    db.exec("pragma query_only = on");
    return db;
  };
  const writer = connect();
  const store = prepareTables(writer, () => crypto.randomUUID());
  const reader = connect();
  const idle: Database[] = [];
  const queue: Job[] = [];
  const watchers = new Set<Parameters<Storage["watch"]>>();
  let closed = false;
  let timer: ReturnType<typeof setInterval> | undefined;

  /** Of a read that has ended. One whose transaction cannot be ended must not keep the file locked. */
  function giveBack(db: Database): void {
    try {
      if (db.inTransaction) db.exec("commit");
      if (idle.length < 4 && !closed) return void idle.push(db);
    } catch {
      // Closed below, which ends it.
    }
    return db.close();
  }

  async function begin(): Promise<void> {
    for (let waited = 0, step = 1; ; step = Math.min(50, step * 2)) {
      try {
        writer.exec("begin immediate");
        return;
      } catch (error) {
        if (!isBusy(error) || waited >= busyMs) throw error;
      }
      // Not by SQLite's own timeout: that would hold up this whole process, in which the other writer may be.
      await pause(step);
      waited += step;
    }
  }

  async function runJob(job: Job): Promise<(() => void) | undefined> {
    const { tx, revoke } = lend(writer);
    if (job.writes) writer.exec("savepoint job");
    try {
      const tell = await job.run(writer, tx);
      if (job.writes) writer.exec("release job");
      return tell ?? (() => undefined);
    } catch (error) {
      // Of its own transaction SQLite may have made an end already, when the disk is full.
      if (!writer.inTransaction) throw error;
      if (job.writes) writer.exec("rollback to job; release job");
      job.reject(error);
      return undefined;
    } finally {
      revoke();
    }
  }

  async function runGroup(group: readonly Job[]): Promise<void> {
    const done: [Job, () => void][] = [];
    try {
      await begin();
      for (const job of group) {
        const tell = await runJob(job);
        if (tell !== undefined) done.push([job, tell]);
      }
      writer.exec("commit");
    } catch (error) {
      if (writer.inTransaction) writer.exec("rollback");
      const failure = error instanceof HookFailure ? error : storageFailure(error);
      for (const job of group) job.reject(failure);
      return;
    }
    for (const [job, tell] of done) {
      tell();
      job.resolve();
    }
  }

  let running: Promise<void> | undefined;
  async function work(): Promise<void> {
    while (queue.length > 0) {
      await nextTurn();
      await runGroup(queue.splice(0, mostAtOnce));
    }
    running = undefined;
  }

  const enqueue = (job: Omit<Job, "resolve" | "reject">): Promise<void> =>
    new Promise((resolve, reject) => {
      if (closed) return reject(storageFailure("it was closed"));
      queue.push({ ...job, resolve, reject });
      running ??= work();
      return undefined;
    });

  const tell = (space: string, head: number): void => {
    for (const [told] of watchers) told(space, head);
  };

  async function push(
    space: string,
    want: PushWant,
    decide: (found: PushFound<SqliteTx>) => Promise<PushWrite | undefined>,
  ): Promise<void> {
    await enqueue({
      writes: want.writes,
      async run(db, tx) {
        const found = findSpace(db, store, space);
        const change = await decide(findForPush(db, found, want, tx));
        if (change === undefined) return undefined;
        try {
          writePush(db, space, found, change);
        } catch (error) {
          // What is written in part must not be committed with the rest.
          writer.exec("rollback");
          throw error;
        }
        const head = change.rows.at(-1)?.pos;
        return head === undefined ? undefined : () => tell(space, head);
      },
    });
  }

  /** Heads that were there at the last look, to tell which are new. */
  let known = new Map<string, number>();
  let version: SqlValue | undefined;
  function findNews(): void {
    // On this connection it changes by the commits of others only.
    const now = writer.get("pragma data_version")?.["data_version"];
    if (now === version) return;
    const heads = listHeads(reader);
    for (const [space, head] of heads) if (known.get(space) !== head) tell(space, head);
    known = heads;
    version = now;
  }

  let isBlind = false;
  function poll(): void {
    try {
      findNews();
      isBlind = false;
    } catch (error) {
      // Nobody awaits a timer: what it throws would end the process. It looks again the next time.
      if (!isBlind) for (const [, fail] of watchers) fail?.(storageFailure(error));
      isBlind = true;
    }
  }

  return {
    push,
    async read(space, want, use) {
      const look = (db: Database): ReadFound => readSpace(db, findSpace(db, store, space), want);
      if (use === undefined) return reading(reader, () => look(reader));
      const db = idle.pop() ?? connectToRead();
      const { tx, revoke } = lend(db);
      try {
        db.exec("begin");
        const found = look(db);
        await use(tx, found);
        return found;
      } finally {
        revoke();
        giveBack(db);
      }
    },
    async heads(spaces) {
      return reading(reader, () => {
        const names = spaces ?? Array.from(listHeads(reader).keys());
        return new Map(names.map((name) => [name, findSpace(reader, store, name).head]));
      });
    },
    compact: (space, change) =>
      enqueue({
        writes: true,
        async run(db) {
          writeCompaction(db, space, store, change);
          const { head } = findSpace(db, store, space).head;
          return () => tell(space, head);
        },
      }),
    watch(...watcher) {
      watchers.add(watcher);
      if (timer === undefined) {
        known = listHeads(reader);
        version = writer.get("pragma data_version")?.["data_version"];
        timer = setInterval(poll, pollMs);
        // A process that has nothing else to do may end.
        timer.unref();
      }
      return () => {
        watchers.delete(watcher);
        if (watchers.size > 0) return;
        clearInterval(timer);
        timer = undefined;
      };
    },
    async backup(target) {
      reader.run("vacuum into ?", target);
    },
    async close() {
      closed = true;
      clearInterval(timer);
      await running;
      // The file alone is whole then: it can be copied.
      if (!writer.inTransaction) writer.all("pragma wal_checkpoint(truncate)");
      for (const db of [writer, reader, ...idle.splice(0)]) db.close();
    },
  };
}
