/** What TypeScript says of an app's commands and checks before anything runs. */
import * as v from "valibot";
import { expectTypeOf, test } from "vitest";
import { create, defineEvent } from "../../src/index.ts";
import { type AppPathOptionsOf, type Converged, appPaths } from "../../src/testing/index.ts";

const todo = v.object({ id: v.string(), text: v.string() });
const config = {
  name: "todos",
  tables: { todos: todo },
  events: { added: defineEvent({ schema: todo }), cleared: defineEvent({ schema: v.object({}) }) },
  materializers: {
    added: (it: v.InferOutput<typeof todo>) => [create("todos", it)],
    cleared: () => [],
  },
};
type Options = AppPathOptionsOf<typeof config>;
const add = { name: "added", payload: { id: "1", text: "Milk" } } as const;

test("commands give events of the app, one, several or none", () => {
  void appPaths(config, { commands: { add: () => add, all: () => [add, add] } });
  expectTypeOf<Options["commands"]>().toBeObject();
  void appPaths(config, { commands: { add: ({ draw }) => (draw(2) === 0 ? undefined : add) } });
  // @ts-expect-error -- there is no such event
  void appPaths(config, { commands: { add: () => ({ name: "add", payload: {} }) } });
  // @ts-expect-error -- its payload has no text
  void appPaths(config, { commands: { add: () => ({ name: "added", payload: { id: "1" } }) } });
  // @ts-expect-error -- nobody would wait for it
  void appPaths(config, { commands: { add: async () => add } });
});

test("checks know the tables and the events, and answer at once, in words", () => {
  const commands = { add: () => add };
  void appPaths(config, {
    commands,
    invariants: {
      "todos have texts": ({ todos }) => {
        expectTypeOf(todos.get("1")?.text).toEqualTypeOf<string | undefined>();
        return todos.size < 9 ? undefined : "many";
      },
    },
    outcomes: {
      "nothing is cleared": ({ events }) => {
        expectTypeOf(events[0]?.name).toEqualTypeOf<"added" | "cleared" | undefined>();
      },
    },
  });
  // @ts-expect-error -- yes and no say nothing
  void appPaths(config, { commands, invariants: { few: ({ todos }) => todos.size < 9 } });
  // @ts-expect-error -- nobody would wait for it
  void appPaths(config, { commands, outcomes: { few: async () => "many" } });
  // @ts-expect-error -- there is no such table
  void appPaths(config, { commands, invariants: { few: ({ lists }) => String(lists) } });
});

test("options of a module fit the configuration that they are for", () => {
  const options = {
    commands: { add: () => add },
    outcomes: { "all is well": () => undefined },
    without: ["pages"],
  } satisfies Options;
  const end = {} as Converged<typeof config.tables, typeof config.events>;
  const call: (of: typeof end) => unknown = options.outcomes["all is well"];
  expectTypeOf(call).toBeFunction();
  // @ts-expect-error -- there is no such trouble
  ({ commands: {}, without: ["page"] }) satisfies Options;
});
