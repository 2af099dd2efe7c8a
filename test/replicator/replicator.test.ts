import { expect, test } from "vitest";
import { event } from "../model/app.ts";
import { createModelServer } from "./server.ts";
import { type Tab, createDisk, openTab } from "./tab.ts";

const limits = { events: 100, bytes: 1_000_000, most: 100 };
const one = (tab: Tab): unknown => tab.replica.tables.get("one")?.toArray();

async function start() {
  const server = createModelServer({ snapshots: false });
  const disk = createDisk();
  const leader = await openTab(disk);
  const other = await openTab(disk);
  await leader.lead();
  return { server, disk, leader, other };
}
async function put(tab: Tab, ...units: Parameters<Tab["commit"]>[0][]): Promise<void> {
  for (const unit of units) tab.commit(unit);
  await tab.flush();
}
async function push(tab: Tab, server: ReturnType<typeof createModelServer>): Promise<unknown> {
  const attempted = await tab.replicator.attempt(limits);
  if (attempted.tag !== "send") return attempted.tag;
  return await tab.replicator.answered(attempted.request, server.push(attempted.request));
}
async function pull(tab: Tab, server: ReturnType<typeof createModelServer>): Promise<unknown> {
  const page = server.pull(tab.replicator.look().cursor, 100);
  return page === null ? "reset" : await tab.replicator.pulled(page);
}

test("G5 pushes, keeps what is acknowledged on screen, and settles it when it is seen in the log", async () => {
  const { server, leader, other } = await start();
  const mine = event("put", { id: "a" });
  await put(other, [mine]);
  await leader.catchUp();
  expect(leader.replicator.look()).toMatchObject({ undecided: 1, unseen: 0, cursor: null });
  expect(await push(leader, server)).toBe("done");
  expect(leader.replicator.look()).toMatchObject({ undecided: 0, unseen: 1 });
  await other.catchUp();
  expect(one(other)).toEqual([{ id: "a", x: 1 }]);
  expect(other.decisions.size).toBe(0);
  expect(await pull(leader, server)).toBe("done");
  await other.catchUp();
  expect(other.decisions.get(mine.id)).toEqual({ id: mine.id, status: "accepted" });
  expect(other.replica.overlay.length).toBe(0);
  expect(one(other)).toEqual([{ id: "a", x: 1 }]);
  expect(await pull(leader, server)).toBe("nothing");
});
