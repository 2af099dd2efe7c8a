/**
 * Watches an app's materializers: each tab and each device runs them for itself, and all must come to the same rows. So they
 * may ask for no time and no chance, and what one gave for an event it must give again where it reads the same rows.
 */

/** What `caught` is told, and nothing else is changed: `run` gets what it asks for. */
export function withoutChance<R>(run: () => R, caught: (what: string) => void): R {
  const undo: (() => void)[] = [];
  function replace(on: object, name: string, value: unknown): void {
    const own = Object.getOwnPropertyDescriptor(on, name);
    Object.defineProperty(on, name, { configurable: true, writable: true, value });
    undo.push(() => {
      if (own === undefined) Reflect.deleteProperty(on, name);
      else Object.defineProperty(on, name, own);
    });
  }
  const watch = (on: object, name: string, what: string): void => {
    const call = Reflect.get(on, name) as (...args: readonly unknown[]) => unknown;
    replace(on, name, (...args: readonly unknown[]) => {
      caught(what);
      return call.apply(on, args as unknown[]);
    });
  };
  const clock = Date;
  replace(
    globalThis,
    "Date",
    new Proxy(clock, {
      apply(_, __, args) {
        caught("Date()");
        return Reflect.apply(clock, undefined, args);
      },
      construct(_, args) {
        if (args.length === 0) caught("new Date()");
        return Reflect.construct(clock, args) as Date;
      },
      get(_, name) {
        if (name === "now") caught("Date.now()");
        return Reflect.get(clock, name) as unknown;
      },
    }),
  );
  watch(Math, "random", "Math.random()");
  watch(performance, "now", "performance.now()");
  watch(crypto, "getRandomValues", "crypto.getRandomValues()");
  watch(crypto, "randomUUID", "crypto.randomUUID()");
  try {
    return run();
  } finally {
    for (const it of undo.toReversed()) it();
  }
}

type Row = unknown;
interface View {
  get(id: string): Row;
  has(id: string): boolean;
}
type Tables = Readonly<Record<string, View>>;
interface Context {
  readonly tables: Tables;
  readonly event: { readonly id: string; readonly at: number };
}
type Materialize = (payload: unknown, context: Context) => unknown;

type Question = readonly [table: string, how: "get" | "has", id: string];

/** What a materializer was told, and what it gave. */
interface Known {
  readonly reads: readonly (readonly [Question, answer: string])[];
  readonly given: string;
}

const textOf = (value: unknown): string => JSON.stringify(value) ?? "undefined";

const ask = (tables: Tables, [table, how, id]: Question): string =>
  textOf(tables[table]?.[how](id));

/** The tables, with a note of all that is read. */
const noting = (tables: Tables, reads: [Question, string][]): Tables =>
  Object.fromEntries(
    Object.entries(tables).map(([name, view]) => {
      const note = <R>(how: "get" | "has", id: string, answer: R): R => {
        reads.push([[name, how, id], textOf(answer)]);
        return answer;
      };
      return [
        name,
        {
          get: (id: string) => note("get", id, view.get(id)),
          has: (id: string) => note("has", id, view.has(id)),
        },
      ];
    }),
  );

const troubles = new WeakMap<object, string[]>();

/** What was seen to be impure in what `checkPurity` gave. */
export const impurityOf = (config: object): string | undefined => troubles.get(config)?.[0];

/**
 * The same configuration, with materializers that are watched: `converge` throws when one of them asked for the time or for
 * chance, or gave two results for one event where it read the same rows.
 *
 * @example
 * import { checkPurity, createDevice } from "sssync/testing";
 *
 * const app = checkPurity({ name: "todos", tables: {}, events: {}, materializers: {} });
 * const tab = createDevice().openTab(app);
 */
export function checkPurity<C extends { readonly materializers: object }>(config: C): C {
  const trouble: string[] = [];
  const known = new Map<string, Known[]>();

  const watched = (name: string, materialize: Materialize): Materialize => {
    const what = `the materializer of "${name}"`;
    return (payload, context) => {
      const { tables, event } = context;
      const reads: [Question, string][] = [];
      const asked = new Set<string>();
      const actions = withoutChance(
        () => materialize(payload, { ...context, tables: noting(tables, reads) }),
        (source) => void asked.add(source),
      );
      if (asked.size > 0)
        trouble.push(`Expected ${what} to be pure, got a call of ${Array.from(asked).join(", ")}`);
      const given = textOf(actions);
      const key = textOf([name, payload, event]);
      const before = known.get(key) ?? [];
      const same = before.find((it) =>
        it.reads.every(([of, answer]) => ask(tables, of) === answer),
      );
      if (same === undefined) known.set(key, [...before, { reads, given }]);
      else if (same.given !== given)
        trouble.push(
          `Expected ${what} to give the same for the same event and rows, got ${same.given}, and then ${given}`,
        );
      return actions;
    };
  };

  const materializers = Object.fromEntries(
    Object.entries(config.materializers).map(([name, materialize]) => [
      name,
      watched(name, materialize as Materialize),
    ]),
  );
  const checked = { ...config, materializers };
  troubles.set(checked, trouble);
  return checked;
}
