/** A leader that lost its term, and has another one, goes on with nothing that it began before. */
import { expect, test, vi } from "vitest";
import { createDisk, openTab } from "./tab.ts";

const rows = (count: number): { readonly id: string; readonly x: number }[] =>
  Array.from({ length: count }, (_, at) => ({ id: `row-${at}`, x: 0 }));

test("G10 G13 a new base that was compared under one term is not written under another", async () => {
  const disk = createDisk("server", "client-of-disk");
  const [first, second] = [await openTab(disk), await openTab(disk)];
  await first.lead();
  const snapshot = { cursor: "c-1", pos: 1, epoch: "e1", tables: { one: rows(6000) } };
  let paused: (() => void) | undefined;
  Object.assign(first.shared.environment.clock, {
    pause: () => new Promise<void>((resolve) => (paused = resolve)),
  });
  const reset = first.replicator.reset(snapshot);
  await vi.waitFor(() => expect(paused).toBeDefined());
  // Frozen there: another tab leads, and takes in what is newer; then this one leads again.
  await second.lead();
  const newer = { cursor: "c-2", pos: 2, epoch: "e1", tables: { one: rows(3) } };
  expect(await second.replicator.reset(newer)).toBe("done");
  await first.lead();
  paused?.();
  expect(await reset).toBe("nothing");
  expect(first.replicator.look()).toMatchObject({ cursor: "c-2", pos: 2 });
  await second.catchUp(true);
  expect(second.replica.tables.get("one")?.rows.size).toBe(3);
});
