/** sssync, through its public API only. */
import { create, createSyncActor, defineEvent } from "../../../src/index.ts";
import { payloadSchemas, rowSchema } from "../../rows.ts";
import { type Open } from "./device.ts";

export const openSssync: Open = async (name, space, count) => {
  const sync = createSyncActor({
    name,
    tables: { rows: rowSchema },
    events: { rowAdded: defineEvent({ schema: payloadSchemas.rowAdded }) },
    materializers: { rowAdded: ({ row }) => [create("rows", row)] },
    server: { url: `/sync/${space}` },
  });
  const { rows } = sync.tables;
  await sync.ready;
  await new Promise<void>((resolve) => {
    const look = (): void => {
      if (rows.size >= count) resolve();
    };
    rows.subscribe(look);
    look();
  });
  return {
    size: () => rows.size,
    get: (id) => rows.get(id),
    add: (added) =>
      Promise.all(added.map((row) => sync.commit({ name: "rowAdded", payload: { row } }).settled)),
    watch: (listener) => {
      rows.subscribe((changes) => listener(changes.map((change) => change.id)));
    },
    close: () => sync.stop(),
  };
};
