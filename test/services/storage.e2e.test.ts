import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BrowserContext, type Page, chromium } from "playwright";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { type CommitRecord } from "../../src/model/log.ts";
import { type Connection, type SegmentKey } from "../../src/services/ports.ts";
import { backendFlag, chromiumLaunch } from "../../scripts/chromium.mjs";
import { servePage } from "./serve.ts";

/** What a tab of these tests has, as a global `tab`. */
interface Tab {
  readonly closed: string[];
  record(n: number, text?: string): CommitRecord;
  connect(): Promise<Connection>;
  connection: Connection;
  /** How the appends that were started ended. */
  results: Promise<string>[];
}
declare const tab: Tab;

const html = `<!doctype html>
<title>tab</title>
<script type="module">
  import { createIndexedDbStorage } from "/src/services/indexeddb.ts";
  const tab = {
    closed: [],
    results: [],
    record: (n, text = "") => ({
      kind: "commit", tab: "tab", n, schema: 1,
      events: [{ id: "e" + n, name: "added", v: 1, payload: { text }, at: n }],
    }),
    connect: () =>
      createIndexedDbStorage().open("e2e", { blocked() {}, closed: (reason) => tab.closed.push(reason) }),
  };
  tab.connection = await tab.connect();
  globalThis.tab = tab;
</script>`;

let server: Awaited<ReturnType<typeof servePage>>;
let profile: string;
let context: BrowserContext;

beforeAll(async () => {
  server = await servePage(html);
});
afterAll(async () => {
  await server.close();
});
beforeEach(async () => {
  profile = await mkdtemp(join(tmpdir(), "sssync-"));
});
afterEach(async () => {
  await context.close();
  await rm(profile, { recursive: true, force: true });
});

/** Starts Chromium on this test's profile, with its data on the disk: a private window keeps it in memory. */
const start = async (...args: readonly string[]): Promise<void> => {
  context = await chromium.launchPersistentContext(profile, chromiumLaunch(...args));
};
const openTab = async (): Promise<Page> => {
  const page = await context.newPage();
  await page.goto(server.address);
  await page.waitForFunction(() => "tab" in globalThis);
  return page;
};
const origin = (): string => new URL(server.address).origin;
const logOf = (page: Page) =>
  page.evaluate(async () => {
    const request = { after: 0, segments: () => [], onSegment: () => {} };
    const { log } = await tab.connection.read(request);
    return log.map(([position]) => position);
  });

test("G1 keeps what was resolved when the tab crashes", async () => {
  await start();
  const page = await openTab();
  const cdp = await context.newCDPSession(page);
  for (const n of [1, 2, 3])
    await page.evaluate((at) => tab.connection.append(tab.record(at), "relaxed"), n);
  const crashed = page.waitForEvent("crash");
  cdp.send("Page.crash").catch(() => {});
  await crashed;
  expect(await logOf(await openTab())).toEqual([1, 2, 3]);
});

test.each(["LevelDB", "SQLite"])(
  "G2 tells the outcome of every append when the site's data is cleared (%s)",
  async (backend) => {
    await start(backendFlag(backend === "SQLite"));
    const page = await openTab();
    const cdp = await context.newCDPSession(page);
    await page.evaluate(async () => {
      let n = 0;
      const append = (): Promise<string> =>
        tab.connection.append(tab.record((n += 1)), "relaxed").then(
          () => "stored",
          (error: { kind: string }) => error.kind,
        );
      const run = async (): Promise<void> => {
        while (tab.closed.length === 0) {
          for (let more = 0; more < 20; more += 1) tab.results.push(append());
          await tab.results.at(-20);
        }
        tab.results.push(append());
      };
      void run();
      await Promise.resolve();
    });
    await page.waitForFunction(() => tab.results.length > 500);
    await cdp.send("Storage.clearDataForOrigin", { origin: origin(), storageTypes: "indexeddb" });
    await page.waitForFunction(() => tab.closed.length > 0);
    const ends = await page.evaluate(() => Promise.all(tab.results));
    expect(new Set(ends)).toEqual(new Set(["stored", "lost"]));
    expect(await page.evaluate(() => tab.closed)).toEqual(["forced"]);
    // The next connection works, and finds nothing.
    await page.evaluate(async () => {
      tab.connection = await tab.connect();
    });
    expect(await logOf(page)).toEqual([]);
  },
);

test("G2 rejects an append for lack of space, stores nothing of it, and goes on", async () => {
  await start();
  const page = await context.newPage();
  const cdp = await context.newCDPSession(page);
  await cdp.send("Storage.overrideQuotaForOrigin", { origin: origin(), quotaSize: 500_000 });
  await page.goto(server.address);
  await page.waitForFunction(() => "tab" in globalThis);
  const kind = await page.evaluate(async () => {
    const noise = Array.from({ length: 40 }, () =>
      String.fromCharCode(...crypto.getRandomValues(new Uint16Array(30_000))),
    );
    return tab.connection.append(tab.record(1, noise.join("")), "relaxed").then(
      () => "stored",
      (error: { kind: string }) => error.kind,
    );
  });
  expect(kind).toBe("quota");
  expect(await logOf(page)).toEqual([]);
  expect(await page.evaluate(() => tab.closed)).toEqual([]);
});

const leveldb = backendFlag(false);

/** LevelDB keeps a value that is 64 KiB or more when compressed in a file of its own: loses that of the n-th. */
const loseFile = async (n: number, of: number): Promise<void> => {
  const names = await readdir(profile, { recursive: true, withFileTypes: true });
  const files = names.filter((file) => file.isFile() && file.parentPath.includes(".blob"));
  expect(files).toHaveLength(of);
  const paths = files.map((file) => join(file.parentPath, file.name)).toSorted();
  await rm(paths[n] ?? "");
};

test("G8 reads all other segments when the file of one is gone", async () => {
  await start(leveldb);
  const page = await openTab();
  await page.evaluate(async () => {
    const term = await tab.connection.claim();
    for (const no of [0, 1, 2, 3]) {
      const value = { no, noise: Array.from({ length: 20_000 }, () => Math.random()) };
      const put = { store: "segments", key: ["todos", no], value } as const;
      await tab.connection.lead({ term, puts: [put], durability: "strict" });
    }
  });
  await context.close();
  await loseFile(1, 4);

  await start(leveldb);
  const read = await (
    await openTab()
  ).evaluate(async () => {
    const delivered: unknown[] = [];
    const { meta } = await tab.connection.read({
      after: 0,
      segments: () => [0, 1, 2, 3, 4].map((no): SegmentKey => ["todos", no]),
      onSegment: ([, no], value, error) =>
        delivered.push([
          no,
          (value as { no: number } | undefined)?.no,
          (error as DOMException | undefined)?.name,
        ]),
    });
    return { term: meta.get("term"), delivered };
  });
  expect(read).toEqual({
    term: 1,
    delivered: [
      [0, 0, undefined],
      [1, undefined, "NotReadableError"],
      [2, 2, undefined],
      [3, 3, undefined],
      [4, undefined, undefined],
    ],
  });
});

test("G9 rejects a read when the file of a log record is gone, and says why; a careful one reads the rest", async () => {
  await start(leveldb);
  const page = await openTab();
  await page.evaluate(async () => {
    for (const n of [1, 2]) {
      const noise = Array.from({ length: 20_000 }, () => Math.random());
      await tab.connection.append(tab.record(n, noise.join("")), "strict");
    }
  });
  await context.close();
  await loseFile(0, 2);

  await start(leveldb);
  const again = await openTab();
  const failure = await again.evaluate(() =>
    tab.connection.read({ after: 0, segments: () => [], onSegment: () => {} }).then(
      () => "read",
      ({ kind, cause }: { kind: string; cause: DOMException }) => [kind, cause.name],
    ),
  );
  expect(failure).toEqual(["aborted", "NotReadableError"]);
  const careful = await again.evaluate(async () => {
    const ports = { segments: () => [], onSegment: () => {} };
    const { log, unreadable } = await tab.connection.read({ after: 0, each: true, ...ports });
    const [placed] = await tab.connection.ensure([tab.record(2)], "strict");
    const found = await tab.connection.repair(tab.record(3), 0, () => undefined);
    return { positions: log.map(([position]) => position), unreadable, placed, found };
  });
  const [lost] = careful.unreadable;
  expect(careful.unreadable).toMatchObject([{ store: "log" }]);
  expect(lost?.reason).toContain("NotReadableError");
  expect(careful.positions).toEqual([lost?.key === 1 ? 2 : 1]);
  expect(careful.found).toBe(false);
  expect(careful.placed?.added).toBe(lost?.key === 2);
});
