// The last 24 hours of a bed: burden of each group over how much was measured. What is unknown is hatched, never empty.

import { besides, colour, fillColumn, hatching, line, named, prepared } from "./plot.js";
import { brief, said, t } from "./language.js";
import { burden, percent, timeOfDay } from "./words.js";

const AXIS = 24;
const COVERAGE = 0.22; // of the height
const FULL_SCALE = 12; // s/min at the top, unless a limit or a burden is higher
const HOUR_S = 3600;
const TICKS_H = [3, 6, 12]; // between two hours that have room
const TICK_PX = 60;

export function drawDay(canvas, day) {
  const ready = prepared(canvas);
  if (!ready) return;
  const { context, width, height } = ready;
  const { left, right, isNarrow } = besides(context, width, [t("Measured"), ...day.groups.map((group) => brief(group.words))]);
  const x = isNarrow ? 4 : left;
  const inner = { x, isNarrow, width: width - x - right, height: height - AXIS - 4 };
  const rows = Math.max(1, day.groups.length);
  const measured = { ...inner, y: 4 + inner.height * (1 - COVERAGE), height: inner.height * COVERAGE };
  const high = (inner.height * (1 - COVERAGE)) / rows;
  coverage(context, measured, day);
  day.groups.forEach((group, index) => bars(context, { ...inner, y: 4 + index * high, height: high - 6 }, day, group));
  if (!day.groups.length) unknown(context, { ...inner, y: 4, height: high - 6 }, day);
  hours(context, { ...inner, y: 4 }, day);
}

// What the day comes to, in words; for who does not see the strip, too.
export function dayWords(day) {
  const mean = (values) => values.reduce((sum, each) => sum + each, 0) / Math.max(1, values.length);
  const parts = [t("measured {percent} of it", { percent: percent(mean(day.slots.map((slot) => slot.coverage))) })];
  for (const { name, words } of day.groups) {
    const known = day.slots.map((slot) => slot.s_per_min[name] ?? null).filter((value) => value !== null);
    parts.push(known.length ? t("{words} up to {value} s/min", { words: said(words), value: burden(Math.max(...known)) }) : t("{words} unknown", { words: said(words) }));
  }
  return parts.join(" · ");
}

const isUnknown = (slot, name) => slot.coverage <= 0 || (name !== null && (slot.s_per_min[name] ?? null) === null);

function bars(context, box, day, { name, words, limit }) {
  const top = Math.max(FULL_SCALE, 1.2 * (limit ?? 0), ...day.slots.map((slot) => slot.s_per_min[name] ?? 0));
  unknown(context, box, day, name);
  context.fillStyle = colour("text");
  day.slots.forEach((slot, index) => {
    const value = slot.s_per_min[name];
    if (!isUnknown(slot, name) && value > 0) fillColumn(context, box, day.slots.length, index, box.y + box.height * (1 - value / top), (box.height * value) / top);
  });
  context.strokeStyle = colour("line");
  line(context, box.x, box.y + box.height, box.x + box.width, box.y + box.height);
  if (limit !== null) {
    const y = box.y + box.height * (1 - limit / top);
    context.strokeStyle = colour("text");
    context.setLineDash([6, 5]);
    line(context, box.x, y, box.x + box.width, y);
    context.setLineDash([]);
  }
  label(context, box, brief(words), `${burden(top)}`, t("s/min"));
}

function coverage(context, box, day) {
  unknown(context, box, day);
  context.fillStyle = colour("soft");
  day.slots.forEach((slot, index) => {
    if (!isUnknown(slot, null)) fillColumn(context, box, day.slots.length, index, box.y + box.height * (1 - slot.coverage), box.height * slot.coverage);
  });
  context.strokeStyle = colour("line");
  line(context, box.x, box.y + box.height, box.x + box.width, box.y + box.height);
  label(context, box, t("Measured"), "100 %", "");
}

// Hatches what is not known.
function unknown(context, box, day, name = null) {
  context.fillStyle = hatching(context);
  day.slots.forEach((slot, index) => {
    if (isUnknown(slot, name)) fillColumn(context, box, day.slots.length, index, box.y, box.height);
  });
}

function label(context, box, words, top, unit) {
  if (box.isNarrow) named(context, words, box.x + 2, box.y + 11);
  context.fillStyle = colour("text");
  context.textAlign = "right";
  if (!box.isNarrow) context.fillText(words, box.x - 8, box.y + box.height / 2);
  context.textAlign = "left";
  context.fillText(top, box.x + box.width + 8, box.y + 7);
  if (unit && box.height > 34) context.fillText(unit, box.x + box.width + 8, box.y + 24);
}

function hours(context, box, day) {
  const length = day.slots.length * day.slot_s;
  const fromMs = Date.now() - 1000 * length;
  context.fillStyle = colour("text");
  context.strokeStyle = colour("line");
  context.textAlign = "center";
  const tickH = TICKS_H.find((each) => (box.width * each * HOUR_S) / length >= TICK_PX) ?? TICKS_H.at(-1);
  const first = new Date(fromMs);
  first.setMinutes(0, 0, 0);
  for (let at = first.getTime(); at <= Date.now(); at += 1000 * HOUR_S) {
    const share = (at - fromMs) / (1000 * length);
    if (share < 0 || new Date(at).getHours() % tickH) continue;
    const x = box.x + box.width * share;
    line(context, x, box.y + box.height, x, box.y + box.height + 5);
    context.fillText(timeOfDay(at), x, box.y + box.height + 14);
  }
}
