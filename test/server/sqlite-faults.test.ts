import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "vite";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { nextHash } from "../../src/server/hash.ts";
import { loadDriver } from "../../src/server/sqlite-database.ts";
import { type SqliteStorage, type SqliteTx, sqlite } from "../../src/server/sqlite.ts";
import { call, createWriter, serve } from "./app.ts";

let folder = "";
let count = 0;
const opened: SqliteStorage[] = [];
const running: ChildProcess[] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "sssync-faults-"));
});
afterEach(async () => {
  for (const child of running.splice(0)) child.kill("SIGKILL");
  await Promise.all(opened.splice(0).map((it) => it.close()));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const newFile = (): string => {
  count += 1;
  return join(folder, `${count}.db`);
};

async function open(file: string): Promise<SqliteStorage> {
  const storage = await sqlite({ file, pollMs: 5 });
  opened.push(storage);
  return storage;
}

const want = { client: "client-aa", ids: [], keys: [], writes: true };

test("G1 loses nothing that was acknowledged, and keeps no halves, when processes are killed", async () => {
  const root = fileURLToPath(new URL("../..", import.meta.url));
  const outDir = join(folder, "child");
  const ssr = join(root, "test/server/killed/main.ts");
  await build({
    root,
    configFile: false,
    logLevel: "silent",
    build: { ssr, outDir, minify: false },
  });
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"), "junction");
  const file = newFile();
  const acknowledged: string[] = [];
  // Two at a time, on one file: one is killed at any moment while the other waits or writes.
  for (const pair of [1, 2]) {
    await Promise.all(
      [1, 2].map(async (no) => {
        const child = spawn(
          process.execPath,
          [join(outDir, "main.js"), file, `client-${pair}${no}`],
          {
            stdio: ["ignore", "pipe", "inherit"],
          },
        );
        running.push(child);
        let text = "";
        child.stdout.on("data", (data: Buffer) => {
          text += String(data);
          if (text.split("\n").length > 8 * no) child.kill("SIGKILL");
        });
        await once(child, "close");
        expect(child.signalCode).toBe("SIGKILL");
        acknowledged.push(...text.split("\n").slice(0, -1));
      }),
    );
  }
  const storage = await open(file);
  const { space, rows } = await storage.read("one", { after: 0, limit: 10_000, size: Infinity });
  const ids = rows.map(({ entry }) => (JSON.parse(entry) as { id: string }).id);
  expect(acknowledged.length).toBeGreaterThan(40);
  expect(acknowledged.filter((id) => !ids.includes(id))).toEqual([]);
  expect(new Set(ids).size).toBe(ids.length);
  expect(rows.map(({ pos }) => pos)).toEqual(ids.map((_, at) => at + 1));
  expect(ids.reduce(nextHash, "0")).toBe(space.hash);
  // Both events of each commit, and a decision on each entry.
  expect(new Set(rows.map(({ tx }) => tx)).size).toBe(rows.length / 2);
  await storage.push("one", { ...want, ids }, async ({ decisions }) => {
    expect(decisions.size).toBe(ids.length);
    return undefined;
  });
}, 60_000);

/** A rule that has to ask somebody. */
const slow = async (): Promise<true> => {
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
  return true;
};

test("lets two servers write to one file, each behind the other", async () => {
  const file = newFile();
  const servers = [
    serve({ storage: await open(file), authorize: slow }),
    serve({ storage: await open(file), authorize: slow }),
  ];
  const writers = Array.from({ length: 6 }, (_, at) => createWriter(`client-0${at}`));
  const answers = await Promise.all(
    writers.flatMap(({ add, push }, at) => {
      const server = servers[at % 2] as (typeof servers)[number];
      return push(server, "one", [add("a"), add("b"), add("c")]);
    }),
  );
  expect(answers.map(({ status }) => status)).toEqual(writers.map(() => 200));
  for (const server of servers) {
    const { body } = await call(server, "one/pull");
    expect(body.entries.map(({ pos }: { pos: number }) => pos)).toEqual(
      Array.from({ length: 18 }, (_, at) => at + 1),
    );
  }
});

test("tells readers of one server what another one has written", async () => {
  const file = newFile();
  const [one, two] = [serve({ storage: await open(file) }), serve({ storage: await open(file) })];
  const { add, push } = createWriter();
  const waiting = call(two, "one/pull?wait=30");
  await push(one, "one", [add("a")]);
  expect((await waiting).body).toMatchObject({ pos: 1 });
});

test("tells once that it cannot look for what others write, and does so again when it can", async () => {
  const file = newFile();
  const [one, two] = [serve({ storage: await open(file) }), serve({ storage: await open(file) })];
  const beneath = (await loadDriver())(file);
  beneath.exec("alter table sssync_space rename to elsewhere");
  await vi.waitFor(() => expect(two.errors).toMatchObject([{ where: "the storage" }]), 15_000);
  beneath.exec("alter table elsewhere rename to sssync_space");
  beneath.close();
  const { add, push } = createWriter();
  const waiting = call(two, "one/pull?wait=30");
  await push(one, "one", [add("a")]);
  expect((await waiting).body).toMatchObject({ pos: 1 });
  expect(two.errors).toHaveLength(1);
});

test("finds readers who are ahead of a file that was restored from a backup, also when it has grown past them", async () => {
  const file = newFile();
  const copy = newFile();
  const before = await open(file);
  const server = serve({ storage: before });
  const { add, push } = createWriter();
  const list = [add("a"), add("b")];
  await push(server, "one", list);
  const { body: old } = await call(server, "one/pull");
  await before.backup(copy);
  await push(server, "one", [add("c"), add("d")]);
  const { body: ahead } = await call(server, "one/pull");
  const restored = serve({ storage: await open(copy) });
  const reset = { status: 409, body: { error: { code: "reset_required", reason: "diverged" } } };
  expect(await call(restored, `one/pull?cursor=${ahead.cursor}`)).toMatchObject(reset);
  expect((await push(restored, "one", list)).body.results).toMatchObject([{ pos: 1 }, { pos: 2 }]);
  const other = createWriter("client-bb");
  await other.push(
    restored,
    "one",
    ["x", "y", "z"].map((id) => other.add(id)),
  );
  expect(await call(restored, `one/pull?cursor=${ahead.cursor}`)).toMatchObject(reset);
  const { body } = await call(restored, `one/pull?cursor=${old.cursor}`);
  expect(body.entries.map(({ pos }: { pos: number }) => pos)).toEqual([3, 4, 5]);
});

test("decides nothing while the disk is full, and goes on when there is space again", async () => {
  const storage = await open(newFile());
  const server = serve({ storage });
  const { next, push } = createWriter();
  const pages = (most: string) =>
    storage.push("one", want, async ({ tx }) => {
      tx.get(`pragma max_page_count = ${most}`);
      return undefined;
    });
  const big = () => next("item.create", { id: "x".repeat(50_000), title: "" });
  await push(server, "one", [big()]);
  await pages("30");
  const list = [big(), big(), big()];
  expect(await push(server, "one", list)).toMatchObject({
    status: 503,
    body: { error: { code: "unavailable" } },
  });
  expect((await call(server, "one/pull")).body).toMatchObject({ head: 1 });
  expect(server.errors).toMatchObject([{ where: "the storage" }]);
  await pages("1000000");
  expect((await push(server, "one", list)).body).toMatchObject({ head: 4 });
});

test("G3 writes no part of a push whose writing fails in the middle", async () => {
  const storage = await open(newFile());
  const server = serve({ storage });
  const { add, push } = createWriter();
  const alter = (sql: string) =>
    storage.push("other", want, async ({ tx }) => {
      tx.run(sql);
      return undefined;
    });
  await alter(`create trigger broken before insert on sssync_decision when new.id like '%2'
    begin select raise(fail, 'no'); end`);
  const list = [add("a"), add("b")];
  expect((await push(server, "one", list)).status).toBe(503);
  expect((await call(server, "one/pull")).body).toMatchObject({ head: 0, entries: [] });
  await alter("drop trigger broken");
  const { body } = await push(server, "one", list);
  expect(body.results).toMatchObject([{ pos: 1 }, { pos: 2 }]);
});

test("writes to the app's own tables in the transaction that accepts an event, or not at all", async () => {
  const storage = await open(newFile());
  let broken = true;
  const server = serve({
    storage,
    apply: (tx, { pos, payload }) => {
      const { run } = tx as { run(sql: string, ...values: unknown[]): number };
      run("create table if not exists item(pos integer, id text)");
      const { id } = payload as { id: string };
      run("insert into item values (?, ?)", pos, id);
      if (broken && id === "b") throw new Error("no");
    },
  });
  const { add, push } = createWriter();
  const tx = { tx: "commit-01" };
  const list = [add("a"), add("c", tx), add("b", tx)];
  const items = async () => {
    let found: unknown[] = [];
    await storage.read("one", { limit: 0, size: 0 }, async (it) => {
      found = it.all("select id from item order by pos").map(({ id }) => id);
    });
    return found;
  };
  const first = await push(server, "one", list);
  expect(first.body).toMatchObject({ head: 1, stopped: { code: "unavailable" } });
  expect(await items()).toEqual(["a"]);
  broken = false;
  await push(server, "one", list);
  expect(await items()).toEqual(["a", "c", "b"]);
});

test("takes the transaction from a hook that comes too late", async () => {
  const storage = await open(newFile());
  let late: { run(sql: string): number } | undefined;
  await storage.push("one", want, async ({ tx }) => {
    late = tx;
    return undefined;
  });
  expect(() => late?.run("create table late(a)")).toThrow("Expected the transaction to be open");
  const bad = storage.push("one", want, async ({ tx }) => {
    tx.run("select ?", {} as never);
    return undefined;
  });
  await expect(bad).rejects.toThrow("Expected a value of SQLite, got object");
});

test("goes on after a statement of the app that gives rows", async () => {
  const storage = await open(newFile());
  const write = async (run: (tx: SqliteTx) => unknown): Promise<unknown> => {
    let given: unknown;
    await storage.push("one", { ids: [], keys: [], writes: true }, async ({ tx }) => {
      given = run(tx);
      return undefined;
    });
    return given;
  };
  await write((tx) => tx.run("create table own(a)"));
  const insert = "insert into own values (1), (2) returning a";
  expect(await write((tx) => tx.run(insert))).toBe(2);
  expect(await write((tx) => tx.run("select a from own"))).toBe(0);
  expect(await write((tx) => tx.run("pragma user_version"))).toBe(0);
  // A row has the columns that were asked for.
  expect(await write((tx) => tx.get("select a from own"))).toEqual({ a: 1 });
  expect(await write((tx) => tx.get("select a from own where a = 3"))).toBeUndefined();
  expect(await write((tx) => tx.run("update own set a = 3"))).toBe(2);
});

test("lets hooks that read write nothing, and keeps no lock of theirs", async () => {
  const storage = await open(newFile());
  const read = storage.read("one", { limit: 0, size: 0 }, async (tx) => {
    tx.run("create table own(a)");
  });
  await expect(read).rejects.toThrow("readonly");
  const { add, push } = createWriter();
  expect(await push(serve({ storage }), "one", [add("a")])).toMatchObject({ status: 200 });
});
