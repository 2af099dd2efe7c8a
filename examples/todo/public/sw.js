/**
 * Opens the app without a network. Asks the network first and the cache second, so that nobody, a developer least of all,
 * ever sees an old version while there is a newer one; only files with a hash in their name, which never change, come from
 * the cache first.
 */
const CACHE = "todo-demo";
/** In place of the dev server's client, which would go on looking for a server that cannot be reached. */
const DEV_CLIENT = "/@vite/client";
const NO_DEV_CLIENT = "export const createHotContext = () => undefined;";

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

/** One page after the other: what a page that was loaded before wants is not what counts. */
let keeping = Promise.resolve();

/** The page says what it was made of: all of that is kept, and nothing else. It hears when that is done. */
self.addEventListener("message", (event) => {
  keeping = keeping
    .then(() => keep(event.data))
    .catch(() => false)
    .then((isKept) => event.ports[0]?.postMessage(isKept));
  event.waitUntil(keeping);
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== "GET" || origin !== location.origin) return;
  // The engine sees to that itself.
  if (pathname.startsWith("/sync/")) return;
  event.respondWith(pathname.includes("/assets/") ? fromCache(request) : fromNetwork(request));
});

/** Gives whether all of it is there. */
async function keep(urls) {
  const cache = await caches.open(CACHE);
  const keepOne = async (url) => {
    // A style sheet and a module that imports it have one address in development; this header tells them apart.
    const accept = new URL(url).pathname.endsWith(".css") ? "text/css" : "*/*";
    const response = await fetch(url, { headers: { accept } });
    if (response.ok) await cache.put(url, response);
    return response.ok;
  };
  const all = await Promise.allSettled(urls.map(keepOne));
  const wanted = new Set(urls);
  for (const { url } of await cache.keys()) if (!wanted.has(url)) await cache.delete(url);
  return all.every(({ value }) => value === true);
}

async function kept(request) {
  if (new URL(request.url).pathname === DEV_CLIENT) {
    return new Response(NO_DEV_CLIENT, { headers: { "content-type": "text/javascript" } });
  }
  const url = request.mode === "navigate" ? self.registration.scope : request.url;
  const cache = await caches.open(CACHE);
  return cache.match(url, { ignoreVary: true });
}

async function fromCache(request) {
  return (await kept(request)) ?? fetch(request);
}

async function fromNetwork(request) {
  try {
    return await fetch(request);
  } catch (error) {
    const response = await kept(request);
    if (response === undefined) throw error;
    return response;
  }
}
