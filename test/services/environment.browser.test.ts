import { expect, test } from "vitest";
import { browserEnvironment } from "../../src/services/browser-environment.ts";

test("has every port in a page", () => {
  expect(Object.values(browserEnvironment())).not.toContain(null);
});
