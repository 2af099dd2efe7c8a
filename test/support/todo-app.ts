/** The app that most tests run. It brings no storage along, so that a page of a real browser can run it as well. */
import * as v from "valibot";
import {
  type EventDefinitions,
  type SyncConfig,
  type TableSchemas,
  create,
  createSyncActor,
  defineEvent,
  remove,
  update,
  upsert,
} from "../../src/index.ts";

/** Of that app. */
export const todoEvents = {
  todoAdded: defineEvent({ schema: v.object({ id: v.string(), text: v.string() }) }),
  todoToggled: defineEvent({ schema: v.object({ id: v.string() }) }),
  todoRenamed: defineEvent({ schema: v.object({ id: v.string(), text: v.string() }) }),
  todoRemoved: defineEvent({ schema: v.object({ id: v.string() }) }),
  sliderMoved: defineEvent({
    schema: v.object({ value: v.number() }),
    coalesce: () => "slider",
  }),
  invited: defineEvent({
    schema: v.object({ email: v.string() }),
    dedupe: (payload) => payload.email,
  }),
};

type Options = Pick<
  SyncConfig<TableSchemas, EventDefinitions>,
  "name" | "user" | "durability" | "storage" | "whenFull" | "schema" | "inspect" | "environment"
> & {
  readonly server?: {
    readonly url: string;
    readonly live: boolean | "poll";
    readonly auth?: () => Promise<string>;
    readonly adopt?: () => [];
  };
};

/** The app that most tests run. */
export const openTodos = (options: Partial<Options> = {}) =>
  createSyncActor({
    name: "todos",
    tables: {
      todos: v.object({ id: v.string(), text: v.string(), done: v.boolean() }),
      settings: v.object({ id: v.string(), value: v.number() }),
    },
    events: todoEvents,
    materializers: {
      todoAdded: ({ id, text }) => [create("todos", { id, text, done: false })],
      todoToggled: ({ id }, { tables }) => {
        const todo = tables.todos.get(id);
        return todo ? [update("todos", { id, done: !todo.done })] : [];
      },
      todoRenamed: ({ id, text }) => [update("todos", { id, text })],
      todoRemoved: ({ id }) => [remove("todos", id)],
      sliderMoved: ({ value }) => [upsert("settings", { id: "slider", value })],
      invited: ({ email }, { event }) => [
        create("todos", { id: `invite-${event.id}`, text: email, done: false }),
      ],
    },
    ...options,
  });
