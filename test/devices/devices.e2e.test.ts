/** Two profiles with three tabs each, a server process, and between them a way on which tabs are killed at chosen moments. */
import { type TestContext, expect, test, vi } from "vitest";
import { createSeededRandom } from "../../src/testing/seeded-random.ts";
import type { Browser, Tab } from "../tabs/browser.ts";
import { leaderOf, patience, says, startMachine } from "../tabs/browser.ts";
import { serveApp } from "../tabs/chromium.ts";
import type { App } from "./app/main.ts";
import { type Held, type Kind, type Way, createWay } from "./proxy.ts";
import { createServerProcess } from "./server.ts";

declare const app: App;
declare const standStillWhen: (at: "asked" | "stored") => void;

/** `npm run devices` kills as many as were asked for; `npm test` as many as show it. */
const isFull = process.env["DEVICES"] === "full";
const kills = isFull ? 12 : 2;
const fewest = isFull ? 500 : 100;
const seed = Number(process.env["SEED"] ?? 1);

vi.setConfig({ testTimeout: isFull ? 600_000 : 120_000 });

interface Device {
  readonly browser: Browser;
  readonly way: Way;
  readonly tabs: Tab[];
}

const sum = (numbers: readonly number[]): number => numbers.reduce((all, it) => all + it, 0);
const eachTab = (devices: readonly Device[]): readonly Tab[] => devices.flatMap(({ tabs }) => tabs);

const eventNumber = (payload: unknown): string => (payload as { readonly id: string }).id;

const commitOn = ({ tabs }: Device): Promise<void> =>
  (tabs[0] as Tab).page.evaluate(() => app.add());
/** The tab whose request this is: nobody else makes any. */
const leader = (device: Device): Promise<number> => leaderOf(device.tabs);

/** The next request of this kind that the device makes, once `cause` has made it make one. */
async function held(
  device: Device,
  kind: Kind,
  side: "before" | "after",
  cause: () => Promise<void>,
): Promise<Held> {
  const caught = device.way.holdNext(kind, side);
  // Its tab may be killed before it is told that it is stored.
  cause().catch(() => undefined);
  return await caught;
}

/** All complaints but what the browser logs of requests without an answer. */
const complaintsOf = ({ browser }: Device): readonly string[] =>
  browser.complaints.filter((it) => !it.startsWith("Failed to load resource"));

/** A browser that has no tab yet, and what lies between it and the server. `more`: what its tabs tell, too. */
async function startDevice(
  context: TestContext,
  port: () => number,
  ...more: readonly Parameters<Device["browser"]["expect"]>[0][]
) {
  const way = createWay(port);
  const machine = await startMachine(
    "LevelDB",
    () => [],
    () => serveApp("../devices/app/main.ts", way.handle),
  );
  context.onTestFinished(() => machine.end());
  const browser = machine.createDevice({ onTestFinished: () => undefined });
  for (const kind of ["decided", "fault", ...more] as const) browser.expect(kind);
  return { way, browser };
}

test("G5 G13 decides each durable event once, and all devices agree, whatever is killed, cut, restarted or restored", async (context) => {
  const random = createSeededRandom(seed);
  const below = (limit: number): number => (random.bytes(1)[0] ?? 0) % limit;
  const server = await createServerProcess();
  context.onTestFinished(() => server.end());

  async function createDevice(): Promise<Device> {
    const { way, browser } = await startDevice(context, server.port, "writing");
    const tabs = await Promise.all([1, 2, 3].map(() => browser.openTab()));
    return { browser, way, tabs };
  }
  const devices = await Promise.all([createDevice(), createDevice()]);
  const [one, two] = devices;
  const counts = { push: 0, pull: 0, decision: 0, restarts: 0, restores: 0, cuts: 0 };

  const moments = { asked: 0, stored: 0, whenever: 0 };

  const start = ({ page }: Tab): Promise<void> =>
    page.evaluate((it) => void app.start(it), below(256));
  /** Kills the tab that leads, and opens another in its place. Resolves with the new one, which works. */
  async function killLeader({ browser, tabs }: Device, at: number): Promise<void> {
    await browser.crash(tabs[at] as Tab);
    tabs[at] = await browser.openTab();
    await start(tabs[at]);
  }
  /** Three ways for a request of a dead tab: it never comes, it comes late, or its answer comes to nobody. */
  async function killDuring(device: Device, other: Device, kind: Kind, round: number) {
    const side = round % 3 === 2 ? "after" : "before";
    const request = await held(device, kind, side, () =>
      commitOn(kind === "push" ? device : other),
    );
    const at = await leader(device);
    expect(request.isWaiting()).toBe(true);
    await killLeader(device, at);
    // The browser gave it up with the tab.
    await vi.waitFor(() => expect(request.isWaiting()).toBe(false), patience);
    if (round % 3 === 1) await request.pass();
    else request.cut();
    counts[kind] += 1;
  }

  async function killDuringDecision(device: Device, round: number): Promise<void> {
    const { browser, tabs } = device;
    const answer = await held(device, "push", "after", () => commitOn(device));
    const at = await leader(device);
    const tab = tabs[at] as Tab;
    const writes = (): number => browser.told.filter(({ kind }) => kind === "writing").length;
    const wanted = writes() + 1;
    const when = (["asked", "stored"] as const)[round % 3];
    if (when !== undefined) await tab.page.evaluate((it) => standStillWhen(it), when);
    expect(answer.isWaiting()).toBe(true);
    await answer.pass();
    // In every third round at once, wherever it is by then.
    if (when !== undefined) await vi.waitUntil(() => writes() === wanted, patience);
    await killLeader(device, at);
    counts.decision += 1;
    moments[when ?? "whenever"] += 1;
  }

  for (const tab of eachTab(devices)) await start(tab);
  for (const { way } of devices) way.slowDown(100);

  /** Where in what was told the server was put back, and what it had then that the copy had not. */
  let restoredAt: readonly number[] = [];
  const forgotten = new Set<string>();

  async function restart(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    await server.stop(signal);
    await server.start();
    counts.restarts += 1;
  }
  /** Puts the server back to a copy of a moment ago. Some answers did not get through, and of some events only the answer did. */
  async function restore(): Promise<void> {
    await server.stop("SIGTERM");
    server.backUp();
    await server.start();
    const answer = await held(one, "push", "after", () => commitOn(one));
    const page = await held(two, "pull", "before", () => commitOn(two));
    for (const { way } of devices) way.cutOff();
    for (const it of [answer, page]) it.cut();
    const all = (await server.entries()).map(({ payload }) => eventNumber(payload));
    await server.stop("SIGTERM");
    server.putBack();
    await server.start();
    const kept = new Set((await server.entries()).map(({ payload }) => eventNumber(payload)));
    for (const id of all) if (!kept.has(id)) forgotten.add(id);
    restoredAt = devices.map(({ browser }) => browser.told.length);
    for (const { way } of devices) way.restore();
    counts.restores += 1;
  }
  async function cutBoth(): Promise<void> {
    for (const { way } of devices) {
      way.cutOff();
      await commitOn(one);
      await commitOn(two);
      way.restore();
      counts.cuts += 1;
    }
  }

  for (let round = 0; round < kills; round += 1) {
    const [device, other] = round % 2 === 0 ? [one, two] : [two, one];
    await killDuring(device, other, "push", round);
    await killDuringDecision(other, round);
    await killDuring(device, other, "pull", round);
    const moment = isFull ? round : round * 3;
    if (moment % 6 === 0) await restart("SIGTERM");
    if (moment % 6 === 1) await cutBoth();
    if (moment % 6 === 3) await restore();
    if (moment % 6 === 4) await restart("SIGKILL");
  }
  if (!isFull) {
    await restart("SIGKILL");
    await cutBoth();
  }
  const durable = (): readonly string[] =>
    devices.flatMap(({ browser: { told } }) =>
      told.filter(({ kind }) => kind === "durable").flatMap(({ ids }) => ids),
    );
  const commits = (): number =>
    sum(devices.map((it) => it.browser.told.filter(({ kind }) => kind === "durable").length));
  await vi.waitFor(() => expect(commits()).toBeGreaterThanOrEqual(fewest), {
    timeout: 60_000,
    interval: 100,
  });

  // The faults stop.
  for (const { page } of eachTab(devices)) await page.evaluate(() => app.rest());
  for (const { way } of devices) way.slowDown(0);
  for (const { tabs, browser } of devices) tabs.push(await browser.openTab());
  const order = await vi.waitFor(
    async () => {
      const entries = await server.entries();
      const expected = entries.map(({ payload }, at) => `${at + 1}:${eventNumber(payload)}`);
      for (const { page } of eachTab(devices)) {
        const state = await page.evaluate(() => ({
          order: app.order(),
          outbox: app.outbox(),
          pending: app.sync.status.pending,
          is: app.describe(),
        }));
        const wrong = expected.findIndex((it, at) => state.order[at] !== it);
        const said = `${JSON.stringify(state.is)}: ${state.order.length} of ${expected.length} rows, first difference at ${wrong}`;
        expect([said, state.outbox, state.pending]).toEqual([said, 0, 0]);
        expect([said, wrong, state.order.length]).toEqual([said, -1, expected.length]);
      }
      return expected;
    },
    { timeout: 60_000, interval: 200 },
  );

  const wrong: string[] = [];
  const accepted = new Set(order.map((it) => it.slice(it.indexOf(":") + 1)));
  if (accepted.size !== order.length) wrong.push("an event is in the log twice");
  const rejected = devices.map(async ({ tabs }) => {
    const [tab] = tabs as [Tab];
    const lists = await Promise.all(tabs.map(({ page }) => page.evaluate(() => app.rejected())));
    for (const list of lists)
      if (JSON.stringify(list) !== JSON.stringify(lists[0]))
        wrong.push(`${tab.name} has other rejections than the tabs beside it`);
    return lists[0] ?? [];
  });
  const refused = (await Promise.all(rejected)).flat();
  const rejections = new Set(refused);
  if (rejections.size !== refused.length) wrong.push("an event was rejected twice");
  for (const id of durable()) {
    const isIn = accepted.has(id);
    const isOut = rejections.has(id);
    if (isIn && isOut) wrong.push(`${id} is accepted and rejected`);
    if (isOut !== id.endsWith("-refused")) wrong.push(`${id} is ${isOut ? "" : "not "}rejected`);
    if (!isIn && !isOut && !forgotten.has(id)) wrong.push(`${id} has no decision`);
  }
  const decisions = new Map<string, string>();
  for (const [at, { browser }] of devices.entries())
    for (const [index, { kind, ids }] of browser.told.entries()) {
      const [id = "", status = ""] = ids;
      if (kind !== "decided") continue;
      const before = decisions.get(id);
      if (before !== undefined) wrong.push(`${id} was decided twice: ${before} and ${status}`);
      decisions.set(id, status);
      if (status !== (id.endsWith("-refused") ? "rejected" : "accepted"))
        wrong.push(`${id} was decided ${status}`);
      // What was decided after the server had forgotten is in its log.
      if (status === "accepted" && index >= (restoredAt[at] ?? 0) && !accepted.has(id))
        wrong.push(`${id} was decided and is not there`);
    }
  expect({ wrong, complaints: devices.flatMap(complaintsOf) }).toEqual({
    wrong: [],
    complaints: [],
  });
  expect(counts.push).toBeGreaterThanOrEqual(kills);
  expect(counts.pull).toBeGreaterThanOrEqual(kills);
  expect(counts.decision).toBeGreaterThanOrEqual(kills);
  expect(counts.restores).toBeGreaterThanOrEqual(1);
  const gone = Array.from(forgotten).filter((id) => !accepted.has(id)).length;
  console.log(
    `seed ${seed}: 2 profiles with 3 tabs each, ${commits()} durable commits, ${order.length} events accepted, ${refused.length} rejected; ` +
      `leaders killed: ${counts.push} during a push, ${counts.pull} during a pull, ${counts.decision} during the write of a decision ` +
      `(${moments.asked} before it was stored, ${moments.stored} before anybody knew, ${moments.whenever} as soon as the answer was there); ` +
      `server restarted ${counts.restarts} times, restored ${counts.restores} times (it forgot ${forgotten.size} events, ${forgotten.size - gone} were sent again); ` +
      `${sum(devices.map((it) => it.way.counts.requests))} requests, ${sum(devices.map((it) => it.way.counts.cut))} cut, ${sum(devices.map((it) => it.way.counts.delayed))} delayed`,
  );
});

test("stays usable with an expired token, keeps its outbox, and sends it when there is another token, without a reload", async (context) => {
  const server = await createServerProcess();
  context.onTestFinished(() => server.end());
  const { browser } = await startDevice(context, server.port);
  const tab = await browser.openTab();
  await tab.page.evaluate(() => app.add());
  await says(tab, { sync: "live", pending: 0 });
  await server.stop("SIGTERM");
  await server.start("second");
  await tab.page.evaluate(() => app.add());
  await says(tab, { sync: "unauthorized", fault: "unauthorized", pending: 1, phase: "ready" });
  await tab.page.evaluate(() => app.add());
  expect(await tab.page.evaluate(() => [app.order().length, app.outbox()])).toEqual([3, 2]);
  await tab.page.evaluate((isSlow) => {
    localStorage.setItem("token", "second");
    // It is asked for again within 30 s; here at once, as when the network comes back.
    if (!isSlow) dispatchEvent(new Event("online"));
  }, isFull);
  await says(tab, { sync: "live", fault: null, pending: 0 }, 45_000);
  expect(await server.entries("second")).toHaveLength(3);
  expect(browser.told.filter(({ kind }) => kind === "durable")).toHaveLength(3);
});
