/** The app's data: what there is, what can happen to it, and what it means. Page and server have it in common. */
import { create, defineEvent, remove, update, upsert } from "sssync";
import * as v from "valibot";

const id = v.string();
const text = v.pipe(v.string(), v.minLength(1));

export const tables = {
  todos: v.object({ id, text, done: v.boolean() }),
  settings: v.object({ id, value: v.number() }),
};

export const events = {
  todoAdded: defineEvent({ schema: v.object({ id, text }) }),
  todoRenamed: defineEvent({ schema: v.object({ id, text }) }),
  todoMarked: defineEvent({ schema: v.object({ id, done: v.boolean() }) }),
  todoDeleted: defineEvent({ schema: v.object({ id }) }),
  // A slider that is dragged leaves one event, not one for every step.
  textSizeSet: defineEvent({ schema: v.object({ px: v.number() }), coalesce: () => "textSize" }),
};

type Payload<N extends keyof typeof events> = v.InferOutput<(typeof events)[N]["schema"]>;

export const materializers = {
  todoAdded: (todo: Payload<"todoAdded">) => [create("todos", { ...todo, done: false })],
  todoRenamed: (todo: Payload<"todoRenamed">) => [update("todos", todo)],
  todoMarked: (todo: Payload<"todoMarked">) => [update("todos", todo)],
  todoDeleted: (todo: Payload<"todoDeleted">) => [remove("todos", todo.id)],
  textSizeSet: ({ px }: Payload<"textSizeSet">) => [
    upsert("settings", { id: "textSize", value: px }),
  ],
};
