// @ts-nocheck
/**
 * The rules of sssync/1 for pushes and pulls, over SQLite and without sssync: what a server in another language has to do.
 * `app` has the rules of the app; nothing here knows them.
 */
import { createHash } from "node:crypto";

const tables = `
create table if not exists space(name text primary key, epoch text, head int, hash text);
create table if not exists entry(space text, pos int, hash text, body text, primary key(space, pos));
create table if not exists decision(space text, id text, body text, key text, primary key(space, id));
create table if not exists client(space text, id text, owner text, last int, primary key(space, id));`;

/** A request that is answered with an error. */
export const fail = (code, more) => {
  throw Object.assign(new Error(code), { code, more });
};
const isWhole = (value, least) => Number.isSafeInteger(value) && value >= least;
const hashOf = (text) => createHash("sha256").update(text).digest("base64url").slice(0, 11);
const isId = (value) => /^[\w-]{8,64}$/.test(value);

function checkEvents(client, events, limits) {
  if (!isId(client) || !Array.isArray(events) || events.length === 0) fail("bad_request");
  if (events.length > limits.batchEvents) fail("too_large", { limits });
  for (const it of events) {
    const { id, seq, name, v = 1, at, tx = id } = it ?? {};
    const isNamed = /^[A-Za-z][\w.:-]{0,63}$/.test(name) && isWhole(v, 1);
    if (!isId(id) || !isId(tx) || !isWhole(seq, 1) || !isWhole(at, 0) || !isNamed)
      fail("bad_request");
  }
}

export function createCore(db, app, limits) {
  db.exec(tables);
  const get = (sql, ...values) => db.prepare(sql).get(values);
  const run = (sql, ...values) => db.prepare(sql).run(values);
  const spaceOf = (name) =>
    get("select * from space where name = ?", name) ?? {
      epoch: hashOf(`${app.store} ${name}`),
      head: 0,
      hash: "0",
    };

  async function push(space, user, { client, events }) {
    checkEvents(client, events, limits);
    // The rules are asked before the lock: here they depend on nothing that is stored.
    const refusals = await Promise.all(events.map((it) => app.judge(it, space)));
    db.exec("begin immediate");
    try {
      let { epoch, head, hash } = spaceOf(space);
      const sql = "select owner, last from client where space = ? and id = ?";
      const { owner, last: before } = get(sql, space, client) ?? { owner: user.id, last: 0 };
      // A client belongs to the first who used it.
      if (owner !== user.id) fail("forbidden");
      let last = before;
      let stopped;
      const results = [];
      for (const [index, event] of events.entries()) {
        const { id, seq, name, v = 1, payload, at } = event;
        // 1. A decision is taken once, and remembered by the event's id.
        const known = get("select body from decision where space = ? and id = ?", space, id);
        // 2. What is new has to have the next number: a used one is a copied client's, a gap is filled by sending again.
        if (known === undefined && seq <= last) stopped = { code: "client_conflict" };
        if (seq > last + 1) stopped = { code: "sequence_gap", expected: last + 1 };
        if (stopped !== undefined) break;
        let decision = known && JSON.parse(known.body);
        if (decision === undefined) {
          const error = refusals[index];
          const key = error ? null : (app.key(event) ?? null);
          const first =
            key && get("select id from decision where space = ? and key = ?", space, key);
          // 3. Rejections are remembered as well, and take their number: they block nothing.
          if (error) decision = { status: "rejected", error };
          else if (first) decision = { status: "duplicate", of: first.id };
          else {
            head += 1;
            hash = hashOf(`${hash}|${id}`);
            decision = { status: "accepted", pos: head };
            const entry = { pos: head, id, client, seq, name, v, payload, at };
            const body = JSON.stringify({ ...entry, ts: Date.now(), by: user.id });
            run("insert into entry values (?, ?, ?, ?)", space, head, hash, body);
          }
          const body = JSON.stringify(decision);
          run("insert into decision values (?, ?, ?, ?)", space, id, body, first ? null : key);
        }
        last = Math.max(last, seq);
        results.push({ id, ...decision });
      }
      run("insert or replace into client values (?, ?, ?, ?)", space, client, user.id, last);
      run("insert or replace into space values (?, ?, ?, ?)", space, epoch, head, hash);
      db.exec("commit");
      return [stopped ? 409 : 200, { epoch, head, results, ...(stopped && { stopped }) }];
    } catch (error) {
      db.exec("rollback");
      throw error;
    }
  }

  function pull(space, query) {
    const { epoch, head } = spaceOf(space);
    const hashAt = (pos) =>
      pos === 0 ? "0" : get("select hash from entry where space = ? and pos = ?", space, pos)?.hash;
    const cursorAt = (pos) =>
      Buffer.from(JSON.stringify([epoch, pos, hashAt(pos), hashOf(space)])).toString("base64url");
    /** The position of a cursor, if this log still goes through it. */
    const read = (cursor) => {
      if (!/^[\w.~-]{1,256}$/.test(cursor)) fail("bad_request");
      const pos = Number(/^\["[^"]*",(\d+),/.exec(Buffer.from(cursor, "base64url"))?.[1] ?? -1);
      if (pos < 0 || pos > head || cursorAt(pos) !== cursor)
        fail("reset_required", { reason: "diverged" });
      return pos;
    };
    const from = query.get("cursor");
    const limit = query.get("limit") ?? limits.pageEntries;
    if (!/^[1-9]\d{0,15}$/.test(limit)) fail("bad_request");
    for (const token of query.getAll("seen")) read(token);
    const start = from === null ? 0 : read(from);
    let size = 0;
    const entries = db
      .prepare("select body from entry where space = ? and pos > ? order by pos limit ?")
      .all([space, start, Math.min(limit, limits.pageEntries)])
      .filter(({ body }, index) => (size += body.length) < limits.pageBytes || index === 0)
      .map(({ body }) => JSON.parse(body));
    const pos = entries.at(-1)?.pos ?? start;
    const cursor = cursorAt(pos);
    return [200, { mode: "log", epoch, from, cursor, pos, head, more: pos < head, entries }];
  }

  return { push, pull };
}
