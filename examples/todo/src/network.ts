/**
 * A switch for the network, as if the plug was pulled: the engine does not know of it. What is on its way to the sync server
 * is cut, and nothing more gets through, in all tabs of this browser, until the switch is on again.
 */
import { createSignal } from "solid-js";

const key = "todo-demo-offline";
const read = (): boolean => localStorage.getItem(key) !== null;

const [isOff, setOff] = createSignal(read());
/** Whether the switch is off. */
export { isOff };

let plug = new AbortController();
const pull = (): void => plug.abort(new TypeError("The network is switched off"));
if (isOff()) pull();

const connected = globalThis.fetch.bind(globalThis);

// The engine asks for `fetch` at each call.
globalThis.fetch = (input, init) => {
  const url = input instanceof Request ? input.url : String(input);
  if (!new URL(url, location.href).pathname.startsWith("/sync/")) return connected(input, init);
  const signals = [plug.signal, ...(init?.signal ? [init.signal] : [])];
  return connected(input, { ...init, signal: AbortSignal.any(signals) });
};

function follow(): void {
  if (read() === isOff()) return;
  setOff(read());
  if (isOff()) pull();
  else plug = new AbortController();
  // As the browser tells it.
  dispatchEvent(new Event(isOff() ? "offline" : "online"));
}
addEventListener("storage", follow);

export function switchNetwork(on: boolean): void {
  if (on) localStorage.removeItem(key);
  else localStorage.setItem(key, "");
  follow();
}
