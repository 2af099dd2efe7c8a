import { afterEach, expect, test, vi } from "vitest";
import { browserEnvironment } from "../../src/services/browser-environment.ts";

const globals = ["indexedDB", "navigator", "BroadcastChannel"] as const;
const originals = globals.map(
  (name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)] as const,
);

afterEach(() => {
  vi.unstubAllGlobals();
  for (const [name, original] of originals) {
    if (original === undefined) Reflect.deleteProperty(globalThis, name);
    else Object.defineProperty(globalThis, name, original);
  }
});

test("has no storage, locks or channel where there are none", () => {
  for (const name of globals) vi.stubGlobal(name, undefined);
  expect(browserEnvironment()).toMatchObject({ storage: null, locks: null, channel: null });
});

test("has no locks in a page that was not loaded securely", () => {
  vi.stubGlobal("navigator", {});
  expect(browserEnvironment().locks).toBeNull();
});

test("counts a global that throws when it is touched as missing", () => {
  for (const name of globals) {
    Object.defineProperty(globalThis, name, {
      configurable: true,
      get() {
        throw new DOMException("The operation is insecure.", "SecurityError");
      },
    });
  }
  expect(browserEnvironment()).toMatchObject({ storage: null, locks: null, channel: null });
});

test.each([
  ["is missing", { value: undefined }],
  [
    "throws when it is touched",
    {
      get() {
        throw new DOMException("The operation is insecure.", "SecurityError");
      },
    },
  ],
])("has a storage that cannot be opened in a page whose IndexedDB %s", async (_, descriptor) => {
  vi.stubGlobal("document", { visibilityState: "visible" });
  vi.stubGlobal("window", {});
  Object.defineProperty(globalThis, "indexedDB", { configurable: true, ...descriptor });
  const { storage } = browserEnvironment();
  const failed = { name: "StorageFailure", kind: "unavailable" };
  await expect(storage?.open("name", {} as never)).rejects.toMatchObject(failed);
  await expect(storage?.destroy("name")).rejects.toMatchObject(failed);
});

test("has clock, random numbers and a page everywhere", () => {
  const { clock, random, lifecycle } = browserEnvironment();
  expect(clock.now()).toBeGreaterThan(0);
  expect(random.bytes(16)).toHaveLength(16);
  expect([lifecycle.visible(), lifecycle.online()]).toEqual([true, true]);
});
