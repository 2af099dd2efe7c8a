/** Files of the profile that are damaged between two launches: what the app makes of what Chromium makes of it. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BrowserContext, type Page } from "playwright";
import { expect, test, vi } from "vitest";
import type { App } from "./app/main.ts";
import { type Backend, serveApp, startChromium } from "./chromium.ts";
import { patience } from "./browser.ts";
import { type FileDamage, damageFiles, damagesOf } from "./file-damage.ts";

declare const app: App;

vi.setConfig({ testTimeout: 180_000 });

const all = process.env["DAMAGE_CASES"] === "all";

interface Place extends FileDamage {
  readonly address: string;
  /** Row as it is shown, by table and id. */
  readonly before: ReadonlyMap<string, string>;
  /** Ids of what nobody decided. */
  readonly undecided: readonly string[];
}

/** Everything that a tab shows, and how it says it is. */
const look = async (page: Page) => {
  const { rows, ...seen } = await page.evaluate(() => {
    const { tables, status, quarantine } = app.sync;
    const shown = (["entries", "counters", "contacts"] as const).flatMap((name) =>
      tables[name]
        .toArray()
        .map((row): [string, string] => [
          `${name}/${row.id}`,
          JSON.stringify(Object.entries(row).toSorted(([a], [b]) => (a < b ? -1 : 1))),
        ]),
    );
    const reasons = quarantine.list().map(({ id, reason }) => `${id}: ${reason}`);
    return { rows: shown, status, reasons, exported: app.sync.export().name };
  });
  return { rows: new Map(rows), ...seen };
};

/** Where commits are gone that nobody had decided, those after them count on from what is left. */
const isCounted = ({ before, undecided }: Place, id: string): boolean =>
  id.startsWith("counters/") ||
  (before.has(id) && undecided.some((entry) => id === `entries/${entry}`));

async function open(context: BrowserContext, address: string, query = ""): Promise<Page> {
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  await page.addInitScript(() => {
    const told: string[] = [];
    const opens = { count: 0 };
    Object.assign(globalThis, { opens, complaints: told });
    const original = indexedDB.open.bind(indexedDB);
    indexedDB.open = (...args) => {
      opens.count += 1;
      return original(...args);
    };
    addEventListener("error", ({ message }) => told.push(message));
    addEventListener("unhandledrejection", ({ reason }) => told.push(String(reason)));
  });
  await page.goto(`${address}${query}`);
  await page.waitForFunction(() => "app" in globalThis, undefined, { polling: 20 });
  return page;
}

/** Waits until the tab has made up its mind. */
const decided = (page: Page): Promise<unknown> =>
  page.waitForFunction(
    () => app.sync.status.phase !== "loading" || app.sync.status.storage === "unavailable",
    undefined,
    { polling: 20 },
  );

async function fill(context: BrowserContext, address: string) {
  const page = await open(context, address);
  await page.waitForFunction(() => "ready" in globalThis, undefined, { polling: 20 });
  // Enough to be written out of the log, into what files the backend has.
  await page.evaluate(async () => {
    for (let at = 0; at < 60; at += 1) await app.add(1, 30_000);
    await app.importContacts(0, 3000);
  });
  await vi.waitFor(async () => expect(await page.evaluate(() => app.logged())).toBe(0), {
    timeout: 30_000,
    interval: 50,
  });
  return page;
}

/** Fills the origins, and leaves in each what nobody has decided yet. */
async function fillAll(
  context: BrowserContext,
  cases: readonly (FileDamage & { readonly address: string })[],
): Promise<readonly Place[]> {
  const pages = await Promise.all(cases.map(({ address }) => fill(context, address)));
  const folded = await Promise.all(pages.map(look));
  const filled = await Promise.all(
    pages.map((page) =>
      page.evaluate(async () => {
        const before = new Set(app.sync.tables.entries.toArray().map(({ id }) => id));
        const added = await Promise.all([app.add(1, 100_000), app.add(1)]);
        added.push(await app.add(3));
        const rows = [...app.sync.tables.entries.toArray(), ...app.sync.tables.counters.toArray()];
        return {
          undecided: added.flat(),
          rows: rows
            .filter(({ id }) => !before.has(id))
            .map((row): [string, string] => [
              `${"no" in row ? "entries" : "counters"}/${row.id}`,
              JSON.stringify(Object.entries(row).toSorted(([a], [b]) => (a < b ? -1 : 1))),
            ]),
        };
      }),
    ),
  );
  return cases.map((it, at): Place => {
    const { undecided, rows } = filled[at] as (typeof filled)[number];
    const before = new Map(folded[at]?.rows);
    return { ...it, before: new Map([...before, ...rows]), undecided };
  });
}

/** What lies in the log, as far as the browser gives it: past the engine. */
const readable = (page: Page): Promise<readonly string[]> =>
  page.evaluate(async () => {
    // oxlint-disable-next-line unicorn/consistent-function-scoping -- it runs in the page
    const answer = <T>(request: IDBRequest<T>): Promise<T> =>
      new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = (event) => {
          event.preventDefault();
          reject(request.error ?? new Error("Expected an answer"));
        };
      });
    const database = await answer(indexedDB.open("sssync/tabs/"));
    const log = database.transaction("log").objectStore("log");
    const found: string[] = [];
    for (const key of await answer(log.getAllKeys())) {
      try {
        const record = (await answer(database.transaction("log").objectStore("log").get(key))) as {
          kind?: string;
          events?: { payload?: { id?: string } }[];
        } | null;
        if (record?.kind === "commit")
          for (const { payload } of record.events ?? []) if (payload?.id) found.push(payload.id);
      } catch {
        // It is not readable.
      }
    }
    database.close();
    return found;
  });

test.for(["LevelDB", "SQLite"] as const)(
  "G8 G9 opens what is left of a damaged profile, and says what is missing (%s)",
  async (backend: Backend, { onTestFinished }) => {
    const profile = await mkdtemp(join(tmpdir(), "sssync-damage-"));
    const [site, first] = await Promise.all([serveApp(), startChromium(profile, backend)]);
    let running = first;
    onTestFinished(async () => {
      await running.end("SIGKILL");
      await site.close();
      await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    });

    // Every subdomain is an origin with files of its own.
    const cases = damagesOf(backend, all).map((it, at) =>
      Object.assign({}, it, { address: `http://damaged-${at}.localhost:${site.port}/` }),
    );
    const places: Place[] = [];
    for (const killed of [false, true]) {
      const some = cases.filter((it) => (it.killed === true) === killed);
      if (some.length === 0) continue;
      if (killed) running = await startChromium(profile, backend);
      places.push(...(await fillAll(running.context, some)));
      await (killed ? running.end("SIGKILL") : running.quit());
    }
    for (const it of places) {
      const count = await damageFiles(profile, it.address, it);
      expect(`${it.what}: ${count}`).not.toBe(`${it.what}: 0`);
    }

    running = await startChromium(profile, backend);
    const story: string[] = [];
    const faults: string[] = [];
    const stored = new Map<Place, ReadonlyMap<string, string>>();
    const visit = async (place: Place): Promise<void> => {
      const say = (fault: string): unknown => faults.push(`${place.what}: ${fault}`);
      const began = performance.now();
      const page = await open(running.context, place.address);
      await decided(page);
      const seen = await look(page);
      const missing = Array.from(place.before.keys()).filter((id) => !seen.rows.has(id));
      const lost = await page.evaluate(() => app.lost);
      story.push(
        `${place.what}: ${seen.status.phase}, ${seen.status.storage}, ${missing.length} of ${place.before.size} rows missing, ` +
          `${place.undecided.filter((id) => seen.rows.has(`entries/${id}`)).length} of ${place.undecided.length} undecided; ` +
          `${seen.reasons.length} in quarantine${lost.map((it) => `, lost: ${it}`).join("")}, fault ${seen.status.fault?.code ?? "none"} ` +
          `(${Math.round(performance.now() - began)} ms) ${seen.reasons.slice(0, 3).join("; ").slice(0, 300)}`,
      );
      for (const [id, row] of seen.rows)
        if (place.before.get(id) !== row && !isCounted(place, id))
          say(`shows ${id} as ${row}, not ${place.before.get(id)}`);
      if (seen.status.phase === "ready") {
        const isTold = seen.reasons.length > 0 || lost.length > 0;
        if (missing.length > 0 && !isTold && place.silent !== true)
          say("tells of nothing that is missing");
        for (const id of await readable(page))
          if (!seen.rows.has(`entries/${id}`)) say(`does not show ${id}, which is readable`);
        const other = await open(running.context, place.address);
        await decided(other);
        const others = (await look(other)).rows;
        if (JSON.stringify([...others]) !== JSON.stringify([...seen.rows]))
          say("shows other rows in another tab");
        await page.evaluate(() => app.add(2));
        await other.evaluate(() => app.add(1));
        const agreed = await vi.waitFor(async () => {
          const both = await Promise.all([page, other].map(look));
          const [one, two] = both.map(({ rows }) => JSON.stringify([...rows]));
          if (one !== two) throw new Error(`Expected both tabs to agree: ${place.what}`);
          return both[0]?.rows ?? new Map();
        }, patience);
        stored.set(place, agreed);
      } else if (seen.status.storage === "unavailable") {
        const opens = await page.evaluate(
          () =>
            new Promise<number>((resolve) => {
              const { opens: it } = globalThis as unknown as { opens: { count: number } };
              const before = it.count;
              setTimeout(() => resolve(it.count - before), 1000);
            }),
        );
        if (opens > 5) say(`opens ${opens} times a second`);
        const other = await open(running.context, place.address, "?storage=memory-if-unavailable");
        await other.waitForFunction(() => app.sync.status.storage === "memory", undefined, {
          polling: 20,
        });
      }
      if (seen.status.phase !== "ready" && seen.status.fault === null) say("has no fault");
    };
    await Promise.all(places.map(visit));
    console.log(`${backend}\n${story.join("\n")}`);
    expect(faults).toEqual([]);
    await running.quit();

    running = await startChromium(profile, backend);
    for (const [{ what, address, torn }, rows] of stored) {
      const page = await open(running.context, address);
      await decided(page);
      const { rows: now } = await look(page);
      const lost = await page.evaluate(() => app.lost);
      if (torn === true && lost.length > 0 && now.size === 0) continue;
      const others = Array.from(new Set([...rows.keys(), ...now.keys()]))
        .filter((id) => rows.get(id) !== now.get(id))
        .map((id) => `${id}: ${rows.get(id)} then, ${now.get(id)} now`);
      expect({ what, lost, others: others.slice(0, 9) }).toEqual({ what, lost: [], others: [] });
    }
  },
);
