// What the board tells of the ward, as it is now. Where it says nothing for some seconds, nothing that it said counts.

import { t } from "./language.js";
import { note } from "./reached.js";

const SILENT_MS = 6000; // three beats of the server (edge/server/board/feed.py)
const RETRY_MS = 2000;

export class WardStream {
  tiles = new Map();
  order = [];
  head = { title: t("Ward"), lost_s: null, refused: [], summary: {} };
  #offsetS = 0;
  #heardMs = performance.now();
  #source = null;

  // onChange: called when something changed; onRefused: when the board wants to know who asks.
  constructor(onChange, onRefused) {
    this.onChange = onChange;
    this.onRefused = onRefused;
  }

  open() {
    this.#source?.close();
    this.#source = new EventSource("/api/stream");
    this.#source.addEventListener("ward", (event) => this.#take(event, true));
    this.#source.addEventListener("change", (event) => this.#take(event, false));
    this.#source.addEventListener("error", () => {
      if (this.#source.readyState === EventSource.CLOSED) setTimeout(() => this.onRefused(), RETRY_MS);
    });
  }

  // Seconds of the board's clock, now.
  get nowS() {
    return this.#offsetS + performance.now() / 1000;
  }

  get isSilent() {
    return performance.now() - this.#heardMs > SILENT_MS;
  }

  get heardS() {
    return this.#offsetS + this.#heardMs / 1000;
  }

  #take(event, isWhole) {
    const { tiles, order, ...head } = JSON.parse(event.data);
    if (isWhole) this.tiles.clear();
    for (const [key, tile] of Object.entries(tiles)) {
      if (tile) this.tiles.set(key, tile);
      else this.tiles.delete(key);
    }
    if (order) this.order = order;
    this.head = head;
    this.#heardMs = performance.now();
    note();
    this.#offsetS = head.now_s - this.#heardMs / 1000;
    this.onChange(isWhole ? [...this.tiles.keys()] : Object.keys(tiles), Boolean(order));
  }
}
