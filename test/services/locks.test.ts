import { describe, expect, test } from "vitest";
import { type LockPort } from "../../src/services/ports.ts";
import { createVirtualLocks } from "../../src/testing/virtual-locks.ts";
import { lockContract } from "./locks.contract.ts";

const contractLocks = createVirtualLocks();
describe("virtual locks", () => {
  lockContract(() => contractLocks.openTab());
});

const setUp = () => {
  const locks = createVirtualLocks();
  const diary: string[] = [];
  const request = (tab: LockPort, who: string) =>
    tab.request("lock", {
      granted: () => diary.push(`${who} granted`),
      lost: () => diary.push(`${who} lost`),
      failed: () => diary.push(`${who} failed`),
    });
  // A question asked by a tab that runs is answered after everything that happened before it was told.
  const settled = async () => {
    await locks.query("lock");
    return diary;
  };
  return { locks, request, settled, a: locks.openTab(), b: locks.openTab() };
};

test("passes on all that a dead tab held or waited for, and tells it nothing", async () => {
  const { a, b, request, settled, locks } = setUp();
  request(a, "a1");
  request(a, "a2");
  request(b, "b");
  await settled();
  a.die();
  request(a, "a3");
  expect(await settled()).toEqual(["a1 granted", "b granted"]);
  expect(await locks.query("lock")).toEqual({ held: true, waiting: 0 });
});

test("keeps a dead tab from hearing of a grant that was under way", async () => {
  const { a, b, request, settled } = setUp();
  request(a, "a");
  request(b, "b");
  a.die();
  expect(await settled()).toEqual(["b granted"]);
});

test("leaves its lock to a frozen tab", async () => {
  const { a, b, request, settled } = setUp();
  request(a, "a");
  request(b, "b");
  await settled();
  a.freeze();
  expect(await settled()).toEqual(["a granted"]);
});

test("grants a lock to a frozen tab, which learns of it when it thaws", async () => {
  const { a, b, request, settled, locks } = setUp();
  const release = request(b, "b");
  request(a, "a");
  await settled();
  a.freeze();
  release();
  expect(await settled()).toEqual(["b granted"]);
  expect(await locks.query("lock")).toEqual({ held: true, waiting: 0 });
  a.thaw();
  expect(await settled()).toEqual(["b granted", "a granted"]);
});

test("tells a frozen tab of a theft when it thaws", async () => {
  const { a, request, settled, locks } = setUp();
  request(a, "a");
  await settled();
  a.freeze();
  locks.steal("lock");
  expect(await settled()).toEqual(["a granted"]);
  a.thaw();
  expect(await settled()).toEqual(["a granted", "a lost"]);
});

test("lets a stranger steal the lock and keep it until it gives it back", async () => {
  const { a, b, request, settled, locks } = setUp();
  request(a, "a");
  request(b, "b");
  await settled();
  const giveBack = locks.steal("lock");
  expect(await settled()).toEqual(["a granted", "a lost"]);
  giveBack();
  expect(await settled()).toEqual(["a granted", "a lost", "b granted"]);
});

test("leaves it to the schedule when a tab learns of its lock", () => {
  const tasks: (() => void)[] = [];
  const locks = createVirtualLocks({ schedule: (task) => tasks.push(task) });
  const diary: string[] = [];
  const handlers = {
    granted: () => diary.push("granted"),
    lost: () => diary.push("lost"),
    failed: () => diary.push("failed"),
  };
  locks.openTab().request("lock", handlers);
  expect([diary.length, tasks.length]).toEqual([0, 1]);
  tasks[0]?.();
  expect(diary).toEqual(["granted"]);
});
