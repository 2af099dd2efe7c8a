/** Data of reference servers, which can be copied and brought back. */
import { copyFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { memory } from "../server/memory.ts";
import { type SqliteStorage, sqlite } from "../server/sqlite.ts";
import { type Storage } from "../server/storage.ts";
import { type Vault } from "./reference.ts";

type Change = (storage: Storage) => Promise<void>;

/** Writes down each change: a backup is as many of them as there were. */
export function memoryVault(id: string = crypto.randomUUID()): Vault {
  let storage: Storage = memory({ id });
  const changes: Change[] = [];

  const journaled = (inner: Storage): Storage => ({
    ...inner,
    async push(space, want, decide) {
      await inner.push(space, want, async (found) => {
        const write = await decide(found);
        // The space is locked: changes are in the order in which they were made.
        if (write !== undefined)
          changes.push((it) =>
            it.push(space, { ids: [], keys: [], writes: false }, async () => write),
          );
        return write;
      });
    },
    async compact(space, change) {
      await inner.compact(space, change);
      changes.push((it) => it.compact(space, change));
    },
    // Memory outlives its server here, as a disk does.
    close: async () => undefined,
  });

  return {
    open: async () => journaled(storage),
    backup: async () => changes.length,
    async restore(backup) {
      changes.length = backup as number;
      storage = memory({ id });
      for (const change of changes) await change(storage);
    },
  };
}

/** A file in a folder of its own, and its copies beside it. */
export function sqliteVault(folder: string): Vault {
  const file = join(folder, "sync.db");
  let opened: SqliteStorage | undefined;
  let copies = 0;
  return {
    async open() {
      opened = await sqlite({ file, pollMs: 100 });
      return opened;
    },
    async backup() {
      copies += 1;
      const copy = join(folder, `backup-${copies}.db`);
      await opened?.backup(copy);
      return copy;
    },
    async restore(backup) {
      // What was written since is beside the file.
      for (const end of ["", "-wal", "-shm"]) await rm(file + end, { force: true });
      await copyFile(backup as string, file);
    },
  };
}
