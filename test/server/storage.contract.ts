/** What every storage does. Called by one test file per storage. */
import { expect, test } from "vitest";
import {
  type LogRow,
  type PushFound,
  type PushWrite,
  type Storage,
} from "../../src/server/index.ts";
import { nextHash } from "../../src/server/hash.ts";

const want = { client: "client-aa", ids: [], keys: [], writes: false };
const all = { after: 0, limit: 1000, size: Infinity };

/** Rows that follow a head. */
function rowsAfter(
  { head, hash }: { readonly head: number; readonly hash: string },
  list: readonly {
    readonly id: string;
    readonly tx?: string;
    readonly ts?: number;
    readonly entry?: string;
  }[],
): LogRow[] {
  let [pos, last] = [head, hash];
  return list.map(({ id, tx, ts = 1, entry = `{"id":"${id}"}` }) => {
    pos += 1;
    last = nextHash(last, id);
    return { pos, hash: last, ts, tx, entry };
  });
}

const nothing: PushWrite = { now: 1, rows: [], decisions: [], keys: [] };

/** Appends entries with these ids. */
async function append(
  storage: Storage,
  space: string,
  list: Parameters<typeof rowsAfter>[1],
  more: Partial<PushWrite> = {},
): Promise<void> {
  await storage.push(space, want, async (found) => ({
    ...nothing,
    rows: rowsAfter(found.space, list),
    ...more,
  }));
}

const look = async (
  storage: Storage,
  ids: string[] = [],
  keys: { name: string; key: string }[] = [],
) => {
  let seen: PushFound<unknown> | undefined;
  await storage.push("one", { ...want, ids, keys }, async (found) => {
    seen = found;
    return undefined;
  });
  return seen as PushFound<unknown>;
};

export function storageContract(open: () => Promise<Storage>): void {
  test("has an empty log for a space that was never written to, the same each time", async () => {
    const storage = await open();
    const { space, rows } = await storage.read("one", all);
    expect(space).toMatchObject({ head: 0, hash: "0", floor: 0, floorHash: "0" });
    expect(rows).toEqual([]);
    expect((await storage.read("one", all)).space.epoch).toBe(space.epoch);
    expect((await storage.read("two", all)).space.epoch).not.toBe(space.epoch);
    await append(storage, "one", [{ id: "a" }]);
    expect((await storage.read("one", all)).space.epoch).toBe(space.epoch);
    expect((await storage.read("two", all)).space.head).toBe(0);
  });

  test("gives back what was written, in order", async () => {
    const storage = await open();
    const entry = JSON.stringify({ text: "\u0000 \u2028 \u{1F600} ' \\" });
    await append(storage, "one", [{ id: "a", ts: 1_732_300_000_000, entry }]);
    await append(storage, "one", [{ id: "b" }, { id: "c", tx: "t" }]);
    const { space, rows } = await storage.read("one", all);
    expect(rows.map(({ pos }) => pos)).toEqual([1, 2, 3]);
    expect(rows[0]).toMatchObject({ ts: 1_732_300_000_000, entry });
    expect(rows[2]).toMatchObject({ tx: "t", hash: space.hash });
    expect(space.head).toBe(3);
    const found = await storage.read("one", { ...all, after: 1, hashesAt: [0, 1, 3, 9] });
    expect(found.rows).toEqual(rows.slice(1));
    expect(found.hashes).toEqual(["0", rows[0]?.hash, rows[2]?.hash, undefined]);
  });

  test("reads pages of whole commits, and at least one", async () => {
    const storage = await open();
    const tx = "t";
    await append(storage, "one", [{ id: "a" }, { id: "b", tx }, { id: "c", tx }, { id: "d" }]);
    const positions = async (after: number, limit: number, size = Infinity) =>
      (await storage.read("one", { after, limit, size })).rows.map(({ pos }) => pos);
    expect(await positions(0, 1)).toEqual([1]);
    expect(await positions(0, 2)).toEqual([1, 2, 3]);
    expect(await positions(1, 1)).toEqual([2, 3]);
    expect(await positions(3, 5)).toEqual([4]);
    expect(await positions(0, 100, 5)).toEqual([1]);
    expect(await positions(0, 100, 25)).toEqual([1, 2, 3]);
    expect(await positions(4, 5)).toEqual([]);
  });

  test("reads long pages in full", async () => {
    const storage = await open();
    const list = Array.from({ length: 300 }, (_, index) => ({ id: `i${index}` }));
    await append(storage, "one", list);
    expect((await storage.read("one", { ...all, limit: 200 })).rows).toHaveLength(200);
    expect((await storage.read("one", all)).rows).toHaveLength(300);
  });

  test("remembers decisions, keys and clients of a space", async () => {
    const storage = await open();
    const key = { name: "n", key: "k\u0000'" };
    const refused = { code: "app", data: { list: [1, "\u0000"] } };
    await append(storage, "one", [{ id: "a" }], {
      decisions: [
        { id: "a", decision: { status: "accepted", pos: 1 } },
        { id: "b", decision: { status: "duplicate", of: "a" } },
        { id: "c", decision: { status: "rejected", error: refused } },
      ],
      keys: [{ ...key, id: "a" }],
      client: { id: "client-aa", owner: "o\u0000", last: 2 ** 53 - 1 },
    });
    const found = await look(storage, ["a", "b", "c", "d"], [key, { name: "n", key: "k" }]);
    expect(found.client).toEqual({ owner: "o\u0000", last: 2 ** 53 - 1 });
    expect(Array.from(found.decisions)).toEqual(
      expect.arrayContaining([
        ["a", { status: "accepted", pos: 1 }],
        ["b", { status: "duplicate", of: "a" }],
        ["c", { status: "rejected", error: refused }],
      ]),
    );
    expect(found.decisions.size).toBe(3);
    expect(Array.from(found.keys)).toEqual([["n\nk\u0000'", "a"]]);
    await storage.push("two", { ...want, ids: ["a"], keys: [key] }, async (other) => {
      expect([other.decisions.size, other.keys.size, other.client]).toEqual([0, 0, undefined]);
      return undefined;
    });
  });

  test("writes nothing when the decision throws, and goes on", async () => {
    const storage = await open();
    const boom = new Error("boom");
    await expect(storage.push("one", want, () => Promise.reject(boom))).rejects.toBe(boom);
    expect((await storage.read("one", all)).space.head).toBe(0);
    await append(storage, "one", [{ id: "a" }]);
    expect((await storage.read("one", all)).space.head).toBe(1);
  });

  test("lets each push of a space see what those before it did, however many come at once", async () => {
    const storage = await open();
    const ids = Array.from({ length: 50 }, (_, index) => `i${index}`);
    await Promise.all(
      ids.map((id, index) =>
        storage
          .push("one", want, async (found) => {
            // Hooks take their time.
            for (let tick = 0; tick < index % 3; tick += 1) await Promise.resolve();
            if (index % 10 === 9) throw new Error("no");
            return { ...nothing, rows: rowsAfter(found.space, [{ id }]) };
          })
          .catch(() => undefined),
      ),
    );
    const { space, rows } = await storage.read("one", all);
    expect(rows.map(({ pos }) => pos)).toEqual(Array.from({ length: 45 }, (_, at) => at + 1));
    expect(new Set(rows.map(({ entry }) => entry)).size).toBe(45);
    expect(rows.at(-1)?.hash).toBe(space.hash);
  });

  test("tells of new heads before a push resolves", async () => {
    const storage = await open();
    const heard: [string, number][] = [];
    const stop = storage.watch((space, head) => heard.push([space, head]));
    await append(storage, "one", [{ id: "a" }]);
    expect(heard).toEqual([["one", 1]]);
    stop();
    await append(storage, "one", [{ id: "b" }]);
    expect(heard).toHaveLength(1);
  });

  test("lists heads", async () => {
    const storage = await open();
    await append(storage, "one", [{ id: "a" }]);
    const heads = await storage.heads();
    expect(Array.from(heads.keys())).toEqual(["one"]);
    expect((await storage.heads(["one", "two"])).get("two")?.head).toBe(0);
    expect(heads.get("one")?.head).toBe(1);
  });

  test("keeps snapshots, and drops what they cover and what is old", async () => {
    const storage = await open();
    const list = [1, 2, 3].map((ts) => ({ id: `i${ts}`, ts }));
    await append(storage, "one", list, {
      decisions: [{ id: "i1", decision: { status: "accepted", pos: 1 } }],
    });
    const { rows } = await storage.read("one", all);
    const [, second, third] = rows as [LogRow, LogRow, LogRow];
    const made = { id: "s1", pos: second.pos, hash: second.hash, pages: ["{}", `{"a":[]}`] };
    const nobody = storage.compact("one", { now: 9, snapshot: { ...made, hash: "other" } });
    await expect(nobody).rejects.toThrow("Expected the log to be what the snapshot was made of");
    await storage.compact("one", { now: 9, entriesBefore: 9 });
    expect((await storage.read("one", all)).space.floor).toBe(0);
    await storage.compact("one", { now: 9, snapshot: made, entriesBefore: 9 });
    const after = await storage.read("one", { ...all, hashesAt: [1, 2, 3] });
    expect(after.space).toMatchObject({ head: 3, floor: 2, floorHash: second.hash });
    expect(after.space.snapshot).toEqual({ id: "s1", pos: 2, hash: second.hash, pages: 2 });
    expect(after.rows).toEqual([third]);
    expect(after.hashes).toEqual([undefined, second.hash, third.hash]);
    // Decisions have a window of their own.
    expect((await look(storage, ["i1"])).decisions.size).toBe(1);

    const page = async (no: number, snapshot?: string) =>
      (await storage.read("one", { ...all, page: { no, ...(snapshot && { snapshot }) } })).page
        ?.data;
    expect([await page(0), await page(1, "s1"), await page(2), await page(0, "s0")]).toEqual([
      "{}",
      `{"a":[]}`,
      undefined,
      undefined,
    ]);
    const next = (id: string) => ({ id, pos: 3, hash: third.hash, pages: ["{}"] });
    await storage.compact("one", { now: 9, snapshot: next("s2") });
    expect(await page(1, "s1")).toBe(`{"a":[]}`);
    await storage.compact("one", { now: 9, snapshot: next("s3") });
    expect(await page(1, "s1")).toBeUndefined();

    await storage.compact("one", { now: 9, decisionsBefore: 9 });
    expect((await look(storage, ["i1"])).decisions.size).toBe(0);
  });

  test("starts a new log where the old one ended", async () => {
    const storage = await open();
    await append(storage, "one", [{ id: "a" }]);
    const before = await storage.read("one", all);
    await storage.compact("one", { now: 9, epoch: "another" });
    const after = await storage.read("one", all);
    expect(after.space).toMatchObject({ epoch: "another", head: 1, floor: 1 });
    expect(after.space.hash).toBe(before.space.hash);
    expect(after.rows).toEqual([]);
    await append(storage, "one", [{ id: "b" }]);
    expect((await storage.read("one", all)).rows).toMatchObject([{ pos: 2 }]);
  });
}
