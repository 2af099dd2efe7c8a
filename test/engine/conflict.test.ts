import { expect, it } from "vitest";
import { failing, hold } from "../support/faulty-storage.ts";
import { createLab, stateOf } from "../support/lab.ts";
import { noted, openShop, sold, stocked } from "../support/shop.ts";

type Shop = ReturnType<typeof openShop>;

const goods = ({ sync }: Shop) => sync.tables.goods.toArray();
const rejected = ({ sync }: Shop) => sync.rejected.list().map(({ event }) => event.id);
const row = (id: string, count: number) => ({ id, count, code: "old" });

it("G3 a commit that fails on replay has no effect as a whole, in any tab, and is on record", async () => {
  const lab = createLab();
  const a = openShop(lab);
  await a.sync.ready;
  await a.sync.commit(stocked("last", 1)).durable;
  const b = openShop(lab, { leads: false });
  await b.sync.ready;
  const held = hold();
  b.disk.next("append", held.fault);
  const late = b.sync.commit([stocked("other", 5), sold("last"), stocked("third", 5)]);
  await held.reached;
  await a.sync.commit(sold("last")).durable;
  held.release();
  await lab.settle();
  const rows = [{ id: "last", count: 0, code: "old" }];
  const ids = late.events.map((event) => event.id);
  expect(await stateOf(late.durable)).toBe("resolved");
  expect((await late.settled).map(({ status }) => status)).toEqual(Array(3).fill("rejected"));
  for (const shop of [a, b]) expect(goods(shop)).toEqual(rows);
  await lab.pass(5000);
  expect((await lab.contents())["log"]).toEqual([]);
  const fresh = openShop(lab);
  await fresh.sync.ready;
  for (const shop of [a, b, fresh]) {
    expect(goods(shop)).toEqual(rows);
    expect(rejected(shop)).toEqual(ids);
  }
});

it("G6 G13 a decided event shows what the leader made of it, whatever other code makes of it", async () => {
  const lab = createLab();
  const leader = openShop(lab, { code: "old" });
  await leader.sync.ready;
  await lab.pass(3000);
  expect(leader.sync.status.role).toBe("leader");
  const other = openShop(lab, { code: "new", leads: false });
  await other.sync.ready;
  // It decides, and cannot fold: the base record stays in the log.
  leader.disk.next("lead", (run) => run());
  const heal = leader.disk.always("lead", failing("quota"));
  await other.sync.commit(stocked("apple", 1)).durable;
  await lab.pass(2500);
  const rows = [{ id: "apple", count: 1, code: "old" }];
  const kinds = Array.from((await lab.log()).values(), (record) => record?.kind);
  expect(kinds).toEqual(["commit", "base"]);
  const early = openShop(lab, { code: "newer", leads: false });
  await early.sync.ready;
  for (const shop of [leader, other, early]) expect(goods(shop)).toEqual(rows);
  heal();
  await lab.pass(60_000);
  expect((await lab.contents())["log"]).toEqual([]);
  const late = openShop(lab, { code: "newest", leads: false });
  await late.sync.ready;
  for (const shop of [leader, other, early, late]) expect(goods(shop)).toEqual(rows);
});

it("a rebase is told once, by what was shown before and what is shown now", async () => {
  const lab = createLab();
  const a = openShop(lab);
  await a.sync.ready;
  await a.sync.commit([stocked("apple", 5), stocked("pear", 5)]).durable;
  const b = openShop(lab, { leads: false });
  await b.sync.ready;
  const held = hold();
  b.disk.next("append", held.fault);
  b.sync.commit([sold("apple"), stocked("mine", 1)]);
  await held.reached;
  const mine = b.sync.tables.goods.get("mine");
  const told: unknown[] = [];
  b.sync.tables.goods.subscribe((changes) => told.push(changes));
  await a.sync.commit([sold("apple"), sold("pear")]).durable;
  await lab.settle();
  expect(told).toHaveLength(1);
  expect(new Set(told[0] as unknown[])).toEqual(
    new Set([
      { id: "apple", before: row("apple", 4), after: row("apple", 3) },
      { id: "pear", before: row("pear", 5), after: row("pear", 4) },
    ]),
  );
  expect(b.sync.tables.goods.get("mine")).toBe(mine);
  held.release();
  await lab.settle();
  expect(told).toHaveLength(1);
  expect(goods(b)).toEqual(goods(a));
});

it("G6 an update of a missing row makes none, also where a row needs no other property", async () => {
  const lab = createLab();
  const shop = openShop(lab);
  await shop.sync.ready;
  await shop.sync.commit(noted("missing", "text")).durable;
  expect(shop.sync.tables.notes.size).toBe(0);
  await lab.pass(5000);
  const fresh = openShop(lab);
  await fresh.sync.ready;
  expect(fresh.sync.tables.notes.size).toBe(0);
});

it("G12 a stored event whose payload is not valid has no effect, though its row would be", async () => {
  const lab = createLab();
  const shop = openShop(lab, { leads: false });
  await shop.sync.ready;
  await shop.sync.commit(stocked("apple", 1)).durable;
  const event = { id: "e1", v: 1, at: 1, ...stocked("apple", 1000) };
  await lab.put("log", undefined, { kind: "commit", tab: "x", n: 1, schema: 1, events: [event] });
  const fresh = openShop(lab);
  await fresh.sync.ready;
  await lab.pass(5000);
  for (const each of [shop, fresh])
    expect(goods(each)).toEqual([{ id: "apple", count: 1, code: "old" }]);
  expect(rejected(fresh)).toEqual([]);
  expect(fresh.sync.quarantine.list()).toMatchObject([{ id: "event/e1", raw: event }]);
});

it("a rejected event that is discarded after stop stays, and says so", async () => {
  const lab = createLab();
  const a = openShop(lab);
  await a.sync.ready;
  await a.sync.commit(stocked("last", 1)).durable;
  const b = openShop(lab, { leads: false });
  await b.sync.ready;
  const held = hold();
  b.disk.next("append", held.fault);
  b.sync.commit(sold("last"));
  await held.reached;
  await a.sync.commit(sold("last")).durable;
  held.release();
  await lab.pass(5000);
  const [id = ""] = rejected(b);
  await b.sync.stop();
  await expect(b.sync.rejected.discard(id)).rejects.toMatchObject({ code: "stopped" });
  expect(rejected(a)).toEqual([id]);
});
