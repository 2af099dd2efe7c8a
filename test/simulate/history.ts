/**
 * What the disk went through, seen from outside: every record that was ever logged, and what must hold after each task,
 * whatever the tabs believe. Cleared data begins a new epoch.
 */
import { type Envelope, type LogRecord, type Manifest } from "../../src/model/log.ts";
import { decodeSegment } from "../../src/model/segment.ts";
import { decodeRecord } from "../../src/model/stored.ts";
import { placeholder } from "../../src/model/late.ts";
import { type MemoryDatabase } from "../../src/services/memory-storage.ts";
import { type Device } from "../../src/testing/index.ts";
import { type Replayed, advance, isAnew, nothing, stepsOf } from "../model/reference.ts";
import { rules, scope } from "./app.ts";
import { demand } from "./demand.ts";
import { type Account, type Unit, account, handOver, noAccount, shownBy } from "./decided.ts";
import { type Space } from "./space.ts";

/** Who puts records in the log past the engines. */
export const stranger = "a stranger";

/** The life of one database, from its first record to its end. */
export interface Epoch {
  readonly incarnation: string;
  /** All records, also those that were folded since. */
  readonly log: LogRecord[];
  /** What the reference knows after so many records. */
  readonly states: Replayed[];
  /** With a server: what is decided and what waits after the last record. */
  account: Account;
  /** Whether a server decides; before it does, all that was logged. */
  byServer: boolean;
  readonly alone: Unit[];
  /** Position of each event. */
  readonly events: Map<string, number>;
  /** Who claimed each term. */
  readonly owners: Map<number, string>;
  readonly records: Set<string>;
  term: number;
  schema: number;
  floor: unknown;
}

export interface HistoryOptions {
  readonly device: Device;
  /** The server that decides, if one does. */
  readonly space?: Space | undefined;
  /** Whose disk this one is a copy of. */
  readonly from?: readonly Epoch[] | undefined;
  /** The app's version that a page runs. */
  versionOf(page: string): number;
  /** The ids of the events that were committed as one with this one; undefined where nobody knows. */
  unitOf(event: string): readonly string[] | undefined;
  isAnyFrozen(): boolean;
  /** An event is in the log. */
  logged(event: Envelope): void;
  count(what: string): void;
}

/** The manifest says what is there. */
function checkSegments({ stores: { meta, segments } }: MemoryDatabase): void {
  const manifest = meta.get(`"manifest"`)?.[1] as Manifest;
  for (const [table, marks] of Object.entries(manifest))
    for (const { no, count: rows } of marks) {
      const segment = decodeSegment(segments.get(JSON.stringify([table, no]))?.[1]);
      const found = "ids" in segment ? segment.ids.length : segment.reason;
      demand(found === rows, `${rows} rows in segment ${no} of ${table}, got ${found}`);
    }
}

const copyOf = (epoch: Epoch): Epoch => ({
  ...epoch,
  log: [...epoch.log],
  alone: [...epoch.alone],
  states: [...epoch.states],
  events: new Map(epoch.events),
  owners: new Map(epoch.owners),
  records: new Set(epoch.records),
});

export function createHistory(options: HistoryOptions) {
  const { device, space, versionOf, unitOf, isAnyFrozen, logged, count } = options;
  const epochs: Epoch[] = (options.from ?? []).map(copyOf);

  function note(epoch: Epoch, position: number, record: LogRecord | undefined, page: string): void {
    if (record === undefined) {
      demand(page === stranger, `log record ${position} does not decode`);
      epoch.log.push(placeholder);
      epoch.states.push(epoch.states.at(-1) as Replayed);
      return;
    }
    const identity = `${record.tab} ${record.n}`;
    demand(!epoch.records.has(identity), `record ${identity} is in the log twice`);
    epoch.records.add(identity);
    const steps = stepsOf(record, position);
    for (const step of steps) {
      if ("close" in step) continue;
      const ids = step.unit.map(({ id }) => id);
      for (const id of ids) {
        const isSecond = epoch.events.has(id);
        demand(!isSecond || isAnew({ id }), `event ${id} is in the log twice`);
        if (isSecond) count("events committed anew twice");
        else epoch.events.set(id, position);
      }
      const unit = unitOf(ids[0] as string);
      demand(
        // Tabs that commit one anew at once need not agree on which events of it still wait.
        unit === undefined || isAnew({ id: ids[0] as string }) || unit.join() === ids.join(),
        `half a commit in the log: ${ids.join()}`,
      );
    }
    if (record.kind === "base") {
      demand(record.term === epoch.term, `a write of term ${record.term} in term ${epoch.term}`);
      expectLeader(epoch, page, `base record ${position}`);
      count("decisions");
    }
    if (record.kind === "attempt") {
      demand(record.term === epoch.term, `an attempt of term ${record.term} in term ${epoch.term}`);
      expectLeader(epoch, page, `attempt ${position}`);
      count("attempts");
    }
    epoch.log.push(record);
    if (record.kind === "commit") record.events.forEach(logged);
    const turns = !epoch.byServer && record.kind === "base" && record.authority === "server";
    if (turns) {
      const { position: at } = record.settled;
      const { rows } = at === 0 ? nothing : (epoch.states[at] as Replayed);
      count(at === 0 ? "devices that go over to a server" : "devices that adopt their data");
      epoch.account = handOver(rows, epoch.alone, record);
      epoch.byServer = true;
    }
    if (space === undefined || !epoch.byServer) {
      const before = epoch.states.at(-1) as Replayed;
      epoch.states.push(steps.reduce((state, step) => advance(rules, state, step), before));
      for (const step of steps) if ("unit" in step) epoch.alone.push(step);
    } else {
      epoch.account = account(space, epoch.account, record, position);
      epoch.states.push(shownBy(epoch.account));
    }
  }

  function expectLeader(epoch: Epoch, page: string, what: string): void {
    const owner = epoch.owners.get(epoch.term);
    demand(owner === page, `${what} by ${page}, in term ${epoch.term} of ${String(owner)}`);
    const version = versionOf(page);
    demand(
      version >= epoch.schema,
      `${what} by version ${version}, the data is of ${epoch.schema}`,
    );
  }

  /** After each task of the device. */
  function observe(what: string): void {
    const database = device.databases.get(scope);
    if (database === undefined) return;
    const { log, meta } = database.stores;
    const read = (key: string): unknown => meta.get(JSON.stringify(key))?.[1];
    const incarnation = read("incarnation");
    if (typeof incarnation !== "string") {
      demand(log.size === 0, "a log without an incarnation");
      return;
    }
    let epoch = epochs.at(-1);
    if (epoch?.incarnation !== incarnation) {
      if (epoch !== undefined) count("epochs after clearing");
      // What was attempted is attempted no more, and a later one may take its place.
      if (epoch !== undefined && space !== undefined) space.state.isPure = false;
      epoch = {
        incarnation,
        log: [],
        states: [nothing],
        account: noAccount,
        byServer: read("authority") === "server",
        alone: [],
        events: new Map(),
        owners: new Map(),
        records: new Set(),
        term: 0,
        schema: 0,
        floor: meta.get(`"floor"`),
      };
      epochs.push(epoch);
    }
    const page = what.split(":")[0] as string;
    const term = (read("term") as number | undefined) ?? 0;
    demand(term >= epoch.term, `the term falls from ${epoch.term} to ${term}`);
    if (term > epoch.term) {
      const before = epoch.owners.get(epoch.term);
      if (before !== undefined && before !== page) count("handoffs");
      epoch.owners.set(term, page);
      epoch.term = term;
    }
    const schema = read("schema") as number;
    demand(schema >= epoch.schema, `the schema falls from ${epoch.schema} to ${schema}`);
    if (epoch.schema > 0 && schema > epoch.schema) count("migrations");
    epoch.schema = schema;
    for (let at = epoch.log.length + 1; at <= database.position; at += 1)
      note(epoch, at, decodeRecord(log.get(String(at))?.[1]), page);

    if (what.endsWith(": lead")) checkSegments(database);
    const floor = meta.get(`"floor"`);
    if (floor === epoch.floor) return;
    epoch.floor = floor;
    count("folds");
    if (isAnyFrozen()) count("folds while a tab is frozen");
    expectLeader(epoch, page, "a fold");
    for (let at = (read("floor") as number) + 1; at <= database.position; at += 1)
      demand(log.has(String(at)), `no log record ${at} above the floor`);
  }

  return { epochs, observe };
}
