import { appPaths } from "sssync/testing";
import { expect, test } from "vitest";
import { config, options } from "./todo.paths.ts";

test("keeps what it promises, whatever happens", async () => {
  const { counts } = await appPaths(config, options);
  expect(counts.get("command mark")).toBeGreaterThan(0);
}, 120_000);
