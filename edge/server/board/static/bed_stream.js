// What the board tells of one bed, while somebody sees the page: a hidden one looks at nothing, and the board then asks
// the box for no picture.

import { note } from "./reached.js";

const SILENT_MS = 6000; // three beats of the server (edge/server/board/feed.py)
const RETRY_MS = 2000;

export class BedStream {
  #path;
  #source = null;
  #heardMs = performance.now();
  #offsetS = 0;

  // actions: onBed, onSounds, onPause, onMel with what was told; onRefused when the board wants to know who asks.
  constructor(path, actions) {
    this.#path = path;
    this.actions = actions;
    document.addEventListener("visibilitychange", () => this.look());
    window.addEventListener("pagehide", () => this.#close());
  }

  // Look if the page is seen, and else do not.
  look() {
    if (document.hidden) return this.#close();
    if (this.#source) return;
    this.#heardMs = performance.now();
    this.#source = new EventSource(this.#path);
    const on = (kind, action) =>
      this.#source.addEventListener(kind, (event) => {
        this.#heardMs = performance.now();
        note();
        action(JSON.parse(event.data));
      });
    on("mel", this.actions.onMel);
    on("sounds", this.actions.onSounds);
    on("pause", this.actions.onPause);
    on("bed", (told) => {
      this.#offsetS = told.now_s - performance.now() / 1000;
      this.actions.onBed(told);
    });
    this.#source.addEventListener("error", () => {
      if (this.#source?.readyState !== EventSource.CLOSED) return;
      this.#close();
      setTimeout(() => this.actions.onRefused(), RETRY_MS);
    });
  }

  // Seconds of the board's clock, now.
  get nowS() {
    return this.#offsetS + performance.now() / 1000;
  }

  get heardS() {
    return this.#offsetS + this.#heardMs / 1000;
  }

  get isSilent() {
    return performance.now() - this.#heardMs > SILENT_MS;
  }

  #close() {
    this.#source?.close();
    this.#source = null;
  }
}
