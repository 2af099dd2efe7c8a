/** All that can be read of a tab's data, as JSON. */
import { type SyncExport } from "./api.ts";
import { type Collections } from "./collections.ts";
import { type Json } from "./model/json.ts";
import { type Shared } from "./shared.ts";

export const exportAll = (
  { name, environment, follower, unreadable }: Shared,
  { outbox, rejected, quarantine }: Collections,
): SyncExport => ({
  name,
  at: environment.clock.now(),
  tables: Object.fromEntries(
    Array.from(follower.replica.tables.values(), (table) => [
      table.name,
      table.toArray() as readonly Json[],
    ]),
  ),
  outbox: outbox.list(),
  rejected: rejected.list(),
  quarantine: quarantine.list(),
  unreadable,
});
