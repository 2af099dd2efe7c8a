/** Tests that a machine makes of itself: sequences of events that take each of its transitions. */
import { type AnyStateMachine } from "xstate";
import { type GraphEdge, type GraphNode, type PathOptions, type PathStep, walk } from "./graph.ts";
import { createDraw } from "./scheduler.ts";
import { createSeededRandom } from "./seeded-random.ts";
import { transitionsOf } from "./transitions.ts";

/** A sequence of events, from the first state on. */
export interface Path {
  /** The events: `lock.granted > page.leaving > after requeueDelay`. */
  readonly name: string;
  readonly steps: readonly PathStep[];
  /** What the machine does before any event. */
  readonly start: Pick<PathStep, "tids" | "to">;
}

/** What `edgePaths` takes. */
export interface EdgePathOptions extends PathOptions {
  /** The transitions that are looked for, by `meta.tid`. Default: all. */
  readonly cover?: readonly string[];
  /** Those of them that no path has to reach, or `any`. What is not named and not reached is an error. Default: none. */
  readonly unreachable?: readonly string[] | "any";
}

/** What `randomPaths` takes. */
export interface RandomPathOptions extends PathOptions {
  /** Any number: the same gives the same paths. */
  readonly seed: number;
  /** The length of a path. It is shorter where a machine ends. */
  readonly steps: number;
  /** Default 1. */
  readonly count?: number;
}

const nameOf = (edges: readonly GraphEdge[]): string =>
  edges.length === 0 ? "nothing" : edges.map(({ name }) => name).join(" > ");

/** Shortest first, and then by name. */
const before = (a: readonly GraphEdge[], b: readonly GraphEdge[]): number =>
  a.length - b.length || (nameOf(a) < nameOf(b) ? -1 : 1);

/** The shortest way to each state. */
function waysTo(first: GraphNode): ReadonlyMap<GraphNode, readonly GraphEdge[]> {
  const ways = new Map<GraphNode, readonly GraphEdge[]>([[first, []]]);
  // Grows while it is gone through.
  for (const [node, way] of ways)
    for (const edge of node.edges)
      if (!ways.has(edge.target)) ways.set(edge.target, [...way, edge]);
  return ways;
}

/**
 * Paths that together take every transition of the machine, each on the shortest way there. Nothing of the machine is executed
 * but its guards and assignments. Throws where a transition has no `meta.tid` of its own, and with the names of those that no
 * path reaches.
 *
 * @example
 * import { edgePaths } from "sssync/testing";
 * import { setup } from "xstate";
 *
 * const door = setup({}).createMachine({
 *   id: "door",
 *   initial: "closed",
 *   states: {
 *     closed: { on: { open: { target: "open", meta: { tid: "door.opened" } } } },
 *     open: { on: { close: { target: "closed", meta: { tid: "door.closed" } } } },
 *   },
 * });
 * const names = edgePaths(door).map(({ name }) => name);
 */
export function edgePaths(
  machine: AnyStateMachine,
  options: EdgePathOptions = {},
): readonly Path[] {
  const { first, start } = walk(machine, options);
  const wanted = new Set(options.cover ?? transitionsOf(machine).map(({ tid }) => tid));
  for (const tid of start.tids) wanted.delete(tid);
  const best = new Map<string, readonly GraphEdge[]>();
  for (const [node, way] of waysTo(first))
    for (const edge of node.edges)
      for (const tid of edge.step.tids) {
        const path = [...way, edge];
        const known = best.get(tid);
        if (wanted.has(tid) && (known === undefined || before(path, known) < 0))
          best.set(tid, path);
      }
  const allowed = options.unreachable ?? [];
  const missed = Array.from(wanted).filter(
    (tid) => !best.has(tid) && allowed !== "any" && !allowed.includes(tid),
  );
  if (missed.length > 0)
    throw new Error(
      `Expected paths to every transition of ${machine.id}, got none to ${missed.join(", ")}`,
    );
  // The longest first: what a path takes on its way needs no path of its own.
  const paths = new Set<readonly GraphEdge[]>();
  const taken = new Set<string>();
  for (const [tid, path] of Array.from(best).toSorted(([, a], [, b]) => before(b, a))) {
    if (taken.has(tid)) continue;
    paths.add(path);
    for (const { step } of path) for (const it of step.tids) taken.add(it);
  }
  return Array.from(paths)
    .toSorted(before)
    .map((edges) => ({ name: nameOf(edges), steps: edges.map(({ step }) => step), start }));
}

/** Paths that take any way at all, drawn from the seed. */
export function randomPaths(
  machine: AnyStateMachine,
  { seed, steps, count = 1, ...options }: RandomPathOptions,
): readonly Path[] {
  const { first, start } = walk(machine, options);
  const draw = createDraw(createSeededRandom(seed));
  return Array.from({ length: count }, () => {
    const edges: GraphEdge[] = [];
    for (let node = first; edges.length < steps;) {
      const edge = node.edges[draw(node.edges.length)];
      if (edge === undefined) break;
      edges.push(edge);
      node = edge.target;
    }
    return { name: nameOf(edges), steps: edges.map(({ step }) => step), start };
  });
}
