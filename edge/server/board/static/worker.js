// Where the board cannot be reached at all: a page that says since when, instead of the browser's own. Nothing else is kept:
// a page of a ward that looks alive and is old would be worse than none.

const KEPT = "offline-3"; // another number where the files change
const FILES = ["/offline", "/static/base.css", "/static/offline.js", "/static/language.js", "/static/texts.js", "/static/reached.js", "/static/icon.svg"];

self.addEventListener("install", (event) => event.waitUntil(caches.open(KEPT).then((kept) => kept.addAll(FILES)).then(() => self.skipWaiting())));

self.addEventListener("activate", (event) =>
  event.waitUntil(caches.keys().then((names) => Promise.all(names.filter((name) => name !== KEPT).map((name) => caches.delete(name))))));

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.mode === "navigate") event.respondWith(fetch(request).catch(() => caches.match("/offline")));
  else if (FILES.includes(new URL(request.url).pathname)) event.respondWith(fetch(request).catch(() => caches.match(request)));
});
