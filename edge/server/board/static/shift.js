// What a shift hands over: alarms and who acknowledged them, respiratory rate, burden and coverage of each bed over the last
// hours, as a table that fits a sheet of paper.

import { $, make, setText, svg } from "./dom.js";
import { dateTimeOf, said, t } from "./language.js";
import { ask, enter } from "./session.js";
import { ago, burden, percent, timeOfDay } from "./words.js";

const FULL_SCALE = 12; // s/min at the top of a strip, unless a bed had more
const LETTERS = 55; // in a line of the alarms on paper
const FIGURES = [2, 3, 4]; // of the cells: on one line each
const HEADS = [t("Bed"), t("Now"), t("Alarms"), t("Breaths/min"), t("Burden, s/min"), t("Measured"), t("Quarters of an hour")];

// A bar for each quarter of an hour: how much was measured behind, the highest burden of any group before it.
function strip(bed) {
  const root = svg("svg", { viewBox: `0 0 ${bed.slots.length} 20`, preserveAspectRatio: "none", class: "strip", "aria-hidden": "true" });
  const highest = bed.slots.map((slot) => Math.max(0, ...Object.values(slot.s_per_min).map((value) => value ?? 0)));
  const top = Math.max(FULL_SCALE, ...highest);
  bed.slots.forEach((slot, index) => {
    const bar = (height, name) => root.append(svg("rect", { x: index + 0.05, y: 20 - height, width: 0.9, height, class: name }));
    bar(20 * slot.coverage, "measured");
    if (highest[index]) bar((20 * highest[index]) / top, "burden");
  });
  root.append(svg("path", { d: `M0 19.9H${bed.slots.length}`, class: "back" }));
  return root;
}

const lines = (texts) => (texts.length ? make("ul", "", ...texts.map((text) => make("li", "", text))) : t("none"));

// The burden of each group: its mean over what was measured, and its highest minute.
const burdens = (bed) => Object.entries(bed.burden).map(([name, value]) => t("{words} {value}, up to {highest}", { words: said(name), value: burden(value), highest: burden(bed.highest[name]) }));

function rate(found) {
  if (!found) return "?";
  return t("{rate} ({lowest} to {highest}), known {percent}", { rate: Math.round(found.median), lowest: Math.round(found.lowest), highest: Math.round(found.highest), percent: percent(found.known) });
}

// Each condition in a line: how often, when last and how long, and who acknowledged how many.
function alarms(bed, nowS) {
  return grouped(bed.alarms).map(([words, all]) => {
    const last = all[0];
    const began = timeOfDay(Date.now() - 1000 * (nowS - last.began_s));
    const lasted = last.over_s === null ? t("since {time}", { time: began }) : t("last at {time} for {length}", { time: began, length: ago(last.over_s - last.began_s) });
    const seen = all.filter((alarm) => alarm.by);
    const by = [...new Set(seen.map((alarm) => alarm.by))].join(", ");
    return `${said(words)}: ${all.length}, ${lasted}; ${seen.length ? t("acknowledged {number}, by {by}", { number: seen.length, by }) : t("nobody acknowledged")}`;
  });
}

function grouped(all) {
  const found = new Map();
  for (const alarm of all) found.set(alarm.words, [...(found.get(alarm.words) ?? []), alarm]);
  return [...found];
}

function row(bed, nowS) {
  const name = Object.assign(make("th", "", bed.name), { scope: "row" });
  const cells = [said(bed.now), lines(alarms(bed, nowS)), rate(bed.rate), lines(burdens(bed)), percent(bed.coverage), strip(bed)].map((content, index) => {
    const cell = make("td", "", content);
    cell.dataset.head = HEADS[index + 1];
    return cell;
  });
  for (const place of FIGURES) cells[place].className = "figures";
  cells.at(-1).className = "strip-cell";
  return make("tr", "", name, ...cells);
}

async function show() {
  const hours = $("#hours").value;
  $("#csv").href = `/api/shift.csv?hours=${hours}`;
  try {
    const answer = await ask(`/api/shift?hours=${hours}`);
    if (!answer.ok) throw new Error(answer.statusText);
    const { title, beds, now_s: nowS } = await answer.json();
    const head = make("tr", "", ...HEADS.map((text) => Object.assign(make("th", "", text), { scope: "col" })));
    const high = (bed) => Math.max(1, burdens(bed).length, alarms(bed, nowS).reduce((sum, text) => sum + Math.ceil(text.length / LETTERS), 0));
    $("#beds").style.setProperty("--lines", String(beds.reduce((sum, bed) => sum + high(bed), 2)));
    $("#beds").replaceChildren(make("table", "shift", make("thead", "", head), make("tbody", "", ...beds.map((bed) => row(bed, nowS)))));
    setText($("#state"), `${said(title)} · ${t("{from} to {to}", { from: dateTimeOf(Date.now() - 3600_000 * hours), to: dateTimeOf(Date.now()) })}`);
  } catch {
    setText($("#state"), t("This screen does not reach the board."));
  }
}

$("#hours").addEventListener("change", show);
$("#print").addEventListener("click", () => print());
await enter();
show();
