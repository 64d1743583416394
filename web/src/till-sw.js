// The till's service worker: keeps the page and what it is made of, nothing else.
// Calls of the API pass by untouched; an answer of theirs is never kept.
const CACHE = "till";
/** MOST files kept: two versions of the page. */
const MOST = 24;
/** PATIENCE with the network before the kept page is shown, ms. */
const PATIENCE = 4000;

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || url.origin !== self.location.origin) return;
  if (url.pathname === "/till" && event.request.mode === "navigate") event.respondWith(page(event));
  else if (url.pathname.startsWith("/assets/")) event.respondWith(asset(event));
});

/** page is the newest there is: from the network if it answers in time. */
async function page(event) {
  const cache = await caches.open(CACHE);
  const kept = await cache.match("/till");
  const fresh = fetch(event.request).then(async (response) => {
    if (response.ok) event.waitUntil(keep(cache, response.clone()).catch(() => {}));
    return response;
  });
  if (!kept) return fresh;
  event.waitUntil(fresh.catch(() => {}));
  return Promise.race([
    // A server in trouble is no reason to lose the till.
    fresh.then((response) => (response.ok ? response : kept), () => kept),
    new Promise((resolve) => setTimeout(resolve, PATIENCE, kept)),
  ]);
}

/** keep puts a page away with the files it names, or not at all: half of a new
 * version would not open without a network. */
async function keep(cache, response) {
  const named = new Set((await response.clone().text()).match(/\/assets\/[\w.-]+/g));
  const missing = [];
  for (const file of named) if (!(await cache.match(file))) missing.push(file);
  await cache.addAll(missing);
  await cache.put("/till", response);
}

/** asset is kept for good: its name holds the hash of what it holds. */
async function asset(event) {
  const cache = await caches.open(CACHE);
  const kept = await cache.match(event.request);
  if (kept) return kept;
  const response = await fetch(event.request);
  if (response.ok) event.waitUntil(cache.put(event.request, response.clone()).then(() => prune(cache)));
  return response;
}

async function prune(cache) {
  const all = (await cache.keys()).filter((r) => !r.url.endsWith("/till"));
  await Promise.all(all.slice(0, Math.max(0, all.length - MOST)).map((r) => cache.delete(r)));
}
