// The ward on a screen: tiles by urgency, the summary, sound, keys.

import { acknowledge } from "./answering.js";
import { drawBanner, lostBoard, lostBroker } from "./banner.js";
import { BedDialog } from "./bed_dialog.js";
import { $, make, setHidden, setText } from "./dom.js";
import { said, t, timeOf } from "./language.js";
import { layout, WIDEST } from "./layout.js";
import { enter, may, signOut } from "./session.js";
import { shape } from "./shapes.js";
import { mostUrgent, Sounder } from "./sound.js";
import { WardStream } from "./stream.js";
import { answerable, needsAttention, TileView } from "./tile.js";
import { who } from "./who.js";
import { ago, pageOf } from "./words.js";

const SILENCE_MS = 120_000; // of this screen; longer is a command to the bed, with who and why
const SUMMARY = [ // what is counted, in which shape, of alarms that of the highest priority among them, and words
  ["patient", ["alarm", "Phy"], t("patient")], ["unknown", ["unknown"], t("unknown")], ["technical", ["alarm", "Tec"], t("equipment")],
  ["waiting", ["waiting"], t("not measured yet")], ["seen", ["seen"], t("seen")], ["inactive", ["inactive"], t("off")], ["quiet", ["quiet"], t("quiet")],
];

const views = new Map();
const sounder = new Sounder();
const stream = new WardStream(onChange, start);
const dialog = new BedDialog(stream);
let silencedMs = -Infinity;
let wasSilent = false;
let summed = "";

// What is shown of a tile: as the board says, unless the board itself is silent.
function seen(tile) {
  if (!stream.isSilent) return tile;
  const words = needsAttention(tile) ? tile.words : tile.level === "seen" ? `${tile.words} seen` : "";
  const before = tile.level === "unknown" ? tile.before : [words, tile.also].filter(Boolean).join(" · ");
  return { ...tile, level: "unknown", kind: null, priority: null, words: t("Unknown"), before, also: "", sound: tile.is_test ? null : "Me",
           detail: t("this screen has lost the board"), since_s: stream.heardS, coverage: null, fault: "", missing: "", contact: "", battery_percent: null,
           breath: null, burdens: tile.burdens.map((line) => ({ ...line, minutes_5: null, hour: null })) };
}

function onChange(keys, isReordered) {
  for (const key of keys) {
    const tile = stream.tiles.get(key);
    if (!tile) {
      views.get(key)?.element.remove();
      views.delete(key);
      continue;
    }
    if (!views.has(key)) views.set(key, new TileView(key, { open: (bed) => dialog.open(bed), acknowledge: answer, moved: onMoved }));
    views.get(key).draw(seen(tile), stream.nowS);
  }
  for (const key of views.keys()) if (!stream.tiles.has(key)) { views.get(key).element.remove(); views.delete(key); }
  place(isReordered || keys.length > 0);
  tick();
  for (const key of keys) views.get(key)?.noteMove();
  dialog.draw();
  openAsked();
}

// The bed of the address, once it is there: the page of a bed asks so who acknowledges.
function openAsked() {
  const key = new URLSearchParams(location.hash.slice(1)).get("bed");
  if (!key || !stream.tiles.has(key)) return;
  history.replaceState(null, "", location.pathname);
  dialog.open(key, t("Say who you are, then acknowledge."));
}

// Every tile in its part and order; what has the focus keeps it.
function place(mayMove) {
  if (!mayMove) return;
  const focused = document.activeElement;
  let isMoved = false;
  const parts = { attention: [], others: [] };
  for (const key of stream.order) {
    const view = views.get(key);
    if (view) parts[needsAttention(view.tile) ? "attention" : "others"].push(view.element);
  }
  for (const [name, wanted] of Object.entries(parts)) {
    const list = $(`#${name}`);
    setHidden($(`#${name}-part`), !wanted.length);
    if (wanted.length === list.children.length && wanted.every((element, index) => list.children[index] === element)) continue;
    list.replaceChildren(...wanted);
    isMoved = true;
  }
  if (isMoved) {
    fit();
    if (focused !== document.activeElement && focused?.isConnected) focused.focus({ preventScroll: true });
  }
}

function fit() {
  const main = $("#ward");
  const style = getComputedStyle(main);
  const height = window.innerHeight - main.getBoundingClientRect().top - window.scrollY - parseFloat(style.paddingBottom) - 2;
  const width = main.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
  const found = layout($("#attention").children.length, $("#others").children.length, width, height);
  for (const name of ["attention", "others"]) {
    $(`#${name}`).style.setProperty("--columns", String(found[name].columns));
    $(`#${name}`).style.setProperty("--height", `${Math.floor(found[name].height)}px`);
    $(`#${name}`).style.setProperty("--widest", `${Math.floor(WIDEST * found[name].height)}px`);
  }
  for (const view of views.values()) view.noteMove();
}

function tick() {
  const isSilent = stream.isSilent;
  if (isSilent !== wasSilent) {
    wasSilent = isSilent;
    for (const [key, view] of views) view.draw(seen(stream.tiles.get(key)), stream.nowS);
    place(true);
  }
  for (const view of views.values()) view.tick(stream.nowS);
  setText($("#title"), said(stream.head.title));
  setText($("#clock"), timeOf(Date.now()));
  setHidden($("#empty"), views.size > 0);
  banner();
  summary();
  sound();
}

function banner() {
  const lines = [];
  if (stream.isSilent) lines.push(lostBoard(stream.heardS, stream.nowS));
  else if (stream.head.lost_s !== null) lines.push(lostBroker(stream.head.lost_s, stream.nowS));
  for (const refused of stream.head.refused ?? []) lines.push([t("Not shown: {what}.", { what: refused })]);
  for (const name of stream.head.failing ?? []) lines.push([t("Notifications to {name} fail. They are no alarm channel: look at the board.", { name })]);
  drawBanner(lines);
}

function summary() {
  const counts = stream.isSilent ? { unknown: views.size } : stream.head.summary;
  const wanted = SUMMARY.filter(([key]) => counts[key]);
  const text = wanted.map(([key, , words]) => `${counts[key]} ${words}`).join(", ");
  const highest = { Phy: highestPriority("Phy"), Tec: highestPriority("Tec") };
  const look = `${text} ${highest.Phy} ${highest.Tec}`;
  if (look === summed) return;
  summed = look;
  $("#summary").replaceChildren(...wanted.map(([key, [level, kind], words]) =>
    make("li", `count count-${key} priority-${highest[kind] ?? "none"}`, shape(level, kind, highest[kind]), make("strong", "", String(counts[key])), make("span", "", words))));
  setText($("#said"), text);
}

// Of all beds whose tile says an alarm of that kind that nobody has seen.
function highestPriority(kind) {
  const raised = [...views.values()].map((view) => view.tile).filter((tile) => tile.kind === kind && ["alarm", "latched"].includes(tile.level));
  return mostUrgent(raised.map((tile) => tile.priority)) ?? "Lo";
}

function sound() {
  const heard = mostUrgent([...views.values()].map((view) => view.tile.sound).filter(Boolean));
  const leftMs = SILENCE_MS - (performance.now() - silencedMs);
  sounder.keep(leftMs > 0 ? null : heard);
  const state = !sounder.isOn ? t("Sound is off") : sounder.isBroken ? t("Sound does not work") : leftMs > 0 ? t("Silent for {time}", { time: ago(leftMs / 1000) }) : t("Sound is on");
  setText($("#sound"), state);
  $("#sound").setAttribute("aria-pressed", String(sounder.isOn));
  setHidden($("#pause"), !sounder.isOn || leftMs > 0 || !heard);
}

function onMoved() {
  tell(t("This bed has just moved: press again."));
}

async function answer(key) {
  const tile = stream.tiles.get(key);
  if (!may("acknowledge")) return tell(t("You may look, and not acknowledge."));
  if (!tile || !answerable(tile).length) return tell(t("There is nothing to acknowledge on this bed."));
  if (!who()) return dialog.open(key, t("Say who you are, then acknowledge."));
  const outcome = await acknowledge(tile);
  tell(outcome.ok ? t("{name} acknowledged.", { name: tile.name }) : t("Not done: {reason}", { reason: said(outcome.reason) }));
}

let toldTimer = 0;
function tell(text) {
  setText($("#told"), text);
  setHidden($("#told"), false);
  clearTimeout(toldTimer);
  toldTimer = setTimeout(() => setHidden($("#told"), true), 5000);
}

// Arrows go to the next tile in that direction; of the one that has the focus `a` acknowledges, `b` opens its page.
function onKey(event) {
  const element = document.activeElement?.closest?.(".tile");
  if (event.ctrlKey || event.altKey || event.metaKey || $("#bed").open || $("#login").open) return;
  const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (step) {
    event.preventDefault();
    focusNext(element, step);
  } else if ((event.key === "a" || event.key === "b") && element) {
    event.preventDefault(); // or the letter stands in the field that the dialog opens with
    const found = [...views.values()].find((view) => view.element === element);
    if (found && event.key === "a") answer(found.key);
    else if (found?.tile.stream) location.assign(pageOf(found.tile));
  }
}

function focusNext(from, [dx, dy]) {
  const centre = (element) => { const box = element.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; };
  const all = [...document.querySelectorAll(".tile")];
  if (!from) return all[0]?.querySelector(".open").focus();
  const [x, y] = centre(from);
  let best = null;
  for (const element of all) {
    const [ex, ey] = centre(element);
    const along = (ex - x) * dx + (ey - y) * dy;
    const across = Math.abs((ex - x) * dy) + Math.abs((ey - y) * dx);
    if (element !== from && along > 1 && (!best || along + 2 * across < best.far)) best = { element, far: along + 2 * across };
  }
  best?.element.querySelector(".open").focus();
}

async function start() {
  await enter();
  stream.open();
}

document.addEventListener("keydown", onKey);
const resized = new ResizeObserver(fit);
for (const above of [".bar", "#banner"]) resized.observe($(above));
window.addEventListener("resize", fit);
$("#sound").addEventListener("click", async () => {
  if (sounder.isOn) sounder.forbid();
  else if (!(await sounder.allow())) tell(t("This browser lets nothing be heard."));
  tick();
});
$("#pause").addEventListener("click", () => { silencedMs = performance.now(); tick(); });
$("#signout").addEventListener("click", signOut);
setInterval(tick, 1000);
start();
