/** What holds in every history, at every step and at the end. */
import { createPlay } from "./steps.ts";
import { type Device, type Options, type World, rowNames } from "./world.ts";
import { viewOf } from "./device.ts";

export class Violation extends Error {
  override readonly name = "Violation";
}

const fail = (what: string, data: unknown): never => {
  throw new Violation(`${what}: ${JSON.stringify(data)}`);
};

/** What is in force on the server, row by row. */
const effectsOf = ({ server }: World): string[] =>
  rowNames.flatMap((row) => server.rows.get(row)?.list ?? []);

function checkServer(world: World, effects: readonly string[]): void {
  const { server, devices, restored } = world;
  const ids = server.log.map(({ id }) => id);
  if (new Set(ids).size !== ids.length) fail("I1 an event is in the log twice", ids);
  const all = new Set(effects);
  if (all.size !== effects.length) fail("I1 an event has two effects", effects);
  for (const { told, copied } of devices)
    for (const [id, outcomes] of told) {
      if (outcomes.has("rejected") && all.has(id) && !restored)
        fail("I5 an event that was told to be rejected is in the log", id);
      if (outcomes.has("superseded") && all.has(id) && !copied && !world.forgotten.has(id))
        fail("I9 an event whose place was taken is in the log", id);
    }
}

function checkBase(
  world: World,
  { name, state }: Device,
  txs: ReadonlyMap<string, readonly string[]>,
): void {
  const { server } = world;
  for (const [row, { list }] of state.base) {
    const truth = server.rows.get(row)?.list ?? [];
    if (list.some((id, at) => id !== truth[at]))
      fail("I2 the base is not what the server had at some position", { name, row, list, truth });
  }
  const held = new Set(
    Array.from(state.base.values()).flatMap(({ list, pos }) =>
      pos <= (state.cursor?.pos ?? 0) ? list : [],
    ),
  );
  const rowsHeld = (id: string): boolean => {
    const row = rowOf(world, id);
    const base = row === undefined ? undefined : state.base.get(row);
    return base !== undefined && base.pos <= (state.cursor?.pos ?? 0);
  };
  for (const [tx, members] of txs) {
    const here = members.filter(rowsHeld);
    const there = here.filter((id) => held.has(id));
    if (there.length > 0 && there.length < here.length)
      fail("I10 the base holds a part of a commit", { name, tx, members, there });
  }
}

/** Numbers follow the order of the log, without holes where the next one could be. */
function checkOutbox({ name, state: { outbox } }: Device): void {
  let last = 0;
  for (const [at, { seq }] of outbox.entries()) {
    if (seq !== undefined && (seq <= last || (at > 0 && outbox[at - 1]?.seq === undefined)))
      fail("I11 numbers do not follow the order of the log", { name, outbox });
    last = seq ?? last;
  }
}

const rowOf = ({ server }: World, id: string): string | undefined =>
  rowNames.find((row) => server.rows.get(row)?.list.includes(id));

/** Accepted events of commits of several, as far as the log goes back. */
function txsOf({ server }: World): Map<string, string[]> {
  const txs = new Map<string, string[]>();
  for (const { id, tx } of server.log) {
    if (tx === undefined) continue;
    const before = txs.get(tx);
    if (before === undefined) txs.set(tx, [id]);
    else before.push(id);
  }
  return txs;
}

function checkEnd(world: World, effects: ReadonlySet<string>): void {
  const { server, devices, committed, gone, forgotten, restoredAway } = world;
  for (const { name, state } of devices)
    for (const [row, { list }] of state.base) {
      const truth = server.rows.get(row)?.list ?? [];
      if (list.join() !== truth.join())
        fail("I3 devices do not converge", { name, row, list, truth });
    }
  const fates = new Map<string, Set<boolean>>();
  for (const { tx, status } of server.decisions.values())
    if (tx !== undefined) fates.set(tx, (fates.get(tx) ?? new Set()).add(status === "rejected"));
  for (const [tx, fate] of fates)
    if (fate.size > 1) fail("I10 a commit is accepted in part", { tx });
  const order = new Map(Array.from(committed.keys(), (id, at) => [id, at]));
  for (const [id, { name, told }] of committed) {
    if (gone.has(id) || forgotten.has(id)) continue;
    // Told before a power cut, and decided anew by a server that was restored since.
    if (world.restored && world.untold.has(id)) continue;
    const outcomes = Array.from(told.get(id) ?? []);
    if (outcomes.length === 0) fail("I6 an event has no outcome", { id, name });
    if (outcomes.length > 1) fail("I6 an event has two outcomes", { id, name, outcomes });
    if (outcomes[0] === "accepted" && !effects.has(id) && !restoredAway.has(id))
      fail("I8 an accepted event is lost", { id, name });
  }
  for (const row of rowNames) {
    const last = new Map<Device, number>();
    for (const id of server.rows.get(row)?.list ?? []) {
      const device = committed.get(id);
      const at = order.get(id);
      if (device === undefined || at === undefined || device.copied || gone.has(id)) continue;
      if ((last.get(device) ?? -1) > at)
        fail("I7 events of a device are out of order", {
          row,
          device: device.name,
          list: server.rows.get(row)?.list.filter((it) => committed.get(it) === device),
        });
      last.set(device, at);
    }
  }
}

export interface Told {
  readonly events: number;
  readonly restored: boolean;
  /** Events that were sent, and whose device does not know it any more. */
  readonly forgotten: number;
  readonly counts: ReadonlyMap<string, number>;
}

/** Runs one history to its end. Throws a `Violation`. */
export function run(seed: number, options: Options = {}): Told {
  const { world, step, settle, onHistory } = createPlay(seed, options);
  for (let at = 0; at < (options.steps ?? 400); at += 1) {
    const before = world.devices.map(({ state }) => state);
    const { head, floor } = world.server;
    const visible = new Map(
      world.devices.map((it) => [it, it.state.outbox.map(({ id, row }) => [id, row] as const)]),
    );
    step();
    const moved = world.devices.filter((it, index) => it.state !== before[index]);
    if (moved.length === 0 && head === world.server.head && floor === world.server.floor) continue;
    const effects = effectsOf(world);
    checkServer(world, effects);
    const txs = txsOf(world);
    for (const it of moved) {
      checkOutbox(it);
      if (onHistory(it)) checkBase(world, it, txs);
    }
    if (world.restored) continue;
    for (const it of moved)
      for (const [id, row] of visible.get(it) ?? []) {
        const accepted = it.told.get(id)?.has("accepted") === true && !world.untold.has(id);
        if (accepted && it.state.base.has(row) && !viewOf(it.state, row).includes(id))
          fail("I4 an accepted event vanished from its author's view", { id, device: it.name });
      }
  }
  if (!settle())
    fail(
      "I3 devices do not come to rest",
      world.devices.map(({ name, state }) => [name, state.outbox]),
    );
  const effects = effectsOf(world);
  checkServer(world, effects);
  checkEnd(world, new Set(effects));
  const { committed, restored, forgotten, counts } = world;
  return { events: committed.size, restored, forgotten: forgotten.size, counts };
}
