import * as v from "valibot";
import { describe, expect, it, vi } from "vitest";
import { create, createSyncActor, defineEvent } from "../../src/index.ts";
import { failing, hungAndNotStored } from "../support/faulty-storage.ts";
import {
  type Lab,
  added,
  codeOf,
  createLab,
  renamed,
  shown,
  slid,
  stateOf,
} from "../support/lab.ts";
import { openShop, sold, stocked } from "../support/shop.ts";

type Tab = Awaited<ReturnType<Lab["ready"]>>;

const idsOf = (tab: Tab): string[] => shown(tab).todos.map(({ id }) => id);
const quarantined = ({ sync }: Pick<Tab, "sync">): string[] =>
  sync.quarantine.list().map(({ id }) => id);

/** Leaves t1, t2 and t3 behind, the text of t2 being a number. */
async function badRow(lab: Lab): Promise<void> {
  const writer = await lab.ready();
  await writer.sync.commit([added("t1"), added("t2"), added("t3")]).durable;
  await lab.pass(5000);
  await writer.sync.stop();
  const { segments = [] } = await lab.contents();
  const [[key, value] = []] = segments;
  const { columns, ...rest } = value as { columns: [string, unknown[]][] };
  const changed = columns.map(([name, of]) => [name, name === "text" ? [of[0], 7, of[2]] : of]);
  await lab.put("segments", key as IDBValidKey, { ...rest, columns: changed });
}

const mend = (raw: unknown) => ({ ...(raw as object), text: "mended" });
const mended = { id: "t2", text: "mended", done: false };

describe("a row in quarantine", () => {
  it("G8 is told, and comes back mended, in every tab and after folds", async () => {
    const lab = createLab();
    await badRow(lab);
    const a = lab.openTab();
    const told = vi.fn<(ids: readonly string[]) => void>();
    a.sync.on("quarantined", ({ entries }) => told(entries.map(({ id }) => id)));
    await a.sync.ready;
    const b = await lab.ready();
    expect(told.mock.calls).toEqual([[["row/todos/t2"]]]);
    expect(b.sync.status.quarantined).toBe(1);
    await b.sync.commit(slid(5)).durable;
    await a.sync.quarantine.retry("row/todos/t2", mend);
    await lab.settle();
    const early = await lab.ready();
    for (const tab of [a, b, early]) {
      expect(tab.sync.tables.todos.get("t2")).toEqual(mended);
      expect(tab.sync.tables.settings.get("slider")?.value).toBe(5);
      expect(tab.sync.status.quarantined).toBe(0);
    }
    await lab.pass(10_000);
    const { log, quarantine } = await lab.contents();
    expect([log, quarantine]).toEqual([[], []]);
    const fresh = await lab.ready();
    expect(shown(fresh)).toEqual(shown(a));
    expect(quarantined(fresh)).toEqual([]);
    // What comes later goes by it.
    await fresh.sync.commit(renamed("t2", "later")).settled;
    await lab.pass(5000);
    for (const tab of [a, b, fresh, await lab.ready()])
      expect(tab.sync.tables.todos.get("t2")?.text).toBe("later");
  });

  it("G8 that is still none stays, and says why", async () => {
    const lab = createLab();
    await badRow(lab);
    const tab = await lab.ready();
    const { quarantine } = tab.sync;
    const id = "row/todos/t2";
    await expect(quarantine.retry(id)).rejects.toMatchObject({ code: "invalid_row" });
    for (const wrong of [null, "x", {}, { id: "t9", text: "a", done: true }, new Map()])
      await expect(quarantine.retry(id, () => wrong)).rejects.toMatchObject({
        code: "invalid_row",
      });
    const mine = new Error("mine");
    const thrown = quarantine.retry(id, () => {
      throw mine;
    });
    await expect(thrown).rejects.toBe(mine);
    await tab.sync.commit(added("t2", "anew")).durable;
    await lab.pass(3000);
    await expect(quarantine.retry(id, mend)).rejects.toMatchObject({ code: "invalid_row" });
    await expect(quarantine.retry("row/todos/t9")).rejects.toMatchObject({ code: "not_found" });
    await expect(quarantine.discard("row/todos/t9")).rejects.toMatchObject({ code: "not_found" });
    expect(quarantined(tab)).toEqual([id]);
    expect(tab.sync.tables.todos.get("t2")?.text).toBe("anew");
  });

  it("G6 takes no place of a row that was made anew, whoever was first", async () => {
    const lab = createLab();
    await badRow(lab);
    const leader = await lab.ready();
    await lab.pass(3000);
    const other = await lab.ready();
    const hear = lab.channels.drop(() => true);
    await leader.sync.commit(added("t2", "anew")).durable;
    await lab.pass(2500);
    // It does not know of the new row, nor that it is decided.
    const retried = other.sync.quarantine.retry("row/todos/t2", mend);
    await lab.settle();
    hear();
    await retried;
    await lab.pass(15_000);
    for (const tab of [leader, other, await lab.ready()])
      expect(tab.sync.tables.todos.get("t2")?.text).toBe("anew");
    expect(quarantined(leader)).toEqual([]);
    expect((await lab.contents())["log"]).toEqual([]);
  });

  it("leaves the list of a tab that was away while it was dealt with and folded", async () => {
    const lab = createLab();
    await badRow(lab);
    const a = await lab.ready();
    const away = await lab.ready();
    expect(quarantined(away)).toEqual(["row/todos/t2"]);
    away.freeze();
    await a.sync.quarantine.discard("row/todos/t2");
    await a.sync.commit(added("t4")).durable;
    await lab.pass(10_000);
    expect((await lab.contents())["log"]).toEqual([]);
    away.resume();
    await lab.pass(5000);
    expect(shown(away)).toEqual(shown(a));
    expect(quarantined(away)).toEqual([]);
    // A tab that began before the fold has kept the bytes once more: they are gone all the same.
    expect((await lab.contents())["quarantine"]).toEqual([]);
  });
});

it("G8 a segment in quarantine gives back its rows, as they are and mended", async () => {
  for (const isMended of [false, true]) {
    const lab = createLab();
    const writer = await lab.ready();
    await writer.sync.commit([added("t1"), added("t2"), added("t3"), slid(1)]).durable;
    await lab.pass(5000);
    const before = shown(writer);
    await writer.sync.stop();
    const { segments = [] } = await lab.contents();
    const [key, value] = segments.find(([at]) => String(at).startsWith("todos")) ?? [];
    const rows = before.todos;
    const raw = isMended ? { rows } : { ...(value as object), ids: ["t4", "t5", "t6"], v: 2 };
    // A first row of another range: nothing of it is shown.
    await lab.put("segments", key as IDBValidKey, isMended ? raw : { ...raw, ids: ["t1", 7, 7] });
    const tab = await lab.ready();
    const id = "segment/todos/1";
    expect(quarantined(tab)).toContain(id);
    const again = isMended
      ? tab.sync.quarantine.retry(id, (found) => (found as { rows: unknown }).rows)
      : tab.sync.quarantine.retry(id);
    await again;
    const want = isMended ? ["t1", "t2", "t3"] : ["t1"];
    expect(idsOf(tab)).toEqual(want);
    await lab.pass(10_000);
    const fresh = await lab.ready();
    expect(shown(fresh)).toEqual(shown(tab));
    expect(quarantined(fresh)).toEqual([]);
  }
});

it("G8 the events of a log record in quarantine are committed anew", async () => {
  const lab = createLab();
  const writer = await lab.ready({ ports: { locks: null } });
  for (const id of ["t1", "t2"]) await writer.sync.commit(added(id)).durable;
  await writer.sync.stop();
  const { log = [] } = await lab.contents();
  const broken = { ...(log[1]?.[1] as object), tab: 7 };
  await lab.put("log", 2, broken);
  const tab = await lab.ready();
  expect(idsOf(tab)).toEqual(["t1"]);
  await expect(
    tab.sync.quarantine.retry("log/2", () => [{ name: "todoAdded" }]),
  ).rejects.toMatchObject({
    code: "invalid_payload",
  });
  await expect(tab.sync.quarantine.retry("log/2", () => [])).rejects.toMatchObject({
    code: "invalid_payload",
  });
  await tab.sync.quarantine.retry("log/2");
  expect(idsOf(tab)).toEqual(["t1", "t2"]);
  await lab.pass(5000);
  const fresh = await lab.ready();
  expect([idsOf(fresh), quarantined(fresh)]).toEqual([["t1", "t2"], []]);
});

it("exports all entries as text, whatever is in them", async () => {
  const lab = createLab();
  await (await lab.ready()).sync.stop();
  const circle: Record<string, unknown> = {
    at: new Date(0),
    big: 2n,
    bytes: new Uint8Array([1, 2]),
  };
  circle["self"] = circle;
  circle["map"] = new Map([[{ a: 1 }, Number.NaN]]);
  await lab.put("log", 1, circle);
  const tab = await lab.ready();
  expect(JSON.parse(tab.sync.quarantine.export())).toMatchObject([
    {
      id: "log/1",
      reason: "Expected a log record",
      raw: {
        at: { "(Date)": 0 },
        big: { "(bigint)": "2" },
        bytes: { "(Uint8Array)": [1, 2] },
        self: { "(cycle)": 1 },
        map: { "(Map)": [[{ a: 1 }, { "(number)": "NaN" }]] },
      },
    },
  ]);
  await expect(tab.sync.quarantine.retry("log/1")).rejects.toMatchObject({
    code: "invalid_payload",
  });
});

/** The same app with other events. */
const openOther = (lab: Lab, events: "old" | "new", ports = {}) => {
  const { environment } = lab.openTab({ name: "elsewhere", ports });
  const sync = createSyncActor({
    name: "todos",
    tables: { todos: v.object({ id: v.string(), text: v.string(), done: v.boolean() }) },
    events: {
      todoAdded: defineEvent({
        schema: v.object({
          id: v.string(),
          text: events === "old" ? v.string() : v.object({ de: v.string() }),
        }),
      }),
      ...(events === "old" ? { gone: defineEvent({ schema: v.object({}) }) } : {}),
    },
    materializers: {
      todoAdded: ({ id, text }: { id: string; text: string | { de: string } }) => [
        create("todos", { id, text: typeof text === "string" ? text : text.de, done: false }),
      ],
      ...(events === "old" ? { gone: () => [] } : {}),
    },
    environment,
  } as never);
  return sync as unknown as Tab["sync"];
};

/** Mends each entry that a tab is told of; gives what becomes of it. */
const mendAll = (sync: Tab["sync"]) => {
  const codes: Promise<unknown>[] = [];
  sync.on("quarantined", ({ entries }) => {
    for (const { id } of entries)
      codes.push(
        codeOf(
          sync.quarantine.retry(id, (raw) =>
            id.startsWith("row")
              ? { id: "t9", text: "row", done: false }
              : {
                  name: "todoAdded",
                  payload: { id: (raw as { id: string }).id, text: { de: "x" } },
                },
          ),
        ),
      );
  });
  return codes;
};

async function leave(lab: Lab) {
  const writer = openOther(lab, "old");
  await writer.ready;
  const one = writer.commit(added("t1"));
  const unit = writer.commit([added("t2"), { name: "gone", payload: {} } as never]);
  await Promise.all([one.durable, unit.durable]);
  await writer.stop();
  return [...one.events, ...unit.events].map(({ id }) => `event/${id}`);
}

describe("an event that this code cannot read", () => {
  it("G3 waits in quarantine with its unit, before and after it is decided, and is no rejection", async () => {
    const lab = createLab();
    const ids = await leave(lab);
    const sync = openOther(lab, "new");
    await sync.ready;
    for (const wait of [0, 10_000]) {
      await lab.pass(wait);
      expect(quarantined({ sync })).toEqual(ids);
      expect(sync.rejected.list()).toEqual([]);
      expect(sync.status).toMatchObject({ quarantined: 3, rejected: 0 });
      expect(sync.tables.todos.size).toBe(0);
    }
    expect(sync.quarantine.list()[0]?.raw).toMatchObject({ payload: { id: "t1", text: "Milk" } });
    const { log, rejected = [] } = await lab.contents();
    expect(log).toEqual([]);
    expect(rejected.map(([, found]) => (found as { code: string }).code).toSorted()).toEqual([
      "invalid_payload",
      "invalid_payload",
      "invalid_payload",
    ]);
    const fresh = openOther(lab, "new");
    await fresh.ready;
    expect(quarantined({ sync: fresh }).toSorted()).toEqual(ids.toSorted());
  });

  it("G5 is neither mended nor given up before it is decided: other code may understand it", async () => {
    const lab = createLab();
    const [id = ""] = await leave(lab);
    const sync = openOther(lab, "new", { locks: null });
    await sync.ready;
    expect(quarantined({ sync })).toContain(id);
    const codes = [
      codeOf(sync.quarantine.retry(id, (raw) => raw)),
      codeOf(sync.quarantine.discard(id)),
    ];
    await lab.pass(5000);
    for (const code of codes) expect(await stateOf(code)).toBe("pending");
    const knows = openOther(lab, "old");
    await knows.ready;
    await lab.pass(10_000);
    expect(await Promise.all(codes)).toEqual(["not_found", "not_found"]);
    expect(sync.tables.todos.get("t1")?.text).toBe("Milk");
    expect(quarantined({ sync })).toEqual([]);
  });

  it("is mended by whoever mends all that it is told of, and waits no longer than the engine runs", async () => {
    const lab = createLab();
    const ids = await leave(lab);
    await lab.put("quarantine", "row/todos/t9", { raw: { id: "t9" }, reason: "?", at: 1 });
    const early = openOther(lab, "new", { locks: null });
    const late = mendAll(early);
    await early.ready;
    await lab.settle();
    expect(early.tables.todos.toArray().map(({ id }) => id)).toEqual(["t9"]);
    await early.stop();
    expect(await Promise.all(late)).toEqual(["resolved", "stopped", "stopped", "stopped"]);
    const sync = openOther(lab, "new");
    const codes = mendAll(sync);
    await lab.pass(10_000);
    expect(await Promise.all(codes)).toEqual(["resolved", "resolved", "resolved"]);
    expect(sync.tables.todos.size).toBe(1 + ids.length);
    expect(quarantined({ sync })).toEqual([]);
  });

  it("G5 is mended by the app, once", async () => {
    const lab = createLab();
    const [id = "", , gone = ""] = await leave(lab);
    const sync = openOther(lab, "new");
    await sync.ready;
    await lab.pass(10_000);
    await expect(sync.quarantine.retry(id)).rejects.toMatchObject({ code: "invalid_payload" });
    await sync.quarantine.retry(id, (raw) => {
      const event = raw as { name: string; payload: { id: string; text: string } };
      return { ...event, payload: { ...event.payload, text: { de: "Milch" } } };
    });
    await sync.quarantine.discard(gone);
    expect(sync.tables.todos.get("t1")?.text).toBe("Milch");
    expect(quarantined({ sync })).not.toContain(id);
    const other = openOther(lab, "new");
    await other.ready;
    await lab.pass(10_000);
    expect((await lab.contents())["log"]).toEqual([]);
    const fresh = openOther(lab, "new");
    await fresh.ready;
    for (const each of [sync, other, fresh]) {
      expect(each.tables.todos.toArray()).toEqual([{ id: "t1", text: "Milch", done: false }]);
      expect(each.status.quarantined).toBe(1);
    }
  });
});

describe("a decision", () => {
  it("G5 that was folded while this tab was away is not taken for another: superseded", async () => {
    const lab = createLab();
    const leader = await lab.ready();
    await lab.pass(3000);
    const away = await lab.ready();
    const mine = away.sync.commit(slid(1));
    await mine.durable;
    const hear = lab.channels.drop(() => true);
    const heal = away.disk.always("read", hungAndNotStored);
    await leader.sync.commit(slid(2)).durable;
    await lab.pass(15_000);
    await leader.sync.commit([added("t1"), slid(3)]).durable;
    await lab.pass(15_000);
    hear();
    heal();
    await lab.pass(120_000);
    expect(await mine.settled).toMatchObject([{ status: "superseded" }]);
  });

  it("G5 that was folded while this tab was away is not taken for another: rejected", async () => {
    const lab = createLab();
    const a = openShop(lab);
    await a.sync.ready;
    await a.sync.commit(stocked("last", 1)).durable;
    const b = openShop(lab, { leads: false });
    await b.sync.ready;
    // It hears of nothing, and cannot read.
    const hear = lab.channels.drop(() => true);
    const heal = b.disk.always("read", failing("aborted"));
    await a.sync.commit(sold("last")).durable;
    const late = b.sync.commit(sold("last"));
    await late.durable;
    await lab.pass(20_000);
    const id = late.events[0]?.id ?? "";
    expect(a.sync.rejected.list().map(({ event }) => event.id)).toEqual([id]);
    await a.sync.rejected.discard(id);
    await a.sync.commit(stocked("more", 1)).durable;
    await lab.pass(20_000);
    expect((await lab.contents())["rejected"]).toEqual([]);
    hear();
    heal();
    await lab.pass(120_000);
    expect(await late.settled).toMatchObject([{ status: "rejected", error: { code: "conflict" } }]);
  });
});
