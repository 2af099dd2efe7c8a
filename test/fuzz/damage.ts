/** Damage of every kind, drawn by chance: what a record can become when a disk, a bug or a stranger has been at it. */
import { type Dice } from "./dice.ts";
import { type Contents, type StoreName, type StoredPair, storeNames } from "./disk.ts";

export interface Damage {
  readonly store: StoreName;
  readonly key: IDBValidKey;
  readonly kind: string;
  /** What was there before; undefined where there was nothing. */
  readonly before: StoredPair | undefined;
  /** What is there now; undefined when it is gone. */
  readonly after: StoredPair | undefined;
}

const nested = (levels: number, list: boolean): unknown => {
  let value: unknown = 1;
  for (let level = 0; level < levels; level += 1) value = list ? [value] : { id: value };
  return value;
};

const cyclic = (): unknown => {
  const it: Record<string, unknown> = { id: "t00-cycle", list: [] };
  it["self"] = it;
  (it["list"] as unknown[]).push(it);
  return it;
};

/** An own property whose name means something to objects. */
function withOwn(value: object, name: string, item: unknown): object {
  return Object.defineProperty(value, name, {
    value: item,
    enumerable: true,
    configurable: true,
    writable: true,
  });
}

const sparse = (length: number): unknown => {
  const list: unknown[] = [];
  list.length = length;
  return list;
};

/** An array that has these places, and no others. */
const holed = (items: Readonly<Record<number, unknown>>): unknown => {
  const list: unknown[] = [];
  for (const [at, item] of Object.entries(items)) list[Number(at)] = item;
  return list;
};

const exotic: readonly ((dice: Dice) => unknown)[] = [
  () => undefined,
  () => null,
  () => true,
  () => 0,
  () => -0,
  () => -1,
  () => 1.5,
  () => Number.NaN,
  () => Number.POSITIVE_INFINITY,
  () => Number.MAX_SAFE_INTEGER,
  () => 2 ** 53,
  () => 1e308,
  () => "",
  () => "t05",
  () => "__proto__",
  () => "constructor",
  () => "\ud800",
  () => "\u0000columns",
  (dice) => "x".repeat(1 + dice.below(5000)),
  () => 10n,
  () => new Date(0),
  () => new Date(Number.NaN),
  () => new Map([["id", 1]]),
  () => new Set([1, "id"]),
  () => new ArrayBuffer(16),
  () => new Uint8Array(8),
  () => new Blob(["{}"]),
  () => /t05/u,
  () => new TypeError("damaged"),
  () => Object(true) as unknown,
  () => Object("t05") as unknown,
  () => [],
  () => ({}),
  () => sparse(3),
  () => sparse(2 ** 32 - 1),
  () => holed({ 1: 1, 3: 2 }),
  () => [undefined, null],
  () => Array.from({ length: 20_000 }, (_, at) => at),
  () => nested(1000, true),
  () => nested(1000, false),
  cyclic,
  () => withOwn({}, "__proto__", { id: "t00-proto" }),
  () => withOwn({ id: "t00-own" }, "constructor", { name: "x" }),
  () => ({ v: 2, ids: ["t00-v2"], columns: [], pos: 1 }),
  () => ({ kind: "future", tab: "x", n: 1, schema: 1 }),
  () => ({ kind: "commit", tab: "x", n: 1, schema: 1, events: [] }),
  () => ({ kind: "base", tab: "x", n: 1, schema: 1 }),
];

/** Where a value can be changed: every place in it, some of a long list. */
function places(value: unknown, dice: Dice): readonly (readonly PropertyKey[])[] {
  const found: PropertyKey[][] = [];
  const visit = (it: unknown, path: PropertyKey[]): void => {
    if (typeof it !== "object" || it === null || path.length > 8) return;
    // The characters of a string object cannot be changed.
    if (Object.prototype.toString.call(it) === "[object String]") return;
    const keys = Object.keys(it);
    const some = keys.length > 8 ? Array.from({ length: 8 }, () => dice.pick(keys)) : keys;
    for (const key of some) {
      found.push([...path, key]);
      visit((it as Record<string, unknown>)[key], [...path, key]);
    }
  };
  visit(value, []);
  return found;
}

type Box = Record<PropertyKey, unknown>;

/** Changes one place in a copy of a value. */
function changed(value: unknown, dice: Dice): { readonly value: unknown; readonly how: string } {
  const copy = { root: structuredClone(value) };
  const path: readonly PropertyKey[] = ["root", ...dice.pick([[], ...places(copy.root, dice)])];
  const last = path.at(-1) as PropertyKey;
  let box: Box = copy;
  for (const step of path.slice(0, -1)) box = box[step] as Box;
  const old = box[last];
  const at = path.slice(1).join(".");
  const kind = dice.below(10);
  if (kind === 0 && path.length > 1) {
    delete box[last];
    return { value: copy.root, how: `without ${at}` };
  }
  if (kind === 1 && (Array.isArray(old) || typeof old === "string") && old.length > 0) {
    box[last] = old.slice(0, dice.below(old.length));
    return { value: copy.root, how: `cut ${at}` };
  }
  if (kind === 2 && typeof old === "object" && old !== null) {
    const name = dice.pick(["__proto__", "constructor", "toString", "length2"]);
    withOwn(old, name, dice.pick([1, { id: "t00-own" }, null, []]));
    return { value: copy.root, how: `with an own ${name} at ${at}` };
  }
  if (kind === 3 && typeof old === "string") {
    box[last] = dice.pick([`${old}\udfff`, "\ud800", old.toUpperCase(), ` ${old}`]);
    return { value: copy.root, how: `another string at ${at}` };
  }
  if (kind === 4 && typeof old === "number") {
    box[last] = dice.pick([old + 1, -old, old + 0.5, old * 1e6, String(old)]);
    return { value: copy.root, how: `another number at ${at}` };
  }
  if (kind === 5 && Array.isArray(old) && old.length > 0 && old.length < 1e6) {
    old.push(structuredClone(dice.pick(old)));
    return { value: copy.root, how: `one more at ${at}` };
  }
  const which = dice.below(exotic.length);
  const other = exotic[which]?.(dice);
  // What was damaged before may be bytes, which take numbers only.
  box[last] = ArrayBuffer.isView(box) && typeof other === "bigint" ? Number(other) : other;
  return { value: copy.root, how: `exotic ${which} at ${at}` };
}

const weights: Readonly<Record<Exclude<StoreName, "meta">, number>> = {
  log: 44,
  segments: 20,
  rejected: 14,
  quarantine: 14,
  queries: 8,
};

const strangeKeys: readonly IDBValidKey[] = [
  -1,
  0,
  1.5,
  -1e9,
  1e6,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  1e12,
  2 ** 52,
  2 ** 53,
  "",
  "key",
  "__proto__",
  "constructor",
  "\ud800",
  [],
  ["t05"],
  ["t05", "1"],
  ["t05", -1],
  ["t05", 2, 3],
  [["t05"], 1],
  ["__proto__", 1],
  ["constructor", 1],
  [1, "t05"],
  new Date(0),
];

export const keyText = (key: IDBValidKey): string =>
  key instanceof Date
    ? `date ${Number(key)}`
    : JSON.stringify([typeof key, key, Object.is(key, Infinity)]);

/** One store as it is being damaged. */
function createShelf(pairs: readonly StoredPair[]) {
  const original = new Map(pairs.map((pair) => [keyText(pair.key), pair]));
  return { original, now: new Map(original) };
}

const mayHold = (store: StoreName, key: IDBValidKey, allowHuge: boolean): boolean =>
  store !== "log" || typeof key !== "number" || key < 1e5 || allowHuge;

export interface DamagePlan {
  readonly count: number;
  readonly meta: boolean;
  /** Keys in the log that are far beyond its end, which use up what numbers there are. */
  readonly huge: boolean;
}

/** Damages so many records of a database. */
export function inflict(
  contents: Contents,
  dice: Dice,
  { count, meta, huge }: DamagePlan,
): { readonly contents: Contents; readonly damages: readonly Damage[] } {
  const shelves = Object.fromEntries(
    storeNames.map((store) => [store, createShelf(contents[store])]),
  ) as Readonly<Record<StoreName, ReturnType<typeof createShelf>>>;
  const touched = new Map<string, { store: StoreName; key: IDBValidKey; kind: string }>();

  function put(store: StoreName, key: IDBValidKey, value: unknown, kind: string): void {
    if (!mayHold(store, key, huge)) return;
    shelves[store].now.set(keyText(key), { key, value });
    touched.set(`${store} ${keyText(key)}`, { store, key, kind });
  }
  function drop(store: StoreName, key: IDBValidKey, kind: string): void {
    shelves[store].now.delete(keyText(key));
    touched.set(`${store} ${keyText(key)}`, { store, key, kind });
  }
  const any = (store: StoreName): StoredPair | undefined => {
    const all = Array.from(shelves[store].original.values());
    return all.length === 0 ? undefined : dice.pick(all);
  };
  const lottery = Object.entries(weights).flatMap(([store, weight]) =>
    Array.from({ length: weight }, () => store as StoreName),
  );

  while (touched.size < count) {
    const store = meta && dice.chance(6) ? "meta" : dice.pick(lottery);
    const pair = any(store);
    const kind = dice.below(100);
    if (pair === undefined || kind < 12) {
      const key = dice.pick(strangeKeys);
      const source = any(dice.pick(storeNames));
      const value = dice.chance(50) ? source?.value : dice.pick(exotic)(dice);
      put(store, key, value, "under a strange key");
    } else if (kind < 30) put(store, pair.key, dice.pick(exotic)(dice), "another value");
    else if (kind < 75) {
      const { value, how } = changed(pair.value, dice);
      put(store, pair.key, value, how);
    } else if (kind < 82) {
      const other = any(store);
      if (other !== undefined) put(store, pair.key, other.value, "a copy of its neighbour");
    } else if (kind < 86) {
      const other = any(dice.pick(storeNames));
      if (other !== undefined) put(store, pair.key, other.value, "a record of any store");
    } else if (kind < 93) drop(store, pair.key, "gone");
    else if (store === "log" && typeof pair.key === "number") {
      const value = structuredClone(pair.value) as { n?: unknown };
      if (dice.chance(50)) value.n = dice.below(20);
      put(store, pair.key + dice.below(400), value, "a copy elsewhere");
    } else if (store === "segments" && Array.isArray(pair.key)) {
      const [table, no] = pair.key as [string, number];
      put(store, [table, no + 1 + dice.below(3)], pair.value, "a copy elsewhere");
    } else {
      const { value, how } = changed(pair.value, dice);
      put(store, pair.key, changed(value, dice).value, `${how}, and more`);
    }
  }
  const damages = Array.from(touched, ([, { store, key, kind }]): Damage => {
    const { original, now } = shelves[store];
    return { store, key, kind, before: original.get(keyText(key)), after: now.get(keyText(key)) };
  });
  return {
    contents: Object.fromEntries(
      storeNames.map((store) => [store, Array.from(shelves[store].now.values())]),
    ) as unknown as Contents,
    damages,
  };
}
