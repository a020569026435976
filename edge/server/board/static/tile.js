// One bed on the screen: an element that is made once and then only changed where something changed.

import { make, setHidden, setText, svg, widthOf } from "./dom.js";
import { brief, said, t } from "./language.js";
import { shape } from "./shapes.js";
import { Steady } from "./steady.js";
import { ago, breathWords, burden, heardWords, pageOf, percent, seenWords, timeOfDay } from "./words.js";

const PRIORITY = { Hi: t("high priority"), Me: t("medium priority"), Lo: t("low priority") };
const KIND = { Phy: t("Patient"), Tec: t("Equipment") };
const HOUR_MIN = 60;
const CURVE_S = 60; // after so long a curve is drawn anew: it ends now
const LONG_EM = 13; // of words that have two lines
const FULL_SCALE = 6; // s/min at the top of a sparkline, unless limit or burden is higher

export const needsAttention = (tile) => ["alarm", "unknown", "latched"].includes(tile.level);

// Whether a person can acknowledge something on it.
export const answerable = (tile) => tile.alarms.filter((line) => line.signal === "On" || line.signal === "Latch");

export class TileView {
  constructor(key, actions) {
    this.key = key;
    this.open = make("button", "open");
    this.open.type = "button";
    this.acknowledge = make("button", "acknowledge", t("Acknowledge"));
    this.acknowledge.type = "button";
    this.shape = make("span", "shape-box");
    this.rank = make("span", "rank");
    this.words = make("p", "words");
    this.ago = make("span", "ago");
    this.from = make("span", "from");
    this.since = make("p", "since", this.ago, this.from);
    this.also = make("p", "also");
    this.heard = make("p", "heard");
    this.why = make("span");
    this.urgency = make("span", "urgency");
    this.detail = make("p", "detail", this.why, this.urgency);
    this.burdens = make("table", "burdens");
    this.facts = make("p", "facts");
    const head = make("div", "head", this.shape, make("h3", "name", this.open), this.rank);
    const saying = make("div", "said", this.words, this.since, this.heard, this.also, this.detail);
    this.page = make("a", "to-page", waves());
    this.face = make("div", "face", head, saying, this.burdens, this.facts, this.acknowledge, this.page);
    this.element = make("li", "tile", this.face);
    this.places = [this.element, this.acknowledge].map((element) => new Steady(element)); // the whole tile opens the bed
    const [whole, button] = this.places;
    this.open.addEventListener("click", (event) => (whole.takes(event) ? actions.open(key) : actions.moved()));
    this.acknowledge.addEventListener("click", (event) => (button.takes(event) ? actions.acknowledge(key) : actions.moved()));
  }

  // To be called whenever it may have moved.
  noteMove() {
    for (const place of this.places) place.note();
  }

  // Show a tile as the server said it.
  draw(tile, nowS) {
    this.tile = tile;
    this.nowS = nowS;
    const look = `tile level-${tile.level} ${tile.kind ? `kind-${tile.kind} priority-${tile.priority}` : ""}`;
    if (this.element.className !== look) {
      this.element.className = look;
      this.shape.replaceChildren(shape(tile.level, tile.kind, tile.priority));
    }
    const { name } = tile;
    fit(this.open, name);
    setText(this.rank, tile.is_test ? t("TEST") : "");
    fit(this.words, said(tile.words));
    this.#drawAlso(tile);
    fit(this.heard, heardWords(tile.heard_by));
    setHidden(this.heard, !tile.heard_by.length);
    setHidden(this.acknowledge, !answerable(tile).length || tile.level === "unknown");
    this.acknowledge.setAttribute("aria-label", t("Acknowledge {name}: {words}", { name, words: said(tile.words) }));
    setHidden(this.page, !tile.stream);
    if (tile.stream) this.page.href = pageOf(tile);
    this.page.setAttribute("aria-label", t("Sound of {name}", { name }));
    this.#drawFacts(tile);
    this.#drawBurdens();
  }

  // What there is beside that which the tile says first; what is of a patient stays in sight on the smallest tile.
  #drawAlso(tile) {
    const text = tile.before ? t("before: {words}", { words: tile.before.split(", ").map(said).join(", ") }) : tile.also ? `+ ${said(tile.also)}` : "";
    // The English words of parts of their own: a narrow tile leaves them out.
    if (this.also.textContent !== text) this.also.replaceChildren(...text.split(/( \([^()]+\))/).map((part) => (part.startsWith(" (") ? make("span", "english", part) : part)));
    room(this.also, text, 700);
    setHidden(this.also, !text);
    this.also.classList.toggle("of-patient", Boolean(tile.before) || tile.is_also_of_patient);
  }

  #drawBurdens() {
    const { level, burdens, breath } = this.tile;
    const isKnown = (breath?.per_min ?? null) !== null || burdens.some((line) => line.minutes_5 !== null || line.hour !== null);
    setHidden(this.burdens, level === "unknown" || (!isKnown && level !== "quiet"));
    this.drawnS = this.nowS;
    this.element.style.setProperty("--groups", String(Math.max(1, burdens.length + Boolean(breath))));
    this.burdens.replaceChildren(...burdenRows(this.tile, this.nowS));
  }

  // What changes with time alone.
  tick(nowS) {
    this.nowS = nowS;
    if (nowS - this.drawnS > CURVE_S) this.#drawBurdens();
    const { since_s: sinceS, level } = this.tile;
    const isTold = sinceS !== null && level !== "quiet";
    const seconds = nowS - (sinceS ?? nowS);
    setHidden(this.since, !isTold);
    setText(this.ago, isTold ? ago(seconds) : "");
    const paused = Math.max(0, ...this.tile.alarms.map((line) => (line.paused_until_s ?? 0) - nowS));
    setText(this.from, !isTold ? "" : paused > 0 ? t("silent for {time}", { time: ago(paused) }) : t("since {time}", { time: timeOfDay(Date.now() - 1000 * seconds) }));
    this.#drawDetail(nowS);
    const label = [this.open.textContent, this.words.textContent, this.ago.textContent, this.heard.textContent, this.also.textContent, this.detail.textContent].filter(Boolean).join(", ");
    if (this.open.getAttribute("aria-label") !== label) this.open.setAttribute("aria-label", label);
  }

  // Why it is so, or who has seen it and when, and how urgent it is.
  #drawDetail(nowS) {
    const { tile } = this;
    const rank = tile.kind ? `${KIND[tile.kind]}, ${PRIORITY[tile.priority]}` : "";
    setText(this.why, seenWords(tile, nowS) || said(tile.detail));
    setText(this.urgency, this.why.textContent && rank ? ` · ${rank}` : rank);
    room(this.detail, this.detail.textContent, 400);
    this.detail.style.setProperty("--why-w", String(widthOf(this.why.textContent, 400)));
    setHidden(this.detail, !this.detail.textContent);
  }

  #drawFacts(tile) {
    const facts = [t("measured {percent}", { percent: percent(tile.coverage) })];
    if (tile.contact) facts.push(tile.contact === "yes" ? t("on skin") : t("off skin"));
    if (tile.battery_percent !== null) facts.push(t("battery {percent} %", { percent: Math.round(tile.battery_percent) }));
    if (tile.missing) facts.push(said(tile.missing));
    if (tile.fault && tile.fault !== tile.missing) facts.push(said(tile.fault));
    fit(this.facts, tile.stream && tile.level !== "unknown" ? facts.join(" · ") : "", 400);
  }
}

// Text that tiles.css makes as large as it has room for.
function fit(element, text, weight = 700) {
  setText(element, text);
  room(element, text, weight);
}

function room(element, text, weight) {
  const width = widthOf(text, weight);
  element.style.setProperty("--w", String(width));
  element.classList.toggle("is-long", width > LONG_EM);
}

// A small spectrogram: what the page of a bed shows.
function waves() {
  const root = svg("svg", { viewBox: "0 0 32 32", "aria-hidden": "true", class: "waves" });
  for (const d of ["M3 13v6", "M8 8v16", "M13 4v24", "M18 10v12", "M23 6v20", "M28 13v6"]) root.append(svg("path", { d }));
  return root;
}

function headOf(text) {
  const head = make("th");
  fit(head, text, 500);
  return head;
}

function burdenRows(tile, nowS) {
  if (!tile.burdens.length && !tile.breath) return [];
  const head = make("tr", "", ...[t("s/min"), "5 min", "1 h", t("last hour")].map((text) => headOf(text)));
  const rows = tile.burdens.map((line) => {
    const name = headOf(brief(line.words));
    name.scope = "row";
    const isOver = line.limit !== null && line.minutes_5 !== null && line.minutes_5 >= line.limit;
    const now = make("td", isOver ? "figure over" : "figure", burden(line.minutes_5));
    const limit = line.limit === null ? "" : ` / ${burden(line.limit)}`;
    now.append(make("small", "", limit));
    return make("tr", "", name, now, make("td", "figure hour", burden(line.hour)), make("td", "spark-cell", sparkline(line, nowS / 60)));
  });
  if (tile.breath) rows.unshift(breathRow(tile.breath, nowS));
  return [make("thead", "", head), make("tbody", "", ...rows)];
}

// The respiratory rate now, and its last hour; what is unknown is no number.
function breathRow(breath, nowS) {
  const name = headOf(t("Breaths/min"));
  name.scope = "row";
  const cells = [make("td", "figure", breathWords(breath)), make("td", "figure hour")];
  return make("tr", "breath", name, ...cells, make("td", "spark-cell", sparkline({ ...breath, limit: null }, nowS / 60)));
}

// The last hour, minute by minute; what is unknown is a gap.
function sparkline(line, now) {
  const root = svg("svg", { viewBox: "0 0 60 20", preserveAspectRatio: "none", class: "spark", "aria-hidden": "true" });
  const top = Math.max(FULL_SCALE, 1.3 * (line.limit ?? 0), ...line.points.map(([, value]) => value ?? 0));
  const y = (value) => (19 - (18 * value) / top).toFixed(2);
  if (line.limit !== null) root.append(svg("path", { d: `M0 ${y(line.limit)}H60`, class: "limit" }));
  let d = "";
  let before = null;
  for (const [minute, value] of line.points) {
    if (value !== null) {
      const isJoined = before !== null && minute - before < 1.8;
      const x = (HOUR_MIN - (now - minute)).toFixed(2);
      d += isJoined ? `L${x} ${y(value)}` : `M${x} ${y(value)}h.01`;
    }
    before = value === null ? null : minute;
  }
  root.append(svg("path", { d: "M0 19.5H60", class: "base" }));
  if (d) root.append(svg("path", { d, class: "curve" }));
  return root;
}
