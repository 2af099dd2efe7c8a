// @ts-check
/**
 * The same rows by hand: log, decisions, client and head, in one transaction per push, with prepared statements and nothing
 * else. No request, no JSON, no checks, no look at what is there. Changing this file makes earlier figures worthless.
 */
import Database from "libsql";

/** @typedef {{ pos: number, hash: string, id: string, entry: string }} Entry */

/** @type {(file: string) => { push(space: number, client: string, entries: readonly Entry[]): void, close(): void }} */
export function openByHand(file) {
  const db = new Database(file);
  db.pragma("journal_mode = wal");
  db.pragma("synchronous = full");
  db.exec(`
    create table space(n integer primary key, head integer not null, hash text not null);
    create table log(space integer, pos integer, hash text, ts integer, tx text, entry text, primary key(space, pos)) without rowid;
    create table decision(space integer, id text, ts integer, pos integer, of text, error text, primary key(space, id)) without rowid;
    create table client(space integer, client text, owner text, last integer, ts integer, primary key(space, client)) without rowid;
  `);
  const addEntry = db.prepare("insert into log values (?, ?, ?, ?, null, ?)");
  const addDecision = db.prepare("insert into decision values (?, ?, ?, ?, null, null)");
  const putClient = db.prepare("insert or replace into client values (?, ?, ?, ?, ?)");
  const putSpace = db.prepare("insert or replace into space values (?, ?, ?)");
  return {
    push(space, client, entries) {
      const now = Date.now();
      db.exec("begin immediate");
      for (const { pos, hash, id, entry } of entries) {
        addEntry.run([space, pos, hash, now, entry]);
        addDecision.run([space, id, now, pos]);
      }
      const last = entries[entries.length - 1];
      if (last === undefined) throw new Error("Expected entries");
      putClient.run([space, client, "ann", last.pos, now]);
      putSpace.run([space, last.pos, last.hash]);
      db.exec("commit");
    },
    close: () => void db.close(),
  };
}
