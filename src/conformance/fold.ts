/** The rows of the conformance app, made from its log: what every reader has to come to. */
import { type LogEntry, type WireAction, type WireRow } from "../protocol/index.ts";
import { canonical } from "./check.ts";

type Table = Map<string, WireRow>;
export type Tables = ReadonlyMap<string, Table>;

export const emptyTables = (): Tables =>
  new Map([
    ["item", new Map()],
    ["note", new Map()],
  ]);

function act(tables: Tables, { type, tableName, value }: WireAction): void {
  const table = tables.get(tableName);
  if (table === undefined) return;
  const before = table.get(value.id);
  if (type === "delete") table.delete(value.id);
  else if (type === "upsert" || (type === "create" && before === undefined))
    table.set(value.id, value);
  else if (type === "update" && before !== undefined) table.set(value.id, { ...before, ...value });
}

interface Payload {
  readonly id: string;
  readonly title: string;
  readonly by: number;
  readonly item: string;
  readonly text: string;
}

const row = (value: WireRow, tableName = "item") => ({ tableName, value });

/** What an event of the app means. Total: what makes no sense any more does nothing. */
export function actionsOf(
  name: string,
  payload: unknown,
  item: (id: string) => Readonly<Record<string, unknown>> | undefined,
): readonly WireAction[] {
  const { id, title, by, item: of, text } = payload as Payload;
  switch (name) {
    case "item.create":
    case "item.once":
      return [{ type: "create", ...row({ id, title, n: 0 }) }];
    case "item.rename":
      return [{ type: "update", ...row({ id, title }) }];
    case "item.delete":
      return [{ type: "delete", ...row({ id }) }];
    case "item.inc": {
      const before = item(id)?.["n"];
      return typeof before === "number" ? [{ type: "update", ...row({ id, n: before + by }) }] : [];
    }
    case "note.add":
      return [{ type: "create", ...row({ id, item: of, text }, "note") }];
    case "v2.only":
      return [{ type: "create", ...row({ id, title: text, n: 2 }) }];
    default:
      return [];
  }
}

/** Applies entries to rows: their actions where they have some, else what their event means. */
export function fold(tables: Tables, entries: readonly LogEntry[]): Tables {
  for (const { name, payload, actions } of entries) {
    const all =
      actions ??
      (name === undefined ? [] : actionsOf(name, payload, (id) => tables.get("item")?.get(id)));
    for (const action of all) act(tables, action);
  }
  return tables;
}

/** Rows of a snapshot. */
export function fromData(data: Readonly<Record<string, readonly WireRow[]>> | undefined): Tables {
  const tables = emptyTables();
  for (const [name, rows] of Object.entries(data ?? {}))
    for (const it of rows) tables.get(name)?.set(it.id, it);
  return tables;
}

/** All rows as one text, for comparing. */
export const dump = (tables: Tables): string =>
  canonical(
    Object.fromEntries(
      Array.from(tables, ([name, rows]) => [name, Object.fromEntries(rows)] as const),
    ),
  );
