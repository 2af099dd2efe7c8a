/**
 * The page: whether it is seen, frozen, hidden away in the back/forward cache, or offline.
 *
 * Failure modes:
 * - Where there is no document (a server, a worker) nothing is ever told, and the page counts as visible and online.
 * - Only Chromium tells `freeze` and `resume`; elsewhere a page is suspended without a word.
 * - `navigator.onLine` true says only that there is some network, not that a server can be reached.
 * - A page that crashes or is killed in the background tells nothing. `hidden` is the last event that is sure to come.
 */
import { type LifecycleEvent, type LifecyclePort } from "./ports.ts";

const DOCUMENT_EVENTS = ["visibilitychange", "freeze", "resume"] as const;
const WINDOW_EVENTS = ["pagehide", "pageshow", "online", "offline"] as const;

/** Whether this is a page, and not a server or a worker. */
export const hasPage = (): boolean =>
  typeof document !== "undefined" && typeof window !== "undefined";
const visible = (): boolean => !hasPage() || document.visibilityState !== "hidden";

/** Watches the page that this code runs in. */
export const createPageLifecycle = (): LifecyclePort => {
  const listeners = new Set<(event: LifecycleEvent) => void>();

  const onEvent = ({ type }: Event): void => {
    const seen = visible() ? "visible" : "hidden";
    const event = type === "visibilitychange" ? seen : (type as LifecycleEvent);
    // Those who subscribe now hear of the next event; those who are ended now hear of none.
    const told = [...listeners];
    for (const listener of told) if (listeners.has(listener)) listener(event);
  };
  const listen = (verb: "addEventListener" | "removeEventListener"): void => {
    if (!hasPage()) return;
    for (const type of DOCUMENT_EVENTS) document[verb](type, onEvent);
    for (const type of WINDOW_EVENTS) window[verb](type, onEvent);
  };

  return {
    visible,
    online: () => !hasPage() || navigator.onLine,
    subscribe(listener) {
      // A function of its own for each subscription: the same listener may subscribe twice.
      const entry = (event: LifecycleEvent): void => listener(event);
      if (listeners.size === 0) listen("addEventListener");
      listeners.add(entry);
      return () => {
        listeners.delete(entry);
        if (listeners.size === 0) listen("removeEventListener");
      };
    },
  };
};
