/** What must be true of the one order of rows, whichever tabs died. Each function returns what is wrong with it. */
import type { App, Told } from "./app/main.ts";

type Disk = Awaited<ReturnType<App["disk"]>>;

/** `7:ab12-3` → 7 and `ab12-3`. */
const parse = (entry: string): { readonly no: number; readonly id: string } => {
  const [no = "", id = ""] = entry.split(":");
  return { no: Number(no), id };
};

const some = (all: readonly string[]): string =>
  all.length > 6 ? `${all.slice(0, 6).join(", ")} … (${all.length} in all)` : all.join(", ");

/**
 * Every durable commit is there, once and whole; what had its place `before` keeps it; numbers are without a gap; each
 * tab's own rows are in its own order.
 */
export function faultsOfOrder(
  order: readonly string[],
  before: readonly string[],
  told: readonly Told[],
): string[] {
  const faults: string[] = [];
  const moved = before.filter((entry, at) => order[at] !== entry);
  if (moved.length > 0) faults.push(`not where they were: ${some(moved)}`);
  const entries = order.map(parse);
  const places = new Map(entries.map(({ id }, at) => [id, at]));
  if (places.size !== order.length) faults.push("an id is there twice");
  const misplaced = entries.filter(({ no }, at) => no !== at + 1);
  if (misplaced.length > 0)
    faults.push(
      `numbers are not 1 to ${order.length}: ${some(misplaced.map((it) => `${it.no}:${it.id}`))}`,
    );
  const commits = told.filter(({ kind }) => kind === "durable").map(({ ids }) => ids);
  const lost = commits.flat().filter((id) => !places.has(id));
  if (lost.length > 0) faults.push(`durable, but not there: ${some(lost)}`);
  const torn = commits.filter((ids) =>
    ids.some((id, at) => at > 0 && places.get(id) !== (places.get(ids[at - 1] ?? "") ?? -2) + 1),
  );
  if (torn.length > 0) faults.push(`not in one piece: ${some(torn.map((ids) => ids.join("+")))}`);
  const next = new Map<string, number>();
  const unordered: string[] = [];
  for (const { id } of entries) {
    const [tab = "", n = ""] = id.split("-");
    if (Number(n) !== (next.get(tab) ?? 0)) unordered.push(id);
    next.set(tab, Number(n) + 1);
  }
  if (unordered.length > 0) faults.push(`not in the order of their tab: ${some(unordered)}`);
  return faults;
}

/**
 * After data was cleared: what is there was numbered anew, in its tabs' order, and so is all that a tab stored since it
 * was told.
 */
export function faultsOfRest(order: readonly string[], told: readonly Told[]): string[] {
  const entries = order.map(parse);
  const last = new Map<string, number>();
  const faults: string[] = [];
  for (const [at, { no, id }] of entries.entries()) {
    const [tab = "", n = ""] = id.split("-");
    if (no !== at + 1 || Number(n) <= (last.get(tab) ?? -1))
      faults.push(`${no}:${id} is misplaced`);
    last.set(tab, Number(n));
  }
  const there = new Set(entries.map(({ id }) => id));
  const isSince = ({ tab }: Told, at: number): boolean =>
    told.findLastIndex((it) => it.kind === "lost" && it.tab === tab) < at;
  for (const [at, it] of told.entries())
    if (it.kind === "durable" && isSince(it, at) && it.ids.some((id) => !there.has(id)))
      faults.push(`durable since, but not there: ${some(it.ids)}`);
  return faults;
}

/** The log holds every event once, in the order that the tabs show. */
export function faultsOfLog({ log }: Disk, order: readonly string[]): string[] {
  const faults: string[] = [];
  const places = new Map(order.map((entry) => [parse(entry).id, parse(entry).no]));
  const ids = log.flatMap(([, record]) =>
    record?.kind === "commit"
      ? record.events.flatMap(({ payload }) => {
          const { id } = payload as { readonly id?: unknown };
          return typeof id === "string" ? [id] : [];
        })
      : [],
  );
  if (log.some(([, record]) => record === undefined)) faults.push("a log record is not one");
  if (new Set(ids).size !== ids.length) faults.push("an event is in the log twice");
  const unknown = ids.filter((id) => !places.has(id));
  if (unknown.length > 0) faults.push(`in the log, but not shown: ${some(unknown)}`);
  const turned = ids.filter(
    (id, at) => at > 0 && (places.get(id) ?? 0) <= (places.get(ids[at - 1] ?? "") ?? 0),
  );
  if (turned.length > 0) faults.push(`the log has another order at ${some(turned)}`);
  const terms = log.flatMap(([, record]) => (record?.kind === "base" ? [record.term] : []));
  if (terms.some((term, at) => term < (terms[at - 1] ?? 0)))
    faults.push(`a late leader wrote: terms ${some(terms.map(String))}`);
  return faults;
}

/** Once all is folded: the segments hold the rows that are shown, and the manifest counts them. */
export function faultsOfSegments({ rows, manifest }: Disk, order: readonly string[]): string[] {
  const faults: string[] = [];
  const stored = rows
    .filter(({ table }) => table === "entries")
    .map(({ row }) => row as { readonly id: string; readonly no: number })
    .toSorted((a, b) => a.no - b.no)
    .map(({ no, id }) => `${no}:${id}`);
  const first = order.findIndex((entry, at) => stored[at] !== entry);
  if (first !== -1)
    faults.push(`segments differ from rows: ${String(stored[first])} for ${String(order[first])}`);
  if (stored.length !== order.length)
    faults.push(`segments have ${stored.length} rows, ${order.length} are shown`);
  const counted = (manifest["entries"] ?? []).reduce((sum, { count }) => sum + count, 0);
  if (counted !== stored.length)
    faults.push(`the manifest counts ${counted} rows, the segments have ${stored.length}`);
  return faults;
}
