import * as v from "valibot";
import { describe, expect, it, vi } from "vitest";
import {
  type EventDefinitions,
  type SyncConfig,
  type TableSchemas,
  create,
  createSyncActor,
  defineEvent,
  update,
  upsert,
} from "../../src/index.ts";
import { added, createLab, removed, renamed, shown } from "../support/lab.ts";

type Config = SyncConfig<TableSchemas, EventDefinitions>;

const code = (expected: string): Error =>
  expect.objectContaining({ name: "SyncError", code: expected }) as Error;

/** An app whose materializers do what its events ask for. */
function openWild(lab: ReturnType<typeof createLab>) {
  const { environment } = lab.openTab({ name: "other" });
  const inner: { commit?: () => void } = {};
  let calls = 0;
  const any = defineEvent({ schema: v.any() });
  const sync = createSyncActor({
    name: "todos",
    tables: {
      things: v.object({ id: v.string(), size: v.number(), note: v.optional(v.any()) }),
    },
    events: {
      put: any,
      thrower: any,
      impure: any,
      nested: any,
      checked: defineEvent({
        schema: v.object({
          text: v.pipe(
            v.string(),
            v.check((text) => {
              if (text === "boom") throw new Error("boom");
              return true;
            }),
          ),
        }),
      }),
    },
    materializers: {
      put: (actions) => actions as never,
      thrower: () => {
        throw new Error("no");
      },
      impure: () => [upsert("things", { id: "x", size: (calls += 1) })],
      nested: () => {
        inner.commit?.();
        return [];
      },
      checked: () => [],
    },
    environment,
  });
  inner.commit = () => sync.commit({ name: "put", payload: [] });
  return { sync };
}

const explode = (): never => {
  throw new Error("subscriber");
};

const circular: Record<string, unknown> = {};
circular["self"] = circular;
let deep: unknown = 1;
for (let level = 0; level < 100; level += 1) deep = [deep];
const withGetter = {
  get size(): number {
    throw new Error("getter");
  },
};
const put = (row: unknown, type = "create", table: unknown = "things"): unknown => ({
  name: "put",
  payload: [{ type, table, row }],
});

const bad: readonly (readonly [what: string, code: string, event: unknown])[] = [
  ["an event that is not defined", "unknown_event", { name: "nope", payload: {} }],
  ["an event named __proto__", "unknown_event", { name: "__proto__", payload: {} }],
  ["an event named toString", "unknown_event", { name: "toString", payload: {} }],
  ["an event named constructor", "unknown_event", { name: "constructor", payload: {} }],
  ["no name", "unknown_event", { payload: {} }],
  ["null", "unknown_event", null],
  ["a string", "unknown_event", "put"],
  ["nothing", "unknown_event", undefined],
  ["a payload that its schema refuses", "invalid_payload", { name: "checked", payload: {} }],
  ["a schema that throws", "invalid_payload", { name: "checked", payload: { text: "boom" } }],
  ["a date in a payload", "not_json", { name: "put", payload: new Date() }],
  ["a NaN in a payload", "not_json", { name: "put", payload: [Number.NaN] }],
  ["a bigint in a payload", "not_json", { name: "put", payload: { big: 1n } }],
  ["a function in a payload", "not_json", { name: "put", payload: [() => 1] }],
  ["a Map in a payload", "not_json", { name: "put", payload: new Map() }],
  ["a circle in a payload", "not_json", { name: "put", payload: circular }],
  ["a payload too deep", "not_json", { name: "put", payload: deep }],
  ["a getter that throws", "not_json", { name: "put", payload: withGetter }],
  ["a __proto__ key", "not_json", { name: "put", payload: JSON.parse('{"__proto__":{"a":1}}') }],
  ["no payload", "not_json", { name: "put" }],
  ["a materializer that throws", "materializer_failed", { name: "thrower", payload: 1 }],
  ["an impure materializer", "impure_materializer", { name: "impure", payload: 1 }],
  ["a commit inside a materializer", "reentrant", { name: "nested", payload: 1 }],
  ["no array of actions", "invalid_row", { name: "put", payload: {} }],
  ["an action that is null", "invalid_row", { name: "put", payload: [null] }],
  ["a row without id", "invalid_row", put({ size: 1 })],
  ["a row with a number as id", "invalid_row", put({ id: 1, size: 1 })],
  ["a row with an empty id", "invalid_row", put({ id: "", size: 1 })],
  ["a row without a property", "invalid_row", put({ id: "a" })],
  ["a row with a wrong property", "invalid_row", put({ id: "a", size: "1" })],
  ["an update to a wrong row", "invalid_row", put({ id: "kept", size: null }, "update")],
  ["an upsert of a partial row", "invalid_row", put({ id: "kept" }, "upsert")],
  ["an unknown action", "invalid_row", put({ id: "a", size: 1 }, "replace")],
  ["an action named __proto__", "invalid_row", put({ id: "a", size: 1 }, "__proto__")],
  ["a table that is not declared", "invalid_row", put({ id: "a", size: 1 }, "create", "nope")],
  ["a table named __proto__", "invalid_row", put({ id: "a", size: 1 }, "create", "__proto__")],
  ["a table that is no string", "invalid_row", put({ id: "a", size: 1 }, "create", 1)],
];

describe("commit refuses", () => {
  it.each(bad)("%s with %s, and nothing happened", async (_, expected, event) => {
    const lab = createLab();
    const { sync } = openWild(lab);
    await sync.ready;
    await sync.commit(put({ id: "kept", size: 1 }) as never).durable;
    await lab.settle();
    const told = vi.fn<() => void>();
    sync.tables.things.subscribe(told);
    sync.subscribe(told);
    sync.on("noop", told);
    const before = [await lab.contents(), sync.tables.things.toArray(), sync.status];
    const outbox = sync.outbox.list();
    expect(() => sync.commit(event as never)).toThrow(code(expected));
    expect(() =>
      sync.commit([put({ id: "first", size: 1 }), event, put({ id: "last", size: 1 })] as never),
    ).toThrow(code(expected));
    await lab.settle();
    expect([await lab.contents(), sync.tables.things.toArray(), sync.status]).toEqual(before);
    expect(sync.outbox.list()).toEqual(outbox);
    expect(told).not.toHaveBeenCalled();
    await sync.commit(put({ id: "next", size: 1 }) as never).durable;
    expect(sync.tables.things.size).toBe(2);
  });

  it("a commit before ready, and one after stop", async () => {
    const lab = createLab();
    const { sync } = lab.openTab();
    expect(() => sync.commit(added("t1"))).toThrow(code("not_ready"));
    await sync.ready;
    const stopping = sync.stop();
    expect(() => sync.commit(added("t1"))).toThrow(code("stopped"));
    await stopping;
    expect(() => sync.commit(added("t1"))).toThrow(code("stopped"));
    expect((await lab.contents())["log"]).toEqual([]);
  });
});

describe("commit keeps", () => {
  it("a private copy of what it was given", async () => {
    const lab = createLab();
    const tab = await lab.ready();
    const payload = { id: "t1", text: "Milk" };
    const event = { name: "todoAdded" as const, payload };
    const receipt = tab.sync.commit(event);
    payload.text = "changed";
    (event as { name: string }).name = "todoRemoved";
    await receipt.durable;
    expect(shown(tab).todos[0]?.text).toBe("Milk");
    expect(shown(await lab.ready()).todos[0]?.text).toBe("Milk");
    expect(receipt.events[0]?.payload).toEqual({ id: "t1", text: "Milk" });
  });

  it("rows, events and lists that the app cannot change", async () => {
    const lab = createLab();
    const tab = await lab.ready();
    const receipt = tab.sync.commit(added("t1"));
    const row = tab.sync.tables.todos.get("t1") as { text: string };
    expect(() => {
      row.text = "changed";
    }).toThrow(TypeError);
    expect(() => (tab.sync.tables.todos.toArray() as unknown[]).push(1)).toThrow(TypeError);
    const [event] = receipt.events;
    expect(() => {
      (event as { payload: unknown }).payload = 1;
    }).toThrow(TypeError);
    expect(Object.isFrozen(tab.sync.status)).toBe(true);
  });

  it("nothing of an empty list of events", async () => {
    const lab = createLab();
    const tab = await lab.ready();
    const receipt = tab.sync.commit([]);
    await receipt.durable;
    expect(await receipt.settled).toEqual([]);
    expect(receipt.events).toEqual([]);
    expect(shown(await lab.ready())).toEqual(shown(tab));
  });
});

describe("an action without effect", () => {
  it("is told, writes no partial row and makes no second one", async () => {
    const lab = createLab();
    const tab = await lab.ready();
    await tab.sync.commit(added("t1")).durable;
    const noops: unknown[] = [];
    const sub = tab.sync.on("noop", ({ action, table, id, event }) =>
      noops.push([action, table, id, event.name]),
    );
    const before = shown(tab);
    await tab.sync.commit(renamed("missing", "x")).settled;
    await tab.sync.commit(added("t1", "again")).settled;
    await tab.sync.commit(removed("missing")).settled;
    expect(noops).toEqual([
      ["update", "todos", "missing", "todoRenamed"],
      ["create", "todos", "t1", "todoAdded"],
    ]);
    sub.unsubscribe();
    await tab.sync.commit(renamed("missing", "x")).durable;
    expect(noops.length).toBe(2);
    await lab.pass(3000);
    expect(shown(tab)).toEqual(before);
    expect(shown(await lab.ready())).toEqual(before);
  });
});

describe("subscribers", () => {
  it("a commit inside one is published next, and each sees change sets in order", async () => {
    const lab = createLab();
    const tab = await lab.ready();
    const seen: string[][] = [[], []];
    tab.sync.tables.todos.subscribe((changes) => {
      for (const { id } of changes) {
        seen[0]?.push(id);
        if (id === "t1") tab.sync.commit(added("t2"));
        if (id === "t2") tab.sync.commit([added("t3"), added("t4")]);
      }
    });
    tab.sync.tables.todos.subscribe((changes) => seen[1]?.push(...changes.map(({ id }) => id)));
    tab.sync.commit(added("t1"));
    expect(seen).toEqual([
      ["t1", "t2", "t3", "t4"],
      ["t1", "t2", "t3", "t4"],
    ]);
    await lab.settle();
    expect(shown(await lab.ready())).toEqual(shown(tab));
  });

  it("that throw break neither the engine nor each other", async () => {
    const thrown: unknown[] = [];
    const uncaught = (error: unknown): number => thrown.push(error);
    const before = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException");
    process.on("uncaughtException", uncaught);
    try {
      const lab = createLab();
      const tab = await lab.ready();
      const heard: string[] = [];
      tab.sync.tables.todos.subscribe(explode);
      tab.sync.tables.todos.subscribe(() => heard.push("table"));
      tab.sync.subscribe({ next: explode, complete: explode });
      tab.sync.subscribe({ next: () => heard.push("snapshot"), complete: () => heard.push("end") });
      tab.sync.on("noop", explode);
      tab.sync.on("noop", () => heard.push("noop"));
      tab.sync.outbox.subscribe(explode);
      tab.sync.outbox.subscribe(() => heard.push("outbox"));
      await tab.sync.commit([added("t1"), renamed("missing", "x")]).settled;
      expect(new Set(heard)).toEqual(new Set(["table", "snapshot", "noop", "outbox"]));
      await tab.sync.stop();
      expect(heard.at(-1)).toBe("end");
      await lab.settle();
      expect(thrown.length).toBeGreaterThan(3);
      expect(thrown.every((error) => (error as Error).message === "subscriber")).toBe(true);
    } finally {
      process.off("uncaughtException", uncaught);
      for (const listener of before) process.on("uncaughtException", listener);
    }
  });

  it("an inspector that throws breaks nothing", async () => {
    const lab = createLab();
    const thrown: unknown[] = [];
    const before = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException");
    const uncaught = (error: unknown): number => thrown.push(error);
    process.on("uncaughtException", uncaught);
    try {
      const tab = await lab.ready({
        inspect: () => {
          throw new Error("inspector");
        },
      });
      await tab.sync.commit(added("t1")).settled;
      await tab.sync.stop();
      await lab.settle();
      expect(thrown.length).toBeGreaterThan(0);
    } finally {
      process.off("uncaughtException", uncaught);
      for (const listener of before) process.on("uncaughtException", listener);
    }
  });
});

describe("createSyncActor refuses", () => {
  const good = {
    name: "app",
    tables: { things: v.object({ id: v.string() }) },
    events: { made: defineEvent({ schema: v.object({ id: v.string() }) }) },
    materializers: { made: ({ id }: { id: string }) => [create("things", { id })] },
  };
  const wrong: readonly (readonly [what: string, code: string, config: unknown])[] = [
    ["no configuration", "config", undefined],
    ["no name", "config", { ...good, name: undefined }],
    ["an empty name", "config", { ...good, name: "" }],
    ["a name that is no string", "config", { ...good, name: 1 }],
    ["an empty user", "config", { ...good, user: "" }],
    ["an unknown durability", "config", { ...good, durability: "toString" }],
    ["an unknown storage", "config", { ...good, storage: "disk" }],
    ["a schema version 0", "config", { ...good, schema: { version: 0 } }],
    ["no tables", "config", { ...good, tables: undefined }],
    ["no events", "config", { ...good, events: null }],
    ["an event without materializer", "config", { ...good, materializers: {} }],
    [
      "a materializer without event",
      "config",
      { ...good, materializers: { ...good.materializers, other: () => [] } },
    ],
    ["a table without id", "config", { ...good, tables: { things: v.object({}) } }],
    [
      "a table whose id is a number",
      "config",
      { ...good, tables: { things: v.object({ id: v.number() }) } },
    ],
    ["a table that is no schema", "config", { ...good, tables: { things: {} } }],
    [
      "a table named __proto__",
      "config",
      { ...good, tables: JSON.parse('{"__proto__":{"kind":"schema"}}') },
    ],
    [
      "an unstable schema",
      "unstable_schema",
      {
        ...good,
        events: {
          made: defineEvent({
            schema: v.object({
              id: v.pipe(
                v.string(),
                v.transform((text) => `${text}!`),
              ),
            }),
          }),
        },
      },
    ],
    [
      "dates in a schema",
      "config",
      { ...good, events: { made: defineEvent({ schema: v.object({ at: v.date() }) }) } },
    ],
    [
      "a dedupe that is no function",
      "config",
      { ...good, events: { made: { ...good.events.made, dedupe: "id" } } },
    ],
  ];
  it.each(wrong)("%s with %s", (_, expected, config) => {
    expect(() => createSyncActor(config as Config)).toThrow(code(expected));
    // Nothing was taken: the right one works.
    const lab = createLab();
    const { environment } = lab.openTab({ name: "elsewhere" });
    const sync = createSyncActor({ ...good, environment } as unknown as Config);
    return sync.ready.then(() => sync.stop());
  });

  it("a second engine of one name, until the first was stopped", async () => {
    const lab = createLab();
    const first = lab.openTab();
    const { environment } = first;
    const again = (): ReturnType<typeof lab.openTab> => lab.openTab({ ports: environment });
    const config = { ...good, name: "todos", environment } as unknown as Config;
    expect(() => createSyncActor(config)).toThrow(code("already_running"));
    await first.sync.ready;
    expect(again).toBeDefined();
    expect(() => createSyncActor(config)).toThrow(code("already_running"));
    void first.sync.stop();
    const second = createSyncActor(config);
    expect(() => createSyncActor(config)).toThrow(code("already_running"));
    await second.ready;
    await second.stop();
  });

  it("update with a row of a wrong shape is refused by the types", () => {
    // @ts-expect-error A row has an id.
    expect(update("things", { size: 1 }).row).toEqual({ size: 1 });
  });
});
