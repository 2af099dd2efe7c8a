/** The completeness table of a machine: what each state does with each event, and why there are events it does nothing with. */
import { type AnyStateMachine } from "xstate";
import { cellsOf } from "../../src/testing/index.ts";

/** By event, and by states, several of them with spaces between: the reason. */
type Reasons = Readonly<Record<string, Readonly<Record<string, string>>>>;

export interface Table {
  /**
   * By the state that has them (`machine`: the whole), and by event: the transitions, in the order in which they are tried. A
   * state does what it says, and then what those say that it is in.
   */
  readonly handled: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;
  /** It may come, and nothing is to be done. */
  readonly ignored: Reasons;
  /** It cannot come. */
  readonly impossible: Reasons;
}

const cellsIn = (reasons: Reasons): readonly string[] =>
  Object.entries(reasons).flatMap(([event, groups]) =>
    Object.keys(groups).flatMap((states) =>
      states.split(" ").map((state) => `${state} × ${event}`),
    ),
  );

/** The states that it is in, itself first. */
function upwards(state: string): readonly string[] {
  const parts = state.split(".");
  return [...parts.map((_, at) => parts.slice(0, parts.length - at).join(".")), "machine"];
}

/** Where the table and the machine differ: nowhere, or one line for each cell. */
export function differences(machine: AnyStateMachine, table: Table): readonly string[] {
  const reasons = new Map<string, number>();
  for (const cell of [...cellsIn(table.ignored), ...cellsIn(table.impossible)])
    reasons.set(cell, (reasons.get(cell) ?? 0) + 1);
  const used = new Set<string>();
  const wrong: string[] = [];
  for (const { state, event, tids } of cellsOf(machine)) {
    const cell = `${state} × ${event}`;
    const known = upwards(state).flatMap((it) => {
      used.add(`${it} × ${event}`);
      return table.handled[it]?.[event] ?? [];
    });
    const [now, then] = [tids.join(", "), known.join(", ")];
    if (now !== then) wrong.push(`${cell}: "${now}" in the machine, "${then}" in the table`);
    const given = reasons.get(cell) ?? 0;
    reasons.delete(cell);
    if (now === "" && given !== 1) wrong.push(`${cell}: ${given} reasons to do nothing`);
    if (now !== "" && given > 0) wrong.push(`${cell}: handled, and there is a reason not to`);
  }
  for (const [state, events] of Object.entries(table.handled))
    for (const event of Object.keys(events))
      if (!used.has(`${state} × ${event}`)) wrong.push(`${state} × ${event}: not in the machine`);
  for (const cell of reasons.keys()) wrong.push(`${cell}: not in the machine`);
  return wrong;
}
