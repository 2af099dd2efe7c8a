/** The statements of the storage in SQLite. Each function is called inside a transaction. */
import { type Rejection } from "../protocol/index.ts";
import { digest, firstHash } from "./hash.ts";
import { takePage } from "./page.ts";
import { type Database, type Row, type SqlValue } from "./sqlite-database.ts";
import {
  type Compaction,
  type Decision,
  type LogRow,
  type PushFound,
  type PushWant,
  type PushWrite,
  type ReadFound,
  type ReadWant,
  type SnapshotHead,
  type SpaceHead,
  keyText,
} from "./storage.ts";

/** A space and its number; 0: it was never written to. */
export interface NumberedSpace {
  readonly n: number;
  readonly head: SpaceHead;
}

/** Texts that the app chose: SQLite would cut them off at U+0000. */
const quoted = (text: string): string => JSON.stringify(text);
const unquoted = (value: SqlValue | undefined): string => JSON.parse(value as string) as string;

const snapshotOf = (row: Row | undefined): SnapshotHead | undefined =>
  row === undefined
    ? undefined
    : {
        id: row["id"] as string,
        pos: row["pos"] as number,
        hash: row["hash"] as string,
        pages: row["pages"] as number,
      };

const findSnapshot = (db: Database, n: number, id: SqlValue): SnapshotHead | undefined =>
  snapshotOf(
    db.get("select id, pos, hash, pages from sssync_snapshot where space = ? and id = ?", n, id),
  );

export function findSpace(db: Database, store: string, space: string): NumberedSpace {
  const row = db.get("select * from sssync_space where space = ?", space);
  if (row === undefined) {
    const zero = { head: 0, hash: firstHash, floor: 0, floorHash: firstHash };
    return { n: 0, head: { epoch: digest(`${store}|${space}`, 9), ...zero } };
  }
  const n = row["n"] as number;
  const snapshot = row["snapshot"];
  return {
    n,
    head: {
      epoch: row["epoch"] as string,
      head: row["head"] as number,
      hash: row["hash"] as string,
      floor: row["floor"] as number,
      floorHash: row["floor_hash"] as string,
      snapshot: typeof snapshot === "string" ? findSnapshot(db, n, snapshot) : undefined,
    },
  };
}

export function listHeads(db: Database): Map<string, number> {
  const rows = db.all("select space, head from sssync_space");
  return new Map(rows.map((row) => [row["space"] as string, row["head"] as number]));
}

function decisionOf(row: Row): Decision {
  const { pos, of, error } = row;
  if (typeof error === "string")
    return { status: "rejected", error: JSON.parse(error) as Rejection };
  if (typeof of === "string") return { status: "duplicate", of };
  return { status: "accepted", pos: pos as number };
}

/** What is known when a batch is decided. */
export function findForPush<Tx>(
  db: Database,
  { n, head }: NumberedSpace,
  want: PushWant,
  tx: Tx,
): PushFound<Tx> {
  const decisions = new Map<string, Decision>();
  const keys = new Map<string, string>();
  const row =
    n === 0 || want.client === undefined
      ? undefined
      : db.get(
          "select owner, last from sssync_client where space = ? and client = ?",
          n,
          want.client,
        );
  const client = row && { owner: unquoted(row["owner"]), last: row["last"] as number };
  if (n !== 0) {
    const [only] = want.ids;
    const found =
      want.ids.length === 1 && only !== undefined
        ? db.all(
            "select id, pos, of, error from sssync_decision where space = ? and id = ?",
            n,
            only,
          )
        : db.all(
            "select id, pos, of, error from sssync_decision where space = ? and id in (select value from json_each(?))",
            n,
            JSON.stringify(want.ids),
          );
    for (const it of found) decisions.set(it["id"] as string, decisionOf(it));
    for (const key of want.keys) {
      const id = db.get(
        "select id from sssync_key where space = ? and name = ? and key = ?",
        n,
        key.name,
        quoted(key.key),
      )?.["id"];
      if (typeof id === "string") keys.set(keyText(key), id);
    }
  }
  return { space: head, client, decisions, keys, tx };
}

/** The number of a space, which it gets when it is first written to. */
function numberOf(db: Database, space: string, { n, head }: NumberedSpace): number {
  if (n !== 0) return n;
  db.run(
    "insert into sssync_space(space, epoch, head, hash, floor, floor_hash) values (?, ?, 0, ?, 0, ?)",
    space,
    head.epoch,
    firstHash,
    firstHash,
  );
  return db.get("select n from sssync_space where space = ?", space)?.["n"] as number;
}

export function writePush(
  db: Database,
  space: string,
  found: NumberedSpace,
  { now, rows, decisions, keys, client }: PushWrite,
): void {
  const n = numberOf(db, space, found);
  for (const { pos, hash, ts, tx, entry } of rows)
    db.run("insert into sssync_log values (?, ?, ?, ?, ?, ?)", n, pos, hash, ts, tx ?? null, entry);
  // In place of an older one only where rules are switched off for tests.
  for (const { id, decision } of decisions)
    db.run(
      "insert or replace into sssync_decision values (?, ?, ?, ?, ?, ?)",
      n,
      id,
      now,
      decision.status === "accepted" ? decision.pos : null,
      decision.status === "duplicate" ? decision.of : null,
      decision.status === "rejected" ? JSON.stringify(decision.error) : null,
    );
  for (const { name, key, id } of keys)
    db.run(
      "insert or replace into sssync_key values (?, ?, ?, ?, ?)",
      n,
      name,
      quoted(key),
      id,
      now,
    );
  if (client !== undefined) {
    const { id, owner, last } = client;
    const sql =
      "insert into sssync_client values (?, ?, ?, ?, ?) on conflict do update set last = excluded.last, ts = excluded.ts";
    db.run(sql, n, id, quoted(owner), last, now);
  }
  const last = rows.at(-1);
  if (last !== undefined)
    db.run("update sssync_space set head = ?, hash = ? where n = ?", last.pos, last.hash, n);
}

function hashAt(db: Database, { n, head }: NumberedSpace, pos: number): string | undefined {
  if (pos === head.head) return head.hash;
  if (pos === head.floor) return head.floorHash;
  const row = db.get("select hash from sssync_log where space = ? and pos = ?", n, pos);
  return row?.["hash"] as string | undefined;
}

/** Entries that are read at once: large ones fill a page soon. */
const chunk = 64;

function* rowsAfter(db: Database, n: number, after: number, most: number): Generator<LogRow> {
  let at = after;
  const sql =
    "select pos, hash, ts, tx, entry from sssync_log where space = ? and pos > ? order by pos limit ?";
  for (let left = most; ; left = chunk) {
    const limit = Math.min(chunk, Math.max(1, left));
    const rows = db.all(sql, n, at, limit);
    for (const row of rows) {
      const { pos, hash, ts, tx, entry } = row as unknown as LogRow & {
        readonly tx: string | null;
      };
      yield { pos, hash, ts, tx: tx ?? undefined, entry };
      at = pos;
    }
    if (rows.length < limit) return;
  }
}

export function readSpace(db: Database, found: NumberedSpace, want: ReadWant): ReadFound {
  const { n, head } = found;
  const hashes = (want.hashesAt ?? []).map((pos) => hashAt(db, found, pos));
  const page = want.page && findPage(db, found, want.page);
  const isWanted = want.after !== undefined && page === undefined && n !== 0;
  const rows = isWanted ? takePage(rowsAfter(db, n, want.after ?? 0, want.limit + 1), want) : [];
  return { space: head, hashes, rows, page };
}

function findPage(
  db: Database,
  { n, head }: NumberedSpace,
  { snapshot, no }: NonNullable<ReadWant["page"]>,
): ReadFound["page"] {
  const of = snapshot === undefined ? head.snapshot : findSnapshot(db, n, snapshot);
  if (of === undefined) return undefined;
  const row = db.get(
    "select data from sssync_page where space = ? and id = ? and no = ?",
    n,
    of.id,
    no,
  );
  return row && { of, data: row["data"] as string };
}

export function writeCompaction(
  db: Database,
  space: string,
  store: string,
  change: Compaction,
): void {
  const found = findSpace(db, store, space);
  const n = numberOf(db, space, found);
  const { snapshot, entriesBefore, decisionsBefore, epoch } = change;
  if (snapshot !== undefined) {
    const { id, pos, hash, pages } = snapshot;
    if (hashAt(db, found, pos) !== hash)
      throw new Error("Expected the log to be what the snapshot was made of, got another");
    // The one before stays: a reader may be between two of its pages.
    const kept = found.head.snapshot?.id ?? "";
    db.run("delete from sssync_page where space = ? and id <> ?", n, kept);
    db.run("delete from sssync_snapshot where space = ? and id <> ?", n, kept);
    db.run("insert into sssync_snapshot values (?, ?, ?, ?, ?)", n, id, pos, hash, pages.length);
    for (const [no, data] of pages.entries())
      db.run("insert into sssync_page values (?, ?, ?, ?)", n, id, no, data);
    db.run("update sssync_space set snapshot = ? where n = ?", id, n);
  }
  if (entriesBefore !== undefined) {
    const most = snapshot?.pos ?? found.head.snapshot?.pos ?? found.head.floor;
    const old = db.get(
      "select pos, hash from sssync_log where space = ? and pos <= ? and ts < ? order by pos desc limit 1",
      n,
      most,
      entriesBefore,
    );
    if (old !== undefined) {
      const { pos, hash } = old as unknown as LogRow;
      db.run("delete from sssync_log where space = ? and pos <= ?", n, pos);
      db.run("update sssync_space set floor = ?, floor_hash = ? where n = ?", pos, hash, n);
    }
  }
  if (decisionsBefore !== undefined)
    for (const table of ["sssync_decision", "sssync_key", "sssync_client"])
      db.run(`delete from ${table} where space = ? and ts < ?`, n, decisionsBefore);
  if (epoch !== undefined) {
    for (const table of ["sssync_log", "sssync_page", "sssync_snapshot"])
      db.run(`delete from ${table} where space = ?`, n);
    db.run(
      "update sssync_space set epoch = ?, floor = head, floor_hash = hash, snapshot = null where n = ?",
      epoch,
      n,
    );
  }
}
