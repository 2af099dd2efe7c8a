import * as v from "valibot";
import { expectTypeOf, it } from "vitest";
import {
  type Decision,
  type Envelope,
  type Json,
  type JsonObject,
  type Receipt,
  type RejectedEvent,
  type RowChange,
  type SyncError,
  type SyncStatus,
  type TableReader,
  create,
  createSyncActor,
  defineEvent,
  remove,
  update,
  upsert,
} from "../src/index.ts";

const tables = {
  lists: v.object({
    id: v.string(),
    items: v.array(v.object({ kind: v.picklist(["a", "b"]) })),
  }),
  todos: v.object({ id: v.string(), text: v.string(), done: v.optional(v.boolean()) }),
  tags: v.object({ id: v.string(), color: v.picklist(["red", "blue"]) }),
};
const events = {
  todoAdded: defineEvent({ schema: v.object({ id: v.string(), text: v.string() }) }),
  counted: defineEvent({ schema: v.number() }),
  cleared: defineEvent({ schema: v.null() }),
  defaulted: defineEvent({ schema: v.object({ size: v.optional(v.number(), 1) }) }),
};
const materializers = {
  todoAdded: ({ id, text }: { id: string; text: string }) => [create("todos", { id, text })],
  counted: () => [],
  cleared: () => [],
  defaulted: () => [],
};

declare const someList: { id: string; items: { kind: "a" | "b" }[] };

/** Never called: types only. */
const make = () =>
  createSyncActor({
    name: "types",
    tables,
    events,
    materializers: {
      todoAdded: ({ id, text }, { tables: view, event }) => {
        expectTypeOf(id).toEqualTypeOf<string>();
        expectTypeOf(text).toEqualTypeOf<string>();
        expectTypeOf(event).toEqualTypeOf<{ readonly id: string; readonly at: number }>();
        expectTypeOf(view.tags.get("a")?.color).toEqualTypeOf<"red" | "blue" | undefined>();
        expectTypeOf(view.todos.has("a")).toEqualTypeOf<boolean>();
        // @ts-expect-error A materializer sees declared tables only.
        void view.nope;
        // @ts-expect-error It sees `get` and `has` only.
        void view.todos.toArray;
        return [
          create("todos", { id, text }),
          update("todos", { id, done: true }),
          upsert("tags", { id, color: "red" }),
          upsert("lists", { id, items: [{ kind: "a" }] }),
          upsert("lists", someList),
          remove("tags", id),
        ];
      },
      counted: (payload) => {
        expectTypeOf(payload).toEqualTypeOf<number>();
        return [];
      },
      cleared: (payload) => {
        expectTypeOf(payload).toEqualTypeOf<null>();
        return [];
      },
      defaulted: (payload) => {
        expectTypeOf(payload).toEqualTypeOf<{ size: number }>();
        return [];
      },
    },
  });
declare const sync: ReturnType<typeof make>;

it("commit takes declared events with their payloads, one or several", () => {
  expectTypeOf(sync.commit).returns.toEqualTypeOf<Receipt>();
  void (() => {
    sync.commit({ name: "todoAdded", payload: { id: "a", text: "b" } });
    sync.commit({ name: "counted", payload: 1 });
    sync.commit({ name: "cleared", payload: null });
    sync.commit({ name: "defaulted", payload: {} });
    sync.commit([
      { name: "todoAdded", payload: { id: "a", text: "b" } },
      { name: "counted", payload: 1 },
    ]);
    const several = [{ name: "counted", payload: 1 }] as const;
    sync.commit(several);
    sync.commit([]);
    // @ts-expect-error There is no such event.
    sync.commit({ name: "nope", payload: {} });
    // @ts-expect-error A property is missing.
    sync.commit({ name: "todoAdded", payload: { id: "a" } });
    // @ts-expect-error A property has another type.
    sync.commit({ name: "todoAdded", payload: { id: "a", text: 1 } });
    // @ts-expect-error The payload is another event's.
    sync.commit({ name: "counted", payload: { id: "a", text: "b" } });
    // @ts-expect-error An event has a payload.
    sync.commit({ name: "counted" });
    sync.commit([
      { name: "counted", payload: 1 },
      // @ts-expect-error One of several is wrong.
      { name: "counted", payload: "1" },
    ]);
  });
});

it("tables and rows are inferred", () => {
  type Todo = { readonly id: string; readonly text: string; readonly done?: boolean | undefined };
  expectTypeOf(sync.tables.todos).toEqualTypeOf<
    TableReader<Readonly<v.InferOutput<typeof tables.todos>>>
  >();
  expectTypeOf(sync.tables.todos.get("a")).toExtend<Todo | undefined>();
  expectTypeOf(sync.tables.todos.toArray()).toExtend<readonly Todo[]>();
  expectTypeOf(sync.tables.tags.get("a")?.color).toEqualTypeOf<"red" | "blue" | undefined>();
  sync.tables.tags.subscribe((changes) => {
    expectTypeOf(changes).toExtend<readonly RowChange<{ readonly id: string }>[]>();
    expectTypeOf(changes[0]?.after?.color).toEqualTypeOf<"red" | "blue" | undefined>();
  });
  void (() => {
    // @ts-expect-error There is no such table.
    void sync.tables.nope;
    // @ts-expect-error Rows cannot be changed.
    (sync.tables.todos.get("a") as NonNullable<ReturnType<typeof sync.tables.todos.get>>).text =
      "b";
    // @ts-expect-error Nor can lists of them.
    sync.tables.todos.toArray().push({ id: "a", text: "b" });
    // @ts-expect-error A table is read only.
    sync.tables.todos.set("a", { id: "a", text: "b" });
  });
});

it("receipts, status, snapshot and collections are typed", () => {
  expectTypeOf<Receipt["durable"]>().toEqualTypeOf<Promise<void>>();
  expectTypeOf<Receipt["settled"]>().toEqualTypeOf<Promise<readonly Decision[]>>();
  expectTypeOf<Receipt["events"]>().toEqualTypeOf<readonly Envelope[]>();
  expectTypeOf<Decision["status"]>().toEqualTypeOf<
    "accepted" | "duplicate" | "superseded" | "rejected"
  >();
  expectTypeOf(sync.status).toEqualTypeOf<SyncStatus>();
  expectTypeOf(sync.status.role).toEqualTypeOf<"candidate" | "leader" | "follower">();
  expectTypeOf(sync.getSnapshot().status).toEqualTypeOf<"active" | "stopped">();
  expectTypeOf(sync.getSnapshot().context.tables.tags.get("a")?.color).toEqualTypeOf<
    "red" | "blue" | undefined
  >();
  expectTypeOf(sync.getSnapshot().context.pending).toEqualTypeOf<number>();
  expectTypeOf(sync.ready).toEqualTypeOf<Promise<void>>();
  expectTypeOf(sync.stop()).toEqualTypeOf<Promise<void>>();
  expectTypeOf(sync.outbox.list()).toEqualTypeOf<readonly Envelope[]>();
  expectTypeOf(sync.persist()).toEqualTypeOf<Promise<boolean>>();
  expectTypeOf(sync.rejected.list()).toEqualTypeOf<readonly RejectedEvent[]>();
  expectTypeOf(sync.quarantine.export()).toEqualTypeOf<string>();
  expectTypeOf(sync.switchUser("ann", { force: true })).toEqualTypeOf<Promise<typeof sync>>();
  expectTypeOf<SyncError["pending"]>().toEqualTypeOf<number | undefined>();
  void (() => {
    // @ts-expect-error The status is derived.
    sync.status.pending = 1;
    void sync.quarantine.retry("row/todos/a", (raw) => raw);
    sync.on("noop", (event) => expectTypeOf(event.action).toEqualTypeOf<"create" | "update">());
    sync.on("fault", ({ fault }) => expectTypeOf(fault.message).toEqualTypeOf<string>());
    sync.on("lost", ({ rows, kept, reason }) => {
      expectTypeOf([rows, kept]).toEqualTypeOf<number[]>();
      expectTypeOf(reason).toEqualTypeOf<string>();
    });
    // @ts-expect-error To be nobody in particular has to be said.
    void sync.switchUser();
    // @ts-expect-error Nothing of that kind is told.
    sync.on("nope", () => undefined);
    sync.subscribe((snapshot) => {
      expectTypeOf(snapshot.context.fault).toEqualTypeOf<SyncStatus["fault"]>();
    });
  });
});

it("a configuration that does not fit together is a compile error", () => {
  expectTypeOf(createSyncActor).toBeFunction();
  const config = { name: "types", tables, events, materializers } as const;
  void (() => {
    createSyncActor(config);
    // @ts-expect-error An event has no materializer.
    createSyncActor({ ...config, materializers: { todoAdded: materializers.todoAdded } });
    // @ts-expect-error A row has no id.
    createSyncActor({ ...config, tables: { ...tables, bad: v.object({ text: v.string() }) } });
    // @ts-expect-error An id is a number.
    createSyncActor({ ...config, tables: { ...tables, bad: v.object({ id: v.number() }) } });
    // @ts-expect-error There is no such option.
    createSyncActor({ ...config, durability: "maybe" });
    // @ts-expect-error A name is needed.
    createSyncActor({ tables, events, materializers });
  });
});

it("a materializer returns actions on declared tables with whole rows", () => {
  expectTypeOf(update("todos", { id: "a" }).table).toEqualTypeOf<"todos">();
  const config = { name: "types", tables, events: { counted: events.counted } } as const;
  void (() => {
    createSyncActor({
      ...config,
      materializers: {
        // @ts-expect-error There is no such table.
        counted: () => [create("nope", { id: "a" })],
      },
    });
    createSyncActor({
      ...config,
      materializers: {
        // @ts-expect-error A created row is whole.
        counted: () => [create("todos", { id: "a" })],
      },
    });
    createSyncActor({
      ...config,
      materializers: {
        // @ts-expect-error A property has another type.
        counted: () => [update("todos", { id: "a", text: 1 })],
      },
    });
    createSyncActor({
      ...config,
      materializers: {
        // @ts-expect-error Not one of the values.
        counted: () => [upsert("tags", { id: "a", color: "green" })],
      },
    });
    createSyncActor({
      ...config,
      materializers: {
        // @ts-expect-error Actions come in an array.
        counted: () => remove("todos", "a"),
      },
    });
    createSyncActor({
      ...config,
      materializers: {
        // @ts-expect-error A materializer is synchronous.
        counted: async () => [remove("todos", "a")],
      },
    });
    // @ts-expect-error An update says which row.
    update("todos", { text: "b" });
  });
});

it("types what changes stored data", () => {
  expectTypeOf<SyncStatus["migration"]>().toEqualTypeOf<{
    readonly done: number;
    readonly total: number;
  } | null>();
  void (() => {
    const config = { name: "types", tables, events, materializers };
    createSyncActor({
      ...config,
      schema: {
        version: 2,
        migrate(table, row, from) {
          expectTypeOf(table).toEqualTypeOf<string>();
          expectTypeOf(row).toEqualTypeOf<JsonObject>();
          expectTypeOf(from).toEqualTypeOf<number>();
          return table === "tags" ? null : { ...row, done: false };
        },
      },
    });
    // @ts-expect-error A migration has a version.
    createSyncActor({ ...config, schema: { migrate: (_, row) => row } });
    // @ts-expect-error A row becomes a row, or null.
    createSyncActor({ ...config, schema: { version: 2, migrate: () => undefined } });
    // @ts-expect-error Synchronously.
    createSyncActor({ ...config, schema: { version: 2, migrate: async (_, row) => row } });
    defineEvent({
      schema: v.object({ text: v.string() }),
      version: 2,
      upcast(payload, from) {
        expectTypeOf(payload).toEqualTypeOf<Json>();
        expectTypeOf(from).toEqualTypeOf<number>();
        return { text: JSON.stringify(payload) };
      },
    });
    // @ts-expect-error A payload is JSON.
    defineEvent({ schema: v.object({}), upcast: () => new Map() });
  });
});
