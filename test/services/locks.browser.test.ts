import { describe } from "vitest";
import { createWebLocks } from "../../src/services/web-locks.ts";
import { lockContract } from "./locks.contract.ts";

describe("Web Locks", () => {
  lockContract(() => createWebLocks(navigator.locks));
});
