/** What `appPaths` prints is a test that fails in the same way, and passes when the bug is mended. */
import { Script } from "node:vm";
import * as v from "valibot";
import { expect, test } from "vitest";
import { create, defineEvent, update } from "../../src/index.ts";
import * as testing from "../../src/testing/index.ts";
import { AppPathError, type AppPathOptionsOf, appPaths } from "../../src/testing/index.ts";
import { literal } from "../../src/testing/app-source.ts";

type Body = () => Promise<void>;

/** Runs a printed test against a module. */
async function run(source: string, module: { config: object; options: object }): Promise<void> {
  const names = [...Object.keys(testing), "config", "options", "expect", "test"];
  const code = source.replaceAll(/^import .*$/gm, "");
  const start = new Script(`(${names.join(", ")}) => {\n${code}\n}`).runInThisContext() as (
    ...values: readonly unknown[]
  ) => void;
  let body: Body | undefined;
  start(...Object.values(testing), module.config, module.options, expect, (_: string, it: Body) => {
    body = it;
  });
  await body?.();
}

const note = v.object({ id: v.string(), text: v.string() });
const config = {
  name: "notes",
  tables: { notes: note },
  events: { noted: defineEvent({ schema: note }), cleared: defineEvent({ schema: v.object({}) }) },
  materializers: {
    noted: (it: v.InferOutput<typeof note>) => [create("notes", it)],
    cleared: () => [update("notes", { id: "id-1", text: "" })],
  },
};
type Options = AppPathOptionsOf<typeof config>;

async function found(options: Options, of: object = config): Promise<AppPathError> {
  const error: unknown = await appPaths(of as typeof config, { ...options, steps: 20 }).catch(
    (it: unknown) => it,
  );
  expect(error).toBeInstanceOf(AppPathError);
  return error as AppPathError;
}

const add: Options["commands"][string] = ({ id }) => ({
  name: "noted",
  payload: { id: id(), text: "a" },
});
const clear = () => ({ name: "cleared", payload: {} }) as const;
const few = { runs: 4, without: ["pages", "messages", "storage"] } as const;

test("G14 what depends on the order of things fails in the printed test as well", async () => {
  // Two commits of one tab with nothing between them are written at once, and so they are in the test.
  const options = {
    commands: { add, clear },
    outcomes: {
      "events count in the order of their ids": ({ events }) => {
        const ids = events.flatMap((it) => (it.name === "noted" ? it.payload.id : []));
        const numbers = ids.map((id) => Number(id.slice(3)));
        return numbers.every((it, at) => at === 0 || it > (numbers[at - 1] ?? 0))
          ? undefined
          : ids.join();
      },
    },
  } satisfies Options;
  for (const seed of [10, 22]) {
    const { test: source } = await found({ ...options, seed });
    await expect(run(source, { config, options })).rejects.toThrow("id-");
  }
}, 120_000);

test("any text gets into a printed test as it is, and no other text makes it import something", async () => {
  const odd = "'\"`${text}\\ \r\n\u2028\u2029 é 🎈 \ud800 */ // converge(serveApp, options";
  expect(new Script(`(${literal({ [odd]: odd })})`).runInThisContext()).toEqual({ [odd]: odd });
  const told: string[] = [];
  const options = {
    ...few,
    commands: { add: ({ id }) => ({ name: "noted", payload: { id: id(), text: odd } }) },
    invariants: {
      [`there is no ${odd}`]: ({ notes }) => {
        for (const { text } of notes.toArray()) told.push(text);
        return notes.size === 0 ? undefined : `one\r\u2028process.exit(1);\n${odd}`;
      },
    },
  } satisfies Options;
  const { test: source } = await found(options, { ...config, server: { url: "/sync/me" } });
  told.length = 0;
  await expect(run(source, { config, options })).rejects.toThrow("to be undefined");
  expect(new Set(told)).toEqual(new Set([odd]));
  expect(source.split("\n").slice(0, 3)).toEqual([
    `import { expect, test } from "vitest";`,
    `import { checkPurity, createWorld, serveApp } from "sssync/testing";`,
    `import { config, options } from "./app.paths.ts";`,
  ]);
  // Nor has it names that no line uses: some compilers mind.
  expect(source).toContain("\n  serveApp(world, app);\n");
}, 60_000);

test("values that are no JSON stand in a program as what they are", () => {
  const values = [-0, 0, NaN, -Infinity, undefined, null, 2n, new Date(7), [], {}, { a: [true] }];
  expect(new Script(literal(values)).runInThisContext()).toEqual(values);
  expect(literal(new Date(NaN))).toBe("new Date(NaN)");
});

test("an invariant holds in the end as well, and one that is an assertion holds again when the bug is mended", async () => {
  const options = {
    ...few,
    commands: { add },
    // At run time such assertions give an object.
    invariants: { "there are few notes": ({ notes }) => expect(notes.size).toBeLessThan(3) },
  } satisfies Options;
  const { test: source } = await found(options);
  expect(source).toContain(`  options.invariants["there are few notes"](end.tables);`);
  await expect(run(source, { config, options })).rejects.toThrow("to be less than 3");
  const mended = { ...config, materializers: { ...config.materializers, noted: () => [] } };
  await run(source, { config: mended, options });
}, 60_000);
