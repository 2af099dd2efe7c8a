import { expect, test } from "vitest";
import { nextBase } from "../../src/model/fold.ts";
import { type Decision } from "../../src/model/entry.ts";
import { type BaseRecord, type CommitRecord, type Envelope } from "../../src/model/log.ts";
import { type Effects, type Received, type Reloaded } from "../../src/model/effects.ts";
import { createReplica } from "../../src/model/replica.ts";
import { definition, event } from "./app.ts";

const record = (tab: string, n: number, ...events: Envelope[]): CommitRecord => ({
  kind: "commit",
  tab,
  n,
  schema: 1,
  events,
});
/** What a leader that has read these records decides. */
function decideAll(...records: readonly CommitRecord[]): BaseRecord {
  const leader = createReplica(definition, "leader");
  records.forEach((it, index) => leader.receive(index + 1, it));
  const next = nextBase(leader);
  if (next === undefined) throw new Error("Expected something to decide");
  const { tail: _, ...body } = next;
  return { kind: "base", tab: "leader", n: 1, schema: 1, term: 1, ...body };
}
const start = () => createReplica(definition, "t");
type Replica = ReturnType<typeof start>;
function commit(replica: Replica, n: number, one: Envelope): Envelope {
  replica.commit([one]).entry.n = n;
  return one;
}
const reload = (replica: Replica, from: Partial<Reloaded>): Effects =>
  replica.reload({
    floor: 0,
    settled: { position: 0, index: 0 },
    writers: {},
    keys: [],
    authority: "device",
    client: "client",
    rejected: [],
    log: [],
    rows: () => undefined,
    ...from,
  });
const told = (effects: Effects | Received): readonly Decision[] =>
  "settlements" in effects ? effects.settlements.flatMap((it) => it.decisions) : [];
const two = (replica: Replica): unknown => replica.tables.get("two")?.toArray();

test("settles an event without key as soon as it is logged, and the last of a run when something follows", () => {
  const replica = start();
  const put = commit(replica, 1, event("put"));
  expect(told(replica.receive(1, record("t", 1, put)))).toEqual([
    { id: put.id, status: "accepted" },
  ]);
  const slide = commit(replica, 2, event("slide"));
  expect(told(replica.receive(2, record("t", 2, slide)))).toEqual([]);
  expect(told(replica.receive(3, record("o", 1, event("put"))))).toEqual([
    { id: slide.id, status: "accepted" },
  ]);
});

test("settles the last of a run when a base record decides it, though an own commit has taken its place here", () => {
  const replica = start();
  const slide = commit(replica, 1, event("slide", { x: 1 }));
  const logged = record("t", 1, slide);
  replica.receive(1, logged);
  replica.commit([event("slide", { x: 2 })]);
  expect(told(replica.receive(2, decideAll(logged)))).toEqual([
    { id: slide.id, status: "accepted" },
  ]);
  expect(two(replica)).toEqual([{ id: "a", x: 2 }]);
  expect(replica.overlay.length).toBe(1);
});

test("gives a run its event back when another tab's commit comes between", () => {
  const replica = start();
  const add = commit(replica, 1, event("add"));
  replica.receive(1, record("t", 1, add));
  replica.commit([event("add")]);
  expect(two(replica)).toEqual([{ id: "a", x: 1 }]);
  expect(told(replica.receive(2, record("o", 1, event("put"))))).toEqual([
    { id: add.id, status: "accepted" },
  ]);
  expect(two(replica)).toEqual([{ id: "a", x: 2 }]);
});

test("leaves an event its effect when the one that took its place fails on replay", () => {
  const replica = start();
  replica.commit([event("add", { x: 4 })]);
  replica.commit([event("add", { x: 1 })]);
  expect(two(replica)).toEqual([{ id: "a", x: 1 }]);
  // Now `one/a` stands at 3: above what the second one bears.
  replica.receive(1, record("o", 1, event("put", { x: 3 })));
  expect(two(replica)).toEqual([{ id: "a", x: 1 }]);
  expect(replica.overlay.map((entry) => entry.outcome?.tag)).toEqual([
    "applied",
    "applied",
    "failed",
  ]);
});

test("leaves an event its effect when a commit that would take its place is refused", () => {
  const replica = start();
  replica.commit([event("put", { x: 3 })]);
  replica.commit([event("add", { x: 4 })]);
  expect(() => replica.commit([event("add", { x: 1 })])).toThrow("to return");
  expect(two(replica)).toEqual([{ id: "a", x: 1 }]);
  expect(replica.overlay.length).toBe(2);
});

test("lets the first of a dedupe key count, whatever of the same coalesce key lies between", () => {
  const replica = start();
  const all = [event("both", { x: 1 }), event("both", { x: 0 }), event("both", { x: 1 })];
  for (const one of all) commit(replica, 1, one);
  expect(replica.overlay.length).toBe(3);
  expect(told(replica.receive(1, record("t", 1, ...all)))).toMatchObject([
    { status: "accepted" },
    { status: "accepted" },
    { status: "duplicate" },
  ]);
  expect(two(replica)).toEqual([{ id: "a", x: 200 }]);
});

test("learns from the base record which of its events were superseded and rejected while it looked away", () => {
  const replica = start();
  const slide = commit(replica, 1, event("slide"));
  const move = commit(replica, 2, event("put", { id: "m" }));
  const conflicting = commit(replica, 3, event("move", { id: "m" }));
  const records = [
    record("t", 1, slide),
    record("o", 1, event("slide", { x: 5 })),
    record("t", 2, move),
    record("o", 2, event("cut", { id: "m" })),
    record("t", 3, conflicting),
  ];
  const base = decideAll(...records);
  const dismissed = { kind: "dismiss", from: "rejected", ids: [conflicting.id] } as const;
  const log = [...records, base, { ...dismissed, tab: "o", n: 3, schema: 1 }].map(
    (it, index) => [index + 1, it] as const,
  );
  expect(told(reload(replica, { log }))).toMatchObject([
    { id: slide.id, status: "superseded" },
    { id: move.id, status: "accepted" },
    { id: conflicting.id, status: "rejected", error: { code: "conflict" } },
  ]);
  expect(replica.rejected.size).toBe(0);
  expect(replica.overlay.length).toBe(0);
});

test("drops an own logged event that was folded, also when the mark of this tab was dropped", () => {
  const replica = start();
  const slide = commit(replica, 1, event("slide"));
  replica.receive(1, record("t", 1, slide));
  const settled = { position: 1, index: 0 };
  expect(told(reload(replica, { floor: 2, settled }))).toEqual([
    { id: slide.id, status: "accepted" },
  ]);
  expect(replica.overlay.length).toBe(0);
});

test("keeps what waits through a reload, whatever the mark of this tab says", () => {
  const replica = start();
  replica.commit([event("put")]);
  const writers = { t: { max: 7, missing: [], at: 1 } };
  expect(told(reload(replica, { floor: 9, writers }))).toEqual([]);
  expect(replica.overlay.length).toBe(1);
});

test("keeps what is in the log when storage says that it refused it", () => {
  const replica = start();
  const { entry } = replica.commit([event("put")]);
  entry.n = 1;
  replica.receive(1, record("t", 1, ...entry.unit));
  replica.remove([entry]);
  expect(replica.overlay.length).toBe(1);
});

test("rejects a stored event whose payload does not validate, and runs no materializer on it", () => {
  const replica = start();
  replica.receive(1, record("o", 1, event("slide", { x: "nine" as never })));
  expect(replica.overlay[0]?.outcome).toMatchObject({
    tag: "failed",
    error: { code: "invalid_payload" },
  });
  expect(two(replica)).toEqual([]);
});

test("counts a record once that is in the log twice, in the log and folded", () => {
  const replica = start();
  const add = event("add");
  replica.receive(1, record("o", 1, add));
  replica.receive(2, record("o", 2, event("put", { id: "b" })));
  replica.receive(3, record("o", 1, add));
  expect(two(replica)).toEqual([{ id: "a", x: 1 }]);
  expect(replica.position()).toBe(3);
  const writers = { o: { max: 2, missing: [], at: 1 } };
  reload(replica, { floor: 2, writers, log: [[3, record("o", 1, add)]] });
  expect(replica.overlay.length).toBe(0);
});

test("shows what a base record says, whatever this code made of the events, and replays the rest on it", () => {
  const replica = start();
  const put = event("put");
  const refused = event("put", { id: "b" });
  replica.receive(1, record("o", 1, put, refused));
  replica.commit([event("grow")]);
  replica.commit([event("invite", { id: "c" })]);
  const base: BaseRecord = {
    ...decideAll(record("o", 1, put)),
    changes: [["one", "a", { id: "a", x: 10 }, 1]],
    rejected: [{ event: refused, code: "conflict", message: "by other code" }],
  };
  const received = replica.receive(2, base);
  expect(replica.tables.get("one")?.toArray()).toEqual([
    { id: "a", x: 11 },
    { id: "c", x: 10 },
  ]);
  const changes = "changes" in received ? Array.from(received.changes?.values() ?? []) : [];
  expect(changes).toEqual([
    [
      { id: "a", before: { id: "a", x: 2 }, after: { id: "a", x: 11 } },
      { id: "b", before: { id: "b", x: 1 }, after: undefined },
    ],
  ]);
});

test("decides nothing again while its last base record is not in memory", () => {
  const replica = start();
  const put = event("put");
  replica.receive(1, record("o", 1, put));
  const base = { ...decideAll(record("o", 1, put)), tab: "t" };
  // Another tab's record is between: the base record waits until memory has it.
  expect(replica.receive(3, base).tag).toBe("gap");
  expect(nextBase(replica)).toBeUndefined();
  const between = record("o", 2, event("put", { id: "b" }));
  replica.receive(2, between);
  expect(nextBase(replica)).toBeUndefined();
  replica.receive(3, base);
  expect(nextBase(replica)).toMatchObject({
    settled: { position: 3 },
    changes: [["one", "b", {}, 2]],
  });
});
