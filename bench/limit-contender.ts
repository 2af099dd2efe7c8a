/** Puts `limit.ts` behind the interface that the measurements use. */
import { type Contender } from "./contender.ts";
import { open } from "./limit.ts";
import { type BenchEvent } from "./rows.ts";

function idsOf({ name, payload }: BenchEvent): readonly string[] {
  if (name === "rowsAdded") return payload.rows.map((row) => row.id);
  return name === "rowAdded" ? [payload.row.id] : [payload.id];
}

export const contender: Contender = {
  async fill(name, rows) {
    const limit = await open(name);
    await limit.writeSegments(rows);
    limit.close();
  },

  async open(name) {
    let changed: ((ids: readonly string[]) => void) | undefined;
    const limit = await open(name, (events) => changed?.(events.flatMap(idsOf)));
    const rows = await limit.loadAll();
    return {
      size: () => rows.size,
      get: (id) => rows.get(id),
      commit: (event) => limit.commit([event]),
      watch: (listener) => {
        changed = listener;
      },
      close: async () => limit.close(),
    };
  },
};
