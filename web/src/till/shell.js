// The page without a network: the service worker keeps it, so that a till opens
// with what it knows (what is unanswered, above all) and says that it is offline.
export async function shell() {
  if (!("serviceWorker" in navigator)) return;
  try {
    await navigator.serviceWorker.register("/till/sw.js", { scope: "/till" });
    // The first time the worker was not there yet when these were fetched.
    const cache = await caches.open("till");
    const own = performance.getEntriesByType("resource").map((e) => new URL(e.name)).filter((u) => u.origin === location.origin && u.pathname.startsWith("/assets/"));
    await cache.addAll(["/till", ...own.map((u) => u.pathname)]);
  } catch { /* offline, or storage is full: the next opening tries again */ }
}
