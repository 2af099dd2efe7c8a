/** Reading a space: pages of the log, and snapshots. */
import {
  type LogEntry,
  type PullResponse,
  type SnapshotPage,
  type WireRow,
  decodePullResponse,
} from "../protocol/index.ts";
import { must } from "./check.ts";
import { type Answer, type Target, type TokenName, read, send } from "./target.ts";

export interface PullOptions {
  readonly cursor?: string | null;
  readonly limit?: number | string;
  readonly seen?: readonly string[];
  /** s. */
  readonly wait?: number;
  readonly as?: TokenName;
  readonly bearer?: string;
  /** Of a second process. */
  readonly base?: string;
}

/** All that there is, from a cursor or from the start. */
export interface Reading {
  /** Rows of a snapshot, where the server began with one. */
  readonly data: Readonly<Record<string, readonly WireRow[]>> | undefined;
  /** What follows the snapshot or the cursor. */
  readonly entries: readonly LogEntry[];
  readonly cursor: string;
  readonly pos: number;
  readonly head: number;
  readonly pages: number;
}

export interface Reader {
  /** Where it began; undefined below L2. */
  readonly start: string | undefined;
  /** Calls back with all entries since the start; below L2 it does not. */
  check(look: (entries: readonly LogEntry[]) => void): Promise<void>;
  /** All entries since the start are of the events with these ids, in this order. */
  holds(ids: readonly (string | undefined)[]): Promise<void>;
}

export async function pull(
  target: Target,
  signal: AbortSignal,
  space: string,
  { cursor, limit, seen, wait, as, bearer, base }: PullOptions,
): Promise<Answer> {
  const query = new URLSearchParams();
  if (typeof cursor === "string") query.set("cursor", cursor);
  if (limit !== undefined) query.set("limit", String(limit));
  for (const token of seen ?? []) query.append("seen", token);
  if (wait !== undefined) query.set("wait", String(wait));
  const path = `/${space}/pull${query.size === 0 ? "" : `?${query.toString()}`}`;
  const who = { ...(as && { as }), ...(bearer !== undefined && { bearer }) };
  return read(await send(target, (base ?? "") + path, { ...who, signal }));
}

/** The page in an answer; anything else fails the case. */
export function readPage(answer: Answer, from?: string | null): PullResponse {
  must("a pull to be answered 200", answer.status === 200, [answer.status, answer.text]);
  const page = decodePullResponse(answer.json);
  must("a page as the protocol has them", "value" in page, "issue" in page && page.issue);
  if (from !== undefined)
    must("`from` to be the cursor that was sent", page.value.from === from, page.value.from);
  return page.value;
}

/** The other pages of a snapshot, and its rows. */
export async function readSnapshot(
  target: Target,
  signal: AbortSignal,
  space: string,
  first: SnapshotPage,
): Promise<{ pages: SnapshotPage[]; data: Record<string, WireRow[]> }> {
  const pages = [first];
  for (let page = first; page.next !== null;) {
    const path = `/${space}/snapshot/${encodeURIComponent(first.snapshot)}?page=${encodeURIComponent(page.next)}`;
    const next = readPage(await read(await send(target, path, { signal })));
    must("a page of a snapshot", next.mode === "snapshot", next.mode);
    must("a snapshot to end within 10,000 pages", pages.length < 10_000, pages.length);
    pages.push(next);
    page = next;
  }
  const data: Record<string, WireRow[]> = {};
  for (const page of pages)
    for (const [table, rows] of Object.entries(page.data)) (data[table] ??= []).push(...rows);
  return { pages, data };
}

export async function readAll(
  target: Target,
  signal: AbortSignal,
  space: string,
  options: PullOptions,
): Promise<Reading> {
  let cursor = options.cursor ?? null;
  let data: Reading["data"];
  const entries: LogEntry[] = [];
  for (let pages = 1; ; pages += 1) {
    const page = readPage(await pull(target, signal, space, { ...options, cursor }), cursor);
    if (page.mode === "snapshot") {
      must("a cursor to be answered with the log", cursor === null, page.mode);
      ({ data } = await readSnapshot(target, signal, space, page));
      ({ cursor } = page);
      continue;
    }
    const last = entries.at(-1)?.pos ?? -1;
    const first = page.entries[0]?.pos ?? Infinity;
    must(`positions above ${last} on the next page`, first > last, first);
    must("a page that says `more` to have entries", !page.more || page.entries.length > 0, page);
    entries.push(...page.entries);
    ({ cursor } = page);
    if (!page.more) return { data, entries, cursor, pos: page.pos, head: page.head, pages };
  }
}
