/** The engine, and the changes that the app makes with it. */
import { createSignal } from "solid-js";
import { type EventInput, createId, createSyncActor } from "sssync";
import { events, materializers, tables } from "./model.ts";

export const sync = createSyncActor({
  name: "todo-demo",
  tables,
  events,
  materializers,
  server: {
    url: "/sync/todos",
    // What a device had before there was a server goes to the list that all share.
    adopt: ({ todos, settings }) => [
      ...todos.map(({ id, text }) => ({ name: "todoAdded" as const, payload: { id, text } })),
      ...todos
        .filter(({ done }) => done)
        .map(({ id, done }) => ({ name: "todoMarked" as const, payload: { id, done } })),
      ...settings.map(({ value }) => ({ name: "textSizeSet" as const, payload: { px: value } })),
    ],
  },
});

/** What of the engine the troubles need: any of its versions will do. */
export type Engine = Pick<typeof sync, "outbox" | "rejected" | "quarantine" | "export" | "destroy">;

// When this file is edited, its new version makes a second engine: the first lets go of the data, and the page starts anew.
import.meta.hot?.dispose(() => void sync.stop());
import.meta.hot?.accept(() => location.reload());

const [problem, setProblem] = createSignal<string>();
/** Why the last change was refused, if it was. */
export { problem };

const report = (error: unknown): void => {
  setProblem(`A change could not be made. ${error instanceof Error ? error.message : ""}`);
};

const [unsaved, setUnsaved] = createSignal(0);
/** Changes of this tab that are not on the disk yet. */
export { unsaved };

function commit(...changes: EventInput<typeof events>[]): void {
  try {
    setProblem(undefined);
    const { durable } = sync.commit(changes);
    setUnsaved((count) => count + 1);
    // What is on screen is taken back when it cannot be stored; then the promise rejects.
    void durable.catch(report).finally(() => setUnsaved((count) => count - 1));
  } catch (error) {
    report(error);
  }
}

/** One may type faster than the data is there. */
export function addTodo(words: string): void {
  const add = (): void => commit({ name: "todoAdded", payload: { id: createId(), text: words } });
  if (sync.status.phase === "loading") sync.ready.then(add, report);
  else add();
}

export const renameTodo = (todo: string, words: string): void =>
  commit({ name: "todoRenamed", payload: { id: todo, text: words } });

export const markTodo = (todo: string, done: boolean): void =>
  commit({ name: "todoMarked", payload: { id: todo, done } });

/** In one commit: all of them go, or none. */
export const deleteTodos = (...todos: string[]): void =>
  commit(...todos.map((it) => ({ name: "todoDeleted" as const, payload: { id: it } })));

export const setTextSize = (px: number): void => commit({ name: "textSizeSet", payload: { px } });
