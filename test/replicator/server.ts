/**
 * A server that is obviously right: one space, in memory, and every step of it at once. It shares no code with the real one.
 * Its cursors name the very log that they were given for, so that a log that was restored is told from the one before.
 */
import {
  type EventResult,
  type LogEntry,
  type LogPage,
  type PushEvent,
  type PushRequest,
  type PushResponse,
  type WireTables,
} from "../../src/protocol/index.ts";
import { rules } from "../model/app.ts";
import { type Row, type Rules, replay } from "../model/reference.ts";

/** Which event counts was decided before. */
const decidedRules: Rules = { ...rules, dedupe: () => undefined, coalesce: () => undefined };

interface State {
  log: LogEntry[];
  decisions: Map<string, EventResult>;
  keys: Map<string, string>;
  clients: Map<string, number>;
  head: number;
}

const empty = (): State => ({
  log: [],
  decisions: new Map(),
  keys: new Map(),
  clients: new Map(),
  head: 0,
});

/** The rows that entries come to. */
export function rowsOf(entries: readonly LogEntry[]): ReadonlyMap<string, Row> {
  const units: LogEntry[][] = [];
  for (const entry of entries) {
    const last = units.at(-1);
    if (entry.tx !== undefined && last?.[0]?.tx === entry.tx) last.push(entry);
    else units.push([entry]);
  }
  return replay(
    decidedRules,
    units.map((unit) => ({
      unit: unit.map(({ id = "", name = "", payload }) => ({ id, name, payload })),
      position: 0,
    })),
  ).rows;
}

export function createModelServer(options: { readonly snapshots: boolean }) {
  let state = empty();
  let epoch = "epoch-1";
  /** What was in the log for each cursor that was given. */
  const cursors = new Map<string, readonly LogEntry[]>();
  /** Every log there was: which entries a device may have seen. */
  let refused: ReadonlySet<string> = new Set();

  /** A cursor says all that was in the log before it. */
  function cursorAt(pos: number): string {
    const before = state.log.filter((it) => it.pos <= pos);
    const cursor = `${epoch}.${pos}.${before.map(({ id, pos: at }) => `${at}-${id ?? ""}`).join("_")}`;
    cursors.set(cursor, before);
    return cursor;
  }

  const isBad = ({ name }: PushEvent): boolean => refused.has(name);

  function decide(unit: readonly PushEvent[], client: string): void {
    if (unit.some(isBad)) {
      for (const event of unit) {
        const code = isBad(event) ? "forbidden" : "tx_aborted";
        state.decisions.set(event.id, { id: event.id, status: "rejected", error: { code } });
      }
      return;
    }
    for (const event of unit) {
      const { id, name, v = 1, payload, at, key, tx } = event;
      const place = key === undefined ? undefined : `${name} ${key}`;
      const holder = place === undefined ? undefined : state.keys.get(place);
      const found = state.decisions.get(holder ?? "");
      if (holder !== undefined && holder !== id && found?.status === "accepted") {
        state.decisions.set(id, { id, status: "duplicate", of: holder, pos: found.pos });
        continue;
      }
      if (place !== undefined) state.keys.set(place, id);
      state.head += 1;
      const pos = state.head;
      state.log.push({
        pos,
        id,
        client,
        seq: event.seq,
        name,
        v,
        payload,
        at,
        ts: 1,
        ...(tx === undefined ? {} : { tx }),
      });
      state.decisions.set(id, { id, status: "accepted", pos });
    }
  }

  return {
    get log(): readonly LogEntry[] {
      return state.log;
    },
    get decisions(): ReadonlyMap<string, EventResult> {
      return state.decisions;
    },
    /** What was in the log for a cursor. */
    entriesAt: (cursor: string | null): readonly LogEntry[] =>
      cursor === null ? [] : (cursors.get(cursor) ?? []),

    push({ client, events }: PushRequest): PushResponse {
      const results: EventResult[] = [];
      const answer = (
        code?: "client_conflict" | "sequence_gap",
        expected?: number,
      ): PushResponse => ({
        epoch,
        head: state.head,
        results,
        ...(code === undefined
          ? {}
          : { stopped: { code, ...(expected === undefined ? {} : { expected }) } }),
      });
      for (const [at, event] of events.entries()) {
        const last = state.clients.get(client) ?? 0;
        if (!state.decisions.has(event.id)) {
          if (event.seq <= last) return answer("client_conflict");
          if (event.seq > last + 1) return answer("sequence_gap", last + 1);
          const { tx } = event;
          const unit = tx === undefined ? [event] : events.slice(at).filter((it) => it.tx === tx);
          decide(
            unit.filter(({ id }) => !state.decisions.has(id)),
            client,
          );
        } else if (event.seq > last + 1) return answer("sequence_gap", last + 1);
        state.clients.set(client, Math.max(last, event.seq));
        results.push(state.decisions.get(event.id) as EventResult);
      }
      return answer();
    },

    /** A page, or null: the cursor is not of this log. */
    pull(from: string | null, limit: number): LogPage | null {
      const start = from === null ? 0 : Number(from.split(".")[1]);
      if (from !== null && (start > state.head || cursorAt(start) !== from)) return null;
      const rest = state.log.filter(({ pos }) => pos > start);
      let end = Math.min(rest.length, Math.max(1, limit));
      // What was committed as one stands on one page.
      while (
        end < rest.length &&
        rest[end]?.tx !== undefined &&
        rest[end]?.tx === rest[end - 1]?.tx
      )
        end += 1;
      const entries = rest.slice(0, end);
      const more = end < rest.length;
      const pos = more ? (entries.at(-1)?.pos ?? start) : state.head;
      return {
        mode: "log",
        epoch,
        from,
        cursor: cursorAt(pos),
        pos,
        head: state.head,
        more,
        entries,
      };
    },

    hasSnapshots: options.snapshots,
    snapshot(): { cursor: string; pos: number; epoch: string; tables: WireTables } {
      const tables: Record<string, Row[]> = { one: [], two: [] };
      for (const [place, row] of rowsOf(state.log))
        tables[place.split("/")[0] as string]?.push(row);
      return { cursor: cursorAt(state.head), pos: state.head, epoch, tables };
    },

    /** From now on it decides against these kinds of events. */
    refuse(names: readonly string[]): void {
      refused = new Set(names);
    },
    forgetClients(): void {
      state.clients.clear();
    },
    backup: (): State => structuredClone(state),
    restore(from: State): void {
      state = structuredClone(from);
    },
    /** Discards its log on purpose. */
    newEpoch(name: string): void {
      epoch = name;
      state = empty();
    },
  };
}
export type ModelServer = ReturnType<typeof createModelServer>;
