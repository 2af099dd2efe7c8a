/** What is committed anew, from `rejected` and from quarantine: as a whole, and once, whoever tries it and whoever dies. */
import { describe, expect, it } from "vitest";
import { failing, hungAndNotStored } from "../support/faulty-storage.ts";
import { type Lab, createLab, stateOf } from "../support/lab.ts";
import { openShop, sold, stocked } from "../support/shop.ts";
import { readyPeople, saved } from "../support/versions.ts";

type Shop = ReturnType<typeof openShop>;

const goods = ({ sync }: Pick<Shop, "sync">) =>
  sync.tables.goods.toArray().map(({ id, count }) => `${id} ${count}`);
const rejected = ({ sync }: Pick<Shop, "sync">) =>
  sync.rejected.list().map(({ event }) => event.id);

async function ready(lab: Lab): Promise<Shop> {
  const shop = openShop(lab);
  await shop.sync.ready;
  await lab.settle();
  return shop;
}

/** Two shops, and one rejected commit on record: something was sold that another one had sold, and more in the same commit. */
async function conflicted(lab: Lab, more = [stocked("more", 1)]) {
  const a = await ready(lab);
  const b = await ready(lab);
  await a.sync.commit(stocked("last", 1)).durable;
  await lab.settle();
  const first = a.sync.commit(sold("last"));
  const late = b.sync.commit([sold("last"), ...more]);
  await Promise.all([first.durable, late.durable]);
  await lab.pass(3000);
  expect(rejected(a)).toEqual(late.events.map(({ id }) => id));
  expect(rejected(b)).toEqual(rejected(a));
  return { a, b, ids: rejected(a) };
}

async function expectEverywhere(lab: Lab, shops: readonly Shop[], rows: readonly string[]) {
  await lab.pass(10_000);
  for (const shop of [...shops, await ready(lab)]) {
    expect(goods(shop)).toEqual(rows);
    expect(rejected(shop)).toEqual([]);
  }
}

describe("a rejected commit", () => {
  it("G3 of several events is tried again as a whole, whichever of them is named", async () => {
    const lab = createLab();
    const { a, b, ids } = await conflicted(lab);
    // The other one alone would apply.
    await expect(a.sync.rejected.retry(ids[1] ?? "")).rejects.toMatchObject({
      code: "materializer_failed",
    });
    expect(goods(a)).toEqual(["last 0"]);
    await a.sync.commit(stocked("last", 5)).durable;
    await a.sync.rejected.retry(ids[1] ?? "");
    await expectEverywhere(lab, [a, b], ["last 4", "more 1"]);
  });

  it("G3 of which one event was given up is tried again without it", async () => {
    const lab = createLab();
    const { a, b, ids } = await conflicted(lab);
    await a.sync.rejected.discard(ids[0] ?? "");
    expect(rejected(b)).toEqual([ids[1]]);
    await b.sync.rejected.retry(ids[1] ?? "");
    await expectEverywhere(lab, [a, b], ["last 0", "more 1"]);
  });

  it("G5 that two tabs try again at once, and one of them twice, has its effect once", async () => {
    const lab = createLab();
    const { a, b, ids } = await conflicted(lab);
    await a.sync.commit(stocked("last", 5)).durable;
    await lab.settle();
    const [id = ""] = ids;
    await Promise.all([a, b, b].map(({ sync }) => sync.rejected.retry(id)));
    expect(rejected(b)).toEqual([]);
    await expectEverywhere(lab, [a, b], ["last 4", "more 1"]);
  });

  it("G5 whose new commit is stored when the tab crashes is not committed twice by the next who tries", async () => {
    const lab = createLab();
    const { a, b, ids } = await conflicted(lab);
    await a.sync.commit(stocked("last", 5)).durable;
    const [id = ""] = ids;
    // The commit passes, the word that the old one is gone does not.
    a.disk.next("append", async (run) => {
      const placed = await run();
      a.disk.always("append", hungAndNotStored);
      return placed;
    });
    const retried = a.sync.rejected.retry(id);
    await lab.settle();
    expect(await stateOf(retried)).toBe("pending");
    a.kill();
    await lab.pass(20_000);
    expect([goods(b), rejected(b)]).toEqual([["last 4", "more 1"], ids]);
    // Decided and folded by now: only its key is left of it.
    expect((await lab.contents())["log"]).toEqual([]);
    await (await ready(lab)).sync.rejected.retry(id);
    await expectEverywhere(lab, [b], ["last 4", "more 1"]);
  });

  it("G5 that is rejected once more is tried once more, under an id of its own", async () => {
    const lab = createLab();
    const { a, b, ids } = await conflicted(lab);
    await a.sync.commit(stocked("last", 1)).durable;
    await lab.settle();
    const again = a.sync.commit(sold("last"));
    const retried = b.sync.rejected.retry(ids[0] ?? "");
    await Promise.all([again.durable, retried]);
    await lab.pass(3000);
    expect(rejected(a)).toEqual(ids.map((id) => `${id}-r1`));
    await b.sync.commit(stocked("last", 3)).durable;
    await b.sync.rejected.retry(`${ids[1]}-r1`);
    await lab.settle();
    expect((await lab.loggedEvents()).slice(-2).map(({ id }) => id)).toEqual(
      ids.map((id) => `${id}-r2`),
    );
    await expectEverywhere(lab, [a, b], ["last 2", "more 1"]);
  });

  it("is through the whole list of events, of which some were of one commit", async () => {
    const lab = createLab();
    const { a, b } = await conflicted(lab);
    await a.sync.commit(stocked("last", 5)).durable;
    for (const { event } of a.sync.rejected.list()) await a.sync.rejected.retry(event.id);
    await expect(a.sync.rejected.retry("other")).rejects.toMatchObject({ code: "not_found" });
    await expectEverywhere(lab, [a, b], ["last 4", "more 1"]);
  });
});

const event = (id: string, name: string, of: unknown) => ({
  id,
  name,
  v: 1,
  at: 1,
  payload: { id: of },
});

/** A commit of two events, and one of one, that nobody understands: what they sell is no name. */
async function strange(lab: Lab) {
  const writer = await ready(lab);
  await writer.sync.commit(stocked("last", 5)).durable;
  await writer.sync.stop();
  const events = [
    { ...event("strange-1", "sold", 7), tx: "sold-both" },
    { ...event("strange-2", "sold", "last"), tx: "sold-both" },
    event("strange-3", "stolen", "last"),
  ];
  await lab.put("log", undefined, { kind: "commit", tab: "other", n: 1, schema: 1, events });
  const a = await ready(lab);
  const b = await ready(lab);
  return { a, b };
}
const quarantined = ({ sync }: Shop) => sync.quarantine.list().map(({ id }) => id);
const mend = async (raw: unknown) => {
  await Promise.resolve();
  return { ...(raw as object), name: "sold", payload: { id: "last" } };
};

describe("an event in quarantine", () => {
  const all = ["event/strange-1", "event/strange-2", "event/strange-3"];

  it("G3 G5 is mended with its commit, once, by two tabs at once, and by a function that takes its time", async () => {
    const lab = createLab();
    const { a, b } = await strange(lab);
    await lab.pass(10_000);
    expect(quarantined(a).toSorted()).toEqual(all);
    await expect(a.sync.quarantine.retry(all[1] ?? "")).rejects.toMatchObject({
      code: "invalid_payload",
    });
    await Promise.all([
      a.sync.quarantine.retry(all[0] ?? "", mend),
      b.sync.quarantine.retry(all[1] ?? "", mend),
    ]);
    await lab.settle();
    for (const each of [a, b]) expect(quarantined(each)).toEqual([all[2]]);
    await a.sync.quarantine.retry(all[2] ?? "", mend);
    await expectEverywhere(lab, [a, b], ["last 2"]);
    expect((await lab.contents())["quarantine"]).toEqual([]);
  });

  it("stays when mend rejects, with that reason", async () => {
    const lab = createLab();
    const { a } = await strange(lab);
    await lab.pass(10_000);
    const mine = new Error("mine");
    const tried = a.sync.quarantine.retry(all[0] ?? "", () => Promise.reject(mine));
    await expect(tried).rejects.toBe(mine);
    expect(quarantined(a).toSorted()).toEqual(all);
    expect(goods(a)).toEqual(["last 5"]);
  });
});

/** One sale, in a log record that says nothing of who wrote it; and two tabs. */
async function withRecordInQuarantine() {
  const lab = createLab();
  const writer = await ready(lab);
  await writer.sync.commit(stocked("last", 5)).durable;
  await writer.sync.stop();
  await lab.put("log", undefined, { kind: "commit", events: [sold("last")] });
  const [a, b] = [await ready(lab), await ready(lab)];
  return { lab, a, b, id: a.sync.quarantine.list()[0]?.id ?? "" };
}

it("G5 the events of a log record in quarantine are committed once, by two tabs with two minds", async () => {
  const { lab, a, b, id } = await withRecordInQuarantine();
  expect(id).toMatch(/^log\//);
  await Promise.all([
    a.sync.quarantine.retry(id),
    b.sync.quarantine.retry(id, () => [sold("last"), stocked("more", 1)]),
  ]);
  // The first of the two, as a whole.
  const units = (await lab.loggedEvents()).filter(({ id: made }) => made.endsWith("-r1"));
  expect(units.length).toBe(3);
  const isFirst = units[0]?.tx === undefined;
  await expectEverywhere(lab, [a, b], isFirst ? ["last 4"] : ["last 4", "more 1"]);
  expect((await lab.contents())["quarantine"]).toEqual([]);
});

it("G2 G6 what storage refused of a retry is gone, and the next retry may make something else of it, under the same id", async () => {
  const { lab, a, b, id } = await withRecordInQuarantine();
  a.disk.next("append", failing("refused"));
  const first = a.sync.quarantine.retry(id, () => [stocked("first", 1)]);
  await expect(first).rejects.toMatchObject({ code: "storage_failed" });
  expect(goods(a)).toEqual(["last 5"]);
  expect(a.sync.quarantine.list().map((entry) => entry.id)).toEqual([id]);
  await a.sync.quarantine.retry(id, () => [stocked("second", 1)]);
  const anew = (await lab.loggedEvents()).filter(({ id: made }) => made.endsWith("-r1"));
  expect(anew).toMatchObject([stocked("second", 1)]);
  await expectEverywhere(lab, [a, b], ["last 5", "second 1"]);
});

it("what waits is not tried, nor given up, by a tab that writes nothing any more", async () => {
  const lab = createLab();
  const old = await readyPeople(lab, 1);
  await old.sync.commit(saved(1, "a", "Ann Lee")).durable;
  await lab.put("quarantine", "row/people/b", { raw: null, reason: "?", at: 1 });
  await lab.put("log", undefined, 7);
  old.sync.tables.people.get("a");
  const [late] = [await readyPeople(lab, 1)];
  const ids = late.sync.quarantine.list().map(({ id }) => id);
  expect(ids.length).toBe(2);
  await readyPeople(lab, 2);
  expect(late.sync.status.phase).toBe("outdated");
  for (const id of ids) {
    await expect(late.sync.quarantine.retry(id, () => [])).rejects.toMatchObject({
      code: "outdated",
    });
    await expect(late.sync.quarantine.discard(id)).rejects.toMatchObject({ code: "outdated" });
  }
});
