import * as v from "valibot";
import { type Action, create, remove, update, upsert } from "../../src/model/action.ts";
import { compile, defineEvent } from "../../src/model/definition.ts";
import { type Envelope } from "../../src/model/log.ts";
import { type Fact, type Row, type Rules } from "./reference.ts";

/** An app with all that can go wrong on replay: its materializers read, refuse, and return rows that are not valid. */
export type Get = (table: string, id: string) => Row | undefined;
interface Payload {
  readonly t: "one" | "two";
  readonly id: string;
  readonly x: number;
}

const x = (row: Row | undefined): number => (row?.["x"] as number | undefined) ?? 0;

const materializers: Record<string, (payload: Payload, get: Get) => readonly Action[]> = {
  put: ({ t, id, x: value }) => [create(t, { id, x: value })],
  set: ({ t, id, x: value }) => [update(t, { id, x: value })],
  up: ({ t, id, x: value }) => [upsert(t, { id, x: value })],
  cut: ({ t, id }) => [remove(t, id)],
  note: ({ t, id, x: value }) => [update(t, { id, note: value > 2 ? undefined : `n${value}` })],
  grow: ({ t, id }, get) => (get(t, id) ? [update(t, { id, x: x(get(t, id)) + 1 })] : []),
  move({ id }, get) {
    const row = get("one", id);
    if (row === undefined) throw new Error("nothing to move");
    return [remove("one", id), upsert("two", row), update("two", { id, x: x(row) + 1 })];
  },
  blink: ({ id }) => [create("one", { id: `${id}!`, x: 1 }), remove("one", `${id}!`)],
  bad: ({ t, id }, get) => [upsert(t, { id, x: x(get(t, id)) > 1 ? "no" : 2 })],
  slide: ({ id, x: value }) => [upsert("two", { id, x: value })],
  add({ id, x: most }, get) {
    // By the payload: of two that take each other's place one may fail alone.
    if (x(get("one", id)) > most) throw new Error("too many");
    return [upsert("two", { id, x: x(get("two", id)) + 1 })];
  },
  invite: ({ id }, get) => [upsert("one", { id, x: x(get("one", id)) + 10 })],
  both: ({ id }, get) => [upsert("two", { id, x: x(get("two", id)) + 100 })],
};

export const names = Object.keys(materializers);
const coalesces = new Set(["slide", "add", "both"]);
const dedupes = new Set(["invite", "both"]);

const schema = v.object({ t: v.picklist(["one", "two"]), id: v.string(), x: v.number() });
const table = v.object({ id: v.string(), x: v.number(), note: v.optional(v.string()) });

export const definition = compile(
  {
    tables: { one: table, two: table },
    events: Object.fromEntries(
      names.map((name) => [
        name,
        defineEvent({
          schema,
          ...(coalesces.has(name) ? { coalesce: (it: Payload) => it.id } : {}),
          ...(dedupes.has(name) ? { dedupe: (it: Payload) => String(it.x) } : {}),
        }),
      ]),
    ),
    materializers: Object.fromEntries(
      Object.entries(materializers).map(([name, run]) => [
        name,
        (payload: Payload, { tables }: { tables: Record<string, { get(id: string): unknown }> }) =>
          run(payload, (t, id) => tables[t]?.get(id) as Row | undefined),
      ]),
    ) as never,
  },
  true,
);

export const rules: Rules = {
  actions: ({ name, payload }, get) =>
    (materializers[name] as (payload: Payload, get: Get) => readonly Action[])(
      payload as Payload,
      get,
    ),
  dedupe: ({ name, payload }: Fact) =>
    dedupes.has(name) ? `${name} ${(payload as Payload).x}` : undefined,
  coalesce: ({ name, payload }: Fact) =>
    // Where there is a dedupe key the first counts, and none takes another's place.
    coalesces.has(name) && !dedupes.has(name) ? `${name} ${(payload as Payload).id}` : undefined,
  isValid: (row) =>
    typeof row["x"] === "number" &&
    (row["note"] === undefined || typeof row["note"] === "string") &&
    Object.keys(row).every((key) => ["id", "x", "note"].includes(key)),
};

let ids = 0;
/** An event as `commit` would make it. */
export function event(name: string, payload: Partial<Payload> = {}, tx?: string): Envelope {
  ids += 1;
  const whole = Object.freeze({ t: "one", id: "a", x: 1, ...payload });
  const base = {
    id: `e${ids}`,
    name,
    v: 1,
    payload: whole as unknown as Envelope["payload"],
    at: 0,
  };
  return Object.freeze(tx === undefined ? base : { ...base, tx });
}
