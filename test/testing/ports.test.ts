/** The ports of a virtual device pass the suites of the real ones, whatever order the seed draws. */
import { afterEach, describe, expect, test } from "vitest";
import { type Environment } from "../../src/services/ports.ts";
import { createDevice } from "../../src/testing/index.ts";
import { channelContract } from "../services/channel.contract.ts";
import { clockContract } from "../services/clock.contract.ts";
import { lockContract } from "../services/locks.contract.ts";
import { randomContract } from "../services/random.contract.ts";
import { commitRecord, readAll, storageContract } from "../services/storage.contract.ts";

let seed = 0;
const running = new Set<() => void>();
afterEach(() => {
  for (const stop of running) stop();
  running.clear();
});

/** A device that goes on by itself, with a disk, locks and channels that nobody but the test uses. */
function createRunning() {
  seed += 1;
  const device = createDevice({ seed });
  let on = true;
  running.add(() => (on = false));
  const turn = async (): Promise<void> => {
    if (!on) return;
    await device.step();
    setImmediate(() => void turn());
  };
  void turn();
  return device;
}

const portOf = <P extends keyof Environment>(
  { openPage }: ReturnType<typeof createDevice>,
  port: P,
): NonNullable<Environment[P]> => openPage().environment[port] as NonNullable<Environment[P]>;

describe.each([1, 2, 3])("with the draws of seed %i", (from) => {
  seed = from * 1000;
  storageContract("the disk of a virtual device", () => portOf(createRunning(), "storage"));

  describe("its locks", () => {
    let device: ReturnType<typeof createDevice> | undefined;
    afterEach(() => (device = undefined));
    lockContract(() => portOf((device ??= createRunning()), "locks"));
  });

  describe("its channels", () => {
    let device: ReturnType<typeof createDevice> | undefined;
    afterEach(() => (device = undefined));
    channelContract({
      openPort: () => portOf((device ??= createRunning()), "channel"),
      sendBroken: (name) => device?.sendBroken(name),
    });
  });

  describe("its clock", () => {
    clockContract(() => {
      const device = createRunning();
      return { clock: portOf(device, "clock"), pass: (ms) => void device.pass(ms) };
    });
  });

  describe("its randomness", () => {
    randomContract(() => portOf(createDevice({ seed: from }), "random"));
  });
});

test("lets go of what waits for the page, and of nothing that is committed", async () => {
  const { environment } = createRunning().openPage();
  const connection = await environment.storage?.open("d", { blocked() {}, closed() {} });
  if (connection === undefined) throw new Error("Expected storage");
  const appended = connection.append(commitRecord(1), "relaxed");
  const waiting = [readAll(connection), connection.claim()];
  connection.letGo();
  for (const it of waiting) await expect(it).rejects.toMatchObject({ kind: "aborted" });
  expect(await appended).toBe(1);
  expect(await connection.claim()).toBe(1);
});
