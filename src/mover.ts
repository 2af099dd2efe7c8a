/** How the base follows the server's log: page by page, or all of it at once. */
import { nowhere, unmoved } from "./authority.ts";
import { type Appended, type Body, type Lead } from "./lead.ts";
import { sameJson, toJson } from "./model/json.ts";
import { type BaseRecord, type Place, type Row, type RowImage } from "./model/log.ts";
import { watermark } from "./model/outbox.ts";
import { type Seen, type Unfit, applyEntries, idsIn, seenIn } from "./model/page.ts";
import { type Replica } from "./model/replica.ts";
import { type Stage } from "./model/stage.ts";
import { type Table, createTable } from "./model/table.ts";
import { type LogPage, type WireTables } from "./protocol/index.ts";
import { type Shared } from "./shared.ts";

/** `nothing`: there was nothing to write, or memory is not in a state to say; `fenced`: another tab leads. */
export type Written = "done" | "fenced" | "nothing";

export interface Snapshot {
  readonly cursor: string;
  readonly pos: number;
  readonly epoch: string;
  readonly tables: WireTables;
}

const outcomes = { written: "done", fenced: "fenced", moved: "nothing" } as const;
export const done = (appended: Appended): Written => outcomes[appended];

/** What is only written where there is something to say. */
export const some = <K extends string, T>(
  key: K,
  list: readonly T[],
): Partial<Record<K, readonly T[]>> =>
  list.length === 0 ? {} : ({ [key]: list } as Record<K, readonly T[]>);

/** A record that decides events. */
export function deciding(
  replica: Replica,
  decided: readonly string[],
  rest: Partial<BaseRecord>,
): Body {
  const ids = new Set(decided);
  const isDone = (id: string): boolean => ids.has(id) || replica.remote.isDecided(id);
  return {
    ...unmoved(replica),
    settled: watermark(replica, ({ unit }) => unit.every(({ id }) => isDone(id))),
    decided,
    ...rest,
  };
}

/** Rows that are compared, or written, before the page draws again. */
const chunk = 5000;

/** ms that the server's log may end before what it said it took in. */
const mostShort = 60_000;

/** Pages from the beginning of the log, and the base that they come to. */
interface Staging extends Place {
  readonly tables: ReadonlyMap<string, Table>;
  readonly stage: Stage;
  readonly ids: Set<string>;
}

const decisionsOf = ({ duplicates, unacked }: Seen): Partial<BaseRecord> => ({
  ...some("duplicates", duplicates),
  ...some("unacked", unacked),
});

export function createMover(shared: Shared, lead: Lead) {
  const { follower, definition, environment } = shared;
  const { replica } = follower;
  const { remote } = replica;
  let staging: Staging | undefined;
  /** Since when it does, ms since the epoch. */
  let shortSince: number | undefined;

  /**
   * Up to where a page shows what is in the log. A log that ends before what it took in may be an answer from before, or a
   * copy that lags; one that stays so was put back to a backup, and nobody may ever write what makes it long enough to tell.
   */
  function endOf({ pos, head, more }: LogPage): number {
    const isShort = !more && Array.from(remote.acked.values()).some(([, at]) => at > head);
    const now = environment.clock.now();
    const since = shortSince ?? now;
    const isLost = isShort && Math.abs(now - since) >= mostShort;
    shortSince = isShort && !isLost ? since : undefined;
    return isLost ? Infinity : pos;
  }

  /** What makes the base these rows. While it is compared only the overlay moves. */
  async function difference(
    wanted: ReadonlyMap<string, ReadonlyMap<string, Row>>,
    pos: number,
  ): Promise<RowImage[]> {
    const images: RowImage[] = [];
    let count = 0;
    const rest = async (): Promise<void> => {
      count += 1;
      if (count % chunk === 0) await environment.clock.pause();
    };
    for (const [name, table] of replica.tables) {
      const rows = wanted.get(name) ?? new Map<string, Row>();
      const before = new Map(Array.from(replica.baseRows(table), (row) => [row.id, row]));
      for (const [id, row] of rows) {
        if (!sameJson(before.get(id), row)) images.push([name, id, row, pos]);
        await rest();
      }
      for (const id of before.keys()) {
        if (!rows.has(id)) images.push([name, id, null, pos]);
        await rest();
      }
    }
    // Tables that this code does not know: for code that does.
    const strange = new Set(follower.ledger?.carried.map(([name]) => name));
    for (const name of new Set([...strange, ...wanted.keys()])) {
      if (replica.tables.has(name)) continue;
      const rows = wanted.get(name);
      for (const [table, id] of follower.ledger?.carried ?? [])
        if (table === name && rows?.has(id) !== true) images.push([table, id, null, pos]);
      for (const [id, row] of rows ?? []) images.push([name, id, row, pos]);
    }
    return images;
  }

  /** The base becomes other rows, in one record: nobody sees less in between. */
  async function replace(
    wanted: ReadonlyMap<string, ReadonlyMap<string, Row>>,
    place: Place,
    seen: ReadonlySet<string>,
  ): Promise<Written> {
    const { term } = shared;
    const changes = await difference(wanted, place.pos);
    // What was compared under an earlier term says nothing about the base as it is now.
    if (shared.term === undefined || shared.term !== term) return "nothing";
    const { decided, duplicates } = seenIn(replica, seen, nowhere, 0);
    const ids = new Set(decided);
    const unacked = Array.from(remote.acked.keys()).filter((id) => !ids.has(id));
    const rest = decisionsOf({ decided, duplicates, unacked });
    return done(
      await lead.append([
        deciding(replica, decided, { ...rest, changes, remote: place, anew: true }),
      ]),
    );
  }

  /** Pages from the beginning: the base is none of theirs until the last one is here. */
  async function collect(page: LogPage): Promise<Written | Unfit> {
    if (page.from === null || staging === undefined) {
      const tables = new Map(Array.from(replica.tables.keys(), (it) => [it, createTable(it)]));
      const stage = replica.stage(tables);
      staging = { ...nowhere, tables, stage, ids: new Set() };
    }
    const { stage, ids } = staging;
    const unfit = applyEntries(replica, stage, page.entries);
    if (unfit !== undefined) {
      staging = undefined;
      return unfit;
    }
    for (const id of idsIn(page.entries)) ids.add(id);
    const { cursor, pos, epoch } = page;
    staging = { ...staging, cursor, pos, epoch };
    if (page.more) return "done";
    staging = undefined;
    const rows = new Map<string, Map<string, Row>>();
    for (const [table, id, row] of stage.images())
      if (row !== null) rows.set(table, (rows.get(table) ?? new Map<string, Row>()).set(id, row));
    return await replace(rows, { cursor, pos, epoch }, ids);
  }

  const hasBase = (): boolean =>
    Array.from(replica.tables.values()).some(
      (table) => replica.baseRows(table).next().done !== true,
    );

  async function apply(page: LogPage): Promise<Written | "stale" | Unfit> {
    const { place } = remote;
    const isNext = staging !== undefined && page.from === staging.cursor;
    const begin = isNext ? (staging?.pos ?? 0) : page.from === null ? 0 : place.pos;
    // More is to come, and this is no step towards it: to ask on would be to ask for ever.
    if (page.more && page.pos <= begin) return "stale";
    if (isNext || (page.from === null && (place.cursor !== null || remote.doubted || hasBase())))
      return await collect(page);
    if (page.from !== place.cursor || page.pos < place.pos) return "stale";
    if ((page.entries[0]?.pos ?? Infinity) <= place.pos) return "stale";
    const stage = replica.stage(replica.tables);
    const unfit = applyEntries(replica, stage, page.entries);
    if (unfit !== undefined) return unfit;
    const seen = seenIn(replica, new Set(idsIn(page.entries)), place, endOf(page));
    const isSame = page.entries.length === 0 && page.pos === place.pos && page.from !== null;
    if (isSame && seen.decided.length + seen.unacked.length === 0) return "nothing";
    const { cursor, pos, epoch } = page;
    const changes = stage.images();
    const body = deciding(replica, seen.decided, {
      ...decisionsOf(seen),
      changes,
      remote: { cursor, pos, epoch },
    });
    return done(await lead.append([body]));
  }

  /** The rows of a snapshot as the app's schemas have them. */
  function rowsOf({ tables }: Snapshot): ReadonlyMap<string, ReadonlyMap<string, Row>> | Unfit {
    const wanted = new Map<string, Map<string, Row>>();
    for (const [name, list] of Object.entries(tables)) {
      const rows = new Map<string, Row>();
      for (const row of list) {
        const parser = definition.tables.get(name)?.parser;
        const kept = parser === undefined ? toJson(row) : parser.take(row);
        if ("issue" in kept) return { incompatible: `Expected valid rows of "${name}"`, before: 0 };
        rows.set(row.id, kept.value as Row);
      }
      wanted.set(name, rows);
    }
    return wanted;
  }

  return {
    apply,
    async reset(snapshot: Snapshot): Promise<Written | Unfit> {
      staging = undefined;
      const { cursor, pos, epoch } = snapshot;
      const rows = rowsOf(snapshot);
      if ("incompatible" in rows) return rows;
      return await replace(rows, { cursor, pos, epoch }, new Set());
    },
  };
}
