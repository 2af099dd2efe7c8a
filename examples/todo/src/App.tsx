import { For, Match, Show, Switch, createEffect, createMemo, createSignal } from "solid-js";
import { fromStatus, fromTable, useSelector } from "sssync/solid";
import { StatusBar } from "./StatusBar.tsx";
import { Troubles } from "./Troubles.tsx";
import { TodoItem } from "./TodoItem.tsx";
import { addTodo, deleteTodos, setTextSize, sync } from "./store.ts";

const views = ["all", "active", "done"] as const;
type View = (typeof views)[number];
const names = { all: "All", active: "Active", done: "Done" };
const nothing = {
  all: "Nothing to do yet. Add your first todo above.",
  active: "All done. Nothing is left to do.",
  done: "Nothing is done yet.",
};

/** The view is part of the address: it is this tab's own, and a reload keeps it. */
const viewOfAddress = (): View => views.find((it) => location.hash === `#${it}`) ?? "all";

export function App() {
  const status = fromStatus(sync);
  const [view, setView] = createSignal(viewOfAddress());
  const todos = fromTable(sync.tables.todos);
  const shown = fromTable(sync.tables.todos, {
    filter: ({ done }) => view() === "all" || done === (view() === "done"),
  });
  const done = createMemo(() => todos().filter((todo) => todo.done));
  const counts = {
    all: () => todos().length,
    active: () => todos().length - done().length,
    done: () => done().length,
  };
  const textSize = useSelector(
    sync,
    ({ context }) => context.tables.settings.get("textSize")?.value ?? 16,
  );
  const [field, setField] = createSignal<HTMLInputElement>();

  createEffect(() => {
    const hash = view() === "all" ? "" : `#${view()}`;
    history.replaceState(null, "", `${location.pathname}${location.search}${hash}`);
  });

  function onNewKey(event: KeyboardEvent & { currentTarget: HTMLInputElement }): void {
    const { currentTarget: input, key, isComposing } = event;
    const words = input.value.trim();
    if (key !== "Enter" || isComposing || words === "") return;
    addTodo(words);
    input.value = "";
    if (view() === "done") setView("all");
  }

  return (
    <>
      <main style={{ "--text-size": `${textSize()}px` }}>
        <header>
          <h1>Todos</h1>
          <p>
            <Show when={status.phase !== "loading" && counts.all() > 0}>
              {counts.active()} of {counts.all()} left
            </Show>
          </p>
        </header>

        <Troubles sync={sync} status={status} />

        <input
          ref={setField}
          class="new"
          data-testid="new-todo"
          aria-label="New todo"
          placeholder="What needs to be done?"
          autocomplete="off"
          enterkeyhint="done"
          autofocus
          onKeyDown={onNewKey}
        />

        <fieldset class="views">
          <legend class="hidden">Show</legend>
          <For each={views}>
            {(it) => (
              <label>
                <input
                  type="radio"
                  name="view"
                  class="hidden"
                  checked={view() === it}
                  onChange={() => setView(it)}
                />
                {names[it]} <span class="count">{counts[it]()}</span>
              </label>
            )}
          </For>
        </fieldset>

        <section aria-label="Todos">
          <Switch>
            <Match when={shown().length > 0}>
              <p id="todo-keys" class="hidden">
                Space marks, Enter edits, Delete deletes, arrow keys go up and down.
              </p>
              <ul>
                <For each={shown()}>
                  {(todo) => <TodoItem todo={todo} emptied={() => field()?.focus()} />}
                </For>
              </ul>
            </Match>
            <Match when={status.phase === "loading"}>
              <p class="loading">Opening your todos…</p>
            </Match>
            <Match when={true}>
              <p class="nothing">{nothing[counts.all() === 0 ? "all" : view()]}</p>
            </Match>
          </Switch>
        </section>

        <footer>
          <label class="size">
            <span>Text size</span>
            <input
              type="range"
              min="14"
              max="22"
              disabled={status.phase === "loading"}
              value={textSize()}
              aria-valuetext={`${textSize()} pixels`}
              onInput={(event) => setTextSize(event.currentTarget.valueAsNumber)}
            />
          </label>
          <button
            class="clear"
            disabled={counts.done() === 0}
            onClick={() => {
              deleteTodos(...done().map((todo) => todo.id));
              field()?.focus();
            }}
          >
            Clear completed
          </button>
        </footer>
      </main>
      <StatusBar status={status} />
    </>
  );
}
