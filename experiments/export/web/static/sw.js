// The service worker: the app's files from a cache that its first visit fills; no other place is
// ever asked. The export writes the two lines below.
"use strict";
const scope = /** @type {ServiceWorkerGlobalScope} */ (/** @type {unknown} */ (self));
const VERSION = "{version}";  // of the content of all files
const FILES = ["{files}"];
const INDEX = /\/index\.html([?#]|$)/;  // another address of "./"
const PREFIX = `unvoiced ${scope.registration.scope} `;  // caches of other apps of this origin stay

scope.addEventListener("install", (event) => {
  const fill = async () => {
    const cache = await caches.open(PREFIX + VERSION);
    await cache.addAll(FILES.map((path) => new Request(path, { cache: "no-cache" })));
    await scope.skipWaiting();
  };
  event.waitUntil(fill());
});

scope.addEventListener("activate", (event) => {
  const clean = async () => {
    const old = (await caches.keys()).filter((name) => name.startsWith(PREFIX) && name !== PREFIX + VERSION);
    await Promise.all(old.map((name) => caches.delete(name)));
    await scope.clients.claim();
  };
  event.waitUntil(clean());
});

/** @param {Request} request */
async function answer(request) {
  if (new URL(request.url).origin !== self.location.origin) return Response.error();
  const cache = await caches.open(PREFIX + VERSION);
  if (request.mode === "navigate" && INDEX.test(request.url)) return (await cache.match("./")) ?? fetch(request);
  return (await cache.match(request, { ignoreSearch: true })) ?? fetch(request);
}

scope.addEventListener("fetch", (event) => event.respondWith(answer(event.request)));
