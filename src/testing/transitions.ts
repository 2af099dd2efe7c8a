/** What a machine consists of: its transitions, and its answer to each event in each state. */
import { type AnyStateMachine, type AnyStateNode } from "xstate";
import { getStateNodes } from "xstate/graph";
import { byText, tidOf } from "./instrument.ts";

/** What a state does with an event. */
export interface Cell {
  /** A state without states in it, as `open.persisting`. */
  readonly state: string;
  /** `always`: without an event. */
  readonly event: string;
  /** The transitions that may be taken, in the order in which they are tried: its own, and then those of what it is in. */
  readonly tids: readonly string[];
}

const transitionsIn = (node: AnyStateNode) => [
  ...Array.from(node.transitions.values()).flat(),
  ...(node.always ?? []),
];

/** All transitions with a `meta.tid`. */
export const transitionsOf = (
  machine: AnyStateMachine,
): readonly { readonly tid: string; readonly event: string; readonly state: string }[] =>
  getNodes(machine).flatMap((node) =>
    transitionsIn(node).flatMap((transition) => {
      const tid = tidOf(transition);
      const event = transition.eventType === "" ? "always" : transition.eventType;
      return tid === undefined ? [] : [{ tid, event, state: node.path.join(".") }];
    }),
  );

/** Throws where a transition has no `meta.tid`, or the one of another: nobody could tell whether it was taken. */
export function expectNames(machine: AnyStateMachine): void {
  const names = new Set<string>();
  for (const node of getNodes(machine))
    for (const transition of transitionsIn(node)) {
      const tid = tidOf(transition);
      if (tid === undefined || names.has(tid))
        throw new Error(
          `Expected each transition of ${machine.id} to have a meta.tid of its own, got ${tid ?? "none"} of ${transition.eventType || "always"} in ${node.id}`,
        );
      names.add(tid);
    }
}

/** Whether an event is one that transitions of this type are for: `*` is all, `mouse.*` is `mouse` and `mouse.up`. */
export const isFor = (event: string, type: string): boolean =>
  type === event ||
  (!event.startsWith("xstate.") &&
    (type === "*" || (type.endsWith(".*") && `${event}.`.startsWith(type.slice(0, -1)))));

/** The root, and all states. */
const getNodes = (machine: AnyStateMachine): readonly AnyStateNode[] => [
  ...new Set([machine.root as AnyStateNode, ...getStateNodes(machine)]),
];

/** What it tries when the event comes, in order: the more is said of the event, the earlier. */
const answersOf = (node: AnyStateNode, event: string) =>
  event === ""
    ? (node.always ?? [])
    : Array.from(node.transitions)
        .filter(([type]) => isFor(event, type))
        .toSorted(([a], [b]) => Number(b === event) - Number(a === event) || b.length - a.length)
        .flatMap(([, transitions]) => transitions);

/** The states that it is in, itself first, up to the root. */
function upwards(node: AnyStateNode): readonly AnyStateNode[] {
  return [node, ...(node.parent === undefined ? [] : upwards(node.parent as AnyStateNode))];
}

/** Timers and answers come only to the state that asked. */
const isOwn = (event: string): boolean => event === "always" || event.startsWith("xstate.");

/**
 * Every state without states in it with every event of the machine, and what it does with it. Timers, the ends of what a state
 * invokes, and `always` are there for the states that have them alone.
 */
export function cellsOf(machine: AnyStateMachine): readonly Cell[] {
  const nodes = getNodes(machine);
  const events = new Set(
    nodes.flatMap((node) => transitionsIn(node).map(({ eventType }) => eventType)),
  );
  return nodes
    .filter(({ states, type }) => Object.keys(states).length === 0 && type !== "history")
    .flatMap((node) => {
      const around = upwards(node);
      return Array.from(events)
        .toSorted(byText)
        .map((event) => {
          const tids = around
            .flatMap((it) => answersOf(it, event))
            .map((transition) => tidOf(transition) ?? "?");
          return { state: node.path.join("."), event: event === "" ? "always" : event, tids };
        })
        .filter(({ event, tids }) => !isOwn(event) || tids.length > 0);
    });
}
