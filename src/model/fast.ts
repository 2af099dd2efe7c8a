/**
 * One pass that checks, copies and freezes a value for the plain schemas that most apps use: objects, arrays, strings,
 * numbers, booleans, literals, and optional or nullable ones. It never says no: what it is not sure of is `slow`, and
 * valibot decides. What it accepts is exactly what valibot would give back unchanged (a property test compares them).
 */
import * as v from "valibot";
import { type Json } from "./json.ts";

/** Not decided here. */
export const slow: unique symbol = Symbol("slow");

/** The value as frozen JSON, or `slow`. */
export type Fast = (value: unknown) => Json | typeof slow;

/** What valibot's schema objects hold, as far as it is read here. Every property depends on the kind of schema. */
export interface Node {
  readonly kind: string;
  readonly type: string;
  readonly async?: boolean;
  readonly pipe?: readonly Node[];
  readonly entries?: Readonly<Record<string, Node>>;
  readonly items?: readonly Node[];
  readonly item?: Node;
  readonly wrapped?: Node;
  readonly default?: unknown;
  readonly rest?: Node | null;
  readonly key?: Node;
  readonly value?: unknown;
  readonly literal?: unknown;
  readonly options?: readonly unknown[];
  readonly getter?: (input: unknown) => unknown;
}

const decide =
  (is: (value: unknown) => boolean): Fast =>
  (value) =>
    is(value) ? (value as Json) : slow;

/** -0 is not JSON. */
export const isJsonNumber = (value: number): boolean =>
  Number.isFinite(value) && !Object.is(value, -0);

/** Types that `typeof` decides: tested in place, as a call per property would cost more than the test. */
const plain = /^(string|number|boolean)$/;

function fastObject(entries: Readonly<Record<string, Node>>, copy: boolean): Fast | undefined {
  const names = Object.keys(entries);
  const kinds: string[] = [];
  const parts: (Fast | undefined)[] = [];
  const absent: boolean[] = [];
  for (const name of names) {
    const entry = entries[name] as Node;
    const maybe =
      entry.type === "optional" && entry.pipe === undefined && entry.default === undefined;
    const node = maybe ? (entry.wrapped as Node) : entry;
    const part = compileFast(node, copy);
    if (part === undefined || name === "__proto__") return undefined;
    const direct = plain.test(node.type) && node.pipe === undefined;
    kinds.push(direct ? node.type : "");
    parts.push(direct ? undefined : part);
    absent.push(maybe);
  }
  const count = names.length;
  return (value) => {
    if (
      typeof value !== "object" ||
      value === null ||
      Object.getPrototypeOf(value) !== Object.prototype
    )
      return slow;
    // Copied before it is looked at: a getter is read once.
    const out = (copy ? { ...value } : value) as Record<string, unknown>;
    let present = 0;
    for (let at = 0; at < count; at += 1) {
      const name = names[at] as string;
      const item = out[name];
      if (item === undefined) {
        if (absent[at] !== true || name in out) return slow;
        continue;
      }
      const part = parts[at];
      if (part === undefined) {
        if (typeof item !== kinds[at] || (typeof item === "number" && !isJsonNumber(item)))
          return slow;
      } else {
        const mine = part(item);
        if (mine === slow) return slow;
        if (mine !== item) out[name] = mine;
      }
      present += 1;
    }
    let keys = 0;
    for (const _ in out) keys += 1;
    // Unknown keys are for valibot: what becomes of them depends on the schema.
    return keys === present ? (Object.freeze(out) as Json) : slow;
  };
}

/** The fast pass for a schema, where there is one. Without `copy` the value is frozen as it is: for what nobody else holds. */
export function compileFast(node: Node, copy: boolean): Fast | undefined {
  if (node.pipe !== undefined) {
    const [first, ...rest] = node.pipe;
    const base = first === undefined ? undefined : compileFast(first, copy);
    const flat = first !== undefined && /^(string|number|boolean)$/.test(first.type);
    if (base === undefined || !flat || rest.some((it) => it.kind !== "validation"))
      return undefined;
    return (value) => {
      const mine = base(value);
      return mine !== slow && v.is(node as unknown as v.GenericSchema, value) ? mine : slow;
    };
  }
  switch (node.type) {
    case "string":
      return decide((value) => typeof value === "string");
    case "boolean":
      return decide((value) => typeof value === "boolean");
    case "number":
      return decide((value) => typeof value === "number" && isJsonNumber(value));
    case "null":
      return decide((value) => value === null);
    case "literal":
      return typeof node.literal === "string"
        ? decide((value) => value === node.literal)
        : undefined;
    case "picklist": {
      const { options = [] } = node;
      return options.every((it) => typeof it === "string")
        ? decide((value) => options.includes(value as string))
        : undefined;
    }
    case "nullable": {
      const part = node.default === undefined ? compileFast(node.wrapped as Node, copy) : undefined;
      return part && ((value) => (value === null ? null : part(value)));
    }
    case "array": {
      const part = compileFast(node.item as Node, copy);
      return (
        part &&
        ((value) => {
          if (!Array.isArray(value)) return slow;
          const { length } = value;
          const out: Json[] = copy ? [] : (value as Json[]);
          for (let at = 0; at < length; at += 1) {
            const mine = part(value[at]);
            if (mine === slow) return slow;
            if (copy || mine !== value[at]) out[at] = mine;
          }
          return Object.freeze(out);
        })
      );
    }
    case "object":
      return fastObject(node.entries ?? {}, copy);
    default:
      return undefined;
  }
}
