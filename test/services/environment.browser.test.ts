import { expect, test } from "vitest";
import { browserEnvironment } from "../../src/services/browser-environment.ts";

test("has every port in a page", () => {
  expect(Object.values(browserEnvironment())).not.toContain(null);
});

test("asks the browser not to evict what is stored", async () => {
  expect(await browserEnvironment().storage?.persist?.()).toBe(await navigator.storage.persisted());
});
