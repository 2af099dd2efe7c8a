/** Any value as JSON, for people: damaged bytes can be anything that structured clone knows, and an export must not throw. */
import { type Json, maxDepth, show, showError } from "./json.ts";

const described = (name: string, value: Json): Json => ({ [`(${name})`]: value });

function plain(value: unknown, depth: number, above: readonly object[]): Json {
  if (typeof value === "string" || typeof value === "boolean" || value === null) return value;
  if (typeof value === "number" && Number.isFinite(value)) return value;
  if (typeof value !== "object") return described(typeof value, show(value));
  if (above.includes(value)) return described("cycle", above.length - above.indexOf(value));
  if (depth === 0) return described("deeper", Object.keys(value).length);
  const inside = (item: unknown): Json => plain(item, depth - 1, [...above, value]);
  if (Array.isArray(value)) return Array.from(value, inside);
  if (value instanceof Map) return described("Map", Array.from(value, inside));
  if (value instanceof Set) return described("Set", Array.from(value, inside));
  if (value instanceof Date) return described("Date", inside(value.getTime()));
  if (value instanceof ArrayBuffer) return described("ArrayBuffer", [...new Uint8Array(value)]);
  if (ArrayBuffer.isView(value)) {
    const { buffer, byteOffset, byteLength } = value;
    const name = value.constructor.name;
    return described(name, [...new Uint8Array(buffer, byteOffset, byteLength)]);
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  const isPlain = prototype === Object.prototype || prototype === null;
  const entries = Object.entries(value).map(([name, item]) => [name, inside(item)]);
  if (isPlain) return Object.fromEntries(entries) as Json;
  return described(Object.prototype.toString.call(value).slice(8, -1), showError(value));
}

/** What is not JSON becomes an object that names its kind, as `{ "(Date)": 0 }`. Never throws. */
export function toPlain(value: unknown): Json {
  try {
    return plain(value, maxDepth * 2, []);
  } catch (error) {
    return described("unreadable", showError(error));
  }
}
