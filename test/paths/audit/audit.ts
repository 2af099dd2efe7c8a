/**
 * Weaknesses that programs of this kind have, and the paths that would show them here. Each path is made from a machine that
 * ships: the shortest one to the transitions in which the weakness would do its harm.
 */
import { expect } from "vitest";
import {
  type Device,
  type Path,
  createDevice,
  createWorld,
  edgePaths,
} from "../../../src/testing/index.ts";
import { type Reading, type Stimuli } from "../stimuli.ts";
import { type MachineSuite, type Model, go } from "../suite.ts";
import { createVirtual } from "../virtual.ts";

export interface Weakness {
  /** As `docs/audit.md` has it. */
  readonly name: string;
  /** What to go along: surroundings, and the transitions to be taken. */
  readonly model: Model;
  readonly cover: readonly string[];
  suite(device: Device): Omit<MachineSuite, "models">;
  /** Looks once more when the path is at its end, before the tab is closed. */
  atEnd?(reading: Reading, stimuli: Stimuli, device: Device): Promise<void> | void;
  /** The rows that every tab shows at the end, when it is known before. */
  readonly rows?: readonly string[];
}

/** The paths to what a weakness is about. */
export function pathsOf({ suite, model, cover }: Weakness): readonly Path[] {
  const { machine } = suite(createDevice());
  return edgePaths(model.machine ?? machine, { ...model, cover });
}

/** Goes along a path, and sees that memory, disk and a fresh tab agree at its end. */
export async function audit(weakness: Weakness, path: Path): Promise<void> {
  const world = createWorld();
  const device = world.createDevice();
  const stimuli = await createVirtual(world, device);
  let seen: Reading["rows"] = [];
  const suite = weakness.suite(device);
  try {
    await go(
      {
        ...suite,
        models: [weakness.model],
        async atEnd() {
          const reading = await stimuli.read();
          await weakness.atEnd?.(reading, stimuli, device);
          seen = (await stimuli.read()).rows;
        },
      },
      { model: weakness.model, path },
      stimuli,
    );
    if (weakness.rows !== undefined) expect(seen.map(({ id }) => id)).toEqual(weakness.rows);
    // A fresh tab shows what the old one showed.
    expect(await stimuli.fresh()).toEqual(seen);
  } finally {
    await stimuli.close();
  }
}
