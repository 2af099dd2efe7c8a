import { describe, expect, test } from "vitest";
import { createPageLifecycle } from "../../src/services/page-lifecycle.ts";
import { createVirtualLifecycle } from "../../src/testing/virtual-lifecycle.ts";
import { lifecycleContract } from "./lifecycle.contract.ts";

describe("virtual lifecycle", () => {
  lifecycleContract(() => {
    const port = createVirtualLifecycle();
    return { port, emit: (event) => port.emit(event), restore() {} };
  });
});

test("starts hidden and offline when told so", () => {
  const page = createVirtualLifecycle({ visible: false, online: false });
  expect([page.visible(), page.online()]).toEqual([false, false]);
});

test("counts as visible and online, and tells nothing, where there is no page", () => {
  const lifecycle = createPageLifecycle();
  const stop = lifecycle.subscribe(expect.unreachable);
  expect([lifecycle.visible(), lifecycle.online()]).toEqual([true, true]);
  stop();
});
