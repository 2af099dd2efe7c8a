import { createEffect, createMemo, createRoot } from "solid-js";
import * as xstateSolid from "@xstate/solid";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type AnyActorRef } from "xstate";
import { fromStatus, useSelector } from "sssync/solid";
import { type TodoSync, openTodos, todo } from "./todo-app.ts";

let sync: TodoSync;
let names = 0;
const endings: (() => void)[] = [];

const put = (...ids: string[]) =>
  sync.commit(ids.map((id) => ({ name: "put" as const, payload: todo(id) })));

const within = <T,>(body: () => T): T =>
  createRoot((dispose) => {
    endings.push(dispose);
    return body();
  });

beforeEach(() => {
  names += 1;
  sync = openTodos(`status-${names}`);
});
afterEach(async () => {
  for (const end of endings.splice(0)) end();
  await sync.destroy({ force: true });
});

test("follows the status from the start to the end, property by property", async () => {
  const status = within(() => fromStatus(sync));
  const phases: string[] = [];
  let reads = 0;
  within(() => {
    createEffect(() => phases.push(status.phase));
    createEffect(() => {
      expect(status.fault).toBe(null);
      reads += 1;
    });
  });
  await sync.ready;
  await vi.waitFor(() => expect(status.role).toBe("leader"));
  const receipt = put("a");
  expect(status.pending).toBe(1);
  await receipt.settled;
  await vi.waitFor(() => expect(status.pending).toBe(0));
  expect(status).toEqual(sync.status);
  await sync.stop();
  expect(phases).toEqual(["loading", "ready", "stopped"]);
  expect(reads).toBe(1);
});

test("gives a selected value, which changes only when it differs", async () => {
  await sync.ready;
  const size = within(() => useSelector(sync, ({ context }) => context.tables.todos.size));
  const ids = within(() =>
    useSelector(
      sync,
      ({ context }) => context.tables.todos.toArray().map(({ id }) => id),
      (a, b) => a.join() === b.join(),
    ),
  );
  const sizes: number[] = [];
  let lists = 0;
  within(() => {
    createEffect(() => sizes.push(size()));
    createEffect(() => {
      ids();
      lists += 1;
    });
  });
  put("a");
  sync.commit({ name: "put", payload: todo("a", { text: "other" }) });
  put("b", "c");
  expect(sizes).toEqual([0, 1, 3]);
  expect(ids()).toEqual(["a", "b", "c"]);
  expect(lists).toBe(3);
});

test("ends its subscriptions with the owner", async () => {
  await sync.ready;
  const [status, size, dispose] = createRoot(
    (end) =>
      [
        fromStatus(sync),
        useSelector(sync, ({ context }) => context.tables.todos.size),
        end,
      ] as const,
  );
  put("a");
  expect(size()).toBe(1);
  dispose();
  put("b");
  expect(size()).toBe(1);
  await sync.stop();
  expect(status.phase).toBe("ready");
});

test("has what @xstate/solid exports: no useSelector, so its equivalent is tested", () => {
  expect(Object.keys(xstateSolid).toSorted()).toEqual([
    "fromActorRef",
    "useActor",
    "useActorRef",
    "useMachine",
  ]);
});

test("works with fromActorRef and createMemo of @xstate/solid", async () => {
  const [snapshot, pending] = within(() => {
    // The one cast: its types ask for a whole actor, with `send`, where it reads `getSnapshot` and `subscribe` only.
    const accessor = xstateSolid.fromActorRef(sync as unknown as AnyActorRef);
    const current = accessor as () => ReturnType<TodoSync["getSnapshot"]>;
    return [current, createMemo(() => current().context.pending > 0)] as const;
  });
  const seen: boolean[] = [];
  within(() => createEffect(() => seen.push(pending())));
  expect(snapshot().value).toBe("loading");
  await sync.ready;
  expect(snapshot().value).toBe("running");
  await put("a").settled;
  put("b");
  put("c");
  await put("d").settled;
  await vi.waitFor(() => expect(pending()).toBe(false));
  expect(seen[0]).toBe(false);
  expect(seen.filter(Boolean).length).toBeGreaterThan(0);
  expect(seen.every((it, at) => it !== seen[at - 1])).toBe(true);
  await sync.stop();
  expect(snapshot().status).toBe("stopped");
});
