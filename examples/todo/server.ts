/** The server of the demo: one list that everybody shares. An app would look up who asks, and what that person may do. */
import {
  type Principal,
  type Storage,
  type SyncServerOptions,
  createSyncServer,
  memory,
} from "sssync/server";
import { sqlite } from "sssync/server/sqlite";
import { events, materializers, tables } from "./src/model.ts";

/** Who may do what. */
export const rules: Pick<
  SyncServerOptions<Principal, typeof tables, typeof events, unknown>,
  "authenticate" | "authorizeSpace" | "authorize"
> = {
  authenticate: () => ({ id: "anybody" }),
  authorizeSpace: (_person, space) => space === "todos",
  // Whoever was offline may come back with a change of what is gone by now: their device says so, and takes it back.
  async authorize({ event, read }) {
    if (event.name !== "todoRenamed" && event.name !== "todoMarked") return true;
    if ((await read("todos", event.payload.id)) !== undefined) return true;
    return { code: "conflict", message: "Somebody deleted this todo on another device." };
  },
};

/** `file`: of SQLite; without one everything is kept in memory. */
export async function createTodoServer(file?: string) {
  const storage: Storage = file === undefined ? memory() : await sqlite({ file });
  const sync = createSyncServer({ storage, tables, events, materializers, ...rules });
  return {
    fetch: sync.fetch,
    async close(): Promise<void> {
      await sync.drain();
      await storage.close();
    },
  };
}
