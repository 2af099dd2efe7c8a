import { afterEach, describe, expect, it, vi } from "vitest";
import { browserEnvironment } from "../../src/services/browser-environment.ts";
import { added, createLab, shown, stateOf } from "../support/lab.ts";

afterEach(() => vi.unstubAllGlobals());

/** The storage that the browser's environment has in a page without IndexedDB. */
function withoutIndexedDb() {
  vi.stubGlobal("indexedDB", undefined);
  vi.stubGlobal("document", { visibilityState: "visible" });
  vi.stubGlobal("window", {});
  const { storage } = browserEnvironment();
  vi.unstubAllGlobals();
  vi.stubGlobal("indexedDB", undefined);
  return { ports: { storage } };
}

describe("a page without IndexedDB", () => {
  it("goes on in memory where that is allowed, promises nothing, and exports all", async () => {
    const lab = createLab();
    const { sync } = lab.openTab({ ...withoutIndexedDb(), storage: "memory-if-unavailable" });
    await lab.pass(10_000);
    await sync.ready;
    const receipt = sync.commit(added("t1"));
    await lab.pass(60_000);
    expect(sync.status).toMatchObject({ phase: "degraded", storage: "memory", pending: 1 });
    expect(sync.status.fault?.code).toBe("memory_only");
    expect(await stateOf(receipt.durable)).toBe("pending");
    expect(sync.export().tables).toEqual(shown({ sync }));
    expect(shown({ sync }).todos.length).toBe(1);
    expect(await sync.persist()).toBe(false);
    await sync.stop();
  });

  it("says that storage is unavailable where it is required, and keeps trying", async () => {
    const lab = createLab();
    const { sync } = lab.openTab(withoutIndexedDb());
    await lab.pass(10_000);
    expect(sync.status).toMatchObject({ phase: "loading", storage: "unavailable" });
    expect(sync.status.fault?.code).toBe("storage_unavailable");
    await lab.pass(60_000);
    expect(await stateOf(sync.ready)).toBe("pending");
    await sync.stop();
  });
});

describe("persist", () => {
  it("asks the storage, and never throws", async () => {
    const lab = createLab();
    const answers: (() => Promise<boolean>)[] = [
      async () => true,
      async () => false,
      () => Promise.reject(new Error("no")),
      () => {
        throw new TypeError("navigator.storage is undefined");
      },
    ];
    const told: boolean[] = [];
    for (const persist of answers) {
      const tab = lab.openTab({ ports: { storage: { ...lab.base, persist } } });
      told.push(await tab.sync.persist());
      await tab.sync.stop();
    }
    expect(told).toEqual([true, false, false, false]);
  });
});
