// The picture of sound on a canvas: events over a spectrogram over the scores of each class, on one time axis.
//
// It is drawn when a tile comes, twice a second, and not in between: what one bed costs a screen does not depend on its
// refresh rate. Lost sound is hatched; what did not come is the page's own colour; neither is ever dark, as silence is.

import { COLOURS, cssColour } from "./colours.js";
import { Columns } from "./columns.js";
import { number } from "./language.js";
import { besides, colour, fillColumn, hatching, hertzAxis, line, named, prepared, timeAxis } from "./plot.js";
import { soundBrief } from "./words.js";

const AXIS = 26; // under the plot, pixels
const ROW = 20, ROWS = 3; // of events
const LANE = 40, LEAST_LANE = 22; // of the scores of a class
const LANES = 0.4; // of the height, at most
const LEAST_PICTURE = 90;
const SILENT_S = 20; // after which an event that nobody ended is drawn as far as it was told of; updates come every 5 s
const LEAST_DB = 40, MOST_DB = 80, ROUND_DB = 5; // of the colours: quiet noise shall not look like sound (edge/pictures)

export class Picture {
  // seconds: what is shown; null: all of one tile, a clip.
  constructor(canvas, seconds) {
    this.canvas = canvas;
    this.seconds = seconds;
    this.columns = new Columns(seconds ?? 0);
    this.events = new Map();
    this.chosen = null; // id of the event that is looked at; null: all alike
    this.isHeld = false; // what is drawn stays, what comes is kept
  }

  clear() {
    this.columns.clear();
    this.events.clear();
    this.draw();
  }

  take(tile) {
    if (this.seconds === null) {
      this.columns.seconds = (tile.columns * tile.sample.column) / tile.sample.rate;
      this.columns.clear();
    }
    this.columns.take(tile);
    for (const [id, event] of this.events) if ((event.end_s ?? Infinity) < this.columns.endS - 2 * (this.seconds ?? 1e9)) this.events.delete(id);
    if (!this.isHeld) this.draw();
  }

  // Events (edge/server/board/latest.py, `Sound`): by id, the last word counts.
  mark(events) {
    for (const event of events) this.events.set(event.id, event);
    if (!this.isHeld) this.draw();
  }

  // Pixels from the left of a second of the stream; of a clip's playhead.
  xOf(second) {
    const { plot, fromS, toS } = this.shown;
    return plot.x + (plot.width * (second - fromS)) / (toS - fromS);
  }

  draw() {
    const ready = prepared(this.canvas);
    if (!ready || !this.columns.head) return;
    const { context, width, height } = ready;
    const { columns } = this;
    const { head } = columns;
    const { left, right, isNarrow } = besides(context, width, head.classes.map(soundBrief));
    const lane = Math.max(LEAST_LANE, Math.min(LANE, (LANES * (height - ROW * ROWS - AXIS)) / Math.max(1, head.classes.length)));
    const lanes = lane * head.classes.length;
    const plot = { x: left, y: ROW * ROWS, isNarrow, width: width - left - right, height: Math.max(LEAST_PICTURE, height - ROW * ROWS - AXIS - lanes) };
    const toS = columns.endS;
    this.shown = { plot, fromS: toS - columns.count * columns.columnS, toS, lane };
    const range = levels(columns);
    this.#background(context, plot, lanes);
    this.#spectrogram(context, plot, range);
    head.classes.forEach((name, index) => this.#lane(context, { ...plot, y: plot.y + plot.height + lane * index, height: lane }, index));
    this.#events(context, plot, lanes);
    hertzAxis(context, plot, head);
    scale(context, plot, range);
    timeAxis(context, { ...plot, height: plot.height + lanes }, this.shown.fromS, toS, (second) => columns.wallOf(second));
    this.canvas.dataset.shown = JSON.stringify(this.shown);
  }

  // Absent everywhere, hatched where a column was lost.
  #background(context, plot, lanes) {
    context.fillStyle = colour("page");
    context.fillRect(plot.x, plot.y, plot.width, plot.height + lanes);
    context.fillStyle = hatching(context);
    this.columns.forEach((index, slot) => {
      if (slot >= 0 && this.columns.isLost(slot)) fillColumn(context, plot, this.columns.count, index, plot.y, plot.height + lanes);
    });
  }

  #spectrogram(context, plot, { low, high }) {
    const { columns } = this;
    const { bands, db } = columns.head;
    const image = new ImageData(columns.count, bands);
    const pixels = new Uint32Array(image.data.buffer);
    const table = new Uint32Array(256); // 0, not heard, stays clear
    for (let byte = 1; byte < 256; byte += 1) {
      const share = (db.lowest + (byte - 1) * db.step - low) / (high - low);
      table[byte] = COLOURS[Math.max(0, Math.min(COLOURS.length - 1, Math.round(share * (COLOURS.length - 1))))];
    }
    columns.forEach((index, slot) => {
      if (slot < 0) return;
      for (let m = 0; m < bands; m += 1) pixels[(bands - 1 - m) * columns.count + index] = table[columns.mel[slot * bands + m]];
    });
    const cells = new OffscreenCanvas(columns.count, bands);
    cells.getContext("2d").putImageData(image, 0, 0);
    context.imageSmoothingEnabled = false;
    context.drawImage(cells, plot.x, plot.y, plot.width, plot.height);
  }

  // The scores of one class, its threshold, and where they are above it.
  #lane(context, box, index) {
    const { columns } = this;
    const name = columns.head.classes[index];
    const { thresholds } = columns.head;
    const threshold = Object.hasOwn(thresholds, name) ? thresholds[name] : undefined;
    const y = (score) => box.y + box.height - 3 - (box.height - 6) * score;
    const wide = box.width / columns.count;
    context.strokeStyle = colour("line");
    context.lineWidth = 1;
    line(context, box.x, box.y + box.height - 0.5, box.x + box.width, box.y + box.height - 0.5);
    let now = null;
    context.fillStyle = colour("over");
    const path = new Path2D();
    let isJoined = false;
    columns.forEach((column, slot) => {
      const byte = slot < 0 ? 0 : columns.scores[slot * columns.head.classes.length + index];
      now = byte ? (byte - 1) / 254 : null;
      const x = box.x + wide * column;
      if (now !== null && threshold !== undefined && now >= threshold) fillColumn(context, box, columns.count, column, y(now), box.y + box.height - 1 - y(now));
      if (now !== null) path[isJoined ? "lineTo" : "moveTo"](x, y(now));
      if (now !== null) path.lineTo(x + wide, y(now));
      isJoined = now !== null;
    });
    context.strokeStyle = colour("text");
    context.lineWidth = 1.6;
    context.stroke(path);
    if (threshold !== undefined) {
      context.setLineDash([6, 5]);
      context.lineWidth = 1.2;
      line(context, box.x, y(threshold), box.x + box.width, y(threshold));
      context.setLineDash([]);
    }
    const words = soundBrief(name);
    if (box.isNarrow) named(context, words, box.x + 2, box.y + box.height / 2);
    context.fillStyle = colour("text");
    context.textAlign = "right";
    if (!box.isNarrow) context.fillText(fitted(context, words, box.x - 12), box.x - 8, box.y + box.height / 2);
    context.textAlign = "left";
    context.fillText(now === null ? "–" : number(now, 2), box.x + box.width + 8, box.y + box.height / 2);
  }

  // A bar for each event, from onset to end, in the first row that has room for it and its name, and lines through the
  // picture. Where no row has, the name that the next bar would cover is left out.
  #events(context, plot, lanes) {
    const { fromS, toS } = this.shown;
    const boot = this.columns.head.boot_id;
    const ends = Array(ROWS).fill(-Infinity);
    const heardS = (event) => event.end_s ?? event.begin_s;
    const lasts = (event) => event.is_open && toS - heardS(event) < SILENT_S;
    const seen = [...this.events.values()].filter((event) => event.boot_id === boot && event.begin_s < toS && (lasts(event) || heardS(event) > fromS));
    this.canvas.dataset.marks = JSON.stringify(seen.map((event) => [event.id, this.xOf(event.begin_s), lasts(event) ? null : this.xOf(heardS(event))]));
    context.textAlign = "left";
    const bars = [];
    for (const event of seen.sort((a, b) => a.begin_s - b.begin_s)) {
      const isOver = !lasts(event);
      const x0 = Math.max(plot.x, this.xOf(event.begin_s));
      const x1 = Math.max(x0 + 4, Math.min(plot.x + plot.width, isOver ? this.xOf(heardS(event)) : plot.x + plot.width));
      const words = fitted(context, soundBrief(event.label), 200);
      const inside = x1 - x0 > context.measureText(words).width + 12;
      const text = inside ? words : fitted(context, words, Math.max(0, this.canvas.clientWidth - x1 - 5));
      const { width } = context.measureText(text);
      const free = ends.findIndex((end) => end <= x0);
      const row = free < 0 ? ends.indexOf(Math.min(...ends)) : free;
      ends[row] = inside ? x1 : x1 + 5 + width + 6;
      bars.push({ row, x0, text, inside, at: inside ? x0 + 6 : x1 + 5, to: ends[row] });
      context.fillStyle = context.strokeStyle = colour(this.chosen === null || this.chosen === event.id ? "focus" : "soft");
      context.fillRect(x0, row * ROW + 3, x1 - x0, ROW - 6);
      context.lineWidth = 2;
      for (const [at, dash] of [[event.begin_s, []], ...(isOver ? [[heardS(event), [5, 4]]] : [])]) {
        const x = this.xOf(at);
        if (plot.isNarrow || x < plot.x || x > plot.x + plot.width) continue; // on a phone lines would cover the sound
        context.setLineDash(dash);
        line(context, x, plot.y, x, plot.y + plot.height + lanes);
      }
      context.setLineDash([]);
    }
    bars.forEach(({ row, text, inside, at, to }, index) => {
      const next = bars.slice(index + 1).find((each) => each.row === row);
      if (next && next.x0 < to) return;
      context.fillStyle = colour(inside ? "card" : "text");
      context.fillText(text, at, row * ROW + ROW / 2 + 1);
    });
  }
}

// dB of the first and the last colour: of what is shown all but the quietest hundredth and the loudest few columns.
function levels(columns) {
  const { bands, db } = columns.head;
  const counts = new Uint32Array(256);
  columns.forEach((_, slot) => {
    for (let m = 0; slot >= 0 && m < bands; m += 1) counts[columns.mel[slot * bands + m]] += 1;
  });
  counts[0] = 0;
  const total = counts.reduce((sum, each) => sum + each, 0);
  const at = (share) => {
    let left = share * total;
    for (let byte = 1; byte < 256; byte += 1) if ((left -= counts[byte]) <= 0) return db.lowest + (byte - 1) * db.step;
    return db.lowest + 254 * db.step;
  };
  const high = Math.ceil(at(0.998) / ROUND_DB) * ROUND_DB;
  const low = Math.max(Math.floor(at(0.01) / ROUND_DB) * ROUND_DB, high - MOST_DB);
  return { low: Math.min(low, high - LEAST_DB), high };
}

// The bar of colours, with its levels.
function scale(context, plot, { low, high }) {
  const x = plot.x + plot.width + 6;
  for (let step = 0; step < plot.height; step += 1) {
    context.fillStyle = cssColour(1 - step / plot.height);
    context.fillRect(x, plot.y + step, 12, 1.5);
  }
  context.fillStyle = colour("text");
  context.textAlign = "left";
  context.fillText(`${high}`, x + 17, plot.y + 8);
  context.fillText("dB", x + 17, plot.y + plot.height / 2);
  context.fillText(`${low}`, x + 17, plot.y + plot.height - 8);
}

function fitted(context, text, width) {
  if (context.measureText(text).width <= width) return text;
  let cut = text;
  while (cut && context.measureText(`${cut}…`).width > width) cut = cut.slice(0, -1);
  return cut ? `${cut}…` : "";
}
