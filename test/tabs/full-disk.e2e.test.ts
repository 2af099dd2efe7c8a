/** A disk that is really full: every write of the browser fails, and not only what its quota forbids. */
import { tmpdir } from "node:os";
import { expect, test, vi } from "vitest";
import type { App } from "./app/main.ts";
import { agreed, durable, durableCount, says, startMachine } from "./browser.ts";
import { faultsOfLog, faultsOfOrder } from "./order.ts";
import { createFiller, smallDisk } from "./small-disk.ts";

declare const app: App;

vi.setConfig({ testTimeout: 60_000 });

const megabytes = 60;
const isPermitted = smallDisk(tmpdir(), megabytes) !== undefined;
if (!isPermitted)
  console.log(
    "NOT TRIED HERE: a full disk. It takes Linux, and leave to `unshare --mount`, as root or in a user namespace",
  );

/** On LevelDB a large value goes into a file of its own, and fails in a way of its own. */
test.concurrent.for([
  ["LevelDB", "small", { leave: 0, count: 40, noise: 10_000 }],
  ["LevelDB", "large", { leave: 200_000, count: 1, noise: 1_000_000 }],
  ["SQLite", "small", { leave: 0, count: 40, noise: 10_000 }],
] as const)(
  "G2 keeps commits for which a full disk has no space, and stores each once when there is (%s, %s)",
  async ([backend, , { leave, ...commits }], context) => {
    if (!isPermitted) context.skip("A full disk cannot be had here");
    const machine = await startMachine(backend, (it) => smallDisk(it, megabytes) ?? []);
    context.onTestFinished(() => machine.end());
    const disk = createFiller(machine.pid, machine.profile);
    const device = machine.createDevice(context);
    device.expect("fault");
    const tab = await device.openTab();
    await tab.page.evaluate(() => app.add(2));
    await disk.fill(leave);
    await tab.page.evaluate(({ count, noise }) => {
      for (let more = 0; more < count; more += 1) void app.add(1, noise);
      void app.add();
    }, commits);
    await says(tab, { storage: "full", fault: "storage_full", phase: "degraded" });
    expect(await tab.page.evaluate(() => app.order())).toHaveLength(commits.count + 3);
    expect(durableCount(device)).toBe(1);
    await disk.empty();
    await durable(device, commits.count + 2);
    await says(tab, { storage: "open", fault: null, phase: "ready" });
    const all = await agreed([tab, await device.openTab()]);
    const stored = await tab.page.evaluate(() => app.disk());
    expect([
      ...faultsOfOrder(all, [], device.told),
      ...faultsOfLog(stored, all),
      ...device.complaints,
    ]).toEqual([]);
  },
);
