import { afterEach, describe, expect, test, vi } from "vitest";
import { type CommitRecord, type LogRecord } from "../../src/model/log.ts";
import {
  type Connection,
  type LeaderWrite,
  type Put,
  type SegmentKey,
  type StoragePort,
} from "../../src/services/ports.ts";

/** A commit of one event, the `n`-th of a tab. */
export const commitRecord = (n: number, tab = "tab-a"): CommitRecord => ({
  kind: "commit",
  tab,
  n,
  schema: 1,
  events: [{ id: `${tab}-${n}`, name: "added", v: 1, payload: { id: `row-${n}` }, at: 1000 + n }],
});

/** What no storage can keep. */
export const unstorable = (n: number): LogRecord =>
  ({ ...commitRecord(n), events: [() => "a function"] }) as unknown as LogRecord;

/** Everything that a connection can read, with the segments of these keys. */
export const readAll = async (connection: Connection, segments: readonly SegmentKey[] = []) => {
  const delivered: (readonly [key: SegmentKey, value: unknown, error?: unknown])[] = [];
  const { meta, unreadable, ...rest } = await connection.read({
    after: 0,
    segments: () => segments,
    onSegment: (key, value, error) =>
      delivered.push(error === undefined ? [key, value] : [key, value, error]),
  });
  expect(unreadable).toEqual([]);
  return { meta: Object.fromEntries(meta), ...rest, segments: delivered };
};

/** Leaves one entry in one store, and nothing else in the database. */
const lone =
  (store: Put["store"]) =>
  async (connection: Connection): Promise<unknown> =>
    connection.lead({
      term: await connection.claim(),
      puts: [{ store, key: "k", value: 1 }],
      deletes: [{ store: "meta", key: "term" }],
      durability: "relaxed",
    });

/** What every StoragePort does. */
export const storageContract = (subject: string, makeStorage: () => StoragePort): void => {
  describe(`${subject} as storage`, () => {
    const cleanUps: (() => Promise<void>)[] = [];
    afterEach(async () => {
      for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
    });

    /** A database of the test's own, and connections to it. */
    const setUp = () => {
      const storage = makeStorage();
      const database = `contract/${crypto.randomUUID()}`;
      cleanUps.push(() => storage.destroy(database));
      const connect = async (to = database) => {
        const closed = vi.fn<(reason: string) => void>();
        const connection = await storage.open(to, { blocked: vi.fn<() => void>(), closed });
        cleanUps.push(async () => connection.close());
        return { ...connection, closed };
      };
      return { storage, database, connect };
    };
    /** A connection that leads: its term is 1. */
    const setUpLeader = async () => {
      const { connect, ...rest } = setUp();
      const connection = await connect();
      const term = await connection.claim();
      const lead = (write: Partial<LeaderWrite>) =>
        connection.lead({ term, durability: "relaxed", ...write });
      return { ...rest, connect, connection, lead };
    };

    /** A write that touches every store, over data that it changes. */
    const setUpFold = async () => {
      const leader = await setUpLeader();
      for (const n of [1, 2, 3]) await leader.connection.append(commitRecord(n), "relaxed");
      const old: Put[] = [
        { store: "segments", key: ["todos", 1], value: "old" },
        { store: "segments", key: ["todos", 2], value: "old" },
        { store: "meta", key: "floor", value: "old" },
        { store: "rejected", key: "r", value: "old" },
        { store: "quarantine", key: "q", value: "old" },
        { store: "queries", key: "y", value: "old" },
      ];
      await leader.lead({ puts: old });
      const fold: Partial<LeaderWrite> = {
        append: commitRecord(4),
        puts: old.slice(1).map(({ store, key }) => ({ store, key, value: "new" })),
        deletes: [
          { store: "segments", key: ["todos", 1] },
          { store: "log", from: 1, to: 2 },
        ],
      };
      const state = () =>
        readAll(leader.connection, [
          ["todos", 1],
          ["todos", 2],
        ]);
      return { ...leader, fold, state };
    };

    describe("append", () => {
      test("gives gapless positions from 1, in one order for all connections", async () => {
        const { connect } = setUp();
        const [a, b] = [await connect(), await connect()];
        expect(await a.append(commitRecord(1, "a"), "relaxed")).toBe(1);
        expect(await b.append(commitRecord(1, "b"), "strict")).toBe(2);
        expect(
          await Promise.all([
            a.append(commitRecord(2, "a"), "relaxed"),
            b.append(commitRecord(2, "b"), "relaxed"),
            a.append(commitRecord(3, "a"), "relaxed"),
          ]),
        ).toEqual([3, 4, 5]);
        expect((await readAll(b)).log).toEqual([
          [1, commitRecord(1, "a")],
          [2, commitRecord(1, "b")],
          [3, commitRecord(2, "a")],
          [4, commitRecord(2, "b")],
          [5, commitRecord(3, "a")],
        ]);
      });

      test("gives the position of a write that was undone to the next record", async () => {
        const { connection, lead } = await setUpLeader();
        expect(await connection.append(commitRecord(1), "relaxed")).toBe(1);
        expect(await lead({ term: 9, append: commitRecord(2) })).toEqual({
          tag: "fenced",
          term: 1,
        });
        expect(await lead({ tail: 0, append: commitRecord(2) })).toEqual({
          tag: "tailMoved",
          tail: 1,
        });
        await expect(connection.append(unstorable(2), "relaxed")).rejects.toThrow("storable");
        expect(await connection.append(commitRecord(2), "relaxed")).toBe(2);
      });

      test("gives no position twice, also when the log was emptied", async () => {
        const { connection, lead } = await setUpLeader();
        for (const n of [1, 2]) await connection.append(commitRecord(n), "relaxed");
        await lead({ deletes: [{ store: "log", from: 1, to: 2 }] });
        expect(await connection.append(commitRecord(3), "relaxed")).toBe(3);
      });

      test("keeps a copy of the record as it was when it was appended", async () => {
        const { connect } = setUp();
        const connection = await connect();
        const record = structuredClone(commitRecord(1)) as { events: unknown[] } & LogRecord;
        const appended = connection.append(record, "relaxed");
        record.events.push("late");
        await appended;
        const read = await readAll(connection);
        expect(read.log).toEqual([[1, commitRecord(1)]]);
        for (const [, value] of read.log) (value as typeof record).events.push("by a reader");
        expect((await readAll(connection)).log).toEqual([[1, commitRecord(1)]]);
      });

      test("G1 has stored what it resolved for, whoever reads next", async () => {
        const { connect } = setUp();
        const a = await connect();
        await a.append(commitRecord(1), "relaxed");
        a.close();
        expect((await readAll(await connect())).log).toEqual([[1, commitRecord(1)]]);
      });
    });

    describe("repair", () => {
      test("G9 writes what the plan makes of what is there, and its record, in one go", async () => {
        const { connection, lead } = await setUpLeader();
        await connection.append(commitRecord(1), "relaxed");
        await connection.append(commitRecord(2), "relaxed");
        await lead({
          puts: [
            { store: "segments", key: ["todos", 1], value: "rows" },
            { store: "meta", key: "floor", value: "junk" },
          ],
        });
        const written = await connection.repair(commitRecord(3), 1, (found, position) => {
          expect(Object.fromEntries(found.meta)).toEqual({ term: 1, floor: "junk" });
          expect(found.segments).toEqual([["todos", 1]]);
          expect(found.log).toEqual([[2, commitRecord(2)]]);
          expect(found.unreadable).toEqual([]);
          return {
            puts: [
              { store: "meta", key: "floor", value: position },
              { store: "quarantine", key: "meta/floor", value: "junk" },
            ],
            deletes: [{ store: "segments", key: ["todos", 1] }],
          };
        });
        expect(written).toBe(true);
        expect(await readAll(connection, [["todos", 1]])).toEqual({
          meta: { term: 1, floor: 3 },
          log: [1, 2, 3].map((n) => [n, commitRecord(n)]),
          rejected: [],
          quarantine: [["meta/floor", "junk"]],
          segments: [[["todos", 1], undefined]],
        });
      });

      test("writes nothing, not even its record, when the plan is nothing or throws", async () => {
        const { connection } = await setUpLeader();
        await connection.append(commitRecord(1), "relaxed");
        expect(await connection.repair(commitRecord(2), 0, () => undefined)).toBe(false);
        const mine = new Error("mine");
        const thrown = connection.repair(commitRecord(2), 0, () => {
          throw mine;
        });
        await expect(thrown).rejects.toBe(mine);
        expect(await connection.append(commitRecord(3), "relaxed")).toBe(2);
        expect((await readAll(connection)).meta).toEqual({ term: 1 });
      });
    });

    describe("ensure", () => {
      test("G2 finds a record that is in the log, and adds none", async () => {
        const { connect } = setUp();
        const connection = await connect();
        await connection.append(commitRecord(7), "relaxed");
        await connection.append(commitRecord(8), "relaxed");
        expect(await connection.ensure([commitRecord(8), commitRecord(7)], "relaxed")).toEqual([
          { position: 2, added: false },
          { position: 1, added: false },
        ]);
        expect((await readAll(connection)).log).toHaveLength(2);
      });

      test("G2 adds records that are nowhere, in order", async () => {
        const { connect } = setUp();
        const connection = await connect();
        await connection.append(commitRecord(2), "relaxed");
        expect(
          await connection.ensure([commitRecord(1), commitRecord(2), commitRecord(3)], "strict"),
        ).toEqual([
          { position: 2, added: true },
          { position: 1, added: false },
          { position: 3, added: true },
        ]);
        expect((await readAll(connection)).log).toEqual([
          [1, commitRecord(2)],
          [2, commitRecord(1)],
          [3, commitRecord(3)],
        ]);
      });

      test("G7 finds a record that was folded by the mark of its tab, but not one that the mark misses", async () => {
        const { connection, lead } = await setUpLeader();
        const writers = { "tab-a": { max: 5, missing: [3], at: 0 } };
        await lead({ puts: [{ store: "meta", key: "writers", value: writers }] });
        const records = [5, 3, 6].map((n) => commitRecord(n));
        expect(await connection.ensure([...records, commitRecord(1, "tab-b")], "relaxed")).toEqual([
          { position: null, added: false },
          { position: 1, added: true },
          { position: 2, added: true },
          { position: 3, added: true },
        ]);
      });

      test("looks a tab up by its own name only", async () => {
        const { connection, lead } = await setUpLeader();
        await lead({ puts: [{ store: "meta", key: "writers", value: {} }] });
        for (const tab of ["__proto__", "constructor", "toString"])
          expect(await connection.ensure([commitRecord(1, tab)], "relaxed")).toMatchObject([
            { added: true },
          ]);
      });

      test("G7 adds a record once, when it is given twice and when two connections add it", async () => {
        const { connect } = setUp();
        const [a, b] = [await connect(), await connect()];
        const twice = [commitRecord(1), commitRecord(1)];
        expect(await Promise.all([a.ensure(twice, "relaxed"), b.ensure(twice, "relaxed")])).toEqual(
          [
            [
              { position: 1, added: true },
              { position: 1, added: false },
            ],
            [
              { position: 1, added: false },
              { position: 1, added: false },
            ],
          ],
        );
        expect((await readAll(a)).log).toHaveLength(1);
      });

      test("tells records apart by tab and by number", async () => {
        const { connect } = setUp();
        const connection = await connect();
        await connection.append(commitRecord(1, "1"), "relaxed");
        expect(
          await connection.ensure([commitRecord(11, ""), commitRecord(1, "11")], "relaxed"),
        ).toMatchObject([{ added: true }, { added: true }]);
      });

      test("passes over what is no record, and over marks that are none", async () => {
        const { connection, lead } = await setUpLeader();
        for (const value of [null, "text", 7, [], {}])
          await lead({ append: value as unknown as LogRecord });
        for (const [n, value] of [null, "text", 7, []].entries()) {
          await lead({ puts: [{ store: "meta", key: "writers", value }] });
          expect(await connection.ensure([commitRecord(n)], "relaxed")).toEqual([
            { position: 6 + n, added: true },
          ]);
        }
      });
    });

    describe("read", () => {
      test("tells an empty database from nothing", async () => {
        const { connect } = setUp();
        expect(await readAll(await connect())).toEqual({
          meta: {},
          log: [],
          rejected: [],
          quarantine: [],
          segments: [],
        });
      });

      test("gives everything as it was put, valid or not", async () => {
        const { connection, lead } = await setUpLeader();
        await connection.append("no record" as unknown as LogRecord, "relaxed");
        await lead({
          puts: [
            { store: "meta", key: "manifest", value: 7 },
            { store: "rejected", key: "b", value: { not: ["a", "rejection"] } },
            { store: "rejected", key: "a", value: null },
            { store: "quarantine", key: "x", value: "bytes" },
          ],
        });
        expect(await readAll(connection)).toEqual({
          meta: { manifest: 7, term: 1 },
          log: [[1, "no record"]],
          rejected: [
            ["a", null],
            ["b", { not: ["a", "rejection"] }],
          ],
          quarantine: [["x", "bytes"]],
          segments: [],
        });
      });

      test("gives only the log after the position asked for", async () => {
        const { connect } = setUp();
        const connection = await connect();
        for (const n of [1, 2, 3]) await connection.append(commitRecord(n), "relaxed");
        const after = async (position: number) => {
          const request = { after: position, segments: () => [], onSegment: () => {} };
          return (await connection.read(request)).log.map(([at]) => at);
        };
        expect(await after(1)).toEqual([2, 3]);
        expect(await after(3)).toEqual([]);
      });

      test("asks which segments to read once it knows meta, and delivers them in the order asked, each in a turn of its own", async () => {
        const { connection, lead } = await setUpLeader();
        await lead({
          puts: [
            { store: "meta", key: "manifest", value: "todos 2" },
            { store: "segments", key: ["todos", 1], value: "one" },
            { store: "segments", key: ["todos", 2], value: "two" },
            { store: "segments", key: ["notes", 1], value: "note" },
          ],
        });
        const diary: unknown[] = [];
        await connection.read({
          after: 0,
          segments(meta) {
            diary.push(meta.get("manifest"));
            return [
              ["todos", 2],
              ["todos", 9],
              ["notes", 1],
              ["todos", 1],
            ];
          },
          onSegment(key, value, error) {
            diary.push([...key, value, error]);
            queueMicrotask(() => diary.push("turn"));
          },
        });
        expect(diary).toEqual([
          "todos 2",
          ["todos", 2, "two", undefined],
          "turn",
          ["todos", 9, undefined, undefined],
          "turn",
          ["notes", 1, "note", undefined],
          "turn",
          ["todos", 1, "one", undefined],
          "turn",
        ]);
      });

      test("gives a consistent picture while another connection writes", async () => {
        const { connect, lead } = await setUpLeader();
        const b = await connect();
        const key = ["todos", 1] as const;
        const state = (value: string): Partial<LeaderWrite> => ({
          append: commitRecord(1),
          puts: [
            { store: "meta", key: "floor", value },
            { store: "segments", key, value },
            { store: "rejected", key: "r", value },
            { store: "quarantine", key: "q", value },
          ],
        });
        await lead(state("old"));
        let written: Promise<unknown> | undefined;
        const delivered: unknown[] = [];
        const { meta, ...rest } = await b.read({
          after: 0,
          segments(seen) {
            written = lead(state("new"));
            return [[String(seen.get("floor")) === "old" ? "todos" : "torn", 1]];
          },
          onSegment: (_, value) => delivered.push(value),
        });
        expect(meta.get("floor")).toBe("old");
        expect({ ...rest, delivered }).toEqual({
          log: [[1, commitRecord(1)]],
          rejected: [["r", "old"]],
          quarantine: [["q", "old"]],
          delivered: ["old"],
          unreadable: [],
        });
        await written;
        expect((await readAll(b, [key])).segments).toEqual([[key, "new"]]);
      });

      test("G8 reads the same record by record, and tells which segments are stored", async () => {
        const { fold, lead, connect } = await setUpFold();
        await lead(fold);
        const reads = [false, true].map(async (each) => {
          const asked = vi.fn<(keys: readonly SegmentKey[]) => void>();
          const onSegment = vi.fn<() => void>();
          const segments = (_: unknown, stored: readonly SegmentKey[]): readonly SegmentKey[] => {
            asked(stored);
            return [["todos", 2]];
          };
          const connection = await connect();
          const result = await connection.read({ after: 0, each, segments, onSegment });
          return [result, asked.mock.calls, onSegment.mock.calls];
        });
        const [plain, careful] = await Promise.all(reads);
        expect(careful).toEqual(plain);
        expect(plain?.[1]).toEqual([[[["todos", 2]]]]);
      });

      test.each([new Error("mine"), new DOMException("mine", "AbortError")])(
        "rejects with what `segments` or `onSegment` throws (%s), and delivers nothing more",
        async (error) => {
          const { connection, lead } = await setUpLeader();
          const keys: SegmentKey[] = [1, 2, 3].map((no) => ["todos", no]);
          await lead({ puts: keys.map((key) => ({ store: "segments", key, value: 1 })) });
          const onSegment = vi.fn<() => void>(() => {
            throw error;
          });
          const segments = (): never => {
            throw error;
          };
          await expect(connection.read({ after: 0, segments, onSegment })).rejects.toBe(error);
          expect(onSegment).not.toHaveBeenCalled();
          const read = connection.read({ after: 0, segments: () => keys, onSegment });
          await expect(read).rejects.toBe(error);
          // Nothing comes late, and the connection goes on.
          expect((await readAll(connection, keys)).segments).toHaveLength(3);
          expect(onSegment).toHaveBeenCalledTimes(1);
        },
      );
    });

    describe("initialise", () => {
      const first = new Map<string, unknown>([
        ["format", 1],
        ["incarnation", "first"],
      ]);
      const second = new Map<string, unknown>([
        ["format", 1],
        ["incarnation", "second"],
        ["more", true],
      ]);

      test("fills an empty database, and leaves one that was filled as it is", async () => {
        const { connect } = setUp();
        const [a, b] = [await connect(), await connect()];
        expect(await a.initialise(first)).toEqual({ meta: first, damaged: false });
        expect(await b.initialise(second)).toEqual({ meta: first, damaged: false });
        expect((await readAll(b)).meta).toEqual(Object.fromEntries(first));
      });

      test("lets one of two win that come at once, and tells both the same", async () => {
        const { connect } = setUp();
        const [a, b] = [await connect(), await connect()];
        const results = await Promise.all([a.initialise(first), b.initialise(second)]);
        expect(results[0]).toEqual({ meta: first, damaged: false });
        expect(results[1]).toEqual(results[0]);
      });

      test.each<[string, (connection: Connection) => Promise<unknown>]>([
        ["the log", (connection) => connection.append(commitRecord(1), "relaxed")],
        ["segments", lone("segments")],
        ["meta", (connection) => connection.claim()],
        ["rejected", lone("rejected")],
        ["quarantine", (connection) => connection.quarantine([["q", 1]], [])],
        ["queries", lone("queries")],
      ])("G9 puts nothing over data in %s that has no format, and says damaged", async (_, put) => {
        const { connect } = setUp();
        const connection = await connect();
        await put(connection);
        const before = await readAll(connection);
        const { meta, damaged } = await connection.initialise(first);
        expect(damaged).toBe(true);
        expect(Object.fromEntries(meta)).toEqual(before.meta);
        expect(await readAll(connection)).toEqual(before);
      });
    });

    describe("claim", () => {
      test("raises the term by one each time, and puts the entries with it", async () => {
        const { connect } = setUp();
        const connection = await connect();
        expect(await connection.claim()).toBe(1);
        expect(await connection.claim(new Map([["schema", 2]]))).toBe(2);
        expect(await connection.claim(new Map([["term", 99]]))).toBe(3);
        expect((await readAll(connection)).meta).toEqual({ schema: 2, term: 3 });
      });

      test("never lowers an entry: of two tabs that raise the schema, the newer one holds", async () => {
        const { connect } = setUp();
        const connection = await connect();
        await connection.claim(new Map([["schema", 3]]));
        await connection.claim(
          new Map<string, unknown>([
            ["schema", 2],
            ["note", "kept"],
          ]),
        );
        expect((await readAll(connection)).meta).toEqual({ schema: 3, term: 2, note: "kept" });
      });

      test("G10 gives two that claim at once two terms", async () => {
        const { connect } = setUp();
        const [a, b] = [await connect(), await connect()];
        expect(await Promise.all([a.claim(), b.claim(), a.claim()])).toEqual([1, 2, 3]);
      });

      test.each(["text", null, {}, 1.5])(
        "G9 does not overwrite a term that it does not understand (%j)",
        async (term) => {
          const { connection, lead } = await setUpLeader();
          await lead({ puts: [{ store: "meta", key: "term", value: term }] });
          const claimed = connection.claim(new Map([["schema", 2]]));
          await expect(claimed).rejects.toMatchObject({ kind: "refused" });
          expect((await readAll(connection)).meta).toEqual({ term });
        },
      );
    });

    describe("lead", () => {
      test("writes all of it, and tells the position of the appended record", async () => {
        const { lead, fold, state } = await setUpFold();
        expect(await lead({ ...fold, tail: 3 })).toEqual({ tag: "written", position: 4 });
        expect(await state()).toEqual({
          meta: { floor: "new", term: 1 },
          log: [
            [3, commitRecord(3)],
            [4, commitRecord(4)],
          ],
          rejected: [["r", "new"]],
          quarantine: [["q", "new"]],
          segments: [
            [["todos", 1], undefined],
            [["todos", 2], "new"],
          ],
        });
        expect(await lead({ puts: [] })).toEqual({ tag: "written", position: null });
      });

      test("G10 refuses a stale leader's write inside the transaction", async () => {
        const { connect, lead, fold, state } = await setUpFold();
        const next = await connect();
        expect(await next.claim()).toBe(2);
        const before = await state();
        expect(await lead(fold)).toEqual({ tag: "fenced", term: 2 });
        expect(await state()).toEqual(before);
        // Also with a tail that moved: who does not lead has no use for the tail.
        expect(await lead({ ...fold, tail: 99 })).toEqual({ tag: "fenced", term: 2 });
        expect(await state()).toEqual(before);
      });

      test("G10 refuses a write that a claim of another connection overtook", async () => {
        const { connect, lead, fold, state } = await setUpFold();
        const next = await connect();
        const before = await state();
        const [term, written] = await Promise.all([next.claim(), lead(fold)]);
        expect([term, written]).toEqual([2, { tag: "fenced", term: 2 }]);
        expect(await state()).toEqual({ ...before, meta: { ...before.meta, term: 2 } });
      });

      test("G10 refuses a write of a term that nobody claimed", async () => {
        const { connect } = setUp();
        const connection = await connect();
        const write: LeaderWrite = { term: 0, append: commitRecord(1), durability: "strict" };
        expect(await connection.lead(write)).toEqual({ tag: "fenced", term: 0 });
        expect((await readAll(connection)).log).toEqual([]);
      });

      test("refuses a write that did not know the newest record", async () => {
        const { connection, lead, fold, state } = await setUpFold();
        const before = await state();
        expect(await lead({ ...fold, tail: 2 })).toEqual({ tag: "tailMoved", tail: 3 });
        expect(await state()).toEqual(before);
        const [appended, written] = await Promise.all([
          connection.append(commitRecord(9), "relaxed"),
          lead({ ...fold, tail: 3 }),
        ]);
        expect([appended, written]).toEqual([4, { tag: "tailMoved", tail: 4 }]);
      });

      test("takes any tail where nothing comes after it: records at the end may be folded", async () => {
        const { lead } = await setUpLeader();
        expect(await lead({ tail: 0, append: commitRecord(1) })).toEqual({
          tag: "written",
          position: 1,
        });
        expect(await lead({ tail: 1, deletes: [{ store: "log", key: 1 }] })).toEqual({
          tag: "written",
          position: null,
        });
        expect(await lead({ tail: 1, append: commitRecord(2) })).toEqual({
          tag: "written",
          position: 2,
        });
      });

      test("deletes what it is asked to: one key, or a range with both of its ends", async () => {
        const { connection, lead } = await setUpLeader();
        for (const n of [1, 2, 3, 4, 5, 6]) await connection.append(commitRecord(n), "relaxed");
        await lead({
          deletes: [
            { store: "log", from: 2, to: 4 },
            { store: "log", key: 6 },
            { store: "log", from: 5, to: 4 },
            { store: "segments", key: ["no such", 1] },
          ],
        });
        expect((await readAll(connection)).log.map(([at]) => at)).toEqual([1, 5]);
      });

      test("deletes before it appends and puts", async () => {
        const { connection, lead } = await setUpLeader();
        await lead({ puts: [{ store: "rejected", key: "r", value: 1 }] });
        await lead({
          append: commitRecord(1),
          puts: [{ store: "rejected", key: "r", value: 2 }],
          deletes: [
            { store: "rejected", key: "r" },
            { store: "log", from: 0, to: 100 },
          ],
        });
        const { log, rejected } = await readAll(connection);
        expect({ log, rejected }).toEqual({ log: [[1, commitRecord(1)]], rejected: [["r", 2]] });
      });

      test("takes array keys with the same items for one key, and others for others", async () => {
        const { connection, lead } = await setUpLeader();
        const keys: SegmentKey[] = [
          ["a", 1],
          ["a", 2],
          ["b", 1],
          ["a", 10],
        ];
        for (const round of ["first", "second"])
          await lead({
            puts: keys.map((key) => ({ store: "segments", key: [...key], value: [round, ...key] })),
          });
        expect((await readAll(connection, keys)).segments).toEqual(
          keys.map((key) => [key, ["second", ...key]]),
        );
      });

      describe("with a hundred segments of a thousand rows", () => {
        const ids = Array.from({ length: 1000 }, (_, index) => `row-${index}`);
        const keys = Array.from({ length: 100 }, (_, no): SegmentKey => ["todos", no]);
        const puts = keys.map((key): Put => ({
          store: "segments",
          key,
          value: { no: key[1], ids, text: ids },
        }));

        test("writes them all", async () => {
          const { connection, lead } = await setUpLeader();
          const written = await lead({ puts, tail: 0, append: commitRecord(1) });
          expect(written).toEqual({ tag: "written", position: 1 });
          const { segments } = await readAll(connection, keys);
          expect(segments).toEqual(puts.map(({ key, value }) => [key, value]));
        });

        test("G10 writes none for a stale leader", async () => {
          const { connection, connect, lead } = await setUpLeader();
          await (await connect()).claim();
          const written = await lead({ puts, append: commitRecord(1) });
          expect(written).toEqual({ tag: "fenced", term: 2 });
          const { segments, log } = await readAll(connection, keys);
          expect(log).toEqual([]);
          expect(segments.every(([, value]) => value === undefined)).toBe(true);
        });

        test("G3 writes none when one of them can never be stored", async () => {
          const { connection, lead } = await setUpLeader();
          const broken = [...puts.slice(0, 99), { ...puts[99], value: () => {} } as Put];
          const written = lead({ puts: broken, append: commitRecord(1) });
          await expect(written).rejects.toMatchObject({ kind: "refused" });
          const { segments, log } = await readAll(connection, keys);
          expect(log).toEqual([]);
          expect(segments.every(([, value]) => value === undefined)).toBe(true);
        });
      });
    });

    describe("quarantine", () => {
      test("puts and deletes, and doing it twice is doing it once", async () => {
        const { connect } = setUp();
        const connection = await connect();
        await connection.quarantine([["a", 1]], []);
        for (const _ of [1, 2])
          await connection.quarantine(
            [
              ["b", 2],
              ["c", 3],
            ],
            ["a"],
          );
        expect((await readAll(connection)).quarantine).toEqual([
          ["b", 2],
          ["c", 3],
        ]);
      });

      test("G8 keeps nothing that was found before a fold", async () => {
        const { connection, lead } = await setUpLeader();
        await connection.quarantine([["a", 1]], []);
        await lead({ puts: [{ store: "meta", key: "floor", value: 3 }] });
        await expect(connection.quarantine([["b", 2]], ["a"], 2)).rejects.toMatchObject({
          name: "StorageFailure",
          kind: "aborted",
        });
        expect((await readAll(connection)).quarantine).toEqual([["a", 1]]);
        await connection.quarantine([["b", 2]], ["a"], 3);
        expect((await readAll(connection)).quarantine).toEqual([["b", 2]]);
      });

      test("keeps many at once", async () => {
        const { connect } = setUp();
        const connection = await connect();
        const many = Array.from(
          { length: 50 },
          (_, at) => [String(at).padStart(2, "0"), at] as const,
        );
        await connection.quarantine(many, []);
        expect((await readAll(connection)).quarantine).toEqual(many);
      });
    });

    test.each<[string, (connection: Connection) => Promise<unknown>]>([
      ["append", (connection) => connection.append(unstorable(2), "relaxed")],
      ["ensure", (connection) => connection.ensure([commitRecord(2), unstorable(3)], "relaxed")],
      ["claim", (connection) => connection.claim(new Map([["schema", () => {}]]))],
      [
        "lead",
        (connection) =>
          connection.lead({
            term: 1,
            append: commitRecord(2),
            puts: [
              { store: "meta", key: "floor", value: 1 },
              { store: "meta", key: "manifest", value: () => {} },
            ],
            deletes: [{ store: "log", key: 1 }],
            durability: "relaxed",
          }),
      ],
      [
        "quarantine",
        (connection) =>
          connection.quarantine(
            [
              ["good", 1],
              ["bad", () => {}],
            ],
            ["old"],
          ),
      ],
    ])("G3 stores nothing of %s when a value can never be stored", async (_, write) => {
      const { connection } = await setUpLeader();
      await connection.append(commitRecord(1), "relaxed");
      await connection.quarantine([["old", 1]], []);
      const before = await readAll(connection);
      await expect(write(connection)).rejects.toMatchObject({
        name: "StorageFailure",
        kind: "refused",
      });
      expect(await readAll(connection)).toEqual(before);
    });

    test("G3 leaves a database empty when it cannot be initialised", async () => {
      const { connect } = setUp();
      const connection = await connect();
      const entries = new Map<string, unknown>([
        ["format", 1],
        ["bad", () => {}],
      ]);
      await expect(connection.initialise(entries)).rejects.toMatchObject({ kind: "refused" });
      expect((await readAll(connection)).meta).toEqual({});
    });

    const methods: readonly [string, (connection: Connection) => Promise<unknown>][] = [
      ["append", (connection) => connection.append(commitRecord(2), "relaxed")],
      ["ensure", (connection) => connection.ensure([commitRecord(2)], "relaxed")],
      ["read", (connection) => readAll(connection)],
      ["initialise", (connection) => connection.initialise(new Map([["format", 1]]))],
      ["claim", (connection) => connection.claim()],
      ["lead", (connection) => connection.lead({ term: 1, durability: "relaxed" })],
      ["quarantine", (connection) => connection.quarantine([["q", 1]], [])],
      ["evict", (connection) => connection.evict()],
    ];

    test("G2 evicts every cached query and nothing else, and says how many went", async () => {
      const { connection, fold, lead, state } = await setUpFold();
      await lead(fold);
      await lead({ puts: [{ store: "queries", key: "z", value: "new" }] });
      const before = await state();
      expect(await connection.evict()).toBe(2);
      expect(await connection.evict()).toBe(0);
      expect(await state()).toEqual(before);
    });

    test.each(methods)("rejects %s as lost when the connection was closed", async (_, call) => {
      const { connection, connect } = await setUpLeader();
      const before = await readAll(connection);
      connection.close();
      connection.close();
      await expect(call(connection)).rejects.toMatchObject({
        name: "StorageFailure",
        kind: "lost",
      });
      expect(connection.closed).not.toHaveBeenCalled();
      expect(await readAll(await connect())).toEqual(before);
    });

    test("G1 stores what was under way when the connection was closed", async () => {
      const { connect } = setUp();
      const connection = await connect();
      const appended = connection.append(commitRecord(1), "relaxed");
      connection.close();
      expect(await appended).toBe(1);
      expect((await readAll(await connect())).log).toHaveLength(1);
    });

    describe("destroy", () => {
      test("closes every open connection, tells it so once, and leaves nothing", async () => {
        const { storage, database, connect } = setUp();
        const [a, b, gone] = [await connect(), await connect(), await connect()];
        await a.append(commitRecord(1), "relaxed");
        await a.claim();
        gone.close();
        await storage.destroy(database);
        expect(a.closed.mock.calls).toEqual([["deleted"]]);
        expect(b.closed.mock.calls).toEqual([["deleted"]]);
        expect(gone.closed).not.toHaveBeenCalled();
        await expect(a.append(commitRecord(2), "relaxed")).rejects.toMatchObject({ kind: "lost" });
        const again = await connect();
        expect(await readAll(again)).toMatchObject({ meta: {}, log: [] });
        expect(await again.append(commitRecord(1), "relaxed")).toBe(1);
      });

      test("resolves for a database that does not exist, and leaves others alone", async () => {
        const { storage, database, connect } = setUp();
        const connection = await connect();
        await connection.append(commitRecord(1), "relaxed");
        await storage.destroy(`${database}/other`);
        expect(connection.closed).not.toHaveBeenCalled();
        expect((await readAll(connection)).log).toHaveLength(1);
      });
    });

    test("keeps databases of different names apart", async () => {
      const { storage, database, connect } = setUp();
      cleanUps.push(() => storage.destroy(`${database}2`));
      const [a, b] = [await connect(), await connect(`${database}2`)];
      await a.append(commitRecord(1), "relaxed");
      expect(await b.append(commitRecord(2), "relaxed")).toBe(1);
      expect((await readAll(b)).log).toEqual([[1, commitRecord(2)]]);
    });
  });
};
