/** Which transitions of a machine real actors took. */
import { type AnyStateMachine, type InspectionEvent } from "xstate";
import { namesOf } from "./instrument.ts";
import { expectNames, transitionsOf } from "./transitions.ts";

/** What was taken of a machine's transitions. */
export interface Coverage {
  /** For `inspect`, of as many engines or actors as are watched. */
  inspect(event: InspectionEvent): void;
  /** How often each was taken, zero included. */
  taken(): ReadonlyMap<string, number>;
  /** Those that were not taken. */
  missed(): readonly string[];
  /** One line, and one more for each that was missed. */
  report(): string;
}

/** The transitions of that machine that an event of the inspection tells of. */
function tidsOf(machine: AnyStateMachine, event: InspectionEvent): readonly string[] {
  if (event.type !== "@xstate.microstep") return [];
  const { machine: own } = event.snapshot as { readonly machine?: AnyStateMachine };
  if (own?.id !== machine.id) return [];
  return namesOf(event);
}

/**
 * Watches actors of the machine, and of copies of it that `provide` made. Throws where a transition has no `meta.tid` of its own.
 *
 * @example
 * import { coverage } from "sssync/testing";
 * import { createActor, setup } from "xstate";
 *
 * const lamp = setup({}).createMachine({
 *   id: "lamp",
 *   initial: "off",
 *   states: {
 *     off: { on: { press: { target: "on", meta: { tid: "lamp.on" } } } },
 *     on: { on: { press: { target: "off", meta: { tid: "lamp.off" } } } },
 *   },
 * });
 * const covered = coverage(lamp);
 * createActor(lamp, { inspect: covered.inspect }).start().send({ type: "press" });
 * const missed = covered.missed();
 */
export function coverage(machine: AnyStateMachine): Coverage {
  expectNames(machine);
  const counts = new Map(transitionsOf(machine).map(({ tid }) => [tid, 0]));
  const missed = (): readonly string[] =>
    Array.from(counts).flatMap(([tid, count]) => (count === 0 ? [tid] : []));
  return {
    inspect(event) {
      for (const tid of tidsOf(machine, event)) {
        const count = counts.get(tid);
        if (count !== undefined) counts.set(tid, count + 1);
      }
    },
    taken: () => new Map(counts),
    missed,
    report() {
      const not = missed();
      const lines = not.map((tid) => `\n  missed ${tid}`).join("");
      return `${machine.id}: ${counts.size - not.length} of ${counts.size} transitions${lines}`;
    },
  };
}
