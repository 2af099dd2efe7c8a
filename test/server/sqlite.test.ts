import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll } from "vitest";
import { type SqliteStorage, sqlite } from "../../src/server/sqlite.ts";
import { storageContract } from "./storage.contract.ts";

let folder = "";
let count = 0;
const opened: SqliteStorage[] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "sssync-sqlite-"));
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((it) => it.close()));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const newFile = (): string => {
  count += 1;
  return join(folder, `${count}.db`);
};

async function open(file = newFile()): Promise<SqliteStorage> {
  const storage = await sqlite({ file, pollMs: 5 });
  opened.push(storage);
  return storage;
}

storageContract(() => open());
