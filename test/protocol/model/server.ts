/** The model's server: one space. Steps are atomic. Rows are lists of event ids, so that what is lost, doubled or swapped shows. */
import { type Mutant } from "./mutants.ts";

export interface SentEvent {
  readonly id: string;
  readonly seq: number;
  readonly row: string;
  readonly tx?: string | undefined;
  /** The app's rules are against it. */
  readonly bad?: boolean | undefined;
  /** Its dedupe key. */
  readonly key?: string | undefined;
}
export interface PushRequest {
  readonly client: string;
  readonly events: readonly SentEvent[];
}
export interface PushResponse {
  readonly results: readonly {
    readonly id: string;
    readonly status: Status;
    readonly pos?: number | undefined;
  }[];
  readonly stopped?: {
    readonly code: "client_conflict" | "sequence_gap";
    readonly expected?: number;
  };
}
export type Status = "accepted" | "duplicate" | "rejected";

export interface Decision {
  readonly id: string;
  readonly client: string;
  readonly status: Status;
  readonly tx?: string | undefined;
  readonly pos?: number | undefined;
}
export interface Entry {
  readonly id: string;
  readonly pos: number;
  readonly hash: string;
  readonly row: string;
  readonly tx?: string | undefined;
}
export interface Row {
  readonly list: readonly string[];
  readonly pos: number;
}
/** What a real cursor holds in an opaque form. */
export interface Cursor {
  readonly epoch: string;
  readonly pos: number;
  readonly hash: string;
}
export type PullResponse =
  | { readonly mode: "reset"; readonly from: Cursor | null }
  | {
      readonly mode: "snapshot";
      readonly from: Cursor | null;
      readonly cursor: Cursor;
      readonly rows: ReadonlyMap<string, Row>;
    }
  | {
      readonly mode: "log";
      readonly from: Cursor | null;
      readonly cursor: Cursor;
      readonly entries: readonly Entry[];
      readonly seen: readonly Cursor[];
    };
export interface QueryResponse {
  readonly row: string;
  readonly list: readonly string[];
  readonly token: Cursor;
}

export interface Server {
  readonly epoch: string;
  head: number;
  hash: string;
  floor: number;
  floorHash: string;
  log: readonly Entry[];
  /** The last number of each client. */
  clients: ReadonlyMap<string, number>;
  rows: ReadonlyMap<string, Row>;
  decisions: ReadonlyMap<string, Decision>;
  keys: ReadonlyMap<string, string>;
  permitted: boolean;
}

export const createServer = (rows: readonly string[]): Server => ({
  epoch: "e1",
  head: 0,
  hash: "0",
  floor: 0,
  floorHash: "0",
  log: [],
  clients: new Map(),
  rows: new Map(rows.map((row) => [row, { list: [], pos: 0 }])),
  decisions: new Map(),
  keys: new Map(),
  permitted: true,
});

/** All members are replaced, never changed, so a copy of the object is a backup. */
export const backupOf = (server: Server): Server => ({ ...server });

/** Two 32-bit hashes, side by side: no strangers here, so nothing stronger is needed. */
function chain(before: string, id: string): string {
  let a = 0x811c9dc5;
  let b = 5381;
  for (const character of `${before}|${id}`) {
    const code = character.codePointAt(0) as number;
    a = Math.imul(a ^ code, 0x01000193);
    b = Math.imul(b, 33) ^ code;
  }
  return `${(a >>> 0).toString(36)}.${(b >>> 0).toString(36)}`;
}

const hashAt = (server: Server, pos: number): string | undefined => {
  if (pos === server.head) return server.hash;
  if (pos === server.floor) return server.floorHash;
  return server.log.find((entry) => entry.pos === pos)?.hash;
};

/** Whether a place lies in this server's history, as far as it still knows it. */
export const holds = (server: Server, { epoch, pos, hash }: Cursor): boolean =>
  epoch === server.epoch &&
  pos >= server.floor &&
  pos <= server.head &&
  hashAt(server, pos) === hash;

const cursorOf = ({ epoch }: Server, pos: number, hash: string): Cursor => ({ epoch, pos, hash });

const unitsOf = (events: readonly SentEvent[], mutant: Mutant | undefined): SentEvent[][] => {
  const units: SentEvent[][] = [];
  for (const event of events) {
    const last = units.at(-1);
    const together = event.tx !== undefined && last?.[0]?.tx === event.tx;
    if (together && mutant !== "tx-one-by-one") last?.push(event);
    else units.push([event]);
  }
  return units;
};

function accept(server: Server, client: string, { id, row, tx }: SentEvent): Decision {
  const pos = server.head + 1;
  const hash = chain(server.hash, id);
  server.head = pos;
  server.hash = hash;
  server.log = [...server.log, { id, pos, hash, row, tx }];
  const list = [...(server.rows.get(row)?.list ?? []), id];
  server.rows = new Map(server.rows).set(row, { list, pos });
  return { id, client, status: "accepted", tx, pos };
}

/** Decides events in order: each once, whoever asks how often. */
export function push(server: Server, request: PushRequest, mutant?: Mutant): PushResponse {
  const { client } = request;
  const decisions = new Map(server.decisions);
  const keys = new Map(server.keys);
  const results: PushResponse["results"][number][] = [];
  let last = server.clients.get(client) ?? 0;
  const known = (event: SentEvent): Decision | undefined => {
    const decision = decisions.get(event.id);
    if (mutant === "no-id-unique" && decision?.client !== client) return undefined;
    if (mutant === "reeval-rejected" && decision?.status !== "accepted") return undefined;
    if (mutant === "no-id-check" && decision === undefined && event.seq <= last)
      return { id: event.id, client, status: "rejected" };
    return decision;
  };
  const answer = (stopped?: PushResponse["stopped"]): PushResponse => {
    server.decisions = decisions;
    server.keys = keys;
    server.clients = new Map(server.clients).set(client, last);
    return stopped === undefined ? { results } : { results, stopped };
  };
  for (const unit of unitsOf(request.events, mutant)) {
    // 1. Numbers: an unknown event has exactly the next one.
    let at = last;
    const unknown = unit.filter((event) => known(event) === undefined);
    for (const event of unit) {
      const isNew = unknown.includes(event);
      if (mutant === "pure-id") at = isNew ? event.seq - 1 : Math.max(at, event.seq - 1);
      if (mutant === "reeval-rejected" && decisions.has(event.id)) at = Math.min(at, event.seq - 1);
      if (isNew && event.seq <= at) return answer({ code: "client_conflict" });
      if (event.seq > at + 1 && !(isNew && mutant === "no-gap-check"))
        return answer({ code: "sequence_gap", expected: at + 1 });
      at = Math.max(at, event.seq);
    }
    // 2. A decision, for all that have none: one refusal refuses the unit.
    const refused =
      unit.some((event) => known(event)?.status === "rejected") ||
      unknown.some(({ bad }) => bad === true || !server.permitted);
    const decided = unit.map((event): Decision => {
      const before = unknown.includes(event) ? undefined : known(event);
      if (before !== undefined) return before;
      const { id, key, tx } = event;
      if (refused) return { id, client, status: "rejected", tx };
      if (key !== undefined && keys.has(key)) return { id, client, status: "duplicate", tx };
      if (key !== undefined) keys.set(key, id);
      return accept(server, client, event);
    });
    // 3. It is remembered by the event's id.
    for (const event of unknown) {
      const decision = decided.find(({ id }) => id === event.id);
      if (decision !== undefined) decisions.set(event.id, decision);
    }
    results.push(...decided.map(({ id, status, pos }) => ({ id, status, pos })));
    last = Math.max(last, at);
  }
  return answer();
}

/** Drops entries up to a position. Decisions outlive them. */
export function collect(server: Server, floor: number, mutant?: Mutant): void {
  if (mutant === "ids-die-with-log") {
    const dead = new Set(server.log.filter(({ pos }) => pos <= floor).map(({ id }) => id));
    server.decisions = new Map(Array.from(server.decisions).filter(([id]) => !dead.has(id)));
  }
  server.floorHash = hashAt(server, floor) as string;
  server.log = server.log.filter(({ pos }) => pos > floor);
  server.floor = floor;
}

export function pull(
  server: Server,
  from: Cursor | null,
  seen: readonly Cursor[],
  limit: number,
  mutant?: Mutant,
): PullResponse {
  if (from === null) {
    const cursor = cursorOf(server, server.head, server.hash);
    return { mode: "snapshot", from, cursor, rows: server.rows };
  }
  const here =
    mutant === "no-hash"
      ? from.epoch === server.epoch && from.pos >= server.floor && from.pos <= server.head
      : holds(server, from);
  // What a query read before the floor moved was read of this history, or of one that a cursor below would not survive.
  const lost = seen.some(
    (token) =>
      token.epoch !== server.epoch ||
      token.pos > server.head ||
      (token.pos >= server.floor && !holds(server, token)),
  );
  if (!here || (lost && mutant !== "no-seen")) return { mode: "reset", from };
  const after = server.log.filter(({ pos }) => pos > from.pos);
  let count = Math.min(limit, after.length);
  const splits = (at: number): boolean => {
    const tx = after[at]?.tx;
    return tx !== undefined && after[at - 1]?.tx === tx;
  };
  if (mutant !== "split-tx") while (count > 0 && splits(count)) count += 1;
  const entries = after.slice(0, count);
  const last = entries.at(-1);
  const cursor = last === undefined ? from : cursorOf(server, last.pos, last.hash);
  return { mode: "log", from, cursor, entries, seen };
}

export const query = (server: Server, row: string): QueryResponse => ({
  row,
  list: server.rows.get(row)?.list ?? [],
  token: cursorOf(server, server.head, server.hash),
});
