// The page without a network. The service puts before this script what belongs to
// the version it serves (self.shell: version, files); each version has a cache of
// its own, and the older ones go when it takes over.
//
// Only the page itself is kept: its document, script, style, icons. Answers of the
// API are never touched here, so none can be kept or given to somebody else.
const { version, files, page } = self.shell;
const MINE = "unioncard-phone-";
const cacheName = MINE + version;

self.addEventListener("install", (event) => {
  event.waitUntil(
    (async () => {
      const cache = await caches.open(cacheName);
      // Scripts and styles have their contents' hash in the name: the browser's own
      // copy is as good. The document is fetched anew, or a stale one would be kept.
      await Promise.all([
        cache.addAll(files.filter((f) => f.startsWith("/assets/"))),
        ...files.filter((f) => !f.startsWith("/assets/")).map((f) => cache.add(new Request(f, { cache: "reload", credentials: "omit" }))),
      ]);
      await self.skipWaiting();
    })(),
  );
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    (async () => {
      for (const name of await caches.keys()) {
        if (name.startsWith(MINE) && name !== cacheName) await caches.delete(name);
      }
      await self.clients.claim();
    })(),
  );
});

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || url.origin !== self.location.origin) return;
  if (event.request.mode === "navigate" && url.pathname === page) event.respondWith(kept(event, page));
  else if (files.includes(url.pathname) && url.pathname !== page) event.respondWith(kept(event, url.pathname));
});

/** kept answers from this version's cache: at once, with or without a network. A
 * newer version is noticed by the browser's check of this script. */
async function kept(event, path) {
  const cache = await caches.open(cacheName);
  return (await cache.match(path)) || fetch(event.request);
}
