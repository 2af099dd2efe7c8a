import { expect, test } from "vitest";
import { type MaterializerContext, update } from "../../src/index.ts";
import { AppPathError, appPaths } from "../../src/testing/index.ts";
import { config, options } from "../../examples/todo/todo.paths.ts";

const planted = {
  ...config,
  materializers: {
    ...config.materializers,
    /** Whoever marks it as done again makes it not done. */
    todoMarked({ id }: { id: string }, { tables }: MaterializerContext<typeof config.tables>) {
      const todo = tables.todos.get(id);
      return todo === undefined ? [] : [update("todos", { id, done: !todo.done })];
    },
  },
};

test("passes for the demo as it is", async () => {
  const { counts } = await appPaths(config, { ...options, runs: 10 });
  expect(counts.get("command mark")).toBeGreaterThan(5);
}, 60_000);

test("finds a bug of a materializer that shows between two tabs, and prints a short test", async () => {
  const error: unknown = await appPaths(planted, options).catch((it: unknown) => it);
  expect(error).toBeInstanceOf(AppPathError);
  const { message, test: source } = error as AppPathError;
  expect(message).toContain("Expected in the end: a todo is as it was last marked, got: id-1 is");
  expect(message.endsWith(source)).toBe(true);
  expect(source.match(/sync\.commit/g)?.length).toBeLessThanOrEqual(4);
}, 60_000);
