/** What the log of a device with a server comes to, record by record: the base that the server decides, and what waits for it. */
import { type LogRecord, imagesOf } from "../../src/model/log.ts";
import {
  type Replayed,
  type Row,
  type Status,
  advance,
  isAnew,
  nothing,
  stepsOf,
} from "../model/reference.ts";
import { rules } from "./app.ts";
import { demand } from "./demand.ts";
import { type Space } from "./space.ts";

export type Unit = Extract<ReturnType<typeof stepsOf>[number], { unit: unknown }>;

export interface Account {
  readonly base: ReadonlyMap<string, Row>;
  /** Logged and not decided, in the order of the log. */
  readonly waiting: readonly Unit[];
  readonly attempted: ReadonlySet<string>;
  /** The events that the base has seen in the server's log. */
  readonly seen: ReadonlySet<string>;
  readonly verdicts: ReadonlyMap<string, Status>;
}

export const noAccount: Account = {
  base: new Map(),
  waiting: [],
  attempted: new Set(),
  seen: new Set(),
  verdicts: new Map(),
};

const same = (base: Account["base"], rows: Replayed["rows"]): string | undefined => {
  for (const place of new Set([...base.keys(), ...rows.keys()])) {
    const [here, there] = [base, rows].map((it) => textOf(it.get(place)));
    if (here !== there) return `${place} is ${here}, not ${there}`;
  }
  return undefined;
};

/** Whatever the order of its fields. */
const textOf = (row: object | undefined): string =>
  row === undefined
    ? "nothing"
    : JSON.stringify(Object.entries(row).toSorted(([a], [b]) => (a < b ? -1 : 1)));

/** What the server is known to have, and what a base record says of it, must be one. */
function decide(
  space: Space,
  before: Account,
  record: Extract<LogRecord, { kind: "base" }>,
): Account {
  const base = new Map(before.base);
  for (const [table, id, row] of imagesOf(record))
    if (row === null) base.delete(`${table}/${id}`);
    else base.set(`${table}/${id}`, row);
  const { remote } = record;
  const place =
    remote?.cursor === null || remote === undefined ? undefined : space.at(remote.cursor);
  if (remote !== undefined && remote.cursor !== null) {
    demand(place !== undefined, `a base at a place where the server never was: ${remote.pos}`);
    const difference = same(base, place.rows);
    demand(
      difference === undefined,
      `a base that is not the server's log at ${remote.pos}: ${String(difference)}`,
    );
  }
  const seen = remote === undefined ? before.seen : (place?.ids ?? new Set<string>());
  const verdicts = new Map(before.verdicts);
  const told = new Map<string, Status>([
    ...record.rejected.map(({ event }) => [event.id, "rejected"] as const),
    ...(record.duplicates ?? []).map((id) => [id, "duplicate"] as const),
    ...(record.superseded ?? []).map((id) => [id, "superseded"] as const),
  ]);
  for (const id of record.decided ?? []) {
    const status = told.get(id) ?? "accepted";
    demand(
      !verdicts.has(id) || isAnew({ id }),
      `${id} is decided as ${String(verdicts.get(id))}, and as ${status}`,
    );
    verdicts.set(id, status);
    if (status === "accepted") {
      demand(seen.has(id), `${id} is decided as accepted, and its base has not seen it`);
    } else {
      if (space.state.isPure)
        demand(!space.accepted.has(id), `${id} is decided as ${status}, and the server has it`);
      space.denied.set(id, status);
    }
  }
  const isOpen = ({ unit }: Unit): boolean => !unit.every(({ id }) => verdicts.has(id));
  const waiting = before.waiting.filter(isOpen);
  const [first] = waiting;
  demand(
    first === undefined || first.position > record.settled.position,
    `everything up to ${record.settled.position} is decided, and ${String(first?.unit[0]?.id)} is not`,
  );
  return { ...before, base, waiting, seen, verdicts };
}

/** The server decides from this record on. What the device decided is gone from the base: what it comes to waits in the log. */
export function handOver(
  decided: Replayed["rows"],
  logged: readonly Unit[],
  record: Extract<LogRecord, { kind: "base" }>,
): Account {
  const gone = imagesOf(record).map(([table, id, row]) => (row === null ? `${table}/${id}` : ""));
  const [left, were] = [gone, Array.from(decided.keys())].map((it) => it.toSorted().join());
  demand(left === were, `a device that hands over ${left}, and decided ${were}`);
  const waiting = logged.filter(({ position }) => position > record.settled.position);
  return { ...noAccount, waiting };
}

/** One record more. */
export function account(
  space: Space,
  before: Account,
  record: LogRecord,
  position: number,
): Account {
  if (record.kind === "base") return decide(space, before, record);
  if (record.kind === "attempt") {
    for (const [at, id] of record.ids.entries())
      space.numbers.add(`${record.client} ${record.first + at} ${id}`);
    return { ...before, attempted: new Set([...before.attempted, ...record.ids]) };
  }
  const { verdicts } = before;
  const units = stepsOf(record, position)
    .filter((it): it is Unit => "unit" in it)
    .filter(({ unit }) => !unit.every(({ id }) => verdicts.has(id)));
  return units.length === 0 ? before : { ...before, waiting: [...before.waiting, ...units] };
}

/** What a tab shows that knows so much. */
export function shownBy({ base, waiting, attempted, verdicts }: Account): Replayed {
  let state: Replayed = { ...nothing, rows: base };
  for (const step of waiting) {
    state = advance(rules, state, step);
    if (step.unit.some(({ id }) => attempted.has(id))) state = { ...state, open: undefined };
  }
  return { ...state, statuses: verdicts };
}
