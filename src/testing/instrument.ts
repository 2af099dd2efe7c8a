/** A machine that can be walked without being run, and that says which of its transitions each event takes. */
import {
  type AnyMachineSnapshot,
  type AnyStateMachine,
  type EventObject,
  type InspectedMicrostepEvent,
  StateMachine,
  type StateValue,
} from "xstate";
import { maxIterations } from "../machines/common.ts";

/** What a machine says of itself in an actor scope. Only what is needed to see the actions that it would have executed. */
type Scope = Parameters<AnyStateMachine["transition"]>[2];

/** A machine whose transitions each begin with an action that says its name. */
export interface Instrumented {
  readonly machine: AnyStateMachine;
  /** The first snapshot, and the transitions that were taken at once. */
  start(scope: Scope, input: unknown): readonly [AnyMachineSnapshot, readonly string[]];
  /** The next snapshot, and the transitions that were taken to get there: of the event, and then without one. */
  next(
    snapshot: AnyMachineSnapshot,
    event: EventObject,
    scope: Scope,
  ): readonly [AnyMachineSnapshot, readonly string[]];
}

const action = "sssync.tid";

type Config = Readonly<Record<string, unknown>>;

/** The name of a transition: its `meta.tid`. */
export const tidOf = (transition: { readonly meta?: unknown }): string | undefined => {
  const tid = (transition.meta as { readonly tid?: unknown } | undefined)?.tid;
  return typeof tid === "string" ? tid : undefined;
};

const listed = (value: unknown): readonly unknown[] =>
  Array.isArray(value) ? value : value === undefined ? [] : [value];

function named(transition: unknown): unknown {
  if (typeof transition !== "object" || transition === null) return transition;
  const tid = tidOf(transition);
  if (tid === undefined) return transition;
  const { actions } = transition as Config;
  return { ...transition, actions: [{ type: action, params: { tid } }, ...listed(actions)] };
}

const namedAll = (transitions: unknown): unknown =>
  Array.isArray(transitions) ? transitions.map(named) : named(transitions);

const mapped = (value: unknown, map: (inner: unknown) => unknown): Config =>
  Object.fromEntries(Object.entries(value as Config).map(([key, inner]) => [key, map(inner)]));

/** The configuration with something done to each list of transitions in it. */
function withTransitions(config: Config, change: (transitions: unknown) => unknown): Config {
  const out: Record<string, unknown> = { ...config };
  for (const key of ["on", "after"])
    if (out[key] !== undefined) out[key] = mapped(out[key], change);
  for (const key of ["always", "onDone", "onError", "onSnapshot"])
    if (out[key] !== undefined) out[key] = change(out[key]);
  if (out["invoke"] !== undefined)
    out["invoke"] = listed(out["invoke"]).map((invoke) =>
      withTransitions(invoke as Config, change),
    );
  if (out["states"] !== undefined)
    out["states"] = mapped(out["states"], (state) => withTransitions(state as Config, change));
  return out;
}

/** @internal In the order of their characters. */
export const byText = (a: string, b: string): number => (a < b ? -1 : Number(a > b));

/** The names of the transitions of one step of an actor. */
export const namesOf = (event: InspectedMicrostepEvent): readonly string[] => {
  const { _transitions: transitions } = event;
  return transitions.flatMap((transition) => tidOf(transition) ?? []);
};

const rebuilt = (machine: AnyStateMachine, config: Config, actions: object): AnyStateMachine => {
  const { implementations } = machine;
  return new StateMachine(config as AnyStateMachine["config"], {
    ...implementations,
    actions: { ...implementations.actions, ...actions },
  });
};

/** The machine without the transition of that name. */
export const without = (machine: AnyStateMachine, tid: string): AnyStateMachine =>
  rebuilt(
    machine,
    withTransitions(machine.config as Config, (transitions) =>
      listed(transitions).filter((it) => tidOf(it as { readonly meta?: unknown }) !== tid),
    ),
    {},
  );

/** A copy of the machine to be walked: nothing that it does is executed but `assign` and guards. */
export function instrument(original: AnyStateMachine): Instrumented {
  // XState itself would go round in circles for ever where `always` does.
  const options = { maxIterations, ...original.config.options };
  const config = withTransitions({ ...original.config, options }, namedAll);
  const machine = rebuilt(original, config, { [action]: () => undefined });
  function watched<T>(scope: Scope, run: (scope: Scope) => T): readonly [T, readonly string[]] {
    const tids: string[] = [];
    const actionExecutor: Scope["actionExecutor"] = ({ type, params }) => {
      if (type === action) tids.push((params as { readonly tid: string }).tid);
    };
    return [run({ ...scope, actionExecutor }), tids];
  }
  return {
    machine,
    start: (scope, input) =>
      watched(scope, (own) => machine.getInitialSnapshot(own, input as never)),
    next: (snapshot, event, scope) =>
      watched(scope, (own) => machine.transition(snapshot as never, event, own)),
  };
}

/** A state value as text: `open.persisting`; `live.(connected, flowing)` where several hold at once. */
export function textOf(value: StateValue): string {
  if (typeof value === "string") return value;
  const parts = Object.entries(value).map(([key, inner]) => {
    const rest = inner === undefined ? "" : textOf(inner);
    return rest === "" ? key : `${key}.${rest}`;
  });
  return parts.length === 1 ? (parts[0] ?? "") : `(${parts.join(", ")})`;
}
