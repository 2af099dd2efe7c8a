import * as v from "valibot";
import { expect, test } from "vitest";
import { createId, defineEvent, update, upsert } from "../../src/index.ts";
import {
  AppPathError,
  type AppPathOptionsOf,
  appPaths,
  checkPurity,
  converge,
  createWorld,
  serveApp,
} from "../../src/testing/index.ts";
import { impurityOf } from "../../src/testing/purity.ts";
import { shorten, simplify } from "../../src/testing/shrink.ts";

const id = v.string();
const hits = v.object({ id, n: v.number() });
const config = {
  name: "hits",
  tables: { hits },
  events: {
    hit: defineEvent({ schema: v.object({ id }) }),
    set: defineEvent({ schema: hits }),
  },
  materializers: {
    hit: (
      payload: { id: string },
      { tables }: { tables: { hits: { get(of: string): { n: number } | undefined } } },
    ) => [upsert("hits", { id: payload.id, n: (tables.hits.get(payload.id)?.n ?? 0) + 1 })],
    set: (row: { id: string; n: number }) => [update("hits", row)],
  },
};
type Options = AppPathOptionsOf<typeof config>;
const hit = () => ({ name: "hit", payload: { id: "a" } }) as const;
const few = { runs: 4, steps: 12 };

/** What `appPaths` throws. */
async function failure(of: typeof config, options: Options): Promise<Error> {
  const error: unknown = await appPaths(of, options).catch((it: unknown) => it);
  expect(error).toBeInstanceOf(Error);
  return error as Error;
}

test("an app without a server has one device, and its outcomes get the events in the order of the log", async () => {
  let most = 0;
  const { counts } = await appPaths(config, {
    ...few,
    commands: { hit },
    outcomes: {
      "each hit counts once": ({ tables, events }) => {
        most = Math.max(most, events.length);
        const n = tables.hits.get("a")?.n ?? 0;
        return n === events.length ? undefined : `${n} of ${events.length}`;
      },
    },
  });
  expect(most).toBeGreaterThan(3);
  expect(counts.has("offline") || counts.has("rejectAll")).toBe(false);
}, 60_000);

test("G14 prints the same test for the same seed", async () => {
  const options: Options = {
    ...few,
    commands: { hit },
    invariants: {
      "nobody hits more than twice": ({ hits: of }) =>
        (of.get("a")?.n ?? 0) > 2 ? "three" : undefined,
    },
  };
  const [one, other] = [await failure(config, options), await failure(config, options)];
  expect(one).toBeInstanceOf(AppPathError);
  expect(other.message).toBe(one.message);
  const { test: source } = one as AppPathError;
  expect(source).toContain(
    `expect(options.invariants["nobody hits more than twice"](end.tables)).toBeUndefined();`,
  );
  expect(source.match(/sync\.commit/g)).toHaveLength(3);
}, 60_000);

test("says so when a command asks for chance, and when one never gives an event", async () => {
  const chance = await failure(config, {
    ...few,
    commands: { hit: () => ({ name: "hit", payload: { id: createId() } }) },
  });
  expect(chance.message).toContain(`Expected command "hit" to choose with draw, pick and id alone`);
  const broken = await failure(config, { ...few, commands: { hit: () => JSON.parse("{") } });
  expect(broken).not.toBeInstanceOf(AppPathError);
  expect(broken.message).toMatch(/^Expected command "hit" not to throw, got: .*\(seed 1\)$/);
  const never = await failure(config, { ...few, commands: { hit, none: () => undefined } });
  expect(never.message).toBe("Expected each command to give events in 4 runs, got none of none");
}, 60_000);

test.each([
  ["a promise", async () => hit()],
  ["false", () => false],
  ["{}", () => ({})],
])("says so when a command gives %s", async (got, command) => {
  const { message } = await failure(config, { ...few, commands: { hit: command as never } });
  expect(message).toContain(
    `Expected command "hit" to give an event, a list of events, or undefined, got ${got}`,
  );
});

const gives = (said: () => unknown) => ({ "all is well": () => said() as never });

test("says so when a check gives what it could not hear: no, or a promise", async () => {
  const no = await failure(config, { ...few, commands: { hit }, invariants: gives(() => false) });
  expect(no.message).toContain(
    'Expected "all is well" to say what is wrong at once, or nothing, got false',
  );
  // Vitest would tell of a rejection that nobody handles.
  const later = gives(() => Promise.reject(new Error("never heard")));
  const late = await failure(config, { ...few, commands: { hit }, outcomes: later });
  expect(late.message).toContain("or nothing, got a promise");
});

test.each([
  [{ commands: {} }, "commands, got none"],
  [{ runs: 0 }, "runs to be a whole number above 0, got 0"],
  [{ steps: NaN }, "steps to be a whole number above 0, got NaN"],
  [{ tabs: 0.5 }, "tabs to be a whole number above 0, got 0.5"],
  [{ seed: 2 ** 53 }, "seed to be a whole number up to 2 ** 50, got 9007199254740992"],
])("says so when nothing could come of %j", async (options, expected) => {
  const { message } = await failure(config, { ...few, commands: { hit }, ...options });
  expect(message).toBe(`Expected ${expected}`);
});

test.each([
  ["Date.now()", () => Date.now()],
  ["new Date()", () => new Date().getTime()],
  ["Math.random()", () => Math.random()],
])(
  "finds a materializer that calls %s",
  async (call, ask) => {
    const impure = {
      ...config,
      materializers: {
        ...config.materializers,
        hit: (payload: { id: string }) => [
          upsert("hits", { id: payload.id, n: ask() > -1 ? 1 : 0 }),
        ],
      },
    };
    const { message } = await failure(impure, { ...few, commands: { hit } });
    expect(message).toContain(
      `Expected the materializer of "hit" to be pure, got a call of ${call}`,
    );
  },
  60_000,
);

test("finds a materializer that remembers, and one that looks at other rows is none", () => {
  let factor = 1;
  const app = checkPurity({
    materializers: {
      set: (_: unknown, { tables }: { tables: { hits: { get(of: string): unknown } } }) => [
        factor,
        tables.hits.get("a"),
      ],
    },
  });
  const run = (row: number) =>
    app.materializers.set({}, {
      tables: { hits: { get: () => row } },
      event: { id: "e", at: 0 },
    } as never);
  expect([run(1), run(2), run(1)].flat()).toEqual([1, 1, 1, 2, 1, 1]);
  expect(impurityOf(app)).toBeUndefined();
  factor = 2;
  run(2);
  expect(impurityOf(app)).toContain(`Expected the materializer of "set" to give the same`);
});

test("converges on what the server accepted, and tells of a rule that throws", async () => {
  const world = createWorld();
  const app = { ...config, server: { url: "/sync/me" } };
  let broken = false;
  const server = serveApp(world, app, {
    authorize: () => {
      if (broken) throw new Error("out of order");
      return true;
    },
  });
  const [a, b] = [world.createDevice().openTab(app), world.createDevice().openTab(app)];
  await world.run(Promise.all([a.sync.ready, b.sync.ready]));
  b.setOnline(false);
  a.sync.commit(hit());
  b.sync.commit(hit());
  const { tables, events } = await converge(world, app, server);
  expect([tables.hits.get("a")?.n, events.length]).toEqual([2, 2]);
  server.rejectAll(true);
  const { settled } = a.sync.commit(hit());
  expect((await world.run(settled)).map(({ status }) => status)).toEqual(["rejected"]);
  expect((await converge(world, app, server)).events).toHaveLength(2);
  server.rejectAll(false);
  broken = true;
  a.sync.commit(hit());
  await expect(converge(world, app, server)).rejects.toThrow("out of order");
}, 60_000);

/** Something above 40 and something odd. */
const fails = async (of: readonly number[]) =>
  of.some((it) => it > 40) && of.some((it) => it % 2 === 1);

test("leaves out what is not needed for a failure, and then makes plain what is left", async () => {
  const tries = { left: 1000 };
  const short = await shorten([3, 50, 8, 2, 77, 6], fails, tries);
  expect(short).toEqual([77]);
  expect(await simplify(short, (it) => [0, it - 1], fails, tries)).toEqual([77]);
  expect(await simplify([77, 3], (it) => [0, it - 1], fails, tries)).toEqual([41, 0]);
});
