/**
 * A store that is obviously right: it replays everything from nothing, on plain Maps, and shares no code with the model.
 * What a commit does is decided by the log alone, so base records count only for what they close.
 */
import { type Envelope, type LogRecord } from "../../src/model/log.ts";

export interface Fact {
  readonly id: string;
  readonly name: string;
  readonly payload: unknown;
}
export type Row = Readonly<Record<string, unknown>> & { readonly id: string };
export interface Action {
  readonly type: "create" | "update" | "upsert" | "delete";
  readonly table: string;
  readonly row: { readonly id: string };
}
/** The app, as far as the reference asks it. */
export interface Rules {
  actions(fact: Fact, get: (table: string, id: string) => Row | undefined): readonly Action[];
  dedupe(fact: Fact): string | undefined;
  coalesce(fact: Fact): string | undefined;
  isValid(row: Readonly<Record<string, unknown>>): boolean;
}
/** A commit, or a base record: nothing takes the place of what is at or below `close`. */
export type Step =
  | { readonly unit: readonly Fact[]; readonly position: number }
  | { readonly close: number };
export type Status = "accepted" | "duplicate" | "rejected" | "superseded";

interface State {
  readonly rows: ReadonlyMap<string, Row>;
  readonly keys: ReadonlyMap<string, string>;
}

/** Whether it was committed anew: once, whoever did. */
export const isAnew = ({ id }: Pick<Fact, "id">): boolean => /-r\d+$/.test(id);

const clean = (row: object): Record<string, unknown> => JSON.parse(JSON.stringify(row));

/** One commit on a state. It throws where the commit has no effect as a whole. */
function run(rules: Rules, unit: readonly Fact[], from: State): State {
  const rows = new Map(from.rows);
  const keys = new Map(from.keys);
  const tried = unit.filter(isAnew).map(({ id }) => `id ${id}`);
  if (tried.some((key) => keys.has(key))) return from;
  for (const key of tried) keys.set(key, key);
  for (const fact of unit) {
    const key = rules.dedupe(fact);
    if (key !== undefined && keys.has(key)) continue;
    if (key !== undefined) keys.set(key, fact.id);
    for (const { type, table, row } of rules.actions(fact, (t, id) => rows.get(`${t}/${id}`))) {
      const place = `${table}/${row.id}`;
      const before = rows.get(place);
      if (type === "delete") rows.delete(place);
      else if (type === "create" ? before === undefined : type === "upsert" || before) {
        const after = clean(type === "update" ? { ...before, ...row } : row);
        if (!rules.isValid(after)) throw new Error(`Expected a valid row, got ${place}`);
        rows.set(place, after as Row);
      }
    }
  }
  return { rows, keys };
}

/** The commit before, while its place may be taken. */
interface Open {
  readonly id: string;
  readonly key: string;
  readonly position: number;
  readonly before: State;
}

/** All that is known after some steps. Nothing in it is ever changed. */
export interface Replayed extends State {
  readonly statuses: ReadonlyMap<string, Status>;
  readonly open: Open | undefined;
}

export const nothing: Replayed = {
  rows: new Map(),
  keys: new Map(),
  statuses: new Map(),
  open: undefined,
};

/** One step more. */
export function advance(rules: Rules, from: Replayed, step: Step): Replayed {
  if ("close" in step)
    return from.open !== undefined && from.open.position <= step.close
      ? { ...from, open: undefined }
      : from;
  const { unit, position } = step;
  const [first] = unit;
  const key =
    unit.length === 1 && first !== undefined && !isAnew(first) ? rules.coalesce(first) : undefined;
  const taken = key !== undefined && from.open?.key === key ? from.open : undefined;
  const before = taken?.before ?? from;
  const statuses = new Map(from.statuses);
  try {
    const { rows, keys } = run(rules, unit, before);
    for (const { id, name, payload } of unit) {
      const holder = rules.dedupe({ id, name, payload });
      const isFirst = holder === undefined || keys.get(holder) === id;
      statuses.set(id, isFirst ? "accepted" : "duplicate");
    }
    if (taken !== undefined) statuses.set(taken.id, "superseded");
    const open =
      key === undefined || first === undefined
        ? undefined
        : { id: first.id, key, position, before };
    return { rows, keys, statuses, open };
  } catch {
    for (const { id } of unit) statuses.set(id, "rejected");
    return { rows: from.rows, keys: from.keys, statuses, open: undefined };
  }
}

export const replay = (rules: Rules, steps: readonly Step[]): Replayed =>
  steps.reduce((state, step) => advance(rules, state, step), nothing);

/** What a log record means to the reference. */
export function stepsOf(record: LogRecord, position: number): Step[] {
  if (record.kind === "base") return [{ close: record.settled.position }];
  if (record.kind !== "commit") return [];
  const steps: { unit: Envelope[]; position: number }[] = [];
  for (const event of record.events) {
    const last = steps.at(-1);
    if (last !== undefined && event.tx !== undefined && event.tx === last.unit[0]?.tx)
      last.unit.push(event);
    else steps.push({ unit: [event], position });
  }
  return steps;
}
