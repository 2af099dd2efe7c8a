/** The app's data: what there is, what can happen to it, and what it means. */
import { createSignal } from "solid-js";
import {
  type EventInput,
  create,
  createId,
  createSyncActor,
  defineEvent,
  remove,
  update,
  upsert,
} from "sssync";
import * as v from "valibot";

const id = v.string();
const text = v.pipe(v.string(), v.minLength(1));
const events = {
  todoAdded: defineEvent({ schema: v.object({ id, text }) }),
  todoRenamed: defineEvent({ schema: v.object({ id, text }) }),
  todoMarked: defineEvent({ schema: v.object({ id, done: v.boolean() }) }),
  todoDeleted: defineEvent({ schema: v.object({ id }) }),
  // A slider that is dragged leaves one event, not one for every step.
  textSizeSet: defineEvent({ schema: v.object({ px: v.number() }), coalesce: () => "textSize" }),
};

export const sync = createSyncActor({
  name: "todo-demo",
  tables: {
    todos: v.object({ id, text, done: v.boolean() }),
    settings: v.object({ id, value: v.number() }),
  },
  events,
  materializers: {
    todoAdded: (todo) => [create("todos", { ...todo, done: false })],
    todoRenamed: (todo) => [update("todos", todo)],
    todoMarked: (todo) => [update("todos", todo)],
    todoDeleted: (todo) => [remove("todos", todo.id)],
    textSizeSet: ({ px }) => [upsert("settings", { id: "textSize", value: px })],
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

function commit(...changes: EventInput<typeof events>[]): void {
  try {
    setProblem(undefined);
    // What is on screen is taken back when it cannot be stored; then the promise rejects.
    sync.commit(changes).durable.catch(report);
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
