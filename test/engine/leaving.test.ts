import { describe, expect, it } from "vitest";
import { hold } from "../support/faulty-storage.ts";
import { added, createLab, shown, stateOf } from "../support/lab.ts";
import { openShop, sold, stocked } from "../support/shop.ts";

describe("a page that leaves", () => {
  it("tells the others to look for what it has in flight", async () => {
    const lab = createLab();
    const other = await lab.ready();
    await lab.pass(3000);
    const tab = await lab.ready();
    // Stored, but the page is gone before it hears of it.
    const held = hold("after");
    tab.disk.next("append", held.fault);
    tab.sync.commit(added("t1"));
    await held.reached;
    tab.lifecycle.emit("pagehide");
    await lab.settle();
    expect(shown(other).todos.map(({ id }) => id)).toEqual(["t1"]);
  });

  it("in the turn of a commit makes it durable, and says so", async () => {
    const lab = createLab();
    const tab = await lab.ready();
    await lab.pass(3000);
    const receipt = tab.sync.commit(added("t1"));
    tab.lifecycle.emit("pagehide");
    await lab.settle();
    expect(await stateOf(receipt.durable)).toBe("resolved");
  });

  it("writes all that waits at once, also what was committed after a rejected event was discarded", async () => {
    const lab = createLab();
    const other = openShop(lab);
    await other.sync.ready;
    await other.sync.commit(stocked("last", 1)).durable;
    const tab = openShop(lab, { leads: false });
    await tab.sync.ready;
    const late = hold();
    tab.disk.next("append", late.fault);
    tab.sync.commit(sold("last"));
    await late.reached;
    await other.sync.commit(sold("last")).durable;
    late.release();
    await lab.pass(5000);
    const [refused] = tab.sync.rejected.list();
    const held = hold();
    tab.disk.next("append", held.fault);
    tab.sync.commit(stocked("a", 1));
    await held.reached;
    void tab.sync.rejected.discard(refused?.event.id ?? "");
    tab.sync.commit(stocked("b", 1));
    tab.lifecycle.emit("pagehide");
    await lab.settle();
    tab.kill();
    const fresh = openShop(lab);
    await fresh.sync.ready;
    expect(fresh.sync.tables.goods.toArray().map(({ id }) => id)).toEqual(["b", "last"]);
    expect(fresh.sync.rejected.size).toBe(0);
  });
});
