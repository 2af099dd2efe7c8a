import * as v from "valibot";
import { expect, it } from "vitest";

it("importing has no side effects, and without storage the engine stays loading", async () => {
  const before = Object.getOwnPropertyNames(globalThis);
  const { createSyncActor, createId, defineEvent } = await import("../../src/index.ts");
  expect(Object.getOwnPropertyNames(globalThis)).toEqual(before);
  expect("indexedDB" in globalThis).toBe(false);
  const sync = createSyncActor({
    name: "server",
    tables: { things: v.object({ id: v.string() }) },
    events: { made: defineEvent({ schema: v.object({ id: v.string() }) }) },
    materializers: { made: () => [] },
  });
  expect(sync.status).toMatchObject({ phase: "loading", role: "candidate", pending: 0 });
  expect(sync.getSnapshot()).toMatchObject({ status: "active", value: "loading" });
  expect(sync.tables.things.toArray()).toEqual([]);
  expect(() => sync.commit({ name: "made", payload: { id: createId() } })).toThrow(
    expect.objectContaining({ code: "not_ready" }),
  );
  await sync.stop();
  await expect(sync.ready).rejects.toMatchObject({ code: "stopped" });
  expect(sync.status.phase).toBe("stopped");
  expect(sync.getSnapshot()).toMatchObject({ status: "stopped", value: "stopped" });
});
