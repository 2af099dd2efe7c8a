/** Databases that a real engine has filled: several tabs' worth of history, whatever can be in any store. */
import { createIndexedDbStorage } from "../../src/services/indexeddb.ts";
import { type Row } from "../../src/model/log.ts";
import { type FuzzTab, createFuzzDevice, rowsOf, tableNames } from "./app.ts";
import { type Dice, createDice } from "./dice.ts";
import { type Contents, readContents } from "./disk.ts";

export interface Template {
  readonly contents: Contents;
  /** The last position that was given. */
  readonly last: number;
  /** What it shows. */
  readonly rows: ReadonlyMap<string, Row>;
}

type Input = Parameters<FuzzTab["sync"]["commit"]>[0];
type One = Exclude<Input, readonly unknown[]>;

function createWriter(dice: Dice) {
  const made: string[] = [];
  let mails = 0;
  const fresh = (): string => {
    const row = `${dice.pick(tableNames)}-${String(made.length).padStart(5, "0")}`;
    made.push(row);
    return row;
  };
  const known = (): string => (made.length === 0 ? fresh() : dice.pick(made));
  const put = (id: string): One => ({
    name: "put",
    payload: { id, text: `text of ${id}`, count: dice.below(3) },
  });

  function one(): One {
    const kind = dice.below(12);
    if (kind < 4) return put(fresh());
    if (kind < 6) return put(known());
    if (kind < 8) return { name: "renamed", payload: { id: known(), text: `n${dice.below(99)}` } };
    if (kind === 8) return { name: "removed", payload: { id: known() } };
    if (kind === 9) return { name: "slid", payload: { id: "t00-slide", count: dice.below(1000) } };
    if (kind === 10) {
      mails += dice.below(2);
      return { name: "invited", payload: { id: fresh(), mail: `p${mails}@example.org` } };
    }
    return { name: "sold", payload: { id: known() } };
  }

  return {
    /** One commit: an event, or several that hold together. */
    unit: (): Input =>
      dice.chance(15) ? Array.from({ length: 2 + dice.below(3) }, () => put(fresh())) : one(),
    /** Rows for every table, many in one event. */
    many: (count: number): Input => ({
      name: "many",
      payload: {
        rows: Array.from({ length: count }, () => {
          const id = fresh();
          return { id, text: `text of ${id}`, count: dice.below(3) };
        }),
      },
    }),
  };
}

/** What one event of two tabs cannot do is rejected by a third: the sales of what was sold meanwhile. */
async function commitSome(
  tabs: readonly FuzzTab[],
  count: number,
  writer: ReturnType<typeof createWriter>,
  dice: Dice,
): Promise<void> {
  for (let at = 0; at < count; at += 1) {
    const { sync } = dice.pick(tabs);
    try {
      const { durable } = sync.commit(writer.unit());
      // What is not awaited goes into one record with what comes next.
      if (dice.chance(90)) await durable;
    } catch {
      // Sold out.
    }
  }
  await Promise.all(tabs.map(({ sync }) => sync.commit(writer.many(1)).durable));
}

/** The last one is sold in two tabs that have not heard of each other: one of the sales is rejected. */
async function sellTwice(
  device: ReturnType<typeof createFuzzDevice>,
  a: FuzzTab,
  b: FuzzTab,
  times: number,
): Promise<void> {
  for (let at = 0; at < times; at += 1) {
    const id = `t01-sale${at}`;
    await a.sync.commit({ name: "put", payload: { id, text: "the last one", count: 1 } }).durable;
    await device.settle();
    const sales = [a, b].map(({ sync }) => sync.commit({ name: "sold", payload: { id } }));
    await Promise.all(sales.map(({ durable }) => durable));
  }
}

export async function makeTemplate(factory: IDBFactory, seed: number): Promise<Template> {
  const name = crypto.randomUUID();
  const dice = createDice(seed);
  const writer = createWriter(dice);
  const device = createFuzzDevice(createIndexedDbStorage(factory), seed);
  const ready = async (options?: { readonly leads: boolean }): Promise<FuzzTab> => {
    const tab = device.openTab(name, options);
    await tab.sync.ready;
    return tab;
  };

  // Rows of every table, folded; then some that change, fold after fold.
  const a = await ready();
  const b = await ready();
  await a.sync.commit(writer.many(300)).durable;
  await b.sync.commit(writer.many(1200)).durable;
  for (let round = 0; round < 3; round += 1) {
    await commitSome([a, b], 25, writer, dice);
    await sellTwice(device, a, b, 8);
    await device.pass(5000);
  }
  // What an earlier visit found damaged.
  const storage = createIndexedDbStorage(factory);
  const connection = await storage.open(`sssync/${encodeURIComponent(name)}/`, {
    blocked() {},
    closed() {},
  });
  await connection.quarantine(
    Array.from({ length: 12 }, (_, at) => [
      `row/t05/t05-old${at}`,
      { raw: { id: `t05-old${at}`, text: at, count: "many" }, reason: "text: a string", at: 1 },
    ]),
    [],
  );
  connection.close();
  // Leaders that decide, and die before they fold.
  a.kill();
  b.kill();
  for (let round = 0; round < 4; round += 1) {
    const leader = device.openTab(name);
    let writes = 0;
    leader.disk.always("lead", (run) => {
      writes += 1;
      return writes === 1 ? run() : new Promise(() => undefined);
    });
    await leader.sync.ready;
    await commitSome([leader], 15, writer, dice);
    await device.pass(5000);
    leader.kill();
  }
  // Tabs that nobody leads: what they commit is not decided.
  const c = await ready({ leads: false });
  const d = await ready({ leads: false });
  await sellTwice(device, c, d, 4);
  await commitSome([c, d], 300, writer, dice);
  for (const { event } of c.sync.rejected.list().slice(0, 4)) {
    await c.sync.rejected.discard(event.id).catch(() => undefined);
  }
  await device.settle();
  const { log } = await readContents(factory, name);
  const last = Number(log.at(-1)?.key);
  const rows = rowsOf(c.sync);
  c.kill();
  d.kill();
  return { contents: await readContents(factory, name), last, rows };
}
