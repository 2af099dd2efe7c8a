/** What must never be. */
export class Violation extends Error {}

export function demand(holds: boolean, ...what: readonly unknown[]): asserts holds {
  if (!holds) throw new Violation(what.map(String).join(" "));
}
