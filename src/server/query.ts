/**
 * Answers of the app's own addresses, with the position of the log that they were read at: without it a client could not
 * tell an answer that is older than its rows from one that is newer.
 */
import { type RowOf, type TableSchemas } from "../model/definition.ts";
import { type Row } from "../model/log.ts";
import {
  type WireAction,
  type WireRow,
  decodeSyncResponse,
  headers,
  isCursor,
} from "../protocol/index.ts";
import { describe } from "./body.ts";
import { cursorAt, readCursor } from "./cursors.ts";
import { Failure, HookFailure } from "./failure.ts";
import { digest } from "./hash.ts";
import { type Kit, type Visit } from "./kit.ts";
import { type Principal } from "./options.ts";
import { pageText } from "./pull.ts";
import { type Rows, rowsOf } from "./state.ts";
import { type SpaceHead } from "./storage.ts";

/** What a query reads from: all of it is as of one moment. */
export interface QueryContext<P, T extends TableSchemas, Tx> {
  readonly request: Request;
  readonly url: URL;
  readonly principal: P;
  readonly space: string;
  /** Rows of a table, ordered by id, where the server has `tables` and `materializers`. */
  rows<N extends keyof T & string>(table: N): readonly RowOf<T, N>[];
  /** The storage's transaction, for tables of the app. */
  readonly tx: Tx;
}

export interface QueryAnswer {
  /** Rows by table, or what to change. */
  readonly data: Readonly<Record<string, readonly WireRow[]>> | readonly WireAction[];
  /** When the server is `poke`d with one of them, the answer is stale. */
  readonly tags?: readonly string[];
  /** Ids of rows that are deleted, by table. */
  readonly removed?: Readonly<Record<string, readonly string[]>>;
}

export type QueryHandler<P, T extends TableSchemas, Tx> = (
  context: QueryContext<P, T, Tx>,
) => QueryAnswer | Promise<QueryAnswer>;

/** What was read, and where. */
interface Read {
  readonly at: SpaceHead;
  readonly answer: QueryAnswer;
}

/** Reads rows and the app's tables as of the same entry. `isLocked`: nobody else brings the rows further meanwhile. */
async function readOnce(
  kit: Kit,
  visit: Visit,
  handler: QueryHandler<Principal, TableSchemas, unknown>,
  isLocked: boolean,
): Promise<Read | undefined> {
  const { options, states } = kit;
  const { request, url, principal, space, deadline } = visit;
  let read: Read | undefined;
  await options.storage.read(space, { limit: 0, size: 0 }, async (tx, { space: at }) => {
    let all: Rows | undefined;
    if (states !== undefined) {
      const look = async () => {
        const it = await states.at(space, at);
        return { pos: it.pos, rows: rowsOf(it) };
      };
      const state = await (isLocked ? look() : states.lock(space, look));
      // Another request has brought the rows further meanwhile.
      if (state.pos !== at.head) return;
      all = state.rows;
    }
    const rows = (table: string): readonly Row[] => {
      const found = all?.get(table);
      if (found === undefined) throw new Error(`Expected a table of the server, got "${table}"`);
      return found;
    };
    const context = { request, url, principal, space, rows: rows as never, tx };
    const answer = await deadline.call("query", () => handler(context));
    read = { at, answer: expectAnswer(answer) };
  });
  return read;
}

const modeOf = (data: unknown): "actions" | "snapshot" =>
  Array.isArray(data) ? "actions" : "snapshot";

/** An answer that no client can read is trouble of the app, which is to hear of it. */
function expectAnswer(answer: QueryAnswer | undefined): QueryAnswer {
  const decoded = decodeSyncResponse({ ...answer, mode: modeOf(answer?.data) });
  if ("value" in decoded && answer !== undefined) return answer;
  const reason = "issue" in decoded ? describe(decoded.issue) : "no answer";
  throw new HookFailure("query", "unavailable", reason);
}

/** Refuses to answer from before a place that the client knows. */
function checkAfter({ request, space }: Visit, at: SpaceHead): void {
  const after = request.headers.get(headers.after);
  if (after === null) return;
  const place = isCursor(after) ? readCursor(space, after) : undefined;
  // A place of another log is found out by the client's next pull.
  if (typeof place === "object" && place.epoch === at.epoch && place.pos > at.head)
    throw new Failure("unavailable", { retryAfter: 1000 });
}

export async function handleQuery(
  kit: Kit,
  visit: Visit,
  handler: QueryHandler<Principal, TableSchemas, unknown>,
): Promise<Response> {
  let read: Read | undefined;
  for (let tries = 0; read === undefined; tries += 1) {
    if (tries === 5) throw new Failure("unavailable", { retryAfter: 100 });
    // Who writes without a pause does not keep readers out: the second time those wait.
    const lock = tries === 0 ? undefined : kit.states?.lock;
    const once = () => readOnce(kit, visit, handler, lock !== undefined);
    read = await (lock === undefined ? once() : lock(visit.space, once));
  }
  const { at, answer } = read;
  checkAfter(visit, at);
  const { data, tags, removed } = answer;
  const mode = modeOf(data);
  const text = await visit.deadline.call("query", () => JSON.stringify(data));
  const etag = `"${digest(JSON.stringify([mode, text, tags, removed]), 16)}"`;
  const token = cursorAt(visit.space, at.epoch, at.head, at.hash);
  const common = {
    ETag: etag,
    // Each time it is asked whether there is something newer; the rows may be kept.
    "Cache-Control": "private, no-cache",
    Vary: `Authorization, Cookie, ${headers.schema}`,
    [headers.pos]: String(at.head),
    [headers.token]: token,
  };
  const known = visit.request.headers.get("If-None-Match");
  if (known?.split(",").some((it) => it.trim().replace(/^W\//, "") === etag) === true)
    return new Response(null, { status: 304, headers: common });
  const meta = { mode, epoch: at.epoch, pos: at.head, token, tags, removed };
  return new Response(pageText(meta, "data", text), {
    headers: { "Content-Type": "application/json", ...common },
  });
}
