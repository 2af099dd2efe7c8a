/** What must hold once a device has come to rest, whatever happened to one of its tabs. */
import { isDeepStrictEqual } from "node:util";
import { type LogEntry } from "../../../src/protocol/index.ts";
import { rowsOf } from "../../simulate/app.ts";
import { demand } from "../../simulate/demand.ts";
import { type Scene, type Tab } from "./scene.ts";

const show = (value: unknown): string => JSON.stringify(value);

const isAlive = ({ page }: Tab): boolean => page.state !== "gone";
const leads = ({ sync }: Tab): boolean => sync.status.role === "leader";

/** On each device one tab leads. */
const isLed = (alive: readonly Tab[]): boolean =>
  alive.every(({ device }) => alive.filter((it) => it.device === device && leads(it)).length === 1);

/** Nothing is under way any more, but what the passing of time brings. */
function isAtRest({ tabs, written }: Scene): boolean {
  const alive = tabs.filter(isAlive);
  return (
    isLed(alive) &&
    alive.every(({ sync }) => sync.status.pending === 0 && sync.outbox.size === 0) &&
    written.every(({ tab, settled }) => !isAlive(tab) || settled !== "pending")
  );
}

/** Lets time pass until everything has come to rest, at most three minutes. */
export async function comeToRest(scene: Scene): Promise<void> {
  await scene.world.pass(2000);
  for (let tries = 0; tries < 90 && !isAtRest(scene); tries += 1) await scene.world.pass(2000);
}

/** The entries that the server has, by the ids of their rows. */
async function onServer({ storage }: Scene): Promise<readonly string[]> {
  const { rows } = await storage.read("me", { after: 0, limit: 1000, size: 1e9 });
  return rows.map(({ entry }) => ((JSON.parse(entry) as LogEntry).payload as { id: string }).id);
}

/** G1 G5 G6 G10 G13, of a device at rest. */
export async function expectWhole(scene: Scene): Promise<void> {
  const { tabs, written, troubles } = scene;
  const fresh = scene.open();
  await scene.world.run(fresh.sync.ready);
  await comeToRest(scene);
  const alive = tabs.filter(isAlive);

  demand(troubles.length === 0, "Expected a server without trouble, got", ...troubles);
  demand(
    isLed(alive),
    "Expected one tab to lead, got",
    show(alive.map(({ page, sync }) => [page.name, page.state, sync.status])),
  );
  for (const { page, sync } of alive)
    demand(
      sync.status.pending === 0 && sync.status.fault === null && sync.status.rejected === 0,
      "Expected nothing to wait or fail, got",
      page.name,
      show(sync.status),
    );

  const rows = rowsOf(fresh.sync, 1);
  for (const { page, sync } of alive)
    demand(
      isDeepStrictEqual(rowsOf(sync, 1), rows),
      `Expected the rows of ${page.name} to be those of a fresh tab, got`,
      show([...rowsOf(sync, 1)]),
      "and",
      show([...rows]),
    );
  // Each entry got a running number when it was decided: an effect that came twice, or never, leaves a hole.
  const entries = [...rows].filter(([key]) => key.startsWith("entries/"));
  const numbers = entries.map(([, row]) => row["no"] as number).toSorted((a, b) => a - b);
  demand(
    isDeepStrictEqual(
      numbers,
      entries.map((_, at) => at + 1),
    ) && (rows.get("counters/entries")?.["value"] ?? 0) === entries.length,
    "Expected every event to take effect once, got",
    show([...rows]),
  );
  const shown = new Set(entries.map(([, row]) => row.id));
  for (const { id, durable, settled, tab } of written) {
    demand(
      durable !== "rejected",
      `Expected ${id} to be stored or lost with its tab, got a refusal`,
    );
    demand(
      durable !== "resolved" || shown.has(id),
      `Expected ${id} to be there, as it was durable`,
    );
    demand(
      !isAlive(tab) || (durable === "resolved" && isDeepStrictEqual(settled, ["accepted"])),
      `Expected ${id} to be stored and accepted, got ${durable}, ${show(settled)}`,
    );
  }
  if (scene.withServer) {
    const there = await onServer(scene);
    demand(
      new Set(there).size === there.length && isDeepStrictEqual(new Set(there), shown),
      "Expected the server to have each entry once, got",
      show(there),
      "and here",
      show([...shown]),
    );
  }

  for (const device of new Set(tabs.map((tab) => tab.device)))
    expectFenced(
      scene,
      tabs.filter((tab) => tab.device === device),
    );
}

/** G10: each term is one tab's, and what was written in it lies before what was written in the next. */
function expectFenced({ probe: { claims, led } }: Scene, tabs: readonly Tab[]): void {
  const names = new Set(tabs.map(({ page }) => page.name));
  const claimed = claims.filter(({ tab }) => names.has(tab));
  const owners = new Map(claimed.map(({ term, tab }) => [term, tab]));
  demand(owners.size === claimed.length, "Expected terms claimed once each, got", show(claimed));
  const written = led.filter(({ tab, tag }) => names.has(tab) && tag === "written");
  for (const { tab, term } of written)
    demand(owners.get(term) === tab, `Expected ${tab} to write in a term of its own, got ${term}`);
  const placed = written
    .filter(({ position }) => position !== null)
    .toSorted((a, b) => (a.position ?? 0) - (b.position ?? 0));
  for (const [at, { term }] of placed.entries())
    demand(
      term >= (placed[at - 1]?.term ?? 0),
      "Expected a leader that was replaced to write no more, got",
      show(placed),
    );
}
