import { createEffect, createRoot, createSignal, For } from "solid-js";
import { render } from "solid-js/web";
import { afterEach, beforeEach, expect, test } from "vitest";
import { fromTable } from "sssync/solid";
import { type Todo, type TodoSync, openTodos, todo } from "./todo-app.ts";

let sync: TodoSync;
let names = 0;
const endings: (() => void)[] = [];

const put = (...todos: Todo[]) =>
  sync.commit(todos.map((payload) => ({ name: "put" as const, payload })));
const drop = (...ids: string[]) =>
  sync.commit(ids.map((id) => ({ name: "removed" as const, payload: { id } })));

/** Runs as a component would, until the test ends. */
const within = <T,>(body: () => T): T =>
  createRoot((dispose) => {
    endings.push(dispose);
    return body();
  });

beforeEach(async () => {
  names += 1;
  sync = openTodos(`rows-${names}`);
  await sync.ready;
});
afterEach(async () => {
  for (const end of endings.splice(0)) end();
  await sync.destroy({ force: true });
});

/** A list on the page that keeps account of what is rendered. */
const mount = (rows: () => readonly Todo[]) => {
  const counts = { created: [] as string[], text: [] as string[], done: [] as string[] };
  const host = document.body.appendChild(document.createElement("ul"));
  const dispose = render(
    () => (
      <For each={rows()}>
        {(it) => {
          counts.created.push(it.id);
          return (
            <li id={it.id}>
              <span>{(counts.text.push(it.id), it.text)}</span>
              <i>{(counts.done.push(it.id), it.done ? "done" : "open")}</i>
            </li>
          );
        }}
      </For>
    ),
    host,
  );
  endings.push(() => {
    dispose();
    host.remove();
  });
  const observer = new MutationObserver(() => {});
  observer.observe(host, { subtree: true, childList: true, characterData: true });
  return {
    host,
    counts,
    /** What changed on the page since the last call: the row and the element inside it, or `list`. */
    mutations: () =>
      observer.takeRecords().map(({ target }) => {
        const element = target instanceof Element ? target : target.parentElement;
        const item = element?.closest("li");
        return item ? `${item.id} ${element?.tagName.toLowerCase()}` : "list";
      }),
    clear() {
      observer.takeRecords();
      for (const list of Object.values(counts)) list.length = 0;
    },
    texts: () => Array.from(host.querySelectorAll("span"), (it) => it.textContent),
  };
};

test("changes only the property of only the row that changed", () => {
  put(todo("a"), todo("b"), todo("c"));
  const list = within(() => mount(fromTable(sync.tables.todos)));
  list.clear();
  put(todo("b", { text: "other" }));
  expect(list.counts).toEqual({ created: [], text: ["b"], done: [] });
  expect(list.mutations()).toEqual(["b span"]);
  expect(list.texts()).toEqual(["text of a", "other", "text of c"]);
});

test("renders a new row, and no other again, at its place by id", () => {
  put(todo("a"), todo("c"));
  const list = within(() => mount(fromTable(sync.tables.todos)));
  list.clear();
  put(todo("b"));
  expect(list.counts).toEqual({ created: ["b"], text: ["b"], done: ["b"] });
  expect(list.mutations()).toEqual(["list"]);
  expect(list.texts()).toEqual(["text of a", "text of b", "text of c"]);
});

test("removes a row and renders none again", () => {
  put(todo("a"), todo("b"), todo("c"));
  const list = within(() => mount(fromTable(sync.tables.todos)));
  list.clear();
  drop("b");
  expect(list.counts).toEqual({ created: [], text: [], done: [] });
  expect(list.mutations()).toEqual(["list"]);
  expect(list.texts()).toEqual(["text of a", "text of c"]);
});

test("shows rows that differ in one batch after any mix of changes", () => {
  put(...["a", "b", "c", "d", "e"].map((id) => todo(id)));
  const rows = within(() => fromTable(sync.tables.todos));
  const seen: string[] = [];
  within(() =>
    createEffect(() => {
      seen.push(
        rows()
          .map((it) => `${it.id}${it.done ? "+" : "-"}`)
          .join(""),
      );
    }),
  );
  sync.commit([
    { name: "removed", payload: { id: "b" } },
    { name: "put", payload: todo("c", { done: true }) },
    { name: "put", payload: todo("d", { done: true }) },
    { name: "put", payload: todo("bb") },
    { name: "removed", payload: { id: "e" } },
    { name: "put", payload: todo("f", { done: true }) },
  ]);
  expect(seen).toEqual(["a-b-c-d-e-", "a-bb-c+d+f+"]);
});

test("sets only what differs inside nested values, and takes frozen ones", () => {
  put(todo("a"));
  const rows = within(() => fromTable(sync.tables.todos));
  const seen: string[] = [];
  within(() => {
    createEffect(() => seen.push(`city ${rows()[0]?.place.city}`));
    createEffect(() => seen.push(`street ${rows()[0]?.place.street}`));
    createEffect(() => seen.push(`tags ${rows()[0]?.tags.join()}`));
  });
  expect(Object.isFrozen(sync.tables.todos.get("a")?.place)).toBe(true);
  seen.length = 0;
  put(todo("a", { place: { city: "Bern", street: "Kramgasse" } }));
  expect(seen).toEqual(["street Kramgasse"]);
  seen.length = 0;
  put(todo("a", { place: { city: "Bern", street: "Kramgasse" }, tags: ["home", "soon"] }));
  expect(seen).toEqual(["tags home,soon"]);
  expect(sync.tables.todos.get("a")?.tags).toEqual(["home", "soon"]);
});

test("keeps a row the same object while it is shown, also when it moves", () => {
  put(todo("a", { text: "1" }), todo("b", { text: "2" }), todo("c", { text: "3" }));
  const list = within(() =>
    mount(fromTable(sync.tables.todos, { compare: (x, y) => x.text.localeCompare(y.text) })),
  );
  const nodes = new Map(Array.from(list.host.children, (it) => [it.id, it]));
  list.clear();
  put(todo("a", { text: "9" }));
  expect(list.texts()).toEqual(["2", "3", "9"]);
  expect(list.counts.created).toEqual([]);
  expect(Array.from(list.host.children).every((it) => nodes.get(it.id) === it)).toBe(true);
});

test("filters, and again when a signal that the filter reads changes", () => {
  put(todo("a"), todo("b", { done: true }), todo("c"));
  const [done, setDone] = createSignal(false);
  const list = within(() =>
    mount(fromTable(sync.tables.todos, { filter: (it) => it.done === done() })),
  );
  expect(list.texts()).toEqual(["text of a", "text of c"]);
  list.clear();
  put(todo("a", { done: true }));
  expect(list.texts()).toEqual(["text of c"]);
  put(todo("b", { done: true, text: "still hidden" }));
  expect(list.counts.created).toEqual([]);
  setDone(true);
  expect(list.texts()).toEqual(["text of a", "still hidden"]);
  put(todo("c", { done: true, text: "back" }));
  expect(list.texts()).toEqual(["text of a", "still hidden", "back"]);
});

test("leaves the array alone when a change neither adds, removes nor moves a row that is shown", () => {
  put(todo("a"), todo("b", { done: true }));
  let runs = 0;
  const rows = within(() => fromTable(sync.tables.todos, { filter: (it) => !it.done }));
  within(() =>
    createEffect(() => {
      rows();
      runs += 1;
    }),
  );
  put(todo("a", { text: "x" }));
  put(todo("b", { done: true, text: "y" }));
  expect(runs).toBe(1);
  expect(rows()[0]?.text).toBe("x");
});

test("shows what a listener commits, and never goes back to an older row", () => {
  put(todo("a"));
  const stop = sync.tables.todos.subscribe(() => {
    if (sync.tables.todos.get("a")?.text === "first") put(todo("a", { text: "second" }));
  });
  const rows = within(() => fromTable(sync.tables.todos));
  const seen: string[] = [];
  within(() => createEffect(() => seen.push(rows()[0]?.text ?? "")));
  put(todo("a", { text: "first" }));
  expect(seen).toEqual(["text of a", "second"]);
  stop();
});

test("brings a row back that was removed", () => {
  put(todo("a"), todo("b"));
  const list = within(() => mount(fromTable(sync.tables.todos)));
  drop("a");
  put(todo("a", { text: "again" }));
  put(todo("a", { text: "and again" }));
  expect(list.texts()).toEqual(["and again", "text of b"]);
});

test("equals the table after any history", () => {
  const [least, setLeast] = createSignal("");
  const all = within(() => fromTable(sync.tables.todos));
  const some = within(() =>
    fromTable(sync.tables.todos, {
      filter: (it) => it.text >= least(),
      compare: (x, y) => (x.text < y.text ? 1 : x.text > y.text ? -1 : 0),
    }),
  );
  let state = 7;
  const random = (below: number): number => {
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
  for (let round = 0; round < 300; round += 1) {
    const events = Array.from({ length: 1 + random(4) }, () => {
      const id = `t${random(12)}`;
      return random(3) === 0
        ? { name: "removed" as const, payload: { id } }
        : {
            name: "put" as const,
            payload: todo(id, { text: String(random(6)), tags: [String(random(3))] }),
          };
    });
    sync.commit(events);
    if (random(5) === 0) setLeast(String(random(6)));
    const expected = sync.tables.todos.toArray();
    expect(all()).toEqual(expected);
    expect(some()).toEqual(
      expected
        .filter((it) => it.text >= least())
        .toSorted((x, y) => (x.text < y.text ? 1 : x.text > y.text ? -1 : 0)),
    );
  }
});

test("stops listening when its owner is disposed", () => {
  put(todo("a"));
  let listeners = 0;
  const { todos } = sync.tables;
  const counted: typeof todos = {
    ...todos,
    subscribe(listener) {
      listeners += 1;
      const end = todos.subscribe(listener);
      return () => {
        listeners -= 1;
        end();
      };
    },
  };
  const [rows, dispose] = createRoot((end) => [fromTable(counted), end] as const);
  expect(listeners).toBe(1);
  dispose();
  expect(listeners).toBe(0);
  put(todo("a", { text: "unseen" }));
  expect(rows()[0]?.text).toBe("text of a");
});

test("shows what is loaded later", async () => {
  await put(todo("a")).durable;
  await sync.stop();
  sync = openTodos(`rows-${names}`);
  const list = within(() => mount(fromTable(sync.tables.todos)));
  expect(list.texts()).toEqual([]);
  await sync.ready;
  expect(list.texts()).toEqual(["text of a"]);
});
