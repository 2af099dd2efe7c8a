/**
 * The model's device: a log on disk that all tabs append to, and what the log comes to. `apply` is the whole client.
 *
 * Commits are appended by any tab. The other records are the leader's, and fenced. What a leader is told by the server is
 * logged as it was told, so that the log cut short, as a power cut leaves it, comes to what the device was before.
 */
import { type Mutant } from "./mutants.ts";
import {
  type Cursor,
  type PullResponse,
  type PushRequest,
  type PushResponse,
  type QueryResponse,
  type Row,
  type Status,
} from "./server.ts";

export interface Committed {
  readonly id: string;
  readonly row: string;
  readonly tx?: string | undefined;
  readonly bad?: boolean | undefined;
  readonly key?: string | undefined;
  /** Its coalesce key: it takes the place of its neighbour of the same key, if nobody tried to send that. */
  readonly slide?: string | undefined;
}

export type LogRecord =
  | { readonly kind: "commit"; readonly events: readonly Committed[] }
  /** Gives numbers, before anything is sent under them. */
  | {
      readonly kind: "attempt";
      readonly client: string;
      readonly numbers: readonly (readonly [id: string, seq: number])[];
    }
  | {
      readonly kind: "pushed";
      readonly request: PushRequest;
      readonly response: PushResponse;
      /** The id to go on with, if it has to rotate. */
      readonly spare: string;
    }
  | { readonly kind: "pulled"; readonly response: PullResponse }
  | { readonly kind: "queried"; readonly response: QueryResponse };

export interface Waiting extends Committed {
  /** Under the current client id. */
  readonly seq: number | undefined;
  /** Somebody may have sent it, under whatever client id. */
  readonly attempted: boolean;
  /** Where the server says it stands; it stays in the overlay until the log shows it. */
  readonly acked: number | undefined;
}

export type Outcome = Status | "superseded";

export interface State {
  readonly client: string;
  /** The next number to give. */
  readonly next: number;
  readonly outbox: readonly Waiting[];
  readonly cursor: Cursor | null;
  readonly base: ReadonlyMap<string, Row>;
  /** What the app wants of the rows; `all`: whatever there is. */
  readonly wanted: ReadonlySet<string> | "all";
  /** Where queries were read that the cursor has not reached. */
  readonly seen: readonly Cursor[];
}

/** What a record came to, beside the state: outcomes to tell the app of, and whether an answer was of any use. */
export interface Applied {
  readonly state: State;
  readonly told: readonly (readonly [id: string, outcome: Outcome])[];
  readonly refused?: boolean;
}

export const emptyState = (client: string, wanted: State["wanted"]): State => ({
  client,
  next: 1,
  outbox: [],
  cursor: null,
  base: new Map(),
  wanted,
  seen: [],
});

const unchanged = (state: State): Applied => ({ state, told: [] });
const positionOf = ({ cursor }: State): number => cursor?.pos ?? 0;
const sameCursor = (a: Cursor | null, b: Cursor | null): boolean =>
  a?.epoch === b?.epoch && a?.pos === b?.pos && a?.hash === b?.hash;

const withoutAck = (event: Waiting): Waiting => ({ ...event, acked: undefined });

/** Forgets acknowledgements from some event on, and of the whole commit that it is of: commits are never sent in part. */
function unackFrom(outbox: readonly Waiting[], index: number, mutant?: Mutant): Waiting[] {
  let from = index;
  while (from > 0 && outbox[from]?.tx !== undefined && outbox[from]?.tx === outbox[from - 1]?.tx)
    from -= 1;
  return outbox.map((event, at) =>
    mutant === "unack-one"
      ? at === index
        ? withoutAck(event)
        : event
      : at < from
        ? event
        : withoutAck(event),
  );
}

function commit(state: State, events: readonly Committed[]): Applied {
  const last = state.outbox.at(-1);
  const [first] = events;
  // Both are single events, side by side in the log, and nobody can have sent the earlier one.
  const takes =
    events.length === 1 &&
    first?.slide !== undefined &&
    first.slide === last?.slide &&
    !last.attempted;
  const kept = takes ? state.outbox.slice(0, -1) : state.outbox;
  const added = events.map((it) => ({ ...it, seq: undefined, attempted: false, acked: undefined }));
  return {
    state: { ...state, outbox: [...kept, ...added] },
    told: takes ? [[last.id, "superseded"]] : [],
  };
}

function attempt(state: State, numbers: ReadonlyMap<string, number>): Applied {
  const outbox = state.outbox.map((it) => {
    const seq = numbers.get(it.id);
    return seq === undefined ? it : { ...it, seq, attempted: true };
  });
  const next = Math.max(state.next, ...Array.from(numbers.values(), (seq) => seq + 1));
  return unchanged({ ...state, outbox, next });
}

/** A new client id, under which all that waits is sent again. */
function rotate(state: State, client: string): State {
  const outbox = state.outbox.map((it) => ({ ...withoutAck(it), seq: undefined }));
  return { ...state, client, next: 1, outbox };
}

function pushed(
  state: State,
  record: Extract<LogRecord, { kind: "pushed" }>,
  mutant: Mutant | undefined,
): Applied {
  const { request, response } = record;
  const results = new Map(response.results.map((it) => [it.id, it]));
  const told: [string, Outcome][] = [];
  const outbox: Waiting[] = [];
  for (const event of state.outbox) {
    const result = results.get(event.id);
    const behind = state.cursor !== null && (result?.pos ?? Infinity) <= positionOf(state);
    // An event that is acknowledged has a number, so that the order holds when the acknowledgement does not.
    const current =
      state.client === request.client &&
      request.events.some((it) => it.id === event.id && it.seq === event.seq);
    if (result === undefined) outbox.push(event);
    else if (result.status !== "accepted" || behind || mutant === "drop-on-ack")
      told.push([event.id, result.status]);
    else if (current || mutant === "ack-under-old-id") outbox.push({ ...event, acked: result.pos });
    else outbox.push(event);
  }
  const after: State = { ...state, outbox };
  const { stopped } = response;
  // A zombie of an answer must do nothing: it counts only while the event it stopped at still waits under that number.
  const at = request.events[response.results.length];
  const waits =
    state.client === request.client &&
    outbox.some((it) => it.id === at?.id && it.seq === at.seq && it.acked === undefined);
  if (stopped === undefined || !waits) return { state: after, told };
  const from = outbox.findIndex(({ seq }) => seq !== undefined && seq === stopped.expected);
  if (stopped.code === "sequence_gap" && from !== -1)
    return { state: { ...after, outbox: unackFrom(outbox, from) }, told };
  return { state: rotate(after, record.spare), told };
}

function pulled(state: State, response: PullResponse, mutant: Mutant | undefined): Applied {
  if (!sameCursor(response.from, state.cursor) && mutant !== "no-cas") return unchanged(state);
  if (response.mode === "reset")
    return unchanged({
      ...state,
      cursor: null,
      base: new Map(),
      seen: [],
      outbox: state.outbox.map(withoutAck),
    });
  const { cursor } = response;
  const base = new Map(response.mode === "snapshot" ? [] : state.base);
  const arrived = new Set<string>();
  let { seen } = state;
  if (response.mode === "snapshot") {
    seen = [];
    for (const [row, { list }] of response.rows)
      if (state.wanted === "all" || state.wanted.has(row)) base.set(row, { list, pos: cursor.pos });
  } else {
    for (const { id, row, pos } of response.entries) {
      const before = base.get(row);
      if (before !== undefined && (before.pos < pos || mutant === "no-row-gate"))
        base.set(row, { list: [...before.list, id], pos });
      arrived.add(id);
    }
    const checked = new Set(response.seen);
    seen = seen.filter((token) => token.pos > cursor.pos || !checked.has(token));
  }
  const told: [string, Outcome][] = [];
  const left: Waiting[] = [];
  const isPassed = ({ acked }: Waiting): boolean => acked !== undefined && acked <= cursor.pos;
  for (const event of state.outbox) {
    if (arrived.has(event.id) || (isPassed(event) && mutant === "trust-ack-pos"))
      told.push([event.id, "accepted"]);
    else left.push(event);
  }
  // The cursor is past it and it was not there: ask again, the server remembers its id.
  const passed = left.findIndex(isPassed);
  const outbox = passed === -1 ? left : unackFrom(left, passed, mutant);
  return { state: { ...state, cursor, base, seen, outbox }, told };
}

function queried(state: State, response: QueryResponse, mutant: Mutant | undefined): Applied {
  const { row, list, token } = response;
  const refused = { ...unchanged(state), refused: true };
  if (state.cursor === null || state.cursor.epoch !== token.epoch) return refused;
  // Older than what is followed: to be asked again, never merged.
  if (token.pos < state.cursor.pos && mutant !== "no-stale-gate") return refused;
  const ahead = !sameCursor(token, state.cursor);
  if (ahead && state.seen.length >= 8) return refused;
  const isNew = ahead && !state.seen.some((it) => sameCursor(it, token));
  const wanted = state.wanted === "all" ? state.wanted : new Set([...state.wanted, row]);
  const before = state.base.get(row);
  const newer = before === undefined || before.pos <= token.pos || mutant === "no-stale-gate";
  return unchanged({
    ...state,
    wanted,
    seen: isNew ? [...state.seen, token] : state.seen,
    base: newer ? new Map(state.base).set(row, { list, pos: token.pos }) : state.base,
  });
}

/** What a record does to what the log came to before it. */
export function apply(state: State, record: LogRecord, mutant?: Mutant): Applied {
  switch (record.kind) {
    case "attempt":
      return attempt(state, new Map(record.numbers));
    case "pushed":
      return pushed(state, record, mutant);
    case "pulled":
      return pulled(state, record.response, mutant);
    case "queried":
      return queried(state, record.response, mutant);
    case "commit":
    default:
      return commit(state, record.events);
  }
}

/** The next attempt: what is undecided, from the front, whole commits, each event with its number. */
export function planAttempt(
  state: State,
  most: number,
): { readonly record: LogRecord; readonly request: PushRequest } | undefined {
  const { client, outbox } = state;
  const open = outbox.filter(({ acked }) => acked === undefined);
  let count = Math.min(most, open.length);
  while (open[count]?.tx !== undefined && open[count]?.tx === open[count - 1]?.tx) count += 1;
  const batch = open.slice(0, count);
  if (batch.length === 0) return undefined;
  let { next } = state;
  const numbers = new Map(batch.map(({ id, seq }) => [id, seq ?? next++]));
  const events = batch.map(({ id, row, tx, bad, key }) => {
    return { id, seq: numbers.get(id) as number, row, tx, bad, key };
  });
  return {
    record: { kind: "attempt", client, numbers: Array.from(numbers) },
    request: { client, events },
  };
}

/** What the app sees of a row: the base, then what waits. */
export function viewOf(state: State, row: string): string[] {
  const list = state.base.get(row)?.list ?? [];
  const mine = state.outbox.filter((it) => it.row === row && !list.includes(it.id));
  return [...list, ...mine.map(({ id }) => id)];
}
