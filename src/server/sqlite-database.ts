/**
 * SQLite by `libsql`, which is synchronous: a statement is done when the call returns.
 *
 * Failure modes, all found by trying:
 * - A text with U+0000 is cut off there: texts of apps are stored as JSON.
 * - A single parameter that is an object is taken for named parameters, and one that it does not know ends the process:
 *   parameters are always passed as one array, and only of kinds that SQLite has.
 * - `BEGIN` and `COMMIT` as prepared statements do nothing after the first time: they are `exec`uted.
 * - `run` of a statement that gives rows (`RETURNING`) leaves it open, after which no transaction of the connection can end:
 *   such a statement is read to its end.
 * - A row of `get` has a member `_metadata`, which is not the app's.
 * - Another writer (`SQLITE_BUSY`), no space (`SQLITE_FULL`), a disk that fails (`SQLITE_IOERR`).
 */
import { SyncError } from "../errors.ts";

/** What can be stored. */
export type SqlValue = string | number | bigint | null | Uint8Array;

interface Statement {
  /** Whether it gives rows. */
  readonly reader: boolean;
  run(parameters: readonly SqlValue[]): { readonly changes: number };
  get(parameters: readonly SqlValue[]): unknown;
  all(parameters: readonly SqlValue[]): unknown[];
}

/** The part of a connection that is used here: that of better-sqlite3. */
interface Connection {
  readonly inTransaction: boolean;
  prepare(sql: string): Statement;
  exec(sql: string): unknown;
  close(): unknown;
}

type Open = new (file: string) => Connection;

export interface Row {
  readonly [column: string]: SqlValue;
}

export interface Database {
  readonly inTransaction: boolean;
  exec(sql: string): void;
  run(sql: string, ...parameters: readonly SqlValue[]): number;
  get(sql: string, ...parameters: readonly SqlValue[]): Row | undefined;
  all(sql: string, ...parameters: readonly SqlValue[]): Row[];
  close(): void;
}

/** Refuses what would end the process: for parameters that an app chose. */
export function checkValues(parameters: readonly SqlValue[]): readonly SqlValue[] {
  for (const it of parameters) {
    const isFine =
      it === null || ["string", "number", "bigint"].includes(typeof it) || it instanceof Uint8Array;
    if (!isFine) throw new TypeError(`Expected a value of SQLite, got ${typeof it}`);
  }
  return parameters;
}

/** Statements are prepared once: that costs as much as to run one. */
const mostStatements = 200;

function wrap(connection: Connection): Database {
  const statements = new Map<string, Statement>();
  const prepared = (sql: string): Statement => {
    let statement = statements.get(sql);
    if (statement === undefined) {
      if (statements.size >= mostStatements) statements.clear();
      statement = connection.prepare(sql);
      statements.set(sql, statement);
    }
    return statement;
  };
  const changes = (): number =>
    (prepared("select total_changes() as n").get([]) as { readonly n: number }).n;
  return {
    get inTransaction() {
      return connection.inTransaction;
    },
    exec: (sql) => void connection.exec(sql),
    run(sql, ...parameters) {
      const statement = prepared(sql);
      if (!statement.reader) return statement.run(parameters).changes;
      const before = changes();
      statement.all(parameters);
      return changes() - before;
    },
    get: (sql, ...parameters) => prepared(sql).get(parameters) as Row | undefined,
    all: (sql, ...parameters) => prepared(sql).all(parameters) as Row[],
    close() {
      statements.clear();
      connection.close();
    },
  };
}

/** Loads the driver, which an app without SQLite need not have. */
export async function loadDriver(): Promise<(file: string) => Database> {
  try {
    const { default: Driver } = (await import("libsql")) as unknown as { default: Open };
    return (file) => wrap(new Driver(file));
  } catch (error) {
    const message = `Expected the package "libsql" to be installed, got ${String(error)}`;
    throw new SyncError("config", message, error);
  }
}

/** Version of the tables. A higher one is of newer code: nothing is touched. */
const format = "1";

const tables = `
create table if not exists sssync_meta(name text primary key, value text not null) without rowid;
create table if not exists sssync_space(
  n integer primary key, space text not null unique, epoch text not null, head integer not null, hash text not null,
  floor integer not null, floor_hash text not null, snapshot text);
create table if not exists sssync_log(
  space integer not null, pos integer not null, hash text not null, ts integer not null, tx text, entry text not null,
  primary key(space, pos)) without rowid;
create table if not exists sssync_decision(
  space integer not null, id text not null, ts integer not null, pos integer, of text, error text,
  primary key(space, id)) without rowid;
create table if not exists sssync_key(
  space integer not null, name text not null, key text not null, id text not null, ts integer not null,
  primary key(space, name, key)) without rowid;
create table if not exists sssync_client(
  space integer not null, client text not null, owner text not null, last integer not null, ts integer not null,
  primary key(space, client)) without rowid;
create table if not exists sssync_snapshot(
  space integer not null, id text not null, pos integer not null, hash text not null, pages integer not null,
  primary key(space, id)) without rowid;
create table if not exists sssync_page(
  space integer not null, id text not null, no integer not null, data text not null, primary key(space, id, no));
`;

/** Prepares a connection. FULL: what was acknowledged survives a power cut. */
export function prepareConnection(db: Database): void {
  // Alone, the first of two processes would be told BUSY while the other one makes the file a WAL one.
  db.exec("pragma busy_timeout = 5000");
  db.get("pragma journal_mode = wal");
  db.exec("pragma synchronous = full");
  db.exec("pragma busy_timeout = 0");
}

/** Makes the tables where they are missing, and gives the id of this store. */
export function prepareTables(db: Database, newId: () => string): string {
  db.exec("pragma busy_timeout = 5000");
  db.exec("begin immediate");
  try {
    db.exec(tables);
    db.run("insert or ignore into sssync_meta values ('format', ?)", format);
    db.run("insert or ignore into sssync_meta values ('store', ?)", newId());
    const value = (name: string): SqlValue =>
      db.get("select value from sssync_meta where name = ?", name)?.["value"] ?? null;
    if (value("format") !== format) {
      const message = `Expected tables of format ${format}, got ${String(value("format"))}`;
      throw new SyncError("outdated", message);
    }
    const store = value("store") as string;
    db.exec("commit");
    db.exec("pragma busy_timeout = 0");
    return store;
  } catch (error) {
    if (db.inTransaction) db.exec("rollback");
    throw error;
  }
}
