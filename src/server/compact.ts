/**
 * Keeps the log short. Entries go when they are old and a snapshot has their effect; decisions stay longer, so that an event
 * that comes again after months is still known.
 */
import * as v from "valibot";
import { tablesSchema } from "../protocol/index.ts";
import { HookFailure } from "./failure.ts";
import { type Kit } from "./kit.ts";
import { asRead } from "./readable.ts";
import { rowsOf } from "./state.ts";
import { type Compaction, type SpaceHead } from "./storage.ts";

const day = 24 * 60 * 60 * 1000;

interface Made {
  readonly pos: number;
  readonly hash: string;
  readonly tables: Iterable<readonly [name: string, rows: readonly unknown[]]>;
}

/** Rows as JSON, by table, in pages. */
function pagesOf({ tables }: Made, limits: Kit["limits"]): string[] {
  const pages: string[] = [];
  let parts: string[] = [];
  let count = 0;
  let length = 0;
  const flush = (): void => {
    pages.push(`{${parts.join(",")}}`);
    [parts, count, length] = [[], 0, 0];
  };
  for (const [name, rows] of tables) {
    let texts: string[] = [];
    const close = (): void => {
      if (texts.length > 0) parts.push(`${JSON.stringify(name)}:[${texts.join(",")}]`);
      texts = [];
    };
    for (const row of rows) {
      const text = JSON.stringify(row);
      if (count > 0 && (count >= limits.pageEntries || length + text.length > limits.pageBytes)) {
        close();
        flush();
      }
      texts.push(text);
      count += 1;
      length += text.length;
    }
    close();
  }
  if (parts.length > 0 || pages.length === 0) flush();
  return pages;
}

/** All rows as of the head, where the server has a way to know them. */
async function readRows(kit: Kit, space: string): Promise<Made | undefined> {
  const { options, states } = kit;
  if (options.snapshot !== undefined) {
    let made: Made | undefined;
    await options.storage.read(space, { limit: 0, size: 0 }, async (tx, { space: at }) => {
      const data = await kit.deadline().call("snapshot", () => options.snapshot?.(tx, space));
      const read = asRead(data, 2);
      const tables = v.safeParse(tablesSchema, "value" in read ? read.value : undefined);
      if (!tables.success)
        throw new HookFailure("snapshot", "unavailable", "rows that are not JSON");
      made = { pos: at.head, hash: at.hash, tables: Object.entries(tables.output) };
    });
    return made;
  }
  return states?.lock(space, async () => {
    const head = (await options.storage.heads([space])).get(space);
    const state = await states.at(space, head as SpaceHead);
    const { pos, hash } = state;
    return { pos, hash, tables: rowsOf(state) };
  });
}

export async function compact(
  kit: Kit,
  space: string,
  { logDays = kit.retention.logDays }: { readonly logDays?: number } = {},
): Promise<void> {
  const { storage } = kit.options;
  const now = kit.clock.now();
  const before = (await storage.heads([space])).get(space) as SpaceHead;
  const isNew = before.head > (before.snapshot?.pos ?? 0);
  const made = isNew ? await readRows(kit, space) : undefined;
  const snapshot = made && {
    id: kit.newId(),
    pos: made.pos,
    hash: made.hash,
    pages: pagesOf(made, kit.limits),
  };
  // Of this moment too, when no days are kept.
  const entriesBefore = now - logDays * day + 1;
  const change: Compaction = {
    now,
    entriesBefore,
    decisionsBefore: kit.bugs.has("ids-die-with-log")
      ? entriesBefore
      : now - kit.retention.dedupeDays * day,
  };
  await storage.compact(space, snapshot === undefined ? change : { ...change, snapshot });
}

/** Throws the log away: every reader starts anew. Decisions stay, so that no event has an effect twice. */
export async function newEpoch(kit: Kit, space: string): Promise<void> {
  await kit.options.storage.compact(space, { now: kit.clock.now(), epoch: kit.newId() });
  // What the app keeps in tables of its own is what readers are to start with.
  if (kit.options.snapshot !== undefined) await compact(kit, space);
}
