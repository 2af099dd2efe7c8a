/** The demo as `appPaths` of sssync/testing knows it: what people do with it, and what always holds. */
import { type AppPathOptionsOf } from "sssync/testing";
import { rules } from "./server.ts";
import { events, materializers, tables } from "./src/model.ts";

export const config = {
  name: "todo-demo",
  tables,
  events,
  materializers,
  server: { url: "/sync/todos" },
};

const words = ["Milk", "Bread", "Eggs"];

export const options = {
  module: "./todo.paths.ts",
  server: rules,
  commands: {
    add: ({ id, pick }) => ({
      name: "todoAdded",
      payload: { id: id(), text: pick(words) ?? "Milk" },
    }),
    rename({ tables: { todos }, pick, draw }) {
      const todo = pick(todos.toArray());
      return (
        todo && { name: "todoRenamed", payload: { id: todo.id, text: `${todo.text} ${draw(10)}` } }
      );
    },
    mark({ tables: { todos }, pick }) {
      const todo = pick(todos.toArray());
      return todo && { name: "todoMarked", payload: { id: todo.id, done: !todo.done } };
    },
    clearCompleted: ({ tables: { todos } }) =>
      todos
        .toArray()
        .filter(({ done }) => done)
        .map(({ id }) => ({ name: "todoDeleted", payload: { id } })),
    setTextSize: ({ draw }) => ({ name: "textSizeSet", payload: { px: 14 + draw(9) } }),
  },
  invariants: {
    "the text size is one that the slider has": ({ settings }) => {
      const { value = 16 } = settings.get("textSize") ?? {};
      return value >= 14 && value <= 22 ? undefined : `${value} px`;
    },
  },
  outcomes: {
    "a todo is as it was last marked": ({ tables: { todos }, events: all }) => {
      const wrong = todos.toArray().find(({ id, done }) => {
        const last = all.findLast((it) => it.name === "todoMarked" && it.payload.id === id);
        return done !== (last?.name === "todoMarked" && last.payload.done);
      });
      return wrong && `${wrong.id} is ${wrong.done ? "done" : "not done"}`;
    },
    "a todo that was deleted stays away": ({ tables: { todos }, events: all }) => {
      const back = all.find((it) => it.name === "todoDeleted" && todos.has(it.payload.id));
      return back && `event ${back.id} did not delete it`;
    },
  },
} satisfies AppPathOptionsOf<typeof config>;
