import { expect, test } from "vitest";
import { createBaseIndex, segmentFor } from "../../src/model/base-index.ts";
import { type Ledger, addToMark, nextBase, planFold } from "../../src/model/fold.ts";
import { type BaseRecord, type CommitRecord, isFolded } from "../../src/model/log.ts";
import { createReplica } from "../../src/model/replica.ts";
import { definition, event } from "./app.ts";

/** A leader alone: it logs, decides and folds, with two rows in a segment. */
function start() {
  const replica = createReplica(definition, "t");
  const index = createBaseIndex();
  const ledger: Ledger = {
    floor: 0,
    settled: { position: 0, index: 0 },
    writers: {},
    verdicts: [],
    carried: [],
    moves: 0,
    tail: new Map(),
  };
  let n = 0;
  const receive = (record: CommitRecord | BaseRecord): void => {
    const at = replica.position() + 1;
    expect(replica.receive(at, record).tag).toBe("applied");
    if (record.kind === "base") {
      index.note(record.changes);
      ledger.settled = record.settled;
    }
    ledger.tail.set(at, record);
  };
  const head = () => ({ tab: "t", n: (n += 1), schema: 1 });
  return {
    replica,
    index,
    ledger,
    log: (...events: ReturnType<typeof event>[]): void =>
      receive({ kind: "commit", ...head(), events }),
    decide(): void {
      const next = nextBase(replica);
      if (next === undefined) throw new Error("Expected something to decide");
      const { tail: _, ...body } = next;
      receive({ kind: "base", ...head(), term: 1, ...body });
    },
    fold() {
      const steps = planFold(replica, index, ledger, 1, 2);
      let step = steps.next();
      while (step.done !== true) step = steps.next();
      const plan = step.value;
      if (plan === undefined) return undefined;
      for (const [table, segments] of plan.next) index.replace(table, segments, plan.floor);
      ledger.floor = plan.floor;
      ledger.writers = plan.writers;
      for (const position of plan.folded) ledger.tail.delete(position);
      return {
        ...plan,
        ids: Object.fromEntries(plan.segments.map(([, no, { ids }]) => [no, ids.join("")])),
        no: plan.dropped.map(([, no]) => no),
        all: (plan.manifest["one"] ?? []).map(({ no, low, count }) => `${no}${low}${count}`),
      };
    },
  };
}
type Leader = ReturnType<typeof start>;
const put = (leader: Leader, ids: string): void =>
  leader.log(...Array.from(ids, (id) => event("put", { id })));
const cut = (leader: Leader, ids: string): void =>
  leader.log(...Array.from(ids, (id) => event("cut", { id })));
function change(leader: Leader, how: (leader: Leader, ids: string) => void, ids: string) {
  how(leader, ids);
  leader.decide();
  return leader.fold();
}

test("splits a table into segments, and makes no fold when nothing was decided", () => {
  const leader = start();
  expect(leader.fold()).toBeUndefined();
  put(leader, "abcde");
  expect(leader.fold()).toBeUndefined();
  leader.decide();
  expect(leader.fold()).toMatchObject({
    floor: 2,
    settled: { position: 1, index: 0 },
    ids: { 1: "ab", 2: "cd", 3: "e" },
    no: [],
    all: ["1a2", "2c2", "3e1"],
    folded: [1, 2],
  });
  expect(leader.fold()).toBeUndefined();
});

test("rewrites only the segments that hold changed rows, under new numbers", () => {
  const leader = start();
  change(leader, put, "aceg");
  const middle = change(leader, put, "d");
  expect(middle).toMatchObject({ ids: { 3: "ac", 4: "d" }, no: [1], all: ["3a2", "4d1", "2e2"] });
  const ends = change(leader, put, "0z");
  expect(ends).toMatchObject({ ids: { 5: "eg", 6: "z", 7: "0a", 8: "c" }, no: [2, 3] });
  expect(ends?.all).toEqual(["702", "8c1", "4d1", "5e2", "6z1"]);
});

test("merges neighbours that shrank, and drops segments that are empty", () => {
  const leader = start();
  change(leader, put, "abcdef");
  expect(change(leader, cut, "bc")).toMatchObject({
    ids: { 4: "ad" },
    no: [1, 2],
    all: ["4a2", "3e2"],
  });
  expect(change(leader, cut, "ef")).toMatchObject({ ids: {}, no: [3], all: ["4a2"] });
  expect(change(leader, cut, "ad")).toMatchObject({ ids: {}, no: [4], all: [] });
  expect(change(leader, put, "x")).toMatchObject({ ids: { 1: "x" }, all: ["1x1"] });
});

test("never uses a number that it drops in the same fold, also with several runs", () => {
  const leader = start();
  change(leader, put, "abcdefgh");
  const plan = change(leader, cut, "bh");
  const made = Object.keys(plan?.ids ?? {}).map(Number);
  expect(plan?.no.toSorted()).toEqual([1, 4]);
  expect(made.toSorted((x, y) => x - y)).toEqual([5, 6]);
});

test("folds the base and never the overlay", () => {
  const leader = start();
  put(leader, "abc");
  leader.decide();
  cut(leader, "b");
  leader.log(event("set", { id: "a", x: 9 }), event("put", { id: "d" }));
  expect(leader.fold()).toMatchObject({ ids: { 1: "ab", 2: "c" }, folded: [1, 2] });
  expect(Array.from(leader.ledger.tail.keys())).toEqual([3, 4]);
  leader.decide();
  expect(leader.fold()).toMatchObject({ all: ["3a2", "4d1"], folded: [3, 4, 5] });
});

test("keeps rows with the position that made them", () => {
  const leader = start();
  change(leader, put, "ab");
  leader.log(event("set", { id: "b", x: 9 }));
  leader.decide();
  expect(leader.fold()?.segments[0]?.[2].pos).toEqual([1, 3]);
});

test("decides the trailing event of a coalescing run only when nothing is logged after it", () => {
  const leader = start();
  put(leader, "a");
  expect(nextBase(leader.replica)).toMatchObject({ tail: undefined, settled: { position: 1 } });
  leader.log(event("slide", { id: "s" }));
  expect(nextBase(leader.replica)).toMatchObject({ tail: 2, settled: { position: 2 } });
  put(leader, "b");
  expect(nextBase(leader.replica)).toMatchObject({ tail: undefined, settled: { position: 3 } });
});

test("leaves an event undecided whose place an own commit took that is not logged", () => {
  const leader = start();
  put(leader, "a");
  leader.log(event("slide", { id: "s" }));
  leader.replica.commit([event("slide", { id: "s", x: 2 })]);
  expect(nextBase(leader.replica)).toMatchObject({ tail: undefined, settled: { position: 1 } });
});

test("cuts a base record between records, never inside one", () => {
  const leader = start();
  put(leader, "abc");
  put(leader, "d");
  expect(nextBase(leader.replica, 1)).toMatchObject({ settled: { position: 1 } });
  expect(nextBase(leader.replica, 1)?.changes.length).toBe(3);
  expect(nextBase(leader.replica, 4)).toMatchObject({ settled: { position: 2 } });
});

test("keeps what moved while the fold was written", () => {
  const leader = start();
  put(leader, "ab");
  leader.decide();
  const steps = planFold(leader.replica, leader.index, leader.ledger, 1, 2);
  steps.next();
  leader.index.note([["one", "q", null, 9]]);
  let step = steps.next();
  while (step.done !== true) step = steps.next();
  for (const [table, segments] of step.value?.next ?? [])
    leader.index.replace(table, segments, step.value?.floor);
  expect(Array.from(leader.index.moved.get("one")?.keys() ?? [])).toEqual(["q"]);
});

test("knows which records of a tab are folded", () => {
  let mark = addToMark(undefined, 3, 1);
  expect([1, 2, 3, 4].map((n) => isFolded(mark, n))).toEqual([false, false, true, false]);
  mark = addToMark(mark, 1, 2);
  mark = addToMark(mark, 6, 3);
  expect([1, 2, 3, 4, 5, 6, 7].map((n) => isFolded(mark, n))).toEqual([
    true,
    false,
    true,
    false,
    false,
    true,
    false,
  ]);
  expect(mark).toEqual({ max: 6, missing: [2, 4, 5], at: 3 });
  expect(isFolded(undefined, 1)).toBe(false);
});

test("is not broken by a record number that jumps", () => {
  const mark = addToMark(addToMark(undefined, 1, 1), Number.MAX_SAFE_INTEGER, 1);
  expect(mark.missing.length).toBeLessThan(20_000);
  expect(isFolded(mark, Number.MAX_SAFE_INTEGER)).toBe(true);
  expect(isFolded(mark, Number.MAX_SAFE_INTEGER - 1)).toBe(false);
});

test("finds the segment whose range holds an id", () => {
  const marks = ["b", "d", "f"].map((low, no) => ({ no, low, count: 1, pos: 1, schema: 1 }));
  expect(["a", "b", "c", "d", "e", "z"].map((id) => segmentFor(marks, id))).toEqual([
    0, 0, 0, 1, 1, 2,
  ]);
  expect(segmentFor([], "a")).toBe(0);
});

const segment = (no: number, pos: number, ids: string[]) => ({
  no,
  pos,
  schema: 1,
  low: ids[0] as string,
  count: ids.length,
  ids,
  positions: pos,
});

test("takes a segment for another one when only its version is another", () => {
  const index = createBaseIndex(2, 2);
  const [older, newer] = [segment(1, 1, ["a", "b"]), { ...segment(1, 1, ["a"]), schema: 2 }];
  index.adopt({ one: [older] }, new Map([["one", [older]]]));
  expect(index.outdated()).toBe(2);
  expect(index.unread({ one: [newer] })).toHaveLength(1);
  expect(index.covers({ one: [newer] }, new Map([["one", [older]]]))).toBe(false);
  const stale = index.adopt({ one: [newer] }, new Map([["one", [newer]]]));
  expect(Array.from(stale.get("one") ?? [])).toEqual(["a", "b"]);
  expect(index.outdated()).toBe(0);
});

test("says which rows of memory a picture leaves in doubt", () => {
  const index = createBaseIndex();
  const mark = ({ no, pos, low, count, schema }: ReturnType<typeof segment>) => ({
    no,
    pos,
    low,
    count,
    schema,
  });
  const [s1, s2, s3] = [
    segment(1, 1, ["a", "b"]),
    segment(2, 1, ["c", "d"]),
    segment(3, 5, ["c", "e"]),
  ];
  expect(index.unread({ one: [mark(s1), mark(s2)] }).length).toBe(2);
  index.adopt({ one: [mark(s1), mark(s2)] }, new Map([["one", [s1, s2]]]));
  index.note([["one", "b", { id: "b" }, 3]]);
  expect([
    index.position("one", "a"),
    index.position("one", "b"),
    index.position("one", "x"),
  ]).toEqual([1, 3, 0]);
  const manifest = { one: [mark(s1), mark(s3)] };
  expect(index.covers(manifest, new Map())).toBe(false);
  expect(index.unread(manifest)).toEqual([["one", mark(s3)]]);
  const stale = index.adopt(manifest, new Map([["one", [s3]]]));
  expect(Array.from(stale.get("one") ?? []).toSorted()).toEqual(["b", "c", "d"]);
  expect(index.manifest()).toEqual(manifest);
  expect(index.dirty()).toEqual([]);
});
