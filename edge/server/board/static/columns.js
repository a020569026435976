// What came of a picture: columns of bands and scores by their place in the stream, the last so many. Not for drawing.
//
// A column is lost where none of its bands was heard, and absent where no tile of it came: two things that are drawn
// differently, for only of the first it is known that nobody heard it.

export class Columns {
  // seconds: how much is kept.
  constructor(seconds) {
    this.seconds = seconds;
    this.clear();
  }

  clear() {
    this.head = null; // of the last tile: everything but mel and scores
    this.count = 0;
  }

  // Take a tile (edge/contract/live.py).
  take(tile) {
    const { mel, scores, ...head } = tile;
    if (!this.#isAlike(head)) this.#begin(head);
    const first = this.#place(head);
    this.#makeRoom(first + head.columns);
    const bands = bytesOf(mel);
    const given = bytesOf(scores);
    for (let t = 0; t < head.columns; t += 1) {
      const slot = this.#slot(first + t);
      if (slot < 0) continue; // older than what is kept
      this.mel.set(bands.subarray(t * head.bands, (t + 1) * head.bands), slot * head.bands);
      this.scores.set(given.subarray(t * head.classes.length, (t + 1) * head.classes.length), slot * head.classes.length);
      this.has[slot] = 1;
    }
    this.head = head;
  }

  get columnS() {
    return this.head.sample.column / this.head.sample.rate;
  }

  // End of the newest column, seconds of the stream.
  get endS() {
    return (this.origin + this.stop * this.head.sample.column) / this.head.sample.rate;
  }

  // Seconds since 1970 on the clock of the box, of a second of the stream.
  wallOf(second) {
    return this.head.time + second - this.head.sample.first / this.head.sample.rate;
  }

  // Columns from the oldest that is kept to the newest: (index from 0, slot or -1) to `each`.
  forEach(each) {
    for (let index = 0; index < this.count; index += 1) {
      const slot = (((this.stop - this.count + index) % this.count) + this.count) % this.count;
      each(index, this.has[slot] ? slot : -1);
    }
  }

  isLost(slot) {
    const { bands } = this.head;
    for (let m = 0; m < bands; m += 1) if (this.mel[slot * bands + m]) return false;
    return true;
  }

  #isAlike(head) {
    const now = this.head;
    if (!now || now.boot_id !== head.boot_id || now.bands !== head.bands || now.sample.rate !== head.sample.rate) return false;
    if (now.sample.column !== head.sample.column || now.classes.join() !== head.classes.join()) return false;
    const ahead = (head.sample.first - now.sample.first) / head.sample.column;
    return ahead >= 0 && ahead <= this.count; // else the device has begun anew, or nothing of what is kept is shown any more
  }

  #begin(head) {
    this.count = Math.ceil((this.seconds * head.sample.rate) / head.sample.column);
    this.origin = head.sample.first;
    this.stop = 0; // one past the newest column, from the origin
    this.mel = new Uint8Array(this.count * head.bands);
    this.scores = new Uint8Array(this.count * head.classes.length);
    this.has = new Uint8Array(this.count);
    this.head = head;
  }

  #place(head) {
    return Math.round((head.sample.first - this.origin) / head.sample.column);
  }

  #slot(place) {
    return place < this.stop - this.count ? -1 : ((place % this.count) + this.count) % this.count;
  }

  #makeRoom(stop) {
    for (let place = Math.max(this.stop, stop - this.count); place < stop; place += 1) this.has[((place % this.count) + this.count) % this.count] = 0;
    this.stop = Math.max(this.stop, stop);
  }
}

function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}
