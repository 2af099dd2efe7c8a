import { describe } from "vitest";
import { systemRandom } from "../../src/services/system-random.ts";
import { randomContract } from "./random.contract.ts";

describe("system random in Chromium", () => {
  randomContract(() => systemRandom);
});
