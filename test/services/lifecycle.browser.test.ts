import { afterEach, describe, expect, test, vi } from "vitest";
import { createPageLifecycle } from "../../src/services/page-lifecycle.ts";
import { type LifecycleEvent } from "../../src/services/ports.ts";
import { lifecycleContract } from "./lifecycle.contract.ts";

/** Overrides a property that the browser alone can change. */
const pretend = (target: object, property: string, value: unknown): void => {
  Object.defineProperty(target, property, { configurable: true, get: () => value });
};

/** Lets the browser's own event happen. */
const emit = (event: LifecycleEvent): void => {
  switch (event) {
    case "visible":
    case "hidden":
      pretend(document, "visibilityState", event);
      document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
      break;
    case "freeze":
    case "resume":
      document.dispatchEvent(new Event(event, { bubbles: true }));
      break;
    case "pagehide":
    case "pageshow":
      window.dispatchEvent(new PageTransitionEvent(event, { persisted: true }));
      break;
    case "online":
    case "offline":
      pretend(navigator, "onLine", event === "online");
      window.dispatchEvent(new Event(event));
  }
};

describe("page lifecycle", () => {
  lifecycleContract(() => {
    pretend(document, "visibilityState", "visible");
    pretend(navigator, "onLine", true);
    return {
      port: createPageLifecycle(),
      emit,
      restore() {
        Reflect.deleteProperty(document, "visibilityState");
        Reflect.deleteProperty(navigator, "onLine");
      },
    };
  });
});

afterEach(() => {
  vi.restoreAllMocks();
});

test("listens to the page from the first subscriber to the last", () => {
  const listening: string[] = [];
  for (const target of [document, window]) {
    vi.spyOn(target, "addEventListener").mockImplementation((type) => {
      listening.push(type);
    });
    vi.spyOn(target, "removeEventListener").mockImplementation((type) => {
      listening.splice(listening.indexOf(type), 1);
    });
  }
  const lifecycle = createPageLifecycle();
  expect(listening).toEqual([]);
  const stops = [lifecycle.subscribe(expect.unreachable), lifecycle.subscribe(expect.unreachable)];
  expect(listening.toSorted()).toEqual([
    "freeze",
    "offline",
    "online",
    "pagehide",
    "pageshow",
    "resume",
    "visibilitychange",
  ]);
  stops[0]?.();
  expect(listening).toHaveLength(7);
  stops[1]?.();
  expect(listening).toEqual([]);
});
