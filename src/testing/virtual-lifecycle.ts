/** The page's life in memory: events happen when the test says so. */
import { type LifecycleEvent, type LifecyclePort } from "../services/ports.ts";

export interface VirtualLifecycle extends LifecyclePort {
  /** Lets an event happen. `visible`, `hidden`, `online` and `offline` change what the page says of itself first. */
  emit(event: LifecycleEvent): void;
}

/** Creates a page that is visible and online unless told otherwise. */
export const createVirtualLifecycle = (
  start: { readonly visible?: boolean; readonly online?: boolean } = {},
): VirtualLifecycle => {
  const listeners = new Set<(event: LifecycleEvent) => void>();
  let { visible = true, online = true } = start;
  return {
    visible: () => visible,
    online: () => online,
    subscribe(listener) {
      const entry = (event: LifecycleEvent): void => listener(event);
      listeners.add(entry);
      return () => {
        listeners.delete(entry);
      };
    },
    emit(event) {
      if (event === "visible" || event === "hidden") visible = event === "visible";
      if (event === "online" || event === "offline") online = event === "online";
      // Those who subscribe now hear of the next event; those who are ended now hear of none.
      const told = [...listeners];
      for (const listener of told) if (listeners.has(listener)) listener(event);
    },
  };
};
