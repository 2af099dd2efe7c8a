/** All that a machine can become, with what a test says of the world around it: states, and the events between them. */
import { type AnyMachineSnapshot, type AnyStateMachine, getNextTransitions } from "xstate";
import { getAdjacencyMap } from "xstate/graph";
import { byText, instrument, textOf } from "./instrument.ts";
import { expectNames, isFor } from "./transitions.ts";

/** An event as it may happen, with its payload. */
export interface PathCase {
  readonly type: string;
  /** For the name of a path, instead of the event's type. */
  readonly title?: string;
  /** What changes in the world just before. */
  readonly world?: object;
  /** Its payload. */
  readonly [name: string]: unknown;
}

/** Where a machine is, for a filter. */
export interface PathState {
  /** As `open.persisting`. */
  readonly value: string;
  readonly context: unknown;
  /** As the event finds it. */
  readonly world: unknown;
}

/** What paths are made of. */
export interface PathOptions {
  readonly input?: unknown;
  /** Events with their payloads. A type that has none happens as `{ type }`. */
  readonly cases?: readonly PathCase[];
  /** Leaves out an event where this returns false. */
  filter?(event: PathCase, state: PathState): boolean;
  /**
   * A plain object that guards, delays and functions of the input may read: what they ask the world for. It is a part of the
   * state. Cases change it before the machine sees them, `react` afterwards.
   */
  readonly world?: object;
  /** Changes `world` as a step does. May return an event that follows from it at once, and is a part of the same step. */
  react?(step: PathStep, context: unknown): PathCase | void;
  /** What makes two states the same, next to `value` and `world`. Default: the plain data of the context. */
  identify?(context: unknown): unknown;
  /** More states than this: throws, and says what grows. Default 5000. */
  readonly limit?: number;
}

/** One event of a path. */
export interface PathStep {
  readonly event: PathCase;
  /** The transitions that it takes, in order, those without an event included. */
  readonly tids: readonly string[];
  /** Where it happens, as `open.persisting`. */
  readonly from: string;
  /** Where it leads. */
  readonly to: string;
  /** The world of the options, as the step leaves it. */
  readonly world: object;
}

/** @internal A state that the machine can be in. */
export interface GraphNode {
  readonly value: string;
  readonly edges: readonly GraphEdge[];
}

/** @internal A step, and the state that it leads to. */
export interface GraphEdge {
  readonly step: PathStep;
  readonly name: string;
  readonly target: GraphNode;
}

/** @internal All states from the first one on. */
export interface Graph {
  readonly first: GraphNode;
  readonly start: Pick<PathStep, "tids" | "to">;
}

interface Place {
  readonly snapshot: AnyMachineSnapshot;
  readonly world: string;
  readonly tids: readonly string[];
}

/** More events than follow from one another. */
const mostFollowers = 100;

/** The plain data in it: what is a function, an actor, a map or the like is left out. */
function plain(value: unknown, depth = 6): unknown {
  if (value === null || ["string", "number", "boolean"].includes(typeof value)) return value;
  if (typeof value !== "object" || depth === 0) return undefined;
  if (Array.isArray(value)) return value.map((inner) => plain(inner, depth - 1));
  const { constructor } = value;
  if (constructor !== undefined && constructor !== Object) return undefined;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, plain(inner, depth - 1)]),
  );
}

/** An event for people: `lock.granted`, `after requeueDelay`, `read done`, `read failed`. */
function nameOf({ type, title }: PathCase): string {
  if (title !== undefined) return title;
  const [, after] = /^xstate\.after\.([^.]+)/.exec(type) ?? [];
  if (after !== undefined) return `after ${after}`;
  const [, how, who] = /^xstate\.(done|error)\.\w+\.(.+)/.exec(type) ?? [];
  return who === undefined ? type : `${who} ${how === "done" ? "done" : "failed"}`;
}

/** What of a state differs most between states: what grows. */
function growing(keys: Iterable<string>): string {
  const seen = new Map<string, Set<string>>();
  for (const key of keys) {
    const [value, context, world] = JSON.parse(key) as readonly unknown[];
    for (const [name, held] of Object.entries({ value, ...Object(context), ...Object(world) })) {
      if (!seen.has(name)) seen.set(name, new Set());
      seen.get(name)?.add(JSON.stringify(held));
    }
  }
  const [most] = Array.from(seen).toSorted(([, a], [, b]) => b.size - a.size);
  return most === undefined ? "nothing" : `${most[1].size} values of "${most[0]}"`;
}

/** @internal Walks the machine. Nothing is executed but assignments, guards, and `react`. */
export function walk(original: AnyStateMachine, options: PathOptions): Graph {
  expectNames(original);
  const { machine, start, next } = instrument(original);
  const { world = {}, limit = 5000, cases = [] } = options;
  const stray = cases.find((it) => !machine.events.some((type) => isFor(it.type, type)));
  if (stray !== undefined)
    throw new Error(`Expected cases of events that ${machine.id} has, got ${stray.type}`);
  const casesOf = (type: string): readonly PathCase[] => {
    const own = cases.filter((it) => isFor(it.type, type));
    if (own.length === 0 && /^(?!xstate\.).*\*$/.test(type))
      throw new Error(
        `Expected a case of an event that "${type}" of ${machine.id} is for, got none`,
      );
    return own.length === 0 ? [{ type }] : own;
  };
  const begun = JSON.stringify(world);
  const putBack = (saved: string): void => {
    for (const key of Object.keys(world)) delete (world as Record<string, unknown>)[key];
    Object.assign(world, JSON.parse(saved));
  };

  const stepOf = (event: PathCase, from: Place, to: Place, around: object = world): PathStep => ({
    event,
    tids: to.tids,
    from: textOf(from.snapshot.value),
    to: textOf(to.snapshot.value),
    world: around,
  });
  const identify = options.identify ?? plain;
  const keyOf = ({ snapshot, world: around }: Place): string =>
    JSON.stringify([
      snapshot.value,
      identify(snapshot.context) ?? null,
      JSON.parse(around),
      // Where history leads.
      Object.entries(snapshot.historyValue)
        .toSorted(([a], [b]) => byText(a, b))
        .map(([id, nodes]) => [id, nodes.map((node) => node.id)]),
    ]);
  const keys = new Set<string>();

  const logic = {
    getInitialSnapshot(scope: Parameters<typeof start>[0]): Place {
      const [snapshot, tids] = start(scope, options.input);
      if (snapshot.status === "error") throw snapshot.error;
      return { snapshot, world: begun, tids };
    },
    transition(from: Place, event: PathCase, scope: Parameters<typeof start>[0]): Place {
      putBack(from.world);
      let place = from;
      let follower: PathCase | void = event;
      const tids: string[] = [];
      for (let count = 0; follower !== undefined; count += 1) {
        if (count === mostFollowers)
          throw new Error(
            `Expected ${event.type} to come to an end, got ${textOf(place.snapshot.value)}`,
          );
        Object.assign(world, follower.world);
        const [snapshot, taken] = next(place.snapshot, follower, scope);
        if (snapshot.status === "error") throw snapshot.error;
        const to = { snapshot, world: "", tids: taken };
        const step = stepOf(follower, place, to);
        follower = taken.length === 0 ? undefined : options.react?.(step, snapshot.context);
        tids.push(...taken);
        place = to;
      }
      return { ...place, world: JSON.stringify(world), tids };
    },
  };
  const eventsOf = ({ snapshot, world: around }: Place): readonly PathCase[] => {
    if (snapshot.status !== "active") return [];
    const types = new Set(
      getNextTransitions(snapshot)
        .map(({ eventType }) => eventType)
        // What follows of itself: from nothing, and when all of a state is done.
        .filter((type) => type !== "" && !type.startsWith("xstate.done.state.")),
    );
    const state = {
      value: textOf(snapshot.value),
      context: snapshot.context,
      world: JSON.parse(around) as unknown,
    };
    return Array.from(new Set(Array.from(types).toSorted(byText).flatMap(casesOf))).filter(
      (event) => options.filter?.(event, state) ?? true,
    );
  };

  const explore = () =>
    getAdjacencyMap(
      logic as never,
      {
        events(place: Place) {
          keys.add(keyOf(place));
          if (keys.size > limit)
            throw new Error(
              `Expected at most ${limit} states of ${machine.id}, got more: ${growing(keys)}`,
            );
          return eventsOf(place);
        },
        serializeState: keyOf,
        serializeEvent: (event: PathCase) =>
          JSON.stringify([event.type, cases.indexOf(event), event.title ?? ""]),
      } as never,
    ) as unknown as Readonly<
      Record<
        string,
        {
          readonly state: Place;
          readonly transitions: Readonly<
            Record<string, { readonly event: PathCase; readonly state: Place }>
          >;
        }
      >
    >;
  let map: ReturnType<typeof explore>;
  try {
    map = explore();
  } finally {
    putBack(begun);
  }
  const nodes = new Map<string, { readonly value: string; readonly edges: GraphEdge[] }>();
  for (const [key, { state }] of Object.entries(map))
    nodes.set(key, { value: textOf(state.snapshot.value), edges: [] });
  for (const [key, { state, transitions }] of Object.entries(map))
    for (const { event, state: to } of Object.values(transitions)) {
      const target = nodes.get(keyOf(to));
      if (to.tids.length === 0 || target === undefined) continue;
      const step = stepOf(event, state, to, JSON.parse(to.world) as object);
      nodes.get(key)?.edges.push({ step, name: nameOf(event), target });
    }
  const [entry] = Object.entries(map);
  const first = entry && nodes.get(entry[0]);
  if (entry === undefined || first === undefined)
    throw new Error(`Expected ${machine.id} to have a state, got none`);
  return { first, start: { tids: entry[1].state.tids, to: first.value } };
}
