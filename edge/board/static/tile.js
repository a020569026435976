// One bed on the screen: an element that is made once and then only changed where something changed.

import { make, setHidden, setText, svg } from "./dom.js";
import { shape } from "./shapes.js";
import { ago, burden, percent, timeOfDay } from "./words.js";

const PRIORITY = { Hi: "High", Me: "Medium", Lo: "Low" };
const KIND = { Phy: "Patient", Tec: "Equipment" };
const LONG_NAME = 10; // letters that fit at full size
const HOUR_MIN = 60;
const FULL_SCALE = 6; // s/min at the top of a sparkline, unless limit or burden is higher

export const needsAttention = (tile) => ["alarm", "unknown", "latched"].includes(tile.level);

// Whether a person can acknowledge something on it.
export const answerable = (tile) => tile.alarms.filter((line) => line.signal === "On" || line.signal === "Latch");

export class TileView {
  constructor(key, actions) {
    this.key = key;
    this.open = make("button", "open");
    this.open.type = "button";
    this.open.addEventListener("click", () => actions.open(key));
    this.acknowledge = make("button", "acknowledge", "Acknowledge");
    this.acknowledge.type = "button";
    this.acknowledge.addEventListener("click", () => actions.acknowledge(key));
    this.shape = make("span", "shape-box");
    this.rank = make("span", "rank");
    this.words = make("p", "words");
    this.since = make("p", "since");
    this.detail = make("p", "detail");
    this.burdens = make("table", "burdens");
    this.facts = make("p", "facts");
    const head = make("div", "head", this.shape, make("h3", "name", this.open), this.rank);
    const said = make("div", "said", this.words, this.since, this.detail);
    this.face = make("div", "face", head, said, this.burdens, this.facts, this.acknowledge);
    this.element = make("li", "tile", this.face);
  }

  // Show a tile as the server said it.
  draw(tile) {
    this.tile = tile;
    const look = `tile level-${tile.level} ${tile.kind ? `kind-${tile.kind} priority-${tile.priority}` : ""}`;
    if (this.element.className !== look) {
      this.element.className = look;
      this.shape.replaceChildren(shape(tile.level, tile.kind, tile.priority));
    }
    const name = tile.stream || tile.node;
    setText(this.open, name);
    this.element.style.setProperty("--name-scale", String(Math.max(0.45, Math.min(1, LONG_NAME / name.length))));
    setText(this.rank, [tile.is_test ? "TEST" : "", tile.kind ? KIND[tile.kind] : "", PRIORITY[tile.priority] ?? ""].filter(Boolean).join(" · "));
    setText(this.words, tile.words);
    setText(this.detail, [tile.before ? `before: ${tile.before}` : "", tile.detail].filter(Boolean).join(" · "));
    setHidden(this.acknowledge, !answerable(tile).length || tile.level === "unknown");
    this.acknowledge.setAttribute("aria-label", `Acknowledge ${name}: ${tile.words}`);
    this.#drawFacts(tile);
    this.burdens.replaceChildren(...burdenRows(tile));
  }

  // What changes with time alone.
  tick(nowS) {
    const { since_s: sinceS, level } = this.tile;
    const isTold = sinceS !== null && level !== "quiet";
    const seconds = nowS - (sinceS ?? nowS);
    setText(this.since, isTold ? `${ago(seconds)} · since ${timeOfDay(Date.now() - 1000 * seconds)}` : "");
    const paused = Math.max(0, ...this.tile.alarms.map((line) => (line.paused_until_s ?? 0) - nowS));
    this.element.classList.toggle("is-paused", paused > 0);
    if (paused > 0) setText(this.since, `${this.since.textContent} · sound back in ${ago(paused)}`);
    this.open.setAttribute("aria-label", `${this.open.textContent}, ${this.tile.words}, ${this.since.textContent}`);
  }

  #drawFacts(tile) {
    const facts = [`measured ${percent(tile.coverage)}`];
    if (tile.missing) facts.push(tile.missing);
    if (tile.fault && tile.fault !== tile.missing) facts.push(tile.fault);
    if (tile.contact) facts.push(tile.contact === "yes" ? "on skin" : "off skin");
    if (tile.battery_percent !== null) facts.push(`battery ${Math.round(tile.battery_percent)} %`);
    setText(this.facts, tile.stream ? facts.join(" · ") : "");
  }
}

function burdenRows(tile) {
  if (!tile.burdens.length) return [];
  const head = make("tr", "", ...["", "5 min", "1 h"].map((text) => make("th", "", text)), make("th", "", "s/min, last hour"));
  const rows = tile.burdens.map((line) => {
    const name = make("th", "", line.words);
    name.scope = "row";
    const isOver = line.limit !== null && line.minutes_5 !== null && line.minutes_5 >= line.limit;
    const now = make("td", isOver ? "figure over" : "figure", burden(line.minutes_5));
    const limit = line.limit === null ? "" : ` / ${burden(line.limit)}`;
    now.append(make("small", "", limit));
    return make("tr", "", name, now, make("td", "figure hour", burden(line.hour)), make("td", "spark-cell", sparkline(line)));
  });
  return [make("thead", "", head), make("tbody", "", ...rows)];
}

// The last hour, minute by minute; what is unknown is a gap.
function sparkline(line) {
  const root = svg("svg", { viewBox: "0 0 60 20", preserveAspectRatio: "none", class: "spark", "aria-hidden": "true" });
  const last = line.points.length ? line.points[line.points.length - 1][0] : 0;
  const top = Math.max(FULL_SCALE, 1.3 * (line.limit ?? 0), ...line.points.map(([, value]) => value ?? 0));
  const y = (value) => (19 - (18 * value) / top).toFixed(2);
  if (line.limit !== null) root.append(svg("path", { d: `M0 ${y(line.limit)}H60`, class: "limit" }));
  let d = "";
  let before = null;
  for (const [minute, value] of line.points) {
    if (value !== null) {
      const isJoined = before !== null && minute - before < 1.8;
      const x = (HOUR_MIN - (last - minute)).toFixed(2);
      d += isJoined ? `L${x} ${y(value)}` : `M${x} ${y(value)}h.01`;
    }
    before = value === null ? null : minute;
  }
  root.append(svg("path", { d: "M0 19.5H60", class: "base" }));
  if (d) root.append(svg("path", { d, class: "curve" }));
  return root;
}
