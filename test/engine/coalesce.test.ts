import { describe, expect, it, vi } from "vitest";
import { failing, hold } from "../support/faulty-storage.ts";
import { added, createLab, invited, shown, slid, stateOf, until } from "../support/lab.ts";

// A shared machine may be slow; nothing here waits for time.
vi.setConfig({ testTimeout: 30_000 });

const statuses = (
  receipts: readonly { readonly settled: Promise<readonly { status: string }[]> }[],
) =>
  Promise.all(
    receipts.map(async (receipt) =>
      (await receipt.settled).map((decision) => decision.status).join(),
    ),
  );

describe("coalesce", () => {
  it("300 slider commits in a loop leave one event", async () => {
    const lab = createLab();
    const tab = await lab.ready();
    const receipts = Array.from({ length: 300 }, (_, at) => tab.sync.commit(slid(at)));
    expect(tab.sync.status.pending).toBe(1);
    expect(tab.sync.outbox.size).toBe(1);
    await Promise.all(receipts.map((receipt) => receipt.durable));
    expect((await lab.loggedEvents()).map((event) => event.payload)).toEqual([{ value: 299 }]);
    await lab.pass(3000);
    const settled = await statuses(receipts);
    expect(settled.slice(0, -1).every((status) => status === "superseded")).toBe(true);
    expect(settled.at(-1)).toBe("accepted");
    expect(shown(tab).settings).toEqual([{ id: "slider", value: 299 }]);
    expect(shown(await lab.ready())).toEqual(shown(tab));
    expect(tab.sync.status.pending).toBe(0);
  });

  it("300 slider commits, each awaited, settle once each and fold to one row", async () => {
    const lab = createLab();
    const tab = await lab.ready();
    const other = await lab.ready();
    const receipts = [];
    for (let at = 0; at < 300; at += 1) {
      const receipt = tab.sync.commit(slid(at));
      receipts.push(receipt);
      await receipt.durable;
    }
    await lab.pass(3000);
    const settled = await statuses(receipts);
    expect(settled.filter((status) => status === "superseded").length).toBe(299);
    expect(settled.at(-1)).toBe("accepted");
    expect(shown(tab).settings).toEqual([{ id: "slider", value: 299 }]);
    expect(shown(other)).toEqual(shown(tab));
    expect(shown(await lab.ready())).toEqual(shown(tab));
    expect((await lab.contents())["log"]).toEqual([]);
  });

  it("a bundle does not coalesce, and what lies between keeps both", async () => {
    const lab = createLab();
    const tab = await lab.ready();
    const receipts = [
      tab.sync.commit(slid(1)),
      tab.sync.commit(added("t1")),
      tab.sync.commit(slid(2)),
      tab.sync.commit([slid(3), slid(4)]),
      tab.sync.commit(slid(5)),
    ];
    await lab.pass(3000);
    expect(await statuses(receipts)).toEqual([
      "accepted",
      "accepted",
      "accepted",
      "accepted,accepted",
      "accepted",
    ]);
    expect(shown(tab).settings).toEqual([{ id: "slider", value: 5 }]);
    expect(shown(await lab.ready())).toEqual(shown(tab));
  });

  it("in two tabs at once every tab comes to the same rows, and every receipt is settled", async () => {
    const lab = createLab();
    const a = await lab.ready();
    const b = await lab.ready();
    const receipts = [];
    for (let at = 0; at < 60; at += 1) {
      receipts.push(a.sync.commit(slid(at)), b.sync.commit(slid(1000 + at)));
      if (at % 3 === 0) await lab.settle();
    }
    await lab.pass(5000);
    expect(shown(b)).toEqual(shown(a));
    expect(shown(await lab.ready())).toEqual(shown(a));
    const settled = await statuses(receipts);
    expect(settled.every((status) => status === "accepted" || status === "superseded")).toBe(true);
    expect(settled.filter((status) => status === "accepted").length).toBeGreaterThan(0);
    expect([a.sync.status.pending, b.sync.status.pending]).toEqual([0, 0]);
  });

  it("with a fold between, the later one does not take the place of a decided one", async () => {
    const lab = createLab();
    const tab = await lab.ready();
    const first = tab.sync.commit(slid(1));
    await lab.pass(5000);
    expect(await statuses([first])).toEqual(["accepted"]);
    const second = tab.sync.commit(slid(2));
    await lab.pass(5000);
    expect(await statuses([second])).toEqual(["accepted"]);
    expect(shown(await lab.ready())).toEqual(shown(tab));
  });

  it("while the first is being written the later one follows it", async () => {
    const lab = createLab();
    const tab = await lab.ready();
    const held = hold();
    tab.disk.next("append", held.fault);
    const first = tab.sync.commit(slid(1));
    await held.reached;
    const rest = [tab.sync.commit(slid(2)), tab.sync.commit(slid(3))];
    held.release();
    await lab.pass(3000);
    expect(await statuses([first, ...rest])).toEqual(["superseded", "superseded", "accepted"]);
    expect(shown(tab).settings).toEqual([{ id: "slider", value: 3 }]);
    expect(shown(await lab.ready())).toEqual(shown(tab));
  });

  it("a refused commit takes those with it whose place it took, and the one before counts again", async () => {
    const lab = createLab();
    const tab = await lab.ready();
    const first = tab.sync.commit(slid(1));
    await first.durable;
    tab.disk.next("append", failing("refused"));
    const gone = [tab.sync.commit(slid(2)), tab.sync.commit(slid(3))];
    await lab.pass(3000);
    for (const receipt of gone) expect(await stateOf(receipt.durable)).toBe("storage_failed");
    for (const receipt of gone) expect(await stateOf(receipt.settled)).toBe("storage_failed");
    expect(await statuses([first])).toEqual(["accepted"]);
    expect(shown(tab).settings).toEqual([{ id: "slider", value: 1 }]);
    expect(shown(await lab.ready())).toEqual(shown(tab));
  });

  it("ten thousand in one turn are no trouble", async () => {
    const lab = createLab();
    const tab = await lab.ready();
    const receipts = Array.from({ length: 10_000 }, (_, at) => tab.sync.commit(slid(at)));
    await receipts[0]?.durable;
    expect(await statuses(receipts.slice(0, 1))).toEqual(["superseded"]);
    expect(shown(tab).settings).toEqual([{ id: "slider", value: 9999 }]);
  });
});

describe("dedupe", () => {
  it("the first counts, the later is decided duplicate: at once, across tabs, after a fold and a reload", async () => {
    const lab = createLab();
    const a = await lab.ready();
    const b = await lab.ready();
    const first = a.sync.commit(invited("x@y.z"));
    const second = a.sync.commit(invited("x@y.z"));
    expect(await statuses([first, second])).toEqual(["accepted", "duplicate"]);
    await until(() => expect(shown(b).todos.length).toBe(1));
    expect(await statuses([b.sync.commit(invited("x@y.z"))])).toEqual(["duplicate"]);
    await lab.pass(5000);
    expect((await lab.contents())["log"]).toEqual([]);
    expect(await statuses([b.sync.commit(invited("x@y.z"))])).toEqual(["duplicate"]);
    const fresh = await lab.ready();
    expect(await statuses([fresh.sync.commit(invited("x@y.z"))])).toEqual(["duplicate"]);
    expect(await statuses([fresh.sync.commit(invited("other@y.z"))])).toEqual(["accepted"]);
    await lab.pass(5000);
    expect(
      shown(fresh)
        .todos.map((row) => row.text)
        .toSorted(),
    ).toEqual(["other@y.z", "x@y.z"]);
    for (const tab of [a, b, await lab.ready()]) expect(shown(tab)).toEqual(shown(fresh));
  });

  it("of two tabs that race for one key the first in the log counts", async () => {
    const lab = createLab();
    const a = await lab.ready();
    const b = await lab.ready();
    const held = hold();
    b.disk.next("append", held.fault);
    const later = b.sync.commit(invited("x@y.z"));
    await held.reached;
    const first = a.sync.commit(invited("x@y.z"));
    await first.durable;
    held.release();
    expect(await statuses([first, later])).toEqual(["accepted", "duplicate"]);
    await lab.settle();
    expect(shown(a).todos.length).toBe(1);
    expect(shown(b)).toEqual(shown(a));
    expect(shown(await lab.ready())).toEqual(shown(a));
  });

  it("a key whose commit was refused by storage is free again", async () => {
    const lab = createLab();
    const tab = await lab.ready();
    tab.disk.next("append", failing("refused"));
    const gone = tab.sync.commit(invited("x@y.z"));
    expect(await stateOf(gone.durable.catch(() => undefined))).toBe("resolved");
    expect(await statuses([tab.sync.commit(invited("x@y.z"))])).toEqual(["accepted"]);
    expect(shown(tab).todos.length).toBe(1);
  });

  it("duplicates of one bundle are told one by one", async () => {
    const lab = createLab();
    const tab = await lab.ready();
    const receipt = tab.sync.commit([invited("a"), invited("a"), invited("b")]);
    expect((await receipt.settled).map((decision) => decision.status)).toEqual([
      "accepted",
      "duplicate",
      "accepted",
    ]);
    await lab.pass(3000);
    expect(shown(await lab.ready())).toEqual(shown(tab));
  });
});
