import { isFolded, type LogRecord, type WriterMark } from "../model/log.ts";

type Identified = Pick<LogRecord, "tab" | "n">;

/**
 * Where each record is, for every storage alike: in the log, folded already (`null`), or added now by `add`, which is
 * called in order for the records that are nowhere. Two records of one identity `(tab, n)` are one record.
 */
export function placeAll<Position>(
  records: readonly LogRecord[],
  log: readonly (readonly [position: Position, value: unknown])[],
  writers: unknown,
  add: (record: LogRecord) => Position,
): readonly { readonly position: Position | null; readonly added: boolean }[] {
  const known = new Map<string, Position>();
  for (const [position, value] of log) {
    if (isIdentified(value)) known.set(identity(value), position);
  }
  return records.map((record) => {
    const id = identity(record);
    const before = known.get(id);
    if (before !== undefined) return { position: before, added: false };
    if (isFolded(markOf(writers, record.tab), record.n)) return { position: null, added: false };
    const position = add(record);
    known.set(id, position);
    return { position, added: true };
  });
}

const identity = ({ tab, n }: Identified): string => `${n} ${tab}`;

/** What is not a record has no identity, and is nobody's. */
function isIdentified(value: unknown): value is Identified {
  return typeof value === "object" && value !== null && "tab" in value && "n" in value;
}

function markOf(writers: unknown, tab: string): WriterMark | undefined {
  if (typeof writers !== "object" || writers === null) return undefined;
  const mark = Object.hasOwn(writers, tab)
    ? (writers as Record<string, Partial<WriterMark> | null>)[tab]
    : undefined;
  // What does not say which records are folded says that none is.
  return Array.isArray(mark?.missing) ? (mark as WriterMark) : undefined;
}

/** Whether a `meta` entry would be lowered: two tabs may raise the same one, and the higher one holds. */
export const isLower = (value: unknown, stored: unknown): boolean =>
  typeof value === "number" && typeof stored === "number" && value < stored;
