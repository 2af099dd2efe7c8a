/** What a case says about an answer: it holds, or the case has failed with a sentence that names what was got. */

/** The server did not do what the clause asks. */
export class Failed extends Error {
  override readonly name = "Failed";
}

/** The case cannot be run against this server; which is not the same as passing it. */
export class Skipped extends Error {
  override readonly name = "Skipped";
}

/** A value in a message: JSON, cut. */
export function render(value: unknown): string {
  const text = value === undefined ? "nothing" : (JSON.stringify(value) ?? typeof value);
  return text.length > 240 ? `${text.slice(0, 237)}…` : text;
}

/** `must("the status to be 400", status === 400, status)`. */
export function must(what: string, holds: boolean, got?: unknown): asserts holds {
  if (!holds) throw new Failed(`Expected ${what}, got ${render(got)}`);
}

/** The parts of a header that is a list. */
export const list = (value: string | null): string[] =>
  (value ?? "").split(",").map((it) => it.trim().toLowerCase());

/** `what`: of an answer. */
export function mustNotBeStored(what: string, headers: Headers): void {
  const cache = list(headers.get("cache-control"));
  must(`${what} with Cache-Control: no-store`, cache.includes("no-store"), cache);
}

/** JSON with its keys sorted, so that two values can be compared as text. */
export const canonical = (value: unknown): string =>
  JSON.stringify(value, (_, it: unknown) =>
    typeof it === "object" && it !== null && !Array.isArray(it)
      ? Object.fromEntries(Object.entries(it).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : it,
  ) ?? "undefined";

/** The part of a text from shortly before a place on. */
const part = (text: string, at: number): string =>
  text.length <= 240 ? text : `…${text.slice(Math.max(0, at - 60), at + 180)}…`;

/** Compares JSON values; the order of keys does not matter. Of long ones the message has where they begin to differ. */
export function same(what: string, got: unknown, expected: unknown): void {
  const [a, b] = [canonical(got), canonical(expected)];
  if (a === b) return;
  let at = 0;
  while (a[at] === b[at]) at += 1;
  throw new Failed(`Expected ${what} to be ${part(b, at)}, got ${part(a, at)}`);
}

/** Leaves the case, with the reason. */
export function skip(reason: string): never {
  throw new Skipped(reason);
}
