import { type LogRow, type ReadWant } from "./storage.ts";

/** Rows of a page: whole commits, as many as fit, and at least one. */
export function takePage(rows: Iterable<LogRow>, { limit, size }: ReadWant): LogRow[] {
  const found: LogRow[] = [];
  let length = 0;
  for (const row of rows) {
    const isFull = found.length >= limit || length + row.entry.length > size;
    const goesOn = row.tx !== undefined && row.tx === found.at(-1)?.tx;
    if (isFull && found.length > 0 && !goesOn) break;
    found.push(row);
    length += row.entry.length;
  }
  return found;
}
