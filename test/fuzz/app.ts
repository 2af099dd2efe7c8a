/** An app of many small tables on a device in memory, over any IndexedDB: the same in Node.js and in Chromium. */
import * as v from "valibot";
import { createSyncActor, defineEvent, remove, update, upsert } from "../../src/index.ts";
import { create } from "../../src/index.ts";
import { type Row } from "../../src/model/log.ts";
import { type Environment, type StoragePort } from "../../src/services/ports.ts";
import { createSeededRandom } from "../../src/testing/seeded-random.ts";
import { createVirtualChannels } from "../../src/testing/virtual-channel.ts";
import { createVirtualClock } from "../../src/testing/virtual-clock.ts";
import { createVirtualLifecycle } from "../../src/testing/virtual-lifecycle.ts";
import { createVirtualLocks } from "../../src/testing/virtual-locks.ts";
import { createFaultyStorage } from "../support/faulty-storage.ts";
import { createTime } from "../support/time.ts";

/** Every table has at least one segment: so many records can be damaged, and many are left. */
export const tableNames: readonly string[] = Array.from(
  { length: 26 },
  (_, at) => `t${String(at).padStart(2, "0")}`,
);

const id = v.string();
const base = { id, text: v.string(), count: v.pipe(v.number(), v.maxValue(1e9)) };
/** Half of them are read a column at a time, half a row at a time. */
const schemaOf = (at: number) =>
  at % 2 === 0
    ? v.object({ id, text: v.string(), count: v.number() })
    : v.object({ ...base, tags: v.optional(v.array(v.string())) });
const tables = Object.fromEntries(tableNames.map((name, at) => [name, schemaOf(at)]));

/** The table of a row: ids begin with it, so that no two rows of an app have one id. */
const tableOf = (row: string): string => row.slice(0, 3);

const item = { id, text: v.string(), count: v.number() };

/**
 * Each event touches the rows whose ids stand in its payload, and reads no others: so what a row is depends on the records
 * that name it. An address is taken by the first that names it, which ties those together.
 */
export const openFuzzed = (name: string, environment: Environment) =>
  createSyncActor({
    name,
    tables,
    events: {
      put: defineEvent({ schema: v.object(item) }),
      many: defineEvent({ schema: v.object({ rows: v.array(v.object(item)) }) }),
      renamed: defineEvent({ schema: v.object({ id, text: v.string() }) }),
      removed: defineEvent({ schema: v.object({ id }) }),
      slid: defineEvent({
        schema: v.object({ id, count: v.number() }),
        coalesce: (payload) => payload.id,
      }),
      invited: defineEvent({
        schema: v.object({ id, mail: v.string() }),
        dedupe: (payload) => payload.mail,
      }),
      sold: defineEvent({ schema: v.object({ id }) }),
    },
    materializers: {
      put: (row) => [upsert(tableOf(row.id), row)],
      many: ({ rows }) => rows.map((row) => upsert(tableOf(row.id), row)),
      renamed: ({ id: row, text }) => [update(tableOf(row), { id: row, text })],
      removed: ({ id: row }) => [remove(tableOf(row), row)],
      slid: ({ id: row, count }) => [upsert(tableOf(row), { id: row, text: "slider", count })],
      invited: ({ id: row, mail }) => [create(tableOf(row), { id: row, text: mail, count: 0 })],
      sold({ id: row }, context) {
        const { count } = context.tables[tableOf(row)]?.get(row) ?? { count: 0 };
        if (count <= 0) throw new Error("sold out");
        return [update(tableOf(row), { id: row, count: count - 1 })];
      },
    },
    environment,
  });

export type Fuzzed = ReturnType<typeof openFuzzed>;

/** All rows by id. */
export const rowsOf = (sync: Fuzzed): ReadonlyMap<string, Row> =>
  new Map(
    tableNames.flatMap((name) =>
      (sync.tables[name]?.toArray() ?? []).map((row): [string, Row] => [row.id, row as Row]),
    ),
  );

declare const setImmediate: ((run: () => void) => void) | undefined;

const channel = typeof setImmediate === "undefined" ? new MessageChannel() : undefined;
const waiting: (() => void)[] = [];
if (channel !== undefined) channel.port1.onmessage = () => waiting.shift()?.();

const nextTask = (): Promise<void> =>
  new Promise((resolve) => {
    if (channel === undefined) setImmediate?.(resolve);
    else {
      waiting.push(resolve);
      channel.port2.postMessage(null);
    }
  });

/** Tabs that share a disk, locks and channels, whose time passes when they are told so. */
export function createFuzzDevice(storage: StoragePort, seed: number) {
  const clock = createVirtualClock({ now: 1_700_000_000_000 });
  const locks = createVirtualLocks();
  const channels = createVirtualChannels();
  const disks: ReturnType<typeof createFaultyStorage>[] = [];
  let opened = 0;

  const { settle, pass } = createTime(clock, disks, nextTask);

  return {
    clock,
    settle,
    pass,
    openTab(name: string, { leads = true } = {}) {
      const disk = createFaultyStorage(storage);
      disks.push(disk);
      opened += 1;
      const tabLocks = locks.openTab();
      const tabChannel = channels.openTab();
      const sync = openFuzzed(name, {
        storage: disk,
        locks: leads ? tabLocks : null,
        channel: tabChannel,
        lifecycle: createVirtualLifecycle(),
        network: null,
        clock,
        random: createSeededRandom(seed + opened / 1000),
      });
      return {
        sync,
        disk,
        kill() {
          disk.die();
          tabLocks.die();
          tabChannel.die();
        },
      };
    },
  };
}

export type FuzzDevice = ReturnType<typeof createFuzzDevice>;
export type FuzzTab = ReturnType<FuzzDevice["openTab"]>;
