import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { transformWithOxc } from "vite";
import { describe, expect, test } from "vitest";
import { createVirtualChannels } from "../../src/testing/virtual-channel.ts";
import { channelContract } from "./channel.contract.ts";
import { realChannels } from "./real-channels.ts";

const contractChannels = createVirtualChannels();
describe("virtual channels", () => {
  channelContract({
    openPort: () => contractChannels.openTab(),
    sendBroken: (name) => contractChannels.sendBroken(name),
  });
});
describe("BroadcastChannel in Node", () => {
  channelContract(realChannels());
});

test("lets a Node process end while a channel is open", async () => {
  const file = new URL("../../src/services/broadcast-channel.ts", import.meta.url);
  const { code } = await transformWithOxc(await readFile(file, "utf8"), "broadcast-channel.ts");
  const script = `${code}
    const channel = createBroadcastChannels().open("name", console.log, console.log);
    channel.post("hello");
    console.log("open");`;
  const run = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script]);
  expect(run.stdout).toBe("open\n");
});

const setUp = () => {
  const channels = createVirtualChannels();
  const join = () => {
    const tab = channels.openTab();
    const received: unknown[] = [];
    const channel = tab.open(
      "bus",
      (message) => received.push(message),
      () => received.push("(broken)"),
    );
    return { ...tab, tab, post: (message: unknown) => channel.post(message), received };
  };
  return { channels, a: join(), b: join(), c: join() };
};
/** Longer than any chain of microtasks in these tests. */
const settled = () => new Promise((resolve) => setTimeout(resolve));

test("keeps messages for a frozen tab until it thaws", async () => {
  const { a, b, c } = setUp();
  b.freeze();
  a.post(1);
  c.post(2);
  await settled();
  expect(b.received).toEqual([]);
  b.thaw();
  a.post(3);
  await settled();
  expect(b.received).toEqual([1, 2, 3]);
});

test("delivers nothing to or from a dead tab", async () => {
  const { a, b, c } = setUp();
  a.post(1);
  b.die();
  b.post(2);
  b.tab.open("bus", (message) => b.received.push(message), expect.unreachable).post(2);
  a.post(3);
  await settled();
  expect([b.received, c.received]).toEqual([[], [1, 3]]);
});

test("loses the deliveries that a filter picks, until it is taken away", async () => {
  const { channels, a, b, c } = setUp();
  const restore = channels.drop(
    ({ message, from, to }) => message === 1 && from === a.tab && to === b.tab,
  );
  a.post(1);
  a.post(2);
  restore();
  a.post(1);
  await settled();
  expect([b.received, c.received]).toEqual([
    [2, 1],
    [1, 2, 1],
  ]);
});

test("delivers anything that a stranger sends", async () => {
  const { channels, a, b } = setUp();
  const junk = [null, "junk", { p: Number.NaN, deep: new Map([[1, new Date(0)]]) }];
  for (const message of junk) channels.send("bus", message);
  await settled();
  expect([a.received, b.received]).toEqual([junk, junk]);
});

test("leaves it to the schedule when a message arrives, and in which order", () => {
  const tasks: (() => void)[] = [];
  const channels = createVirtualChannels({ schedule: (task) => tasks.push(task) });
  const received: string[] = [];
  const [a, b] = ["a", "b"].map((who) =>
    channels
      .openTab()
      .open("bus", (message) => received.push(`${who}: ${String(message)}`), expect.unreachable),
  );
  a?.post("to b");
  b?.post("to a");
  expect(received).toEqual([]);
  for (const task of tasks.toReversed()) task();
  expect(received).toEqual(["a: to a", "b: to b"]);
});
