/**
 * One app in three versions: 1 has people with a name and an age, 2 has first and last names, 3 has a label made of both.
 * Which version a row went through can be read off it.
 */
import * as v from "valibot";
import {
  type Environment,
  type Json,
  type JsonObject,
  type SyncActor,
  type TableSchemas,
  createSyncActor,
  defineEvent,
  remove,
  update,
  upsert,
} from "../../src/index.ts";
import { type Row } from "../../src/model/log.ts";
import { encodeSegment } from "../../src/model/segment.ts";
import { type Lab } from "./lab.ts";

const id = v.string();
const age = v.number();

const schemas = {
  1: v.object({ id, name: v.string(), age }),
  2: v.object({ id, first: v.string(), last: v.string(), age }),
  3: v.object({ id, label: v.string(), age }),
};
export type Version = keyof typeof schemas;

/** A name in the words of each version. */
export function worded(version: Version, name: string): JsonObject {
  const [first = "", last = ""] = name.split(" ");
  if (version === 1) return { name };
  return version === 2 ? { first, last } : { label: `${last}, ${first}` };
}

const nameIn = (it: JsonObject, from: number): string => {
  if (from === 1) return it["name"] as string;
  if (from === 2) return `${it["first"] as string} ${it["last"] as string}`;
  throw new Error(`Expected 1 or 2, got ${from}`);
};

/** What older code wrote in the words of a version. */
export function reword(version: Version, it: JsonObject, from: number): JsonObject {
  const words = new Set(["name", "first", "last", "label"]);
  const rest = Object.fromEntries(Object.entries(it).filter(([key]) => !words.has(key)));
  return { ...rest, ...worded(version, nameIn(it, from)) };
}

export interface PeopleOptions {
  readonly migrate?: (table: string, row: JsonObject, from: number) => JsonObject | null;
  readonly upcast?: (payload: Json, from: number) => Json;
  readonly ports?: Partial<Environment>;
  /** Leave both out. */
  readonly plain?: boolean;
}

/** Opens a tab that runs one version of the app. */
export function openPeople(lab: Lab, version: Version, options: PeopleOptions = {}) {
  const page = lab.openTab({ name: "elsewhere" });
  const migrate =
    options.migrate ??
    ((table: string, row: JsonObject, from: number) =>
      table === "people" ? reword(version, row, from) : row);
  const upcast =
    options.upcast ??
    ((payload: Json, from: number) => reword(version, payload as JsonObject, from));
  const person: v.GenericSchema<{ id: string }> = schemas[version];
  const sync = createSyncActor({
    name: "todos",
    schema: { version, ...(options.plain === true ? {} : { migrate }) },
    tables: { people: person, notes: v.object({ id, text: v.string() }) } satisfies TableSchemas,
    events: {
      saved: defineEvent({
        schema: person,
        version,
        ...(options.plain === true ? {} : { upcast }),
      }),
      aged: defineEvent({ schema: v.object({ id, by: v.number() }) }),
      left: defineEvent({ schema: v.object({ id }) }),
      noted: defineEvent({ schema: v.object({ id, text: v.string() }) }),
      imported: defineEvent({ schema: v.object({ count: v.number() }) }),
    },
    materializers: {
      saved: (row) => [upsert("people", row)],
      aged: ({ id: who, by }, { tables }) => {
        const row = tables.people.get(who) as { id: string; age: number } | undefined;
        return row ? [update("people", { id: who, age: row.age + by } as { id: string })] : [];
      },
      left: ({ id: who }) => [remove("people", who)],
      noted: (row) => [upsert("notes", row)],
      imported: ({ count }) =>
        Array.from({ length: count }, (_, at) => upsert("people", personAt(version, at))),
    },
    environment: { ...page.environment, ...options.ports },
  });
  return { ...page, sync, version };
}
export type People = ReturnType<typeof openPeople>;

/** A person by number, in the words of a version. */
export const personAt = (version: Version, at: number): { readonly id: string } & JsonObject => ({
  id: `p${String(at).padStart(5, "0")}`,
  age: at % 90,
  ...worded(version, `First${at} Last${at}`),
});

export const saved = (version: Version, who: string, name: string, years = 1) =>
  ({ name: "saved", payload: { id: who, age: years, ...worded(version, name) } }) as const;
export const aged = (who: string, by = 1) => ({ name: "aged", payload: { id: who, by } }) as const;
export const leaves = (who: string) => ({ name: "left", payload: { id: who } }) as const;

export const people = ({ sync }: { readonly sync: Pick<SyncActor<never, never>, "export"> }) =>
  sync.export().tables["people"] ?? [];

/** Opens a tab and waits until it is ready. */
export async function readyPeople(lab: Lab, version: Version, options?: PeopleOptions) {
  const tab = openPeople(lab, version, options);
  await tab.sync.ready;
  await lab.settle();
  return tab;
}

/** All people, in the words of a version. */
export const crowd = (version: Version, count: number): JsonObject[] =>
  Array.from({ length: count }, (_, at) => personAt(version, at));

type Segment = { readonly schema?: number; readonly ids: readonly string[] };

export const segmentsOf = async (lab: Lab): Promise<readonly Segment[]> =>
  ((await lab.contents())["segments"] ?? []).map(([, value]) => value as Segment);

/** The versions that segments on disk are of. */
export const versionsOf = async (lab: Lab): Promise<readonly unknown[]> =>
  Array.from(new Set((await segmentsOf(lab)).map(({ schema }) => schema)));

/** A database of version 1 with so many people in segments of a hundred, as folds over a long time leave them. */
export async function seed(lab: Lab, count: number, tag: object = { schema: 1 }): Promise<void> {
  const tab = await readyPeople(lab, 1);
  await tab.sync.commit({ name: "noted", payload: { id: "n", text: "Milk" } }).durable;
  await lab.pass(5000);
  await tab.sync.stop();
  const all = crowd(1, count) as Row[];
  await lab.raw(
    (database) =>
      new Promise<void>((resolve, reject) => {
        const tx = database.transaction(["segments", "meta"], "readwrite");
        const marks: object[] = [];
        for (let from = 0; from < count; from += 100) {
          const rows = all.slice(from, from + 100);
          const positions = rows.map(() => 1);
          const { schema: _, ...segment } = encodeSegment(rows, positions, 1);
          marks.push({
            no: marks.length + 1,
            low: rows[0]?.id,
            count: rows.length,
            pos: 1,
            ...tag,
          });
          tx.objectStore("segments").put({ ...segment, ...tag }, ["people", marks.length]);
        }
        const meta = tx.objectStore("meta");
        const manifest = meta.get("manifest");
        manifest.onsuccess = () => meta.put({ ...manifest.result, people: marks }, "manifest");
        tx.oncomplete = () => resolve();
        tx.onabort = () => reject(tx.error ?? new Error("aborted"));
      }),
  );
}

/** Time passes until nothing is left to be written anew. */
export async function migrated(lab: Lab, { sync }: People): Promise<void> {
  for (let round = 0; round < 20 && sync.status.migration !== null; round += 1)
    await lab.pass(2500);
  if (sync.status.migration !== null) throw new Error("Expected the migration to end");
}
