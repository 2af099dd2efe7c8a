import { expect, it, vi } from "vitest";
import { type QuarantineEntry } from "../src/api.ts";
import { createQuarantine } from "../src/quarantine.ts";

it("looks through its entries only when there may be others, not with each commit", () => {
  const quarantine = new Map<string, QuarantineEntry>();
  const looked = vi.spyOn(quarantine, "values");
  let revision = 0;
  const enter = (...ids: readonly string[]): void => {
    revision += 1;
    quarantine.clear();
    for (const id of ids) quarantine.set(id, { id, reason: "?", raw: null, at: 1 });
  };
  const replica = { failed: new Set(), unfit: new Map() };
  const { news } = createQuarantine({
    follower: { quarantine, replica, revision: () => revision },
  } as unknown as Parameters<typeof createQuarantine>[0]);
  const ids = () => news().map(({ id }) => id);
  expect(ids()).toEqual([]);
  enter("log/1", "log/2");
  expect(ids()).toEqual(["log/1", "log/2"]);
  looked.mockClear();
  for (let commit = 0; commit < 1000; commit += 1) expect(ids()).toEqual([]);
  expect(looked).not.toHaveBeenCalled();
  enter("log/2", "log/3");
  expect(ids()).toEqual(["log/3"]);
  // What comes back after it was gone is news.
  enter("log/1");
  expect(ids()).toEqual(["log/1"]);
});
