/**
 * Which rows cannot have suffered: those that no damaged record names, neither as it was nor as it is.
 *
 * The app is made for this: every record that has a say in a row holds the row's id. A segment lists its ids, a base record
 * has them in its images, a commit in its payloads. What one event ties together suffers together: the rows that it names,
 * and the address that only the first may take. So this is exact but for two things, where it leaves out too much rather
 * than too little: a row that is named suffers even if what happened to the record was harmless to it, and the whole
 * of what one commit names suffers, even if its events would have gone through.
 */
import { type Row } from "../../src/model/log.ts";
import { decodeSegment } from "../../src/model/segment.ts";
import { decodeRecord, decodeRejected } from "../../src/model/stored.ts";
import { type Damage, keyText } from "./damage.ts";
import { type Contents, sameValue } from "./disk.ts";
import { type Template } from "./template.ts";

const isName = (text: string): boolean => /^t\d\d-|@/.test(text);

/** Ids and addresses anywhere in a value. */
function namesIn(value: unknown, found = new Set<string>(), seen = new Set<object>()): Set<string> {
  if (typeof value === "string") {
    if (isName(value)) found.add(value);
    return found;
  }
  if (typeof value !== "object" || value === null || seen.has(value)) return found;
  seen.add(value);
  if (seen.size > 100_000) return found;
  for (const key of Object.keys(value)) {
    if (isName(key)) found.add(key);
    namesIn((value as Record<string, unknown>)[key], found, seen);
  }
  return found;
}

/** What belongs together: the names of each commit of the log, of each rejected event, and of each base record's keys. */
function tiesOf({ contents }: Template): readonly ReadonlySet<string>[] {
  return [...contents.log, ...contents.rejected].flatMap(({ value }) => {
    const record = decodeRecord(value);
    if (record?.kind === "base") return record.changes.map((it) => namesIn(it));
    if (record?.kind !== "commit") return [namesIn(value)];
    const units = new Map<string, unknown[]>();
    for (const event of record.events) {
      const unit = units.get(event.tx ?? event.id) ?? [];
      units.set(event.tx ?? event.id, [...unit, event.payload]);
    }
    return Array.from(units.values(), (it) => namesIn(it));
  });
}

const identity = (value: unknown): string | undefined => {
  const { tab, n } = (typeof value === "object" && value !== null ? value : {}) as {
    tab?: unknown;
    n?: unknown;
  };
  return typeof tab === "string" && typeof n === "number" ? `${n} ${tab}` : undefined;
};

/** Names of rows and addresses that suffered. */
export function sufferers(template: Template, damages: readonly Damage[]): ReadonlySet<string> {
  const suffered = new Set<string>();
  for (const { before, after } of damages) {
    namesIn(before?.value, suffered);
    namesIn(before?.key, suffered);
    namesIn(after?.value, suffered);
    // What it says to be decided is not looked at again: nothing in it shows that it should not be.
    const said = decodeRecord(after?.value);
    if (said?.kind === "base")
      for (const { key, value } of template.contents.log)
        if ((key as number) <= said.settled.position + 1) namesIn(value, suffered);
    // Who takes the name of another record stands in its way.
    const claimed = identity(after?.value);
    for (const { value } of template.contents.log)
      if (claimed !== undefined && identity(value) === claimed) namesIn(value, suffered);
  }
  const ties = tiesOf(template);
  for (let grown = true; grown;) {
    grown = false;
    for (const tie of ties) {
      const names = Array.from(tie);
      if (!names.some((it) => suffered.has(it)) || names.every((it) => suffered.has(it))) continue;
      for (const name of names) suffered.add(name);
      grown = true;
    }
  }
  return suffered;
}

/** What is wrong with the rows that a tab shows. */
export function faultsOfRows(
  template: Template,
  suffered: ReadonlySet<string>,
  shown: ReadonlyMap<string, Row>,
): string[] {
  const faults: string[] = [];
  for (const [id, row] of template.rows) {
    if (suffered.has(id)) continue;
    const now = shown.get(id);
    if (!sameValue(now, row))
      faults.push(`row ${id}: expected ${JSON.stringify(row)}, got ${JSON.stringify(now)}`);
  }
  for (const [id, row] of shown)
    if (!template.rows.has(id) && !suffered.has(id) && isName(id))
      faults.push(`row ${id}: expected none, got ${JSON.stringify(row)}`);
  return faults;
}

/** Whether damaged bytes are where they were, or in quarantine, or are no damage to the eye. */
export function faultsOfBytes({ store, key, kind, after }: Damage, disk: Contents): string[] {
  if (after === undefined) return [];
  const found = disk[store].find((pair) => sameValue(pair.key, key));
  if (found !== undefined && sameValue(found.value, after.value)) return [];
  const isKept = disk.quarantine.some(({ value }) => {
    const raw = (value as { raw?: unknown } | null)?.raw;
    return sameValue(raw, after.value);
  });
  if (isKept) return [];
  // Nothing shows that it is damaged: it was taken for what it says.
  if (store === "log" && decodeRecord(after.value) !== undefined) return [];
  if (store === "segments" && !("reason" in decodeSegment(after.value))) return [];
  if (store === "rejected" && decodeRejected(after.value) !== undefined) return [];
  if (store === "meta") return [];
  return [`${store} ${keyText(key)} (${kind}) is neither in its place nor in quarantine`];
}
