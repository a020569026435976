// The page of one bed: its sound as it comes, its last day, its events.

import { Admission, ageWords } from "./admission.js";
import { acknowledge } from "./answering.js";
import { drawBanner, lostBoard, lostBroker } from "./banner.js";
import { BedStream } from "./bed_stream.js";
import { dayWords, drawDay } from "./day.js";
import { $, setHidden, setText } from "./dom.js";
import { EventDialog } from "./event_dialog.js";
import { EventList } from "./event_list.js";
import { said, t, timeOf } from "./language.js";
import { Listening } from "./listen.js";
import { Picture } from "./picture.js";
import { enter, may, signOut } from "./session.js";
import { shape } from "./shapes.js";
import { answerable } from "./tile.js";
import { who } from "./who.js";
import { ago, breathWords, heardWords, seenWords } from "./words.js";

const SHOWN_S = matchMedia("(max-width: 600px)").matches ? 15 : 30; // of the picture
const DAY_MS = 60_000; // between two looks at the day
const EVENTS_MS = 2000; // between two looks at the list, at least
const TOLD_MS = 5000;
const STALE_MS = 60_000; // at most: clips come some seconds after their events

const asked = new URLSearchParams(location.search);
const bed = { site: asked.get("site") ?? "", node: asked.get("node") ?? "", stream: asked.get("bed") ?? "" };
const query = new URLSearchParams(bed);
const picture = new Picture($("#picture"), SHOWN_S);
const list = new EventList((id) => openEvent(id));
const dialog = new EventDialog(bed, () => showEvents());
const admission = new Admission(bed);
const listening = new Listening(bed);
const stream = new BedStream(`/api/bed?${query}`, { onBed, onSounds, onPause: () => (wantsEvents = true), onMel: (tile) => picture.take(tile), onRefused: start });

let told = null; // the last word of the bed
let day = null;
let events = { clips: "", rows: [], pauses: [] };
let wantsEvents = true;
let lastEventsMs = -Infinity;

function onBed(message) {
  told = message;
  draw();
}

function onSounds(sounds) {
  wantsEvents = true;
  picture.mark(sounds);
}

function draw() {
  setText($("#clock"), timeOf(Date.now()));
  const lostS = told?.bed.lost_s ?? null;
  drawBanner(stream.isSilent ? [lostBoard(stream.heardS, stream.nowS)] : lostS !== null ? [lostBroker(lostS, stream.nowS)] : []);
  const tile = told?.bed.tile ?? null;
  if (tile) setText($("#title"), tile.name);
  drawState(tile);
  drawBreath(stream.isSilent ? null : tile?.breath, stream.isSilent ? [] : tile?.burdens ?? []);
  drawProposed(stream.isSilent ? null : told?.bed, tile);
  admission.offer(!stream.isSilent && Boolean(tile));
  drawLook();
  drawHeard(stream.isSilent ? [] : tile?.heard_by ?? []);
  setHidden($("#acknowledge"), stream.isSilent || !tile || tile.level === "unknown" || !may("acknowledge") || !answerable(tile).length);
}

// A mark for everybody: somebody listens here now.
function drawHeard(people) {
  setHidden($("#heard"), !people.length);
  const begun = Math.min(...people.map(({ since_s: sinceS }) => sinceS));
  const since = people.length ? t("since {time}", { time: timeOf(Date.now() - 1000 * (stream.nowS - begun)) }) : "";
  setText($("#heard"), [heardWords(people), since].filter(Boolean).join(" · "));
  listening.offer(!stream.isSilent && Boolean(told?.bed.tile), Boolean(told?.bed.may_listen));
}

// By whoever has signed in; else the ward asks who it is.
async function answer() {
  const { tile } = told.bed;
  if (!who()) return location.assign(`/#bed=${encodeURIComponent(tile.key)}`);
  const outcome = await acknowledge(tile);
  setText($("#told"), outcome.ok ? t("{name} acknowledged.", { name: tile.name }) : t("Not done: {reason}", { reason: said(outcome.reason) }));
  setHidden($("#told"), false);
  setTimeout(() => setHidden($("#told"), true), TOLD_MS);
}

function drawState(tile) {
  const level = stream.isSilent || !tile ? "unknown" : tile.level;
  const state = $("#state");
  const seconds = tile?.since_s ? stream.nowS - tile.since_s : 0;
  const words = !told ? "" : level === "unknown" && tile?.level !== "unknown" ? t("Unknown") : said(tile.words);
  const parts = [words, tile?.is_test ? t("TEST") : "", tile?.since_s && level !== "quiet" ? t("for {time}", { time: ago(seconds) }) : "", tile && level === "seen" ? seenWords(tile, stream.nowS) : "", tile?.also ? t("also: {words}", { words: said(tile.also) }) : "", said(tile?.detail ?? "")];
  const look = `now-state level-${level} ${tile?.kind ? `kind-${tile.kind} priority-${tile.priority}` : ""}`;
  if (state.className !== look || !state.firstChild) {
    state.className = look;
    state.replaceChildren(shape(level, tile?.kind, tile?.priority), document.createElement("span"));
  }
  setText(state.lastChild, parts.filter(Boolean).join(" · "));
}

// The respiratory rate, or why it is not known; and in how much of the breathing there are sounds.
function drawBreath(breath, groups) {
  const parts = breath ? [t("{rate} breaths/min", { rate: breathWords(breath) }), said(breath.why) || { rising: t("faster than before"), falling: t("slower than before"), steady: t("as before") }[breath.change]] : [t("{rate} breaths/min", { rate: "--" })];
  const percent = (share) => Math.round(100 * share);
  for (const { words, of_breathing: of } of groups.filter((group) => group.of_breathing)) {
    const [share, low, high] = of.map(percent);
    parts.push(t("{words} in {share} % ({low} to {high} %) of an hour's breathing", { words: said(words), share, low, high }));
  }
  setText($("#breath"), parts.filter(Boolean).join(" · "));
}

// What may be proposed for the age, and where whoever may sets limits; nothing else follows from it.
function drawProposed(bed, tile) {
  setHidden($("#limits"), !bed || !tile || !may("configure"));
  if (tile) $("#limits").href = `/#bed=${encodeURIComponent(tile.key)}`;
  const { age, proposed } = bed ?? {};
  const isSet = tile?.alarms.some((line) => line.condition.startsWith("rate-") && line.limit !== null);
  const set = isSet ? t("see those of the box") : t("none is set");
  setText($("#proposed"), proposed ? t("{age}: {low} and below, {high} and above may be proposed as limits; {set} ({source})", { ...proposed, age: ageWords(age), set }) : "");
}

function drawLook() {
  const { look, words } = stream.isSilent || !told ? { look: "nothing", words: told ? t("this screen has lost the board") : t("waiting for the board") } : told.bed;
  const isLive = look === "showing";
  const text = isLive ? (picture.isHeld ? t("held; sound goes on") : t("now")) : look === "waiting" ? t("Waiting: {reason}", { reason: said(words) }) : t("No live picture: {reason}", { reason: said(words) });
  setText($("#look"), text);
  $("#look").className = `look is-${isLive ? "live" : look}`;
  setText($("#nothing"), isLive ? "" : text);
  $("#picture").classList.toggle("is-old", !isLive);
  setText($("#lost"), told?.lost ? t("{count} pieces were lost on the way to slow screens", { count: told.lost }) : "");
}

async function showDay() {
  try {
    const answer = await fetch(`/api/bed/day?${query}`);
    if (!answer.ok) throw new Error(answer.statusText);
    day = await answer.json();
    drawDay($("#day"), day);
    setText($("#day-words"), dayWords(day));
    $("#day").setAttribute("aria-label", t("Burden and coverage of the last 24 hours: {words}", { words: dayWords(day) }));
  } catch {
    setText($("#day-words"), t("not known to the board"));
  }
}

async function showEvents() {
  wantsEvents = false;
  lastEventsMs = performance.now();
  try {
    const answer = await fetch(`/api/bed/events?${query}`);
    if (!answer.ok) throw new Error(answer.statusText);
    events = await answer.json();
    list.draw(events);
    const shown = events.rows.find((row) => row.event.id === dialog.shown);
    if (shown) dialog.draw(shown);
  } catch {
    wantsEvents = true;
  }
}

function openEvent(id) {
  const row = events.rows.find((each) => each.event.id === id);
  if (row) dialog.open(row);
}

function tick() {
  draw();
  const passedMs = performance.now() - lastEventsMs;
  if (!document.hidden && ((wantsEvents && passedMs > EVENTS_MS) || passedMs > STALE_MS)) showEvents();
}

function redraw() {
  picture.draw();
  if (day) drawDay($("#day"), day);
}

async function start() {
  await enter();
  stream.look();
  showDay();
  showEvents();
}

setText($("#title"), bed.stream || t("No bed"));
document.title = bed.stream ? t("{name}: sound", { name: bed.stream }) : t("Bed");
$("#hold").addEventListener("click", () => {
  picture.isHeld = !picture.isHeld;
  $("#hold").setAttribute("aria-pressed", String(picture.isHeld));
  setText($("#hold"), picture.isHeld ? t("Go on") : t("Hold picture"));
  if (!picture.isHeld) picture.draw();
  draw();
});
$("#acknowledge").addEventListener("click", answer);
$("#signout").addEventListener("click", signOut);
for (const canvas of ["#picture", "#day"]) new ResizeObserver(redraw).observe($(canvas));
new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
matchMedia("(prefers-color-scheme: light)").addEventListener("change", redraw);
setInterval(tick, 1000);
setInterval(() => document.hidden || showDay(), DAY_MS);
start();
