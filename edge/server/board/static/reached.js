// When this browser heard of the board last, for the page that it shows where it hears nothing; and that page's worker.

const KEY = "laennec-heard";
const EVERY_MS = 5000; // between two notes
let notedMs = -Infinity;
let isKept = false;

// The board was heard now.
export function note() {
  if (performance.now() - notedMs < EVERY_MS) return;
  notedMs = performance.now();
  localStorage.setItem(KEY, String(Date.now()));
}

// Milliseconds since 1970; 0: never.
export const heardMs = () => Number(localStorage.getItem(KEY) ?? 0);

// Browsers let workers in over HTTPS and on their own machine.
export function keepOffline() {
  if (isKept) return;
  isKept = true;
  const policy = globalThis.trustedTypes?.createPolicy("worker", { createScriptURL: () => "/worker.js" }); // the only one that the page's policy allows
  navigator.serviceWorker?.register(policy?.createScriptURL("") ?? "/worker.js").catch(() => {}); // without it the browser shows a page of its own
}
