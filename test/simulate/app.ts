/**
 * The app of the simulator. Rows get running numbers, so that order and doubles show; some commits fail when others came
 * before them; and its second version has one field more.
 */
import * as v from "valibot";
import { type EventInput, createSyncActor, defineEvent } from "../../src/index.ts";
import {
  type Action as ModelAction,
  create,
  remove,
  update,
  upsert,
} from "../../src/model/action.ts";
import { type Environment } from "../../src/services/ports.ts";
import { type Fact, type Row, type Rules } from "../model/reference.ts";

export const scope = "sssync/simulated/";

type Get = (table: string, id: string) => Row | undefined;
const numberIn = (row: Row | undefined): number => (row?.["value"] as number | undefined) ?? 0;
const raise = (get: Get, table: string, id: string): ModelAction =>
  upsert(table, { id, value: numberIn(get(table, id)) + 1 });

/** A level is never higher: what would raise it further does not apply. */
const highest = 3;

const id = v.object({ id: v.string() });
const withSince = v.object({ id: v.string(), since: v.number() });
const upcast = (payload: object): { id: string; since: number } => ({
  ...(payload as { readonly id: string }),
  since: 1,
});
const events = (version: number) => ({
  added: (version === 1
    ? defineEvent({ schema: id })
    : defineEvent({ schema: withSince, version, upcast: upcast as never })) as ReturnType<
    typeof defineEvent<typeof id>
  >,
  moved: defineEvent({ schema: v.object({ id: v.string(), place: v.string() }) }),
  removed: defineEvent({ schema: id }),
  taken: defineEvent({ schema: id }),
  levelRaised: defineEvent({ schema: id }),
  slid: defineEvent({ schema: v.object({ value: v.number() }), coalesce: () => "slider" }),
  invited: defineEvent({ schema: v.object({ mail: v.string() }), dedupe: ({ mail }) => mail }),
  adopted: defineEvent({
    schema: v.object({ table: v.string(), row: v.looseObject({ id: v.string() }) }),
  }),
});
export type Input = EventInput<ReturnType<typeof events>>;

/** An event as that version of the app commits it. */
export const inputOf = (version: number, input: Input): Input =>
  version === 1 || input.name !== "added"
    ? input
    : { name: "added", payload: { ...input.payload, since: version } as { readonly id: string } };

/** What each event does, for the engine and for the reference alike: what is tried here is the engine. */
function actionsOf({ name, payload }: Input, get: Get): readonly ModelAction[] {
  switch (name) {
    case "added": {
      const value = numberIn(get("counters", "entries")) + 1;
      return [
        create("entries", { id: payload.id, no: value }),
        upsert("counters", { id: "entries", value }),
      ];
    }
    case "moved":
      return [update("entries", { id: payload.id, place: payload.place })];
    case "removed":
      return [remove("entries", payload.id)];
    case "taken":
      if (get("entries", payload.id) === undefined) throw new Error("nothing to take");
      return [remove("entries", payload.id), raise(get, "counters", "taken")];
    case "levelRaised":
      return [raise(get, "levels", payload.id)];
    case "slid":
      return [upsert("counters", { id: "slider", value: payload.value })];
    case "invited":
      return [
        create("entries", { id: `invited-${payload.mail}`, no: 0 }),
        raise(get, "counters", "invited"),
      ];
    case "adopted":
      return [create(payload.table, payload.row as Row)];
    default:
      throw new Error("Expected an event of the app");
  }
}

export const rules: Rules = {
  actions: (fact, get) => actionsOf(fact as Fact & Input, get),
  dedupe: ({ name, payload }) =>
    name === "invited" ? (payload as { readonly mail: string }).mail : undefined,
  coalesce: ({ name }) => (name === "slid" ? "slider" : undefined),
  isValid: (row) => !String(row["id"]).startsWith("level") || (row["value"] as number) <= highest,
};

interface Context {
  readonly tables: Readonly<Record<string, { get(id: string): unknown }>>;
}

/** The second version says of each entry since when it is there. */
const withSinceOf = (action: ModelAction, payload: object): ModelAction =>
  action.type === "create" && action.table === "entries"
    ? create("entries", {
        ...action.row,
        since: "since" in payload ? (payload.since as number) : 2,
      })
    : action;

const materializers = (version: number) =>
  Object.fromEntries(
    Object.keys(events(version)).map((name) => [
      name,
      (payload: object, { tables }: Context) => {
        const get: Get = (table, row) => tables[table]?.get(row) as Row | undefined;
        const actions = actionsOf({ name, payload } as Input, get);
        return version === 1 ? actions : actions.map((it) => withSinceOf(it, payload));
      },
    ]),
  ) as never;

const entry = { id: v.string(), no: v.number(), place: v.optional(v.string()) };
const counter = v.object({ id: v.string(), value: v.number() });
const level = v.object({ id: v.string(), value: v.pipe(v.number(), v.maxValue(highest)) });

/** An entry. `since`: the version that made it; 1 for those that were migrated. */
interface Entry {
  readonly id: string;
  readonly no: number;
  readonly place?: string;
  readonly since?: number;
}

/** What a version of the app and its server have in common. */
export const appOf = (version: number) => ({
  tables: {
    entries: v.object(
      version === 1 ? entry : { ...entry, since: v.number() },
    ) as unknown as v.GenericSchema<Entry>,
    counters: counter,
    levels: level,
  },
  events: events(version),
  materializers: materializers(version),
});

/** Where a server is, who asks it, and how the app hears of news. */
export interface Access {
  readonly url: string;
  readonly auth: () => string;
  readonly live: true | "poll";
}

/** What a device becomes that gets a server later: its rows, where the server has none of their ids. */
const adopt = (tables: Readonly<Record<string, readonly { readonly id: string }[]>>): Input[] =>
  Object.entries(tables).flatMap(([table, rows]) =>
    rows.map((row): Input => ({ name: "adopted", payload: { table, row: { ...row } } })),
  );

/** Opens a version of the app. */
export const openApp = (version: number, environment: Environment, server?: Access) =>
  createSyncActor({
    name: "simulated",
    ...appOf(version),
    ...(server === undefined ? {} : { server: { ...server, adopt } }),
    schema: {
      version,
      migrate: (table, row) => (table === "entries" ? { ...row, since: 1 } : row),
    },
    environment,
  });

export type Sync = ReturnType<typeof openApp>;

/** All rows of a tab by table and id, as the reference has them: without what the second version adds. */
export function rowsOf({ tables }: Sync, version: number): ReadonlyMap<string, Row> {
  const rows = new Map<string, Row>();
  for (const [name, table] of Object.entries(tables))
    for (const row of table.values()) {
      const { since, ...rest } = row as Entry;
      if (name === "entries" && (version === 1) !== (since === undefined))
        throw new Error(`Expected rows of version ${version}, got ${JSON.stringify(row)}`);
      rows.set(`${name}/${row.id}`, rest);
    }
  return rows;
}
