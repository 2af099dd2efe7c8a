/**
 * Decides a batch of events on what is stored. The space is locked meanwhile.
 *
 * 1. A decision is remembered by the event's id, and never taken twice, also when it was a rejection.
 * 2. An unknown id has to be exactly the next number of its client. A used number is another event's (a cloned profile); a
 *    gap means that something before it is missing. Either stops the batch: what came before stays decided.
 * 3. A rejection advances the client's number: it never blocks what follows.
 * 4. The events of one commit are a unit: all accepted (some perhaps as duplicates), or none.
 * 5. Of the events with one dedupe key the first accepted one counts. The key is the server's own computation.
 * 6. When a hook fails nothing is decided by that: what came before in the batch is, and the client tries again.
 */
import {
  type EventResult,
  type RejectionCode,
  type WireAction,
  type WireError,
} from "../protocol/index.ts";
import { type Bugs } from "./bugs.ts";
import { Failure, HookFailure } from "./failure.ts";
import { nextHash } from "./hash.ts";
import { type Prepared } from "./prepare.ts";
import { type Decision, type LogRow, type PushFound, type PushWrite, keyText } from "./storage.ts";

/** An event that is about to be accepted. */
export interface Accepted {
  readonly event: Prepared;
  readonly pos: number;
  readonly ts: number;
  /** What it means for the rows, where the server computes that. */
  readonly actions?: readonly WireAction[] | undefined;
}

export interface Rules<Tx> {
  readonly bugs: Bugs;
  /** Whether the app accepts an event. `open`: events of its unit, before it, that are to be accepted. */
  judge(
    event: Prepared,
    found: PushFound<Tx>,
    open: readonly Prepared[],
  ): Promise<Decision | undefined>;
  /** Row actions of a unit; undefined: it does not apply to the rows as they are. */
  materialize(
    unit: readonly Prepared[],
  ): readonly (readonly WireAction[] | undefined)[] | undefined;
  /** Makes the entry that readers get. */
  entry(accepted: Accepted): string;
  /** What a hook threw, where that does not fail the request. */
  report(error: unknown): void;
  /** Tells the app of an entry, in the same transaction. `before`: events of the batch that are decided without it. */
  apply(accepted: Accepted, found: PushFound<Tx>, before: number): Promise<void>;
}

export interface Decided {
  readonly write: PushWrite;
  readonly results: readonly EventResult[];
  readonly stopped: WireError | undefined;
  readonly head: number;
  readonly epoch: string;
}

/** The events of one commit stand side by side; one without `tx` is a unit of its own. */
export function unitsOf<E extends { readonly tx?: string | undefined }>(
  events: readonly E[],
): E[][] {
  const units: E[][] = [];
  for (const event of events) {
    const last = units.at(-1);
    if (last !== undefined && event.tx !== undefined && last[0]?.tx === event.tx) last.push(event);
    else units.push([event]);
  }
  return units;
}

const isRejected = (decision: Decision): boolean => decision.status === "rejected";

/** Why the batch goes no further, if its number says so. */
function checkNumber(
  seq: number,
  last: number,
  isKnown: boolean,
  bugs: Bugs,
): WireError | undefined {
  if (bugs.has("pure-id")) return undefined;
  if (!isKnown && seq <= last && !bugs.has("no-id-check")) return { code: "client_conflict" };
  if (seq > last + 1 && !bugs.has("no-gap-check"))
    return { code: "sequence_gap", expected: last + 1 };
  return undefined;
}

/** Why the batch goes no further, after something was thrown; undefined where that is a bug of ours. */
export function stopOf(error: unknown): WireError | undefined {
  if (error instanceof HookFailure) return { code: error.code };
  return error instanceof Failure ? { code: error.code, ...error.more } : undefined;
}

const isUndone = (error: unknown): boolean =>
  error instanceof HookFailure && error.before !== undefined;

/** Who sends events. They have no numbers without one: the server's own. */
export interface Client {
  readonly id: string;
  readonly owner: string;
}

export async function decide<Tx>(
  client: Client | undefined,
  events: readonly Prepared[],
  found: PushFound<Tx>,
  now: number,
  rules: Rules<Tx>,
): Promise<Decided> {
  const { bugs } = rules;
  const { epoch } = found.space;
  let { head, hash } = found.space;
  let last = found.client?.last ?? 0;
  let stopped: WireError | undefined;
  const rows: LogRow[] = [];
  const fresh = new Map<string, Decision>();
  const keys = new Map<string, PushWrite["keys"][number]>();
  const results: EventResult[] = [];
  const memory = (id: string): string => (bugs.has("no-id-unique") ? `${client?.id}/${id}` : id);
  const remembered = (id: string): Decision | undefined =>
    fresh.get(memory(id)) ?? found.decisions.get(memory(id));
  const known = (id: string): Decision | undefined => {
    const decision = remembered(id);
    return decision?.status === "rejected" && bugs.has("reeval-rejected") ? undefined : decision;
  };

  /** Decides what of a unit is not decided yet; undefined where something stops the batch before it. */
  async function decideUnit(unit: readonly Prepared[]): Promise<Map<string, Decision>> {
    const made = new Map<string, Decision>();
    const taken = new Map<string, string>();
    const open: Prepared[] = [];
    for (const event of unit) {
      if (known(event.id) !== undefined || made.has(event.id)) continue;
      if (event.failed !== undefined) throw event.failed;
      const key = event.key === undefined || bugs.has("no-dedupe") ? undefined : keyText(event.key);
      const of =
        key === undefined
          ? undefined
          : (keys.get(key)?.id ?? found.keys.get(key) ?? taken.get(key));
      if (event.refused !== undefined)
        made.set(event.id, { status: "rejected", error: event.refused });
      else if (of !== undefined) made.set(event.id, { status: "duplicate", of });
      else {
        const verdict = await rules.judge(event, found, open);
        made.set(event.id, verdict ?? { status: "accepted", pos: 0 });
        if (verdict === undefined) {
          open.push(event);
          if (key !== undefined) taken.set(key, event.id);
        }
      }
    }
    const abort = (code: RejectionCode): typeof made => {
      for (const [id, decision] of made)
        if (!isRejected(decision)) made.set(id, { status: "rejected", error: { code } });
      return made;
    };
    const before = unit.map(({ id }) => known(id)).filter((it) => it !== undefined);
    const refused = [...before, ...made.values()].some(isRejected);
    if (refused && unit.length > 1 && !bugs.has("split-tx")) return abort("tx_aborted");
    const actions = rules.materialize(open);
    if (actions === undefined) return abort("conflict");
    for (const [index, event] of open.entries()) {
      const accepted = { event, pos: head + 1, ts: now, actions: actions[index] };
      await rules.apply(accepted, found, results.length);
      head += 1;
      hash = nextHash(hash, event.id);
      rows.push({ pos: head, hash, ts: now, tx: event.tx, entry: rules.entry(accepted) });
      made.set(event.id, { status: "accepted", pos: head });
      if (event.key !== undefined) keys.set(keyText(event.key), { ...event.key, id: event.id });
    }
    return made;
  }

  for (const unit of unitsOf(events)) {
    let next = last;
    const ids = new Set<string>();
    for (const { id, seq } of client === undefined ? [] : unit) {
      stopped ??= checkNumber(seq, next, remembered(id) !== undefined || ids.has(id), bugs);
      next = Math.max(next, seq);
      ids.add(id);
    }
    if (stopped !== undefined) break;
    let made: Map<string, Decision>;
    try {
      made = await decideUnit(unit);
    } catch (error) {
      stopped = stopOf(error);
      // What `apply` has written of the unit has to be undone: by the caller, with all the rest.
      if (stopped === undefined || results.length === 0 || isUndone(error)) throw error;
      if (error instanceof HookFailure) rules.report(error);
      break;
    }
    for (const [id, decision] of made) fresh.set(memory(id), decision);
    last = next;
    for (const { id } of unit) {
      const decision = made.get(id) ?? known(id);
      if (decision !== undefined) results.push({ id, ...decision });
    }
  }

  const decisions = Array.from(fresh, ([id, decision]) => ({ id, decision }));
  const write = {
    now,
    rows,
    decisions,
    keys: Array.from(keys.values()),
    ...(client && { client: { ...client, last } }),
  };
  return { write, results, stopped, head, epoch };
}
