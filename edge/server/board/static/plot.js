// What canvases of the bed's page share: their size in the screen's own pixels, the theme's colours, hatching, axes.

import { timeOf } from "./language.js";

const HATCH_PX = 8;
const TICKS_HZ = [100, 200, 300, 500, 700, 1000, 1500, 2000, 3000, 4000, 6000, 8000];
const LEAST_GAP_PX = 20; // between two labels of an axis

export const FONT = "15px system-ui, \"Segoe UI\", Roboto, \"Noto Sans\", \"DejaVu Sans\", sans-serif";

const NARROW_PX = 560; // a canvas that is no wider is on a phone

// What stands left and right of a plot, pixels: names, as wide as the widest of them, and scales; on a phone names stand
// in the plot.
export function besides(context, width, names) {
  if (width <= NARROW_PX) return { left: 62, right: 52, isNarrow: true };
  const widest = Math.max(...names.map((name) => context.measureText(name).width));
  return { left: Math.max(132, Math.ceil(widest) + 12), right: 74, isNarrow: false };
}

// A cleared context in CSS pixels, and the size; null while the canvas has none.
export function prepared(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas;
  if (!width || !height) return null;
  const scale = (window.devicePixelRatio || 1) * (canvas.currentCSSZoom || 1);
  const [wide, high] = [Math.round(width * scale), Math.round(height * scale)];
  if (canvas.width !== wide || canvas.height !== high) [canvas.width, canvas.height] = [wide, high];
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  context.font = FONT;
  context.textBaseline = "middle";
  return { context, width, height };
}

export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

// A pattern of oblique lines: lost, not measured, not known.
export function hatching(context) {
  const tile = new OffscreenCanvas(HATCH_PX, HATCH_PX);
  const pen = tile.getContext("2d");
  pen.fillStyle = colour("lost-page");
  pen.fillRect(0, 0, HATCH_PX, HATCH_PX);
  pen.strokeStyle = colour("lost");
  pen.lineWidth = 2;
  for (const shift of [-HATCH_PX, 0, HATCH_PX]) {
    pen.beginPath();
    pen.moveTo(shift - 1, HATCH_PX + 1);
    pen.lineTo(shift + HATCH_PX + 1, -1);
    pen.stroke();
  }
  return context.createPattern(tile, "repeat");
}

const mel = (hz) => Math.log1p(hz / 700); // HTK's, but for a factor

// Where a frequency is, 0 at the lower edge of the lowest band, 1 at the upper of the highest; bands are equally high.
export function heightOf(hz, { lowest_hz: low, highest_hz: high, bands }) {
  return ((bands - 1) * ((mel(hz) - mel(low)) / (mel(high) - mel(low))) + 0.5) / bands;
}

// Labels of an axis of frequency in a box: hertz at round numbers that have room.
export function hertzAxis(context, box, head) {
  context.textAlign = "right";
  context.fillStyle = colour("text");
  context.strokeStyle = colour("line");
  let before = Infinity;
  for (const hz of TICKS_HZ) {
    if (hz < head.lowest_hz || hz > head.highest_hz) continue;
    const y = box.y + box.height * (1 - heightOf(hz, head));
    if (before - y < LEAST_GAP_PX) continue;
    before = y;
    context.fillText(hz >= 1000 ? `${hz / 1000} kHz` : `${hz} Hz`, box.x - 8, y);
    line(context, box.x - 5, y, box.x, y);
  }
}

// Times of day under a box, at whole multiples of a step that has room.
export function timeAxis(context, box, fromS, toS, wallOf, steps = [1, 2, 5, 10, 15, 30, 60]) {
  context.textAlign = "center";
  context.fillStyle = colour("text");
  context.strokeStyle = colour("line");
  const step = steps.find((each) => (each / (toS - fromS)) * box.width >= 78) ?? steps.at(-1);
  const offset = wallOf(0);
  for (let wall = Math.ceil(wallOf(fromS) / step) * step; wall <= wallOf(toS); wall += step) {
    const x = box.x + (box.width * (wall - offset - fromS)) / (toS - fromS);
    line(context, x, box.y + box.height, x, box.y + box.height + 5);
    const text = clockOf(wall);
    const half = context.measureText(text).width / 2;
    context.fillText(text, Math.max(half, Math.min(x, box.x + box.width + 40 - half)), box.y + box.height + 15);
  }
}

export function clockOf(wallS) {
  return timeOf(1000 * wallS, true);
}

// A name in a plot, on a ground of its own.
export function named(context, text, x, y) {
  context.textAlign = "left";
  context.globalAlpha = 0.75;
  context.fillStyle = colour("page");
  context.fillRect(x, y - 9, context.measureText(text).width + 8, 18);
  context.globalAlpha = 1;
  context.fillStyle = colour("text");
  context.fillText(text, x + 4, y);
}

// One of `count` columns side by side in a box: to whole pixels, so that no seam is between them.
export function fillColumn(context, box, count, index, y, height) {
  const left = Math.round(box.x + (box.width * index) / count);
  context.fillRect(left, y, Math.max(1, Math.round(box.x + (box.width * (index + 1)) / count) - left), height);
}

export function line(context, x0, y0, x1, y1) {
  context.beginPath();
  context.moveTo(x0, y0);
  context.lineTo(x1, y1);
  context.stroke();
}
