import { expect, test, vi } from "vitest";
import { type Unit } from "../../src/model/materialize.ts";
import { createReplica } from "../../src/model/replica.ts";
import { createPipeline } from "../../src/pipeline.ts";
import { definition, event } from "./app.ts";

function start() {
  const replica = createReplica(definition, "t");
  const pipeline = createPipeline("t", 1);
  const commit = (unit: Unit) => {
    const { entry, replaced } = replica.commit(unit);
    const { receipt, unwritten } = pipeline.add(entry, replaced);
    if (unwritten !== undefined) replica.forget(unwritten);
    return { entry, receipt, id: unit[0]?.id as string };
  };
  const slide = (x: number) => commit([event("slide", { x })]);
  const put = (id: string) => commit([event("put", { id })]);
  return { replica, pipeline, commit, slide, put };
}
/** What a promise came to by the next task. */
const stateOf = async (promise: Promise<unknown>): Promise<unknown> => {
  const later = new Promise((resolve) => setTimeout(resolve, 0, "pending"));
  return await Promise.race([promise.catch((error: unknown) => error), later]);
};

test("makes one record of what is queued, and keeps its promises", async () => {
  const { pipeline, put } = start();
  const [a, b] = [put("a"), put("b")];
  const group = pipeline.take();
  expect(group?.record).toMatchObject({ kind: "commit", tab: "t", n: 1, schema: 1 });
  expect(group?.items.map((item) => item.entry)).toEqual([a.entry, b.entry]);
  expect(a.entry.n).toBe(1);
  expect(pipeline.take()).toBeUndefined();
  expect(await stateOf(a.receipt.durable)).toBe("pending");
  const durable = b.receipt.durable;
  expect(pipeline.acknowledge(1)).toBe(group);
  expect(pipeline.acknowledge(1)).toBeUndefined();
  if (group !== undefined) pipeline.keep(group);
  expect(await stateOf(durable)).toBeUndefined();
  expect(await stateOf(a.receipt.durable)).toBeUndefined();
  expect(await stateOf(a.receipt.settled)).toBe("pending");
  expect(pipeline.undecidedEvents()).toBe(2);
  pipeline.settle(a.entry, [{ id: a.id, status: "accepted" }]);
  expect(await a.receipt.settled).toEqual([{ id: a.id, status: "accepted" }]);
  expect(pipeline.undecidedEvents()).toBe(1);
  expect(pipeline.oldestUndecided()).toBe(b.entry);
});

test("makes promises when somebody asks, and the same one each time", () => {
  const { put } = start();
  const { receipt } = put("a");
  expect(receipt.durable).toBe(receipt.durable);
  expect(receipt.settled).toBe(receipt.settled);
});

test("leaves one event of a queue of coalescing commits", async () => {
  const { pipeline, replica, slide } = start();
  const all = [1, 2, 3].map(slide);
  expect(replica.overlay.length).toBe(1);
  expect(pipeline.undecidedEvents()).toBe(1);
  const group = pipeline.take();
  expect(group?.record).toMatchObject({ events: [{ payload: { x: 3 } }] });
  if (group !== undefined) pipeline.keep(group);
  for (const { receipt, id } of all.slice(0, 2)) {
    expect(await stateOf(receipt.durable)).toBeUndefined();
    expect(await receipt.settled).toEqual([{ id, status: "superseded" }]);
  }
  expect(await stateOf(all[2]?.receipt.settled as Promise<unknown>)).toBe("pending");
});

test("keeps what is in flight when the next one takes its place", () => {
  const { pipeline, replica, slide } = start();
  slide(1);
  pipeline.take();
  slide(2);
  slide(3);
  expect(replica.overlay.length).toBe(2);
  expect(pipeline.take()?.record).toMatchObject({ n: 2, events: [{ payload: { x: 3 } }] });
});

test("settles those that were replaced in the queue with the one that replaced them, whoever saw it in the log first", async () => {
  const { pipeline, slide } = start();
  const [first, last] = [slide(1), slide(2)];
  pipeline.take();
  pipeline.settle(last.entry, [{ id: last.id, status: "accepted" }]);
  pipeline.stop();
  expect(await stateOf(first.receipt.durable)).toBeUndefined();
  expect(await first.receipt.settled).toEqual([{ id: first.id, status: "superseded" }]);
});

test("takes fifty thousand coalescing commits in one turn without taking all memory", async () => {
  const { pipeline, slide } = start();
  const first = slide(0);
  for (let x = 1; x < 50_000; x += 1) slide(x);
  const group = pipeline.take();
  expect(group?.items.length).toBe(1);
  if (group !== undefined) pipeline.keep(group);
  expect(await first.receipt.settled).toEqual([{ id: first.id, status: "superseded" }]);
}, 60_000);

test("withdraws a commit that is not being written, and no other", async () => {
  const { pipeline, put, slide } = start();
  const [a, b] = [put("a"), put("b")];
  expect(pipeline.withdraw(a.id)).toEqual([a.entry]);
  expect(await stateOf(a.receipt.durable)).toMatchObject({ code: "discarded" });
  expect(await stateOf(a.receipt.settled)).toMatchObject({ code: "discarded" });
  expect(pipeline.withdraw(a.id)).toBeUndefined();
  pipeline.take();
  expect(pipeline.withdraw(b.id)).toBeUndefined();
  const [old, now] = [slide(1), slide(2)];
  expect(pipeline.withdraw(old.id)).toBeUndefined();
  expect(pipeline.withdraw(now.id)).toEqual([now.entry]);
  expect(await stateOf(old.receipt.settled)).toMatchObject({ code: "discarded" });
  expect(pipeline.undecidedEvents()).toBe(1);
});

test("rejects what storage refused, with all that it replaced", async () => {
  const { pipeline, put, slide } = start();
  const [a, old, now] = [put("a"), slide(1), slide(2)];
  const later = put("b");
  const done = pipeline.dismiss("rejected", ["x"]);
  pipeline.take();
  const entries = pipeline.refuse(1, "storage_failed");
  expect(entries).toEqual([a.entry, now.entry, later.entry]);
  expect(pipeline.refuse(1, "storage_failed")).toEqual([]);
  for (const { receipt } of [a, old, now, later]) {
    expect(await stateOf(receipt.durable)).toMatchObject({ code: "storage_failed" });
    expect(await stateOf(receipt.settled)).toMatchObject({ code: "storage_failed" });
  }
  expect(pipeline.take()?.record).toMatchObject({ kind: "dismiss", n: 2 });
  pipeline.refuse(2, "storage_failed");
  expect(await stateOf(done)).toMatchObject({ code: "storage_failed" });
});

test("writes dismissals as records of their own, in order", () => {
  const { pipeline, put } = start();
  put("a");
  void pipeline.dismiss("quarantine", ["q"]);
  put("b");
  put("c");
  const kinds = [1, 2, 3].map(() => pipeline.take()?.record);
  expect(kinds).toMatchObject([
    { kind: "commit", n: 1, events: [{}] },
    { kind: "dismiss", n: 2, ids: ["q"] },
    { kind: "commit", n: 3, events: [{}, {}] },
  ]);
  expect(pipeline.isLastInFlight(1)).toBe(false);
  expect(pipeline.isInFlight(3)).toBe(true);
  expect(pipeline.nextNumber()).toBe(4);
});

test("promises nothing any more when it stops", async () => {
  const { pipeline, put, slide } = start();
  const flying = put("a");
  pipeline.take();
  const [old, queued] = [slide(1), slide(2)];
  const done = pipeline.dismiss("rejected", ["x"]);
  pipeline.stop();
  for (const { receipt } of [flying, old, queued]) {
    expect(await stateOf(receipt.durable)).toMatchObject({ code: "stopped" });
    expect(await stateOf(receipt.settled)).toMatchObject({ code: "stopped" });
  }
  expect(await stateOf(done)).toMatchObject({ code: "stopped" });
  expect(pipeline.hasQueued()).toBe(false);
  expect(pipeline.undecidedEvents()).toBe(0);
});

test("causes no unhandled rejection, looked at or not", async () => {
  const unhandled = vi.fn<(reason: unknown) => void>();
  process.on("unhandledRejection", unhandled);
  const { pipeline, put } = start();
  const looked = put("a").receipt;
  const { durable, settled } = looked;
  put("b");
  pipeline.stop();
  await new Promise((resolve) => setTimeout(resolve));
  process.off("unhandledRejection", unhandled);
  expect(unhandled).not.toHaveBeenCalled();
  await expect(durable).rejects.toMatchObject({ code: "stopped" });
  await expect(settled).rejects.toMatchObject({ code: "stopped" });
});
