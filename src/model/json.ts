/**
 * JSON values: the only values that payloads and rows consist of.
 *
 * Why not structured clone: a JSON value is the same in memory, on disk, in a message and on a server, and it can be
 * frozen for good.
 */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

/** Deeper values are refused: they would overflow the stack of whoever reads them. */
export const maxDepth = 64;

/** Where a value stops being JSON, as a path (`$.items[3].at`) and a reason. */
export interface JsonIssue {
  readonly path: string;
  readonly reason: string;
}

class NotJson extends Error {
  readonly reason: string;
  path = "";
  constructor(reason: string) {
    super(reason);
    this.reason = reason;
  }
}

function refuse(value: unknown): never {
  if (typeof value === "number") throw new NotJson(`a finite number, got ${value}`);
  if (typeof value === "object") {
    const name = (value as object).constructor?.name ?? "an object with a prototype";
    throw new NotJson(`a plain object, got ${name}`);
  }
  throw new NotJson(`a JSON value, got ${typeof value}`);
}

function inside(error: unknown, step: string): never {
  if (error instanceof NotJson) error.path = step + error.path;
  throw error;
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function copy(value: unknown, depth: number): Json {
  if (typeof value === "string" || typeof value === "boolean" || value === null) return value;
  // -0 is not a JSON number: JSON.stringify(-0) is "0".
  if (typeof value === "number" && Number.isFinite(value)) return value === 0 ? 0 : value;
  if (typeof value !== "object") return refuse(value);
  if (depth === 0) throw new NotJson(`at most ${maxDepth} levels`);
  if (Array.isArray(value)) {
    const length = value.length;
    // oxlint-disable-next-line unicorn/no-new-array -- a preallocated array is twice as fast for large payloads
    const out = new Array<Json>(length);
    for (let index = 0; index < length; index += 1) {
      try {
        out[index] = copy(value[index], depth - 1);
      } catch (error) {
        inside(error, `[${index}]`);
      }
    }
    return Object.freeze(out);
  }
  if (!isPlain(value)) return refuse(value);
  const out: Record<string, Json> = {};
  for (const key of Object.keys(value)) {
    if (key === "__proto__") throw new NotJson(`no key named "__proto__"`);
    const item = (value as Record<string, unknown>)[key];
    // As JSON.stringify does: an absent optional property and an undefined one are the same thing.
    if (item === undefined) continue;
    try {
      out[key] = copy(item, depth - 1);
    } catch (error) {
      inside(error, `.${key}`);
    }
  }
  return Object.freeze(out);
}

/** What was thrown, in words: an app can throw what cannot be made a string. */
export function showError(error: unknown): string {
  try {
    return show(String(error));
  } catch {
    return show(error);
  }
}

/** Copies a value deeply into frozen JSON, or says where it is not JSON. Undefined properties are left out. */
export function toJson(value: unknown, depth = maxDepth): { value: Json } | { issue: JsonIssue } {
  try {
    return { value: copy(value, depth) };
  } catch (error) {
    if (error instanceof NotJson)
      return { issue: { path: `$${error.path}`, reason: error.reason } };
    // A getter or a proxy of the app threw while it was read.
    return { issue: { path: "$", reason: `a readable value, got an error: ${showError(error)}` } };
  }
}

/** Whether a JSON value is an object, and not an array. */
export const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Whether two JSON values are equal; the order of keys does not matter. */
export function sameJson(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a)) {
    if (!Array.isArray(b) || a.length !== b.length) return false;
    return a.every((item, index) => sameJson(item as Json, b[index] as Json));
  }
  if (Array.isArray(b)) return false;
  const left = a as JsonObject;
  const right = b as JsonObject;
  const keys = Object.keys(left);
  if (keys.length !== Object.keys(right).length) return false;
  return keys.every((key) => Object.hasOwn(right, key) && sameJson(left[key], right[key]));
}

/** A short rendering of any value for an error message. */
export function show(value: unknown): string {
  if (typeof value === "string")
    return JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}…` : value);
  if (typeof value === "function") return "a function";
  if (typeof value !== "object" || value === null) return String(value);
  return Array.isArray(value) ? `an array of ${value.length}` : "an object";
}

const encoder = new TextEncoder();

/** Bytes of a value as JSON. */
export const sizeOfJson = (value: unknown): number => encoder.encode(JSON.stringify(value)).length;
