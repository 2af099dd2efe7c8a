/** The half of the client's measurements that runs in a page: each function is one contender's turn, and returns ms. */
import { makeRows, type Row } from "../../rows.ts";
import { byHand } from "./by-hand.ts";
import { type Device } from "./device.ts";
import { openSssync } from "./sssync.ts";

/** `requests` is `limit` without its disk. */
const contenders = { sssync: openSssync, limit: byHand(true), requests: byHand(false) };
export type ContenderName = keyof typeof contenders;

const devices = new Map<string, Device>();
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** What one turn leaves behind is not to be collected in the next one's time. Needs `--expose-gc`. */
async function settle(): Promise<void> {
  await sleep(50);
  (globalThis as { gc?: () => void }).gc?.();
}

const told = (row: Row | undefined): string =>
  JSON.stringify(Object.entries(row ?? {}).toSorted(([a], [b]) => (a < b ? -1 : 1)));

function expectRows(device: Device, rows: readonly Row[]): void {
  const wrong = rows.find((row) => told(device.get(row.id)) !== told(row));
  if (device.size() !== rows.length || wrong !== undefined)
    throw new Error(`Expected ${rows.length} rows as they were sent, got ${device.size()}`);
}

async function remove(part: string): Promise<void> {
  for (const { name } of await indexedDB.databases())
    if (name?.includes(part) === true)
      await new Promise((resolve) => {
        indexedDB.deleteDatabase(name).onsuccess = resolve;
      });
}

/** From an empty device to all rows of a space. */
export async function first(
  contender: ContenderName,
  space: string,
  count: number,
  seed: number,
): Promise<number> {
  const name = crypto.randomUUID();
  await settle();
  const from = performance.now();
  const device = await contenders[contender](name, space, count);
  const took = performance.now() - from;
  expectRows(device, makeRows(count, seed));
  await device.close();
  await remove(name);
  return took;
}

/** So many events at once to a space of their own, until all are decided. */
export async function push(
  contender: ContenderName,
  space: string,
  count: number,
  seed: number,
): Promise<number> {
  const name = crypto.randomUUID();
  const rows = makeRows(count, seed);
  const device = await contenders[contender](name, space, 0);
  // Whatever there is to do at the start is done.
  await sleep(500);
  await settle();
  const from = performance.now();
  await device.add(rows);
  const took = performance.now() - from;
  expectRows(device, rows);
  await device.close();
  await remove(name);
  return took;
}

/** Opens a space and keeps it open. `echo`: each row `ping-…` is answered with a row `pong-…`. */
export async function hold(contender: ContenderName, space: string, echo: boolean): Promise<void> {
  const device = await contenders[contender](crypto.randomUUID(), space, 0);
  devices.set(space, device);
  if (!echo) return;
  device.watch((ids) => {
    for (const id of ids) {
      const ping = id.startsWith("ping-") ? device.get(id) : undefined;
      if (ping !== undefined) void device.add([{ ...ping, id: id.replace("ping", "pong") }]);
    }
  });
}

/** Half of each round trip, so that one clock measures both ways. */
export async function pings(space: string, count: number, seed: number): Promise<number[]> {
  const device = devices.get(space) as Device;
  const waiting = new Map<string, () => void>();
  device.watch((ids) => {
    for (const id of ids) if (device.get(id) !== undefined) waiting.get(id)?.();
  });
  const samples: number[] = [];
  for (const row of makeRows(count, seed)) {
    const answered = new Promise<void>((resolve) => waiting.set(`pong-${row.id}`, resolve));
    const from = performance.now();
    const decided = device.add([{ ...row, id: `ping-${row.id}` }]);
    await answered;
    samples.push((performance.now() - from) / 2);
    await decided;
    await sleep(20);
  }
  return samples;
}
