/** What the engine asks the sync server for is no part of the page. */
const isPart = (url: string): boolean =>
  url.startsWith(`${location.origin}/`) && !url.startsWith(`${location.origin}/sync/`);

/**
 * Has the service worker keep what this page was made of, so that it opens without a network as well. The worker is not
 * there yet when the page is loaded for the first time: that is why the page says what it loaded. When all is kept,
 * `<html>` has `data-offline="ready"`.
 */
export async function keepForOffline(): Promise<void> {
  // Absent where the page is not served securely.
  if (!("serviceWorker" in navigator)) return;
  try {
    await navigator.serviceWorker.register(`${import.meta.env.BASE_URL}sw.js`);
    const { active } = await navigator.serviceWorker.ready;
    const loaded = performance.getEntriesByType("resource").map(({ name }) => name);
    const page = new URL(import.meta.env.BASE_URL, location.href).href;
    const { port1, port2 } = new MessageChannel();
    port1.addEventListener("message", ({ data }) => {
      document.documentElement.dataset["offline"] = data === true ? "ready" : "incomplete";
    });
    port1.start();
    active?.postMessage([page, ...loaded.filter(isPart)], [port2]);
  } catch (error) {
    console.warn("The app will not open without a network:", error);
  }
}
