/** @jsxImportSource react */
import { useSelector } from "@xstate/react";
import { StrictMode, act } from "react";
import { type Root, createRoot } from "react-dom/client";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type TodoSync, openTodos, todo } from "../solid/todo-app.ts";

declare global {
  var IS_REACT_ACT_ENVIRONMENT: boolean | undefined;
}

let sync: TodoSync;
let root: Root;
let host: HTMLElement;
let names = 0;

const put = (...ids: string[]) =>
  sync.commit(ids.map((id) => ({ name: "put" as const, payload: todo(id) })));

beforeEach(async () => {
  globalThis.IS_REACT_ACT_ENVIRONMENT = true;
  names += 1;
  sync = openTodos(`react-${names}`);
  await sync.ready;
  await vi.waitUntil(() => sync.status.role === "leader");
  host = document.body.appendChild(document.createElement("div"));
  root = createRoot(host);
});
afterEach(async () => {
  act(() => root.unmount());
  host.remove();
  await sync.destroy({ force: true });
});

test("renders again only when the selected value changes", () => {
  let sizeRenders = 0;
  let rowRenders = 0;
  const Size = () => {
    sizeRenders += 1;
    return <b>{useSelector(sync, ({ context }) => context.tables.todos.size)}</b>;
  };
  const Row = ({ id }: { readonly id: string }) => {
    rowRenders += 1;
    return <i>{useSelector(sync, ({ context }) => context.tables.todos.get(id)?.text)}</i>;
  };
  act(() =>
    root.render(
      <>
        <Size />
        <Row id="a" />
      </>,
    ),
  );
  expect(host.innerHTML).toBe("<b>0</b><i></i>");
  act(() => void put("a"));
  expect(host.innerHTML).toBe("<b>1</b><i>text of a</i>");
  expect([sizeRenders, rowRenders]).toEqual([2, 2]);
  act(() => void put("b", "c"));
  expect(host.innerHTML).toBe("<b>3</b><i>text of a</i>");
  expect([sizeRenders, rowRenders]).toEqual([3, 2]);
  act(() => void sync.commit({ name: "put", payload: todo("a", { text: "other" }) }));
  expect(host.innerHTML).toBe("<b>3</b><i>other</i>");
  expect([sizeRenders, rowRenders]).toEqual([3, 3]);
});

test("selects all rows as one array, the same until a row changes", async () => {
  let renders = 0;
  const List = () => {
    renders += 1;
    const todos = useSelector(sync, ({ context }) => context.tables.todos.toArray());
    return <p>{todos.map(({ id }) => id).join()}</p>;
  };
  act(() => root.render(<List />));
  let settled: Promise<unknown> | undefined;
  act(() => {
    ({ settled } = put("b", "a"));
  });
  expect(host.textContent).toBe("a,b");
  expect(renders).toBe(2);
  // Becoming durable and decided changes the status, but no row.
  await act(async () => {
    await settled;
    await vi.waitFor(() => expect(sync.status.pending).toBe(0));
  });
  expect(renders).toBe(2);
});

test("works in StrictMode, and unsubscribes when it unmounts", async () => {
  let renders = 0;
  const Role = () => {
    renders += 1;
    return <>{useSelector(sync, ({ context }) => `${context.role} ${context.phase}`)}</>;
  };
  act(() =>
    root.render(
      <StrictMode>
        <Role />
      </StrictMode>,
    ),
  );
  expect(host.textContent).toBe("leader ready");
  await act(() => sync.stop());
  expect(host.textContent).toContain("stopped");
  act(() => root.render(null));
  const before = renders;
  await act(() => sync.destroy({ force: true }));
  expect(renders).toBe(before);
});
