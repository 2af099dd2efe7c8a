/**
 * A store that is obviously right: it replays everything from nothing, on plain Maps, and shares no code with the model.
 * What a commit does is decided by the log alone, so base records count only for what they close.
 */
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

const clean = (row: object): Record<string, unknown> => JSON.parse(JSON.stringify(row));

/** One commit on a state. It throws where the commit has no effect as a whole. */
function run(rules: Rules, unit: readonly Fact[], from: State): State {
  const rows = new Map(from.rows);
  const keys = new Map(from.keys);
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

export function replay(rules: Rules, steps: readonly Step[]) {
  let state: State = { rows: new Map(), keys: new Map() };
  const statuses = new Map<string, Status>();
  /** The commit before, while its place may be taken. */
  let open: { id: string; key: string; position: number; before: State } | undefined;
  for (const step of steps) {
    if ("close" in step) {
      if (open !== undefined && open.position <= step.close) open = undefined;
      continue;
    }
    const { unit, position } = step;
    const [first] = unit;
    const key = unit.length === 1 && first !== undefined ? rules.coalesce(first) : undefined;
    const taken = key !== undefined && open?.key === key ? open : undefined;
    const before = taken?.before ?? state;
    open = undefined;
    try {
      state = run(rules, unit, before);
      for (const { id, name, payload } of unit) {
        const holder = rules.dedupe({ id, name, payload });
        const isFirst = holder === undefined || state.keys.get(holder) === id;
        statuses.set(id, isFirst ? "accepted" : "duplicate");
      }
      if (taken !== undefined) statuses.set(taken.id, "superseded");
      if (key !== undefined && first !== undefined) open = { id: first.id, key, position, before };
    } catch {
      for (const { id } of unit) statuses.set(id, "rejected");
    }
  }
  return { rows: state.rows, statuses };
}
