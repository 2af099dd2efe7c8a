import { expect, it, vi } from "vitest";
import { createDevice } from "./support/todos.ts";

it("shows a commit at once, in the other tab, and after a reload", async () => {
  const device = createDevice();
  const a = device.openTab().sync;
  await a.ready;
  const b = device.openTab().sync;
  await b.ready;
  const receipt = a.commit({ name: "todoAdded", payload: { id: "t1", text: "Milk" } });
  expect(a.tables.todos.toArray()).toEqual([{ id: "t1", text: "Milk", done: false }]);
  await receipt.durable;
  expect(await receipt.settled).toEqual([{ id: receipt.events[0]?.id, status: "accepted" }]);
  await vi.waitFor(() =>
    expect(b.tables.todos.get("t1")).toEqual({ id: "t1", text: "Milk", done: false }),
  );
  await vi.waitFor(() => expect(a.status.role).toBe("leader"));
  expect(b.status.role).toBe("follower");
  await a.stop();
  await vi.waitFor(() => expect(b.status.role).toBe("leader"));
  await b.stop();
  const c = device.openTab().sync;
  await c.ready;
  expect(c.tables.todos.toArray()).toEqual([{ id: "t1", text: "Milk", done: false }]);
  await c.stop();
});
