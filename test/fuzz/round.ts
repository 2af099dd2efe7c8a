/** One round: a database is damaged, and everything that may be asked of it afterwards is asked. */
import { createIndexedDbStorage } from "../../src/services/indexeddb.ts";
import { type FuzzTab, createFuzzDevice, rowsOf } from "./app.ts";
import { type Damage, type DamagePlan, inflict } from "./damage.ts";
import { createDice } from "./dice.ts";
import { type Contents, readContents, sameValue, writeContents } from "./disk.ts";
import { faultsOfBytes, faultsOfRows, sufferers } from "./oracle.ts";
import { type Template } from "./template.ts";

interface Round {
  readonly damages: readonly Damage[];
  /** How the tab ended up. */
  readonly end: "ready" | "failed";
  readonly undamaged: number;
  readonly faults: string[];
}

/** What cannot be shown is a fault's text all the same. */
const show = (value: unknown): string => {
  try {
    return JSON.stringify(value) ?? "none";
  } catch {
    return Object.prototype.toString.call(value);
  }
};

const differences = (what: string, a: ReadonlyMap<string, unknown>, b: typeof a): string[] =>
  Array.from(new Set([...a.keys(), ...b.keys()]))
    .filter((id) => !sameValue(a.get(id), b.get(id)))
    .map((id) => `${what}: row ${id}: ${show(a.get(id))} or ${show(b.get(id))}`);

const outcome = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "resolved",
    (error: unknown) => String(error),
  );

export async function playRound(
  factory: IDBFactory,
  template: Template,
  seed: number,
  plan: DamagePlan,
): Promise<Round> {
  // No other run has used it: nothing has to be deleted.
  const name = crypto.randomUUID();
  const { contents, damages } = inflict(template.contents, createDice(seed), plan);
  await writeContents(factory, name, contents, template.last);
  const suffered = sufferers(template, damages);
  const faults: string[] = [];
  const undamaged = Array.from(template.rows.keys()).filter((id) => !suffered.has(id)).length;
  const done = (end: Round["end"]): Round => ({ damages, end, undamaged, faults });
  const disk = (): Promise<Contents> => readContents(factory, name);
  const storage = createIndexedDbStorage(factory);
  const device = createFuzzDevice(storage, 10_000 + 2 * seed);
  const tabs: FuzzTab[] = [];
  const open = async (on = device): Promise<FuzzTab> => {
    const tab = on.openTab(name);
    tabs.push(tab);
    let state = "pending";
    void outcome(tab.sync.ready).then((it) => (state = it));
    await on.settle();
    if (state === "pending") await on.pass(60_000);
    // A number in `meta` may say that newer code was here: nothing shows that it was not.
    const isEnd = /failed|outdated/.test(tab.sync.status.phase);
    if (state !== "resolved" && !isEnd)
      faults.push(`ready is ${state}, phase ${tab.sync.status.phase}`);
    return tab;
  };
  const commit = async (tab: FuzzTab, id: string, on = device): Promise<void> => {
    let state = "pending";
    const { durable } = tab.sync.commit({ name: "put", payload: { id, text: "new", count: 1 } });
    void outcome(durable).then((it) => (state = it));
    await on.settle();
    if (state === "pending") await on.pass(30_000);
    if (state !== "resolved") faults.push(`the commit of ${id} is ${state}`);
  };
  const stopAll = async (on = device): Promise<void> => {
    const all = tabs.splice(0).map(({ sync }) => sync.stop());
    await on.pass(6000);
    await Promise.all(all);
  };

  try {
    const a = await open();
    if (a.sync.status.phase !== "ready") {
      if (!plan.meta) faults.push(`phase ${a.sync.status.phase}: ${a.sync.status.fault?.message}`);
      JSON.stringify(a.sync.export());
      const untouched = await disk();
      for (const it of damages) faults.push(...faultsOfBytes(it, untouched));
      await stopAll();
      return done("failed");
    }
    faults.push(...faultsOfRows(template, suffered, rowsOf(a.sync)));
    const loaded = await disk();
    for (const it of damages) faults.push(...faultsOfBytes(it, loaded));
    if (faults.length > 0) return done("ready");

    await commit(a, "t02new");
    const b = await open();
    faults.push(...differences("second tab", rowsOf(a.sync), rowsOf(b.sync)));
    await commit(b, "t03new");
    await commit(a, "t04new");
    // The leader decides, and folds.
    await device.pass(12_000);
    faults.push(...differences("after the fold", rowsOf(a.sync), rowsOf(b.sync)));
    faults.push(...faultsOfRows(template, suffered, rowsOf(a.sync)));
    const folded = await disk();
    for (const it of damages) faults.push(...faultsOfBytes(it, folded));
    if (a.sync.outbox.size > 0) faults.push(`${a.sync.outbox.size} events are not decided`);
    if (folded.log.length > 60) faults.push(`${folded.log.length} records are not folded`);
    const c = await open();
    faults.push(...differences("fresh tab after the fold", rowsOf(a.sync), rowsOf(c.sync)));
    if (faults.length > 0) return done("ready");

    const discarded = c.sync.quarantine
      .list()
      .map(({ id }) => outcome(c.sync.quarantine.discard(id)));
    await device.pass(1000);
    for (const end of await Promise.all(discarded))
      if (end !== "resolved") faults.push(`a discard is ${end}`);
    await commit(c, "t05new");
    await device.pass(12_000);
    const shown = rowsOf(a.sync);
    faults.push(...differences("after discarding", shown, rowsOf(c.sync)));
    await stopAll();

    const later = createFuzzDevice(storage, 10_001 + 2 * seed);
    const d = await open(later);
    faults.push(...differences("after a restart", shown, rowsOf(d.sync)));
    for (const { id, reason } of d.sync.quarantine.list())
      faults.push(`came back after it was discarded: ${id}: ${reason}`);
    await commit(d, "t06new", later);
    await later.pass(6000);
    await stopAll(later);
    return done("ready");
  } catch (error) {
    faults.push(error instanceof Error ? (error.stack ?? String(error)) : String(error));
    return done("ready");
  } finally {
    for (const tab of tabs) tab.kill();
  }
}
