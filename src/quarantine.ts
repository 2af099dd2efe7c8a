/**
 * What could not be understood, and waits for somebody: stored bytes, and events that this code cannot read (`event/<id>`),
 * whether they are decided yet or not.
 */
import { type Quarantine, type QuarantineEntry } from "./api.ts";
import { SyncError } from "./errors.ts";
import { type Follower } from "./follower.ts";
import { type Definition } from "./model/definition.ts";
import { type Json, show, showError, toJson } from "./model/json.ts";
import {
  type DismissRecord,
  type Envelope,
  type RejectedEvent,
  type RowImage,
  imagesOf,
} from "./model/log.ts";
import { anewId } from "./model/materialize.ts";
import { payloadOf, rowOf } from "./model/migrate.ts";
import { unpack } from "./model/packed.ts";
import { toPlain } from "./model/plain.ts";
import { salvageSegment } from "./model/segment.ts";
import { decodeRecord } from "./model/stored.ts";
import { type Receipt } from "./pipeline.ts";

export interface QuarantineOptions {
  readonly definition: Definition;
  readonly follower: Follower;
  commit(events: readonly unknown[], ids: readonly string[]): Receipt;
  commitAnew(
    waiting: ReadonlyMap<string, RejectedEvent>,
    id: string,
    inputOf: (event: Envelope) => unknown,
  ): Promise<void>;
  whenOpen(): Promise<void> | undefined;
  discard(
    from: DismissRecord["from"],
    id: string,
    waiting: ReadonlyMap<string, unknown>,
  ): Promise<void>;
  dismiss(
    from: DismissRecord["from"],
    ids: readonly string[],
    rows?: readonly RowImage[],
  ): Promise<void>;
}

export const missing = (id: string): SyncError =>
  new SyncError("not_found", `Expected an entry with id "${id}", got none`);

const ofEvent = "event/";

const entryOf = (raw: Envelope, reason: string): QuarantineEntry => ({
  id: `${ofEvent}${raw.id}`,
  reason,
  raw,
  at: raw.at,
});

const invalid = (
  code: "invalid_row" | "invalid_payload",
  expected: string,
  got: string,
): SyncError => new SyncError(code, `Expected ${expected}, got ${got}`);

/** A stored event as `commit` takes it today. */
export function todayOf(definition: Definition, stored: unknown): unknown {
  const {
    name,
    payload,
    v: version,
    packed,
  } = (stored ?? {}) as Partial<Envelope & { packed: true }>;
  if (typeof name !== "string")
    throw invalid("invalid_payload", "an event with a name", show(stored));
  if (typeof version !== "number") return { name, payload };
  const whole = packed === true ? unpacked(payload as Json) : payload;
  const event = { name, v: version, payload: whole ?? null, id: "", at: 0 };
  const today = payloadOf(definition, event);
  if ("issue" in today) throw invalid("invalid_payload", "a payload of today", today.issue);
  return { name, payload: today.value };
}

function unpacked(payload: Json): Json {
  try {
    return unpack(payload);
  } catch (error) {
    throw invalid("invalid_payload", "a payload that was packed", showError(error));
  }
}

const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

export function createQuarantine(options: QuarantineOptions) {
  const { definition, follower } = options;
  const { replica } = follower;

  /** Events that this code cannot read: on record, and those that the next base record will put on record. */
  function events(): QuarantineEntry[] {
    const waiting = Array.from(replica.failed).flatMap(({ invalid: why, position, unit }) =>
      why === undefined || position === null
        ? []
        : unit.map((event) => entryOf(event, why.message)),
    );
    const decided = Array.from(replica.unfit.values(), (it) => entryOf(it.event, it.message));
    return [...decided, ...waiting];
  }

  const all = (): QuarantineEntry[] => [...follower.quarantine.values(), ...events()];

  function find(id: string): QuarantineEntry {
    const entry = follower.quarantine.get(id);
    if (entry === undefined) throw missing(id);
    return entry;
  }

  /** The events of a log record, anew, in place of the entry: whoever tries it gives them the same ids. */
  async function commitAll(id: string, values: readonly unknown[], isMended: boolean) {
    if (values.length === 0) throw invalid("invalid_payload", "events", "none");
    const inputs = values.map((value) => (isMended ? value : todayOf(definition, value)));
    const place = `${follower.incarnation}-${id.slice("log/".length)}`;
    const ids = inputs.map((_, at) => anewId(`${place}-${at}`));
    await options.commit(inputs, ids).durable;
    await options.dismiss("quarantine", [id]);
  }

  /** The row as today's schema has it. */
  function rowFor(table: string, raw: unknown, schema: number): RowImage {
    const copy = toJson(raw);
    const kept = "value" in copy ? rowOf(definition, table, copy.value, schema) : copy.issue.reason;
    if (typeof kept === "string" || "issue" in kept)
      throw invalid(
        "invalid_row",
        `a valid row of "${table}"`,
        typeof kept === "string" ? kept : kept.issue,
      );
    const { value } = kept;
    if (typeof value?.id !== "string" || value.id === "")
      throw invalid("invalid_row", "a row with an id", show(raw));
    return [table, value.id, value, 0];
  }

  const isThere = ([table, id]: RowImage): boolean => {
    const found = replica.tables.get(table);
    return found !== undefined && replica.baseRow(found, id) !== undefined;
  };

  function rowsOf(table: string, rows: readonly (readonly [raw: unknown, schema: number])[]) {
    let problem: unknown = invalid("invalid_row", `rows of "${table}"`, "none");
    const images = rows.flatMap(([raw, schema]) => {
      try {
        return [rowFor(table, raw, schema)];
      } catch (error) {
        problem = error;
        return [];
      }
    });
    if (images.length === 0) throw problem;
    return images.filter((image) => !isThere(image));
  }

  const quarantine: Pick<Quarantine, "list" | "retry" | "export" | "discard"> = {
    list: all,
    async retry(id, mend) {
      if (id.startsWith(ofEvent))
        return await options.commitAnew(
          replica.unfit,
          id.slice(ofEvent.length),
          mend ?? ((event) => todayOf(definition, event)),
        );
      const { raw, schema: from } = find(id);
      const open = options.whenOpen();
      if (open !== undefined) await open;
      const isMended = mend !== undefined;
      const made = isMended ? mend(raw) : raw;
      const value = made instanceof Promise ? ((await made) as unknown) : made;
      const [kind = "", table = "", ...rest] = id.split("/");
      const today = definition.schema;
      const schema = isMended ? today : (from ?? today);
      switch (kind) {
        case "log": {
          const record = isMended ? undefined : decodeRecord(value);
          const images = record === undefined ? [] : imagesOf(record);
          const rows = images.flatMap(([name, , row]) =>
            row === null ? [] : rowsOf(name, [[row, record?.schema ?? today]]),
          );
          if (images.length > 0) return await options.dismiss("quarantine", [id], rows);
          return await commitAll(
            id,
            list(isMended ? value : (value as { events?: unknown } | null)?.events),
            isMended,
          );
        }
        case "row": {
          const image = rowFor(table, value, schema);
          if (image[1] !== rest.join("/"))
            throw invalid("invalid_row", `the row "${rest.join("/")}"`, show(image[1]));
          if (isThere(image)) throw invalid("invalid_row", "no row of that id", "one");
          return await options.dismiss("quarantine", [id], [image]);
        }
        case "segment": {
          const saved = salvageSegment(value, 0, () => true);
          const rows = isMended
            ? list(value).map((row) => [row, today] as const)
            : saved.ids.map((_, at) => [saved.row(at), saved.schema ?? schema] as const);
          return await options.dismiss("quarantine", [id], rowsOf(table, rows));
        }
        default:
          throw missing(id);
      }
    },
    export: () => JSON.stringify(all().map(toPlain)),
    async discard(id) {
      if (id.startsWith(ofEvent))
        await options.discard("rejected", id.slice(ofEvent.length), replica.unfit);
      else await options.discard("quarantine", id, follower.quarantine);
    },
  };

  /** Those that were told. */
  let told = new Set<string>();
  /** On the way of every commit: the entries are looked through only when there may be others. */
  let seen = 0;

  return {
    ...quarantine,
    size: (): number =>
      follower.quarantine.size + (replica.failed.size === 0 ? replica.unfit.size : events().length),
    /** Entries that are new since the last time. */
    news(): readonly QuarantineEntry[] {
      const revision = follower.revision();
      if (revision === seen) return [];
      seen = revision;
      const now = all();
      const fresh = now.filter(({ id }) => !told.has(id));
      told = new Set(now.map(({ id }) => id));
      return fresh;
    },
  };
}
