import * as v from "valibot";
import { createSyncActor, defineEvent, remove, upsert } from "sssync";

const row = v.object({
  id: v.string(),
  text: v.string(),
  done: v.boolean(),
  place: v.object({ city: v.string(), street: v.string() }),
  tags: v.array(v.string()),
});
export type Todo = v.InferOutput<typeof row>;

/** What the tests of UI libraries run on, in the page's real storage. */
export const openTodos = (name: string) =>
  createSyncActor({
    name,
    tables: { todos: row },
    events: {
      put: defineEvent({ schema: row }),
      removed: defineEvent({ schema: v.object({ id: v.string() }) }),
    },
    materializers: {
      put: (todo) => [upsert("todos", todo)],
      removed: ({ id }) => [remove("todos", id)],
    },
  });

export type TodoSync = ReturnType<typeof openTodos>;

export const todo = (id: string, over: Partial<Todo> = {}): Todo => ({
  id,
  text: `text of ${id}`,
  done: false,
  place: { city: "Bern", street: "Marktgasse" },
  tags: ["home"],
  ...over,
});
