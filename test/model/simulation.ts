/**
 * Tabs on one simulated disk: one gapless log, segments, a leader. Every tab is checked against the reference after every
 * step. All that is real here is the model, the follower and the pipeline.
 */
import { expect } from "vitest";
import { createFollower } from "../../src/follower.ts";
import { type SegmentState } from "../../src/model/base-index.ts";
import { type FoldPlan, nextBase, planFold } from "../../src/model/fold.ts";
import {
  type BaseRecord,
  type Envelope,
  type LogRecord,
  type Manifest,
  type RejectedEvent,
  type Row,
  type Watermark,
  type WriterMark,
  isFolded,
} from "../../src/model/log.ts";
import { type ChangeSet } from "../../src/model/publication.ts";
import { type Decision } from "../../src/model/entry.ts";
import { decodeSegment } from "../../src/model/segment.ts";
import { decodeMeta, decodeRecord, freshMeta } from "../../src/model/stored.ts";
import { type Group, type Receipt, createPipeline } from "../../src/pipeline.ts";
import { type Picture } from "../../src/services/reader.ts";
import { definition, rules } from "./app.ts";
import { type Step, replay, stepsOf } from "./reference.ts";

interface Meta {
  floor: number;
  settled: Watermark;
  writers: Record<string, WriterMark>;
  manifest: Manifest;
  keys: (readonly [string, string, string])[];
}

/** A commit as the simulation knows it, beside the model. */
interface Commit {
  readonly unit: readonly Envelope[];
  readonly receipt: Receipt;
  position: number | undefined;
  gone: boolean;
}

const disk0 = (): Meta => ({
  floor: 0,
  settled: { position: 0, index: 0 },
  writers: {},
  manifest: {},
  keys: [],
});

function deepFrozen(value: unknown): boolean {
  return (
    typeof value !== "object" ||
    value === null ||
    (Object.isFrozen(value) && Object.values(value).every(deepFrozen))
  );
}

/** As another tab gets it: through structured clone and the checks of what arrives. */
function travel(record: LogRecord): LogRecord {
  const decoded = decodeRecord(structuredClone(record));
  if (decoded === undefined) throw new Error("Expected a record to decode");
  return decoded;
}

export function createWorld(size: number) {
  /** Everything that was ever logged; `log` is what is still on disk. */
  const history: LogRecord[] = [];
  const log = new Map<number, LogRecord>();
  const segments = new Map<string, unknown>();
  const rejected = new Map<string, RejectedEvent>();
  /** Decisions that folding made unknowable for a tab that looked away: what was folded before it looked. */
  let meta = disk0();
  let term = 0;
  let tabCount = 0;
  const tabs: Tab[] = [];
  let leader: Tab | undefined;

  function append(record: LogRecord): number {
    history.push(record);
    log.set(history.length, record);
    return history.length;
  }

  function stepsTo(position: number): Step[] {
    const steps: Step[] = [];
    const seen = new Set<string>();
    history.slice(0, position).forEach((record, index) => {
      // A record that is there twice counts once.
      if (record.kind === "commit" && seen.has(`${record.n} ${record.tab}`)) return;
      seen.add(`${record.n} ${record.tab}`);
      steps.push(...stepsOf(record, index + 1));
    });
    return steps;
  }

  function broadcast(from: Tab, position: number, record: LogRecord): void {
    for (const tab of tabs) if (tab !== from) tab.inbox.push([position, record]);
  }

  function createTab() {
    tabCount += 1;
    const name = `tab${tabCount}`;
    const pipeline = createPipeline(name, 1);
    const commits: Commit[] = [];
    const decisions = new Map<string, Decision["status"]>();
    const vague = new Set<string>();
    const shadow = new Map<string, Row>();
    const arrays = new Map<string, readonly Row[]>();
    const inbox: [number, LogRecord][] = [];
    const unacked: { group: Group; position: number }[] = [];
    const held: Picture[] = [];
    let folding: { steps: ReturnType<typeof planFold>; term: number } | undefined;
    let myTerm = 0;
    let live = false;
    let reloading = false;
    let gap = 0;

    function publish(changes: ChangeSet | undefined): void {
      if (changes === undefined || !live) return;
      expect(changes.size).toBeGreaterThan(0);
      for (const [table, list] of changes) {
        expect(list.length).toBeGreaterThan(0);
        const ids = new Set<string>();
        for (const { id, before, after } of list) {
          expect(ids.has(id)).toBe(false);
          ids.add(id);
          expect(before).toEqual(shadow.get(`${table.name}/${id}`));
          expect(after).not.toEqual(before);
          if (after === undefined) shadow.delete(`${table.name}/${id}`);
          else shadow.set(`${table.name}/${id}`, after);
        }
        arrays.delete(table.name);
      }
    }

    const follower = createFollower({
      definition,
      tab: name,
      schema: 1,
      publish,
      publishAll: () => undefined,
      keep: ({ key: id, ...rest }) => Object.assign(rest, { id, at: 0 }),
      settle(settlements) {
        for (const { entry, decisions: told } of settlements) {
          pipeline.settle(entry, told);
          for (const { id, status } of told) {
            if (!commits.some((it) => it.unit.some((event) => event.id === id))) continue;
            expect(decisions.has(id)).toBe(false);
            decisions.set(id, status);
            const position = commits.find((it) => it.unit.some((e) => e.id === id))?.position;
            // G2: nothing is decided that is not on disk.
            expect(position).toBeDefined();
            if (reloading && (position as number) <= meta.settled.position) vague.add(id);
          }
        }
      },
      signal(signal) {
        if (signal.type === "gap.found") gap = Math.max(gap, signal.position);
      },
    });

    function rows(): Map<string, Row> {
      const all = new Map<string, Row>();
      for (const table of follower.replica.tables.values())
        for (const row of table.toArray()) all.set(`${table.name}/${row.id}`, row);
      return all;
    }

    function local(): Step[] {
      return commits
        .filter((it) => !it.gone && (it.position ?? Infinity) > follower.position())
        .map(({ unit }) => ({ unit, position: Infinity }));
    }

    function picture(whole: boolean, first: boolean): Picture {
      const after = whole ? 0 : follower.position();
      if (!whole && meta.floor > after) return picture(true, first);
      const read = new Map<string, SegmentState[]>();
      const into = new Map<string, Row[]>();
      const stream = first ? follower.startStream() : undefined;
      for (const [table, mark] of whole ? follower.index.unread(meta.manifest) : []) {
        const stored = decodeSegment(structuredClone(segments.get(`${table}/${mark.no}`)));
        if ("reason" in stored) throw new Error(`${table}/${mark.no}: ${stored.reason}`);
        expect(stored.ids.length).toBe(mark.count);
        const states = read.get(table) ?? [];
        read.set(table, states);
        states.push({ ...mark, ids: stored.ids, positions: stored.pos });
        const list = into.get(table) ?? [];
        into.set(table, list);
        stored.ids.forEach((_, at) => {
          const kept = definition.tables.get(table)?.parser.keep(stored.row(at));
          if (kept === undefined || !("value" in kept)) throw new Error("Expected a valid row");
          if (stream === undefined) list.push(kept.value as Row);
          else stream(table, kept.value as Row);
        });
      }
      const checked = decodeMeta(
        new Map([...freshMeta(1, "i", "c"), ...Object.entries(structuredClone(meta))]),
      );
      if (!("meta" in checked)) throw new Error("Expected meta to decode");
      return {
        meta: checked.meta,
        log: Array.from(log)
          .filter(([position]) => position > after)
          .map(([position, record]) => [position, travel(record)] as const),
        base: whole ? { read, rows: into, carried: [] } : null,
        rejected: structuredClone(Array.from(rejected.values())),
        quarantine: [],
        damage: [],
        healed: [],
      };
    }

    function adopt(it: Picture): boolean {
      reloading = true;
      const adopted = follower.adopt(it, []);
      reloading = false;
      return adopted;
    }

    const tab = {
      name,
      follower,
      pipeline,
      inbox,
      commits,
      decisions,
      vague,
      load(): void {
        expect(adopt(picture(true, true))).toBe(true);
        live = true;
        for (const [place, row] of rows()) shadow.set(place, row);
      },
      commit(unit: readonly Envelope[]): void {
        const expected = replay(rules, [
          ...stepsTo(follower.position()),
          ...local(),
          { unit, position: Infinity },
        ]);
        const refused = expected.statuses.get(unit[0]?.id as string) === "rejected";
        let done: ReturnType<typeof follower.replica.commit>;
        try {
          done = follower.replica.commit(unit);
        } catch {
          expect(refused).toBe(true);
          return;
        }
        expect(refused).toBe(false);
        const { receipt, unwritten } = pipeline.add(done.entry, done.replaced);
        if (unwritten !== undefined) {
          follower.replica.forget(unwritten);
          for (const it of commits) if (it.unit === unwritten.unit) it.gone = true;
        }
        commits.push({ unit, receipt, position: undefined, gone: false });
        publish(done.changes);
      },
      take(): void {
        if (pipeline.inFlight().length < 3) pipeline.take();
      },
      write(nth: number): void {
        const waiting = pipeline
          .inFlight()
          .filter((group) => !unacked.some((it) => it.group === group));
        const group = waiting[nth % waiting.length];
        if (group === undefined) return;
        const position = append(group.record);
        for (const item of group.items)
          for (const it of commits) if (it.unit === item.entry.unit) it.position = position;
        unacked.push({ group, position });
      },
      acknowledge(nth: number, look: boolean): void {
        const [found] = unacked.splice(nth % Math.max(1, unacked.length), 1);
        if (found === undefined) return;
        const group = pipeline.acknowledge(found.group.n);
        if (group === undefined) throw new Error("Expected the group in flight");
        pipeline.keep(group);
        // After an unknown outcome storage says where the record is, or that it is folded.
        const isGone = isFolded(meta.writers[name], group.n) && !log.has(found.position);
        if (look && isGone) follower.hear(follower.position() + 1);
        else follower.receive(found.position, group.record);
        broadcast(tab, found.position, group.record);
      },
      deliver(nth: number, keep: boolean): void {
        if (inbox.length === 0) return;
        const at = nth % inbox.length;
        const [position, record] = inbox[at] as [number, LogRecord];
        if (!keep) inbox.splice(at, 1);
        follower.receive(position, travel(record));
      },
      lose: (nth: number): void => void inbox.splice(nth % Math.max(1, inbox.length), 1),
      refuse(nth: number): void {
        const waiting = pipeline
          .inFlight()
          .filter((group) => !unacked.some((it) => it.group === group));
        const group = waiting[nth % waiting.length];
        if (group === undefined) return;
        const entries = pipeline.refuse(group.n, "storage_failed");
        for (const entry of entries)
          for (const it of commits) if (it.unit === entry.unit) it.gone = true;
        follower.remove(entries);
      },
      withdraw(nth: number): void {
        const waiting = commits.filter((it) => it.position === undefined && !it.gone);
        const found = waiting[nth % waiting.length];
        const id = found?.unit[0]?.id;
        const entries = id === undefined ? undefined : pipeline.withdraw(id);
        if (found === undefined || entries === undefined) return;
        found.gone = true;
        follower.remove(entries);
      },
      dismiss(nth: number): void {
        const all = Array.from(follower.replica.rejected.keys());
        const id = all[nth % all.length];
        if (id !== undefined) void pipeline.dismiss("rejected", [id]);
      },
      catchUp: (whole: boolean): void => void adopt(picture(whole, false)),
      hold: (): void => void held.push(picture(true, false)),
      adoptHeld(): void {
        const [it] = held.splice(0, 1);
        if (it !== undefined) adopt(it);
      },
      lead(): void {
        leader?.follower.stopLeading();
        leader = tab;
        term += 1;
        myTerm = term;
        folding = undefined;
        follower.startLeading();
        for (let tries = 0; !adopt(picture(true, false)); tries += 1)
          if (tries > 3) throw new Error("Expected a picture of now to be taken over");
      },
      decide(most: number, late: readonly Envelope[] | undefined): boolean {
        if (leader !== tab) return false;
        const next = nextBase(follower.replica, most);
        if (next === undefined) return false;
        const { tail, ...body } = next;
        // Somebody commits between the plan and the write.
        if (late !== undefined)
          append({ kind: "commit", tab: "late", n: history.length + 1, schema: 1, events: late });
        if (tail !== undefined && tail !== history.length) {
          follower.hear(history.length);
          return false;
        }
        const n = pipeline.nextNumber();
        const record: BaseRecord = { kind: "base", tab: name, n, schema: 1, term, ...body };
        const position = append(record);
        follower.receive(position, record);
        broadcast(tab, position, record);
        return true;
      },
      fold(wait: boolean): void {
        if (leader !== tab || follower.ledger === undefined) return;
        folding ??= {
          steps: planFold(follower.replica, follower.index, follower.ledger, 1, size),
          term: myTerm,
        };
        let step = folding.steps.next();
        if (wait && step.done !== true) return;
        while (step.done !== true) step = folding.steps.next();
        const plan: FoldPlan | undefined = step.value;
        folding = undefined;
        const { ledger } = follower;
        if (plan === undefined) return;
        meta = structuredClone({
          floor: plan.floor,
          settled: plan.settled,
          writers: plan.writers,
          manifest: plan.manifest,
          keys: follower.replica.keys(),
        });
        for (const [table, no, value] of plan.segments)
          segments.set(`${table}/${no}`, structuredClone(value));
        for (const [table, no] of plan.dropped) segments.delete(`${table}/${no}`);
        for (const it of plan.rejected) rejected.set(it.event.id, it);
        for (const id of plan.dismissed) rejected.delete(id);
        for (const position of plan.folded) log.delete(position);
        for (const [table, states] of plan.next) follower.index.replace(table, states, plan.floor);
        ledger.floor = plan.floor;
        ledger.writers = plan.writers;
        for (const position of plan.folded) ledger.tail.delete(position);
        // What the disk holds of the base is what the reference says was decided.
        const stored = Array.from(segments.keys()).toSorted();
        const listed = Object.entries(plan.manifest).flatMap(([table, marks]) =>
          marks.map(({ no }) => `${table}/${no}`),
        );
        expect(stored).toEqual(listed.toSorted());
      },
      check(): void {
        const expected = replay(rules, [...stepsTo(follower.position()), ...local()]);
        const now = rows();
        expect(Object.fromEntries(now)).toEqual(Object.fromEntries(expected.rows));
        expect(Object.fromEntries(shadow)).toEqual(Object.fromEntries(expected.rows));
        for (const table of follower.replica.tables.values()) {
          const array = table.toArray();
          expect(array.every((row, at) => at === 0 || (array[at - 1] as Row).id < row.id)).toBe(
            true,
          );
          expect(array.every(deepFrozen)).toBe(true);
          expect(array).toBe(table.toArray());
          const before = arrays.get(table.name);
          if (before !== undefined) expect(array === before).toBe(true);
          arrays.set(table.name, array);
          for (const row of array) expect(table.rows.get(row.id)).toBe(row);
        }
      },
      /** Writes all, hears all. */
      finish(): void {
        while (pipeline.take() !== undefined);
        while (pipeline.inFlight().length > unacked.length) tab.write(0);
        while (unacked.length > 0) tab.acknowledge(0, true);
      },
    };
    return tab;
  }

  type Tab = ReturnType<typeof createTab>;

  function open(): Tab {
    const tab = createTab();
    tab.load();
    tabs.push(tab);
    return tab;
  }

  return {
    tabs,
    open,
    kill(nth: number): void {
      const [tab] = tabs.splice(nth % tabs.length, 1);
      if (tab === leader) leader = undefined;
      open();
    },
    double(nth: number): void {
      const commits = history.filter((record) => record.kind === "commit");
      const record = commits[nth % Math.max(1, commits.length)];
      if (record !== undefined) append(record);
    },
    check: (): void => tabs.forEach((tab) => tab.check()),
    /** Faults stop: all tabs, and a fresh one, come to the same rows and decisions. */
    converge(): void {
      for (const tab of tabs) tab.finish();
      for (const tab of tabs) tab.catchUp(false);
      const [first] = tabs as [Tab];
      first.lead();
      while (first.decide(3, undefined));
      for (const tab of tabs.slice(1)) tab.catchUp(false);
      for (const tab of tabs) tab.check();
      const all = replay(rules, stepsTo(history.length));
      first.fold(false);
      for (const tab of [...tabs, open()]) {
        tab.catchUp(true);
        tab.check();
        expect(tab.follower.replica.overlay.length).toBe(0);
        expect(tab.pipeline.undecidedEvents()).toBe(0);
        const refused = Array.from(all.statuses).filter(([, status]) => status === "rejected");
        const dismissed = new Set(history.flatMap((it) => (it.kind === "dismiss" ? it.ids : [])));
        expect(Array.from(tab.follower.replica.rejected.keys()).toSorted()).toEqual(
          refused.flatMap(([id]) => (dismissed.has(id) ? [] : [id])).toSorted(),
        );
        for (const { unit, position, gone } of tab.commits) {
          if (gone) continue;
          expect(position).toBeDefined();
          for (const { id } of unit) {
            const told = tab.decisions.get(id);
            const isVague = tab.vague.has(id) && told !== "rejected";
            if (isVague && (all.statuses.get(id) === "superseded" || dismissed.has(id))) continue;
            expect([id, told]).toEqual([id, all.statuses.get(id)]);
          }
        }
      }
    },
  };
}

export type World = ReturnType<typeof createWorld>;
