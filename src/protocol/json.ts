/**
 * Reads JSON that a stranger wrote: whole and unaltered, or not at all.
 *
 * What is refused could do harm (`__proto__`, too deep, too many) or would not come out as it went in (halves of surrogate
 * pairs, numbers that a double does not hold). The size of the text is for its reader to limit, before it is one.
 */
import { defaultLimits, fixedLimits } from "./http.ts";

/** Where something is not as expected, as a path (`$.events[3].seq`), and what was. */
export interface WireIssue {
  readonly path: string;
  readonly reason: string;
}

export type Parsed<T> = { readonly value: T } | { readonly issue: WireIssue };

export interface ParseLimits {
  /** Levels. */
  readonly depth?: number;
  readonly keysPerObject?: number;
  readonly stringLength?: number;
  /** Halves of surrogate pairs are taken, as escapes: what a server passes on that way comes out as it went in. */
  readonly halves?: boolean;
}

/** For what a server says: what it has taken is read as it is. */
export const answerLimits: ParseLimits = {
  keysPerObject: Infinity,
  stringLength: Infinity,
  halves: true,
};

const none = (reason: string, path = "$"): { readonly issue: WireIssue } => ({
  issue: { path, reason },
});

/** With the flag `u` a pair is one character, so this finds only halves. */
const half = /\p{Surrogate}/u;

/** Numbers of a text, with its strings, so that digits in those are none. */
const tokens = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g;

/** The first whole number of a text that a double does not hold, and that would not be written as it was read. */
function inexact(text: string): string | undefined {
  for (const [token] of text.matchAll(tokens)) {
    if (token.length < 16 || !/^-?\d+$/.test(token) || token === String(Number(token))) continue;
    if (BigInt(token) !== BigInt(Number(token))) return token;
  }
  return undefined;
}

interface Place {
  readonly value: object;
  readonly step: string;
  readonly above: Place | undefined;
  readonly depth: number;
}

const pathOf = (place: Place | undefined, last = ""): string => {
  let path = last;
  for (let at = place; at !== undefined; at = at.above) path = at.step + path;
  return path.slice(0, 200);
};

const hasPrototype = (value: unknown): boolean =>
  typeof value === "object" && value !== null && Object.hasOwn(value, "prototype");

/** Walks over a value with a list of its own in place of the stack, which a deep one would overflow. */
function scan(text: string, root: unknown, limits: Required<ParseLimits>): WireIssue | undefined {
  const open: Place[] = [];
  let big = false;
  const look = (value: unknown, step: string, above: Place | undefined): string | undefined => {
    if (typeof value === "string") {
      if (value.length > limits.stringLength)
        return `a string of at most ${limits.stringLength} characters, got ${value.length}`;
      return !limits.halves && half.test(value)
        ? "well-formed Unicode, got half of a surrogate pair"
        : undefined;
    }
    if (typeof value === "number") {
      if (!Number.isFinite(value)) return "a number that a double holds, got a larger one";
      big ||= Math.abs(value) > Number.MAX_SAFE_INTEGER;
      return undefined;
    }
    if (typeof value !== "object" || value === null) return undefined;
    const depth = (above?.depth ?? 0) + 1;
    if (depth > limits.depth) return `at most ${limits.depth} levels`;
    open.push({ value, step, above, depth });
    return undefined;
  };
  const first = look(root, "$", undefined);
  if (first !== undefined) return { path: "$", reason: first };
  for (let place = open.pop(); place !== undefined; place = open.pop()) {
    const { value } = place;
    if (Array.isArray(value)) {
      for (let index = 0; index < value.length; index += 1) {
        const reason = look(value[index], `[${index}]`, place);
        if (reason !== undefined) return { path: pathOf(place, `[${index}]`), reason };
      }
      continue;
    }
    const keys = Object.keys(value);
    if (keys.length > limits.keysPerObject)
      return {
        path: pathOf(place),
        reason: `at most ${limits.keysPerObject} keys, got ${keys.length}`,
      };
    for (const key of keys) {
      const item = (value as Record<string, unknown>)[key];
      const reason =
        key === "__proto__" || (key === "constructor" && hasPrototype(item))
          ? `no key named "${key}" that reaches a prototype`
          : (look(key, "", undefined) ?? look(item, `.${key}`, place));
      if (reason !== undefined) return { path: pathOf(place, `.${key}`), reason };
    }
  }
  const lost = big ? inexact(text) : undefined;
  if (lost !== undefined)
    return { path: "$", reason: `whole numbers that a double holds, got ${lost.slice(0, 40)}` };
  return undefined;
}

/**
 * Parses a body: its text, or its bytes, which have to be UTF-8. Never throws.
 *
 * @example
 * import { parseJson } from "sssync/protocol";
 * parseJson(`{"a":[1,2]}`); // { value: { a: [1, 2] } }
 * parseJson(`{"__proto__":{}}`); // { issue: { path: "$.__proto__", … } }
 */
export function parseJson(body: string | Uint8Array, limits: ParseLimits = {}): Parsed<unknown> {
  let value: unknown;
  let text: string;
  try {
    text = typeof body === "string" ? body : new TextDecoder("utf-8", { fatal: true }).decode(body);
    value = JSON.parse(text);
  } catch {
    return none("JSON in UTF-8, got something else");
  }
  const issue = scan(text, value, {
    depth: limits.depth ?? defaultLimits.depth + fixedLimits.envelopeDepth,
    keysPerObject: limits.keysPerObject ?? fixedLimits.keysPerObject,
    stringLength: limits.stringLength ?? fixedLimits.stringLength,
    halves: limits.halves ?? false,
  });
  return issue === undefined ? { value } : { issue };
}
