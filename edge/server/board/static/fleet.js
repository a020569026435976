// The boxes behind the beds: what each runs, how it is, and its links.

import { $, make, setText } from "./dom.js";
import { number, said, t } from "./language.js";
import { ask, enter } from "./session.js";
import { ago } from "./words.js";

const EVERY_MS = 5000;
const CLOCK_OFF_S = 2; // from here on a box's clock is worth a word
const SHORT = 8; // letters of a hash

const some = (value, text) => (value === null || value === "" ? "–" : text(value));
const short = (hash) => hash.replace(/^sha256:/, "").slice(0, SHORT);

// What most boxes have, to mark the one that differs.
function usual(boxes, key) {
  const counts = new Map();
  for (const box of boxes) counts.set(box[key], (counts.get(box[key]) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1])[0]?.[0];
}

function facts(box, boxes, now) {
  const differs = (key) => (box[key] !== usual(boxes, key) ? ` (${t("differs")})` : "");
  return [
    [t("Software"), some(box.software, (text) => text + differs("software"))],
    [t("Release"), some(box.release, (text) => text + differs("release"))],
    [t("Model"), some(box.model, (text) => `${text} ${short(box.model_sha256)}${differs("model_sha256")}, ${box.runtime}`)],
    [t("Settings"), some(box.config, (text) => short(text))],
    [t("Mode"), some(box.mode, String)],
    [t("Runs for"), some(box.uptime_s, (seconds) => ago(seconds + now - box.heard_s))],
    [t("Health sent"), some(box.heard_s, (at) => t("{time} ago", { time: ago(now - at) }))],
    [t("Checks"), box.uptime_s === null ? "–" : box.checks.map(([name, verdict]) => `${name}: ${verdict}`).join(", ") || t("all ok")],
    [t("Alarms"), box.alarms.map(said).join(", ") || t("none")],
    [t("Behind by"), some(box.lag_s, (seconds) => `${number(seconds, 1)} s`)],
    [t("Left out"), some(box.left_out_s, (seconds) => `${number(seconds)} s`)],
    [t("Outbox"), some(box.waiting, (count) => count ? t("{count} waiting, oldest {time}", { count, time: ago(box.oldest_s) }) : t("none waiting"))],
    [t("Messages dropped"), some(box.dropped, String)],
    [t("Clock"), some(box.clock_off_s, (off) => (Math.abs(off) < CLOCK_OFF_S ? t("agrees with the board") : t("{seconds} s off the board's", { seconds: number(off) })))],
  ];
}

// A cell that says its head itself where a screen has no room for a table: fleet.css.
function cellOf(head, text) {
  const cell = make("td", "", text);
  cell.dataset.head = head;
  cell.classList.toggle("none", text === "–");
  return cell;
}

function links(box) {
  const heads = [t("Bed"), t("State"), t("Why"), t("Behind by"), t("Gaps"), t("Lost now"), t("Clock"), t("Signal"), t("Battery"), t("Firmware")];
  const rows = box.links.map((link) => [
    link.stream, said(link.state), said(link.reason), some(link.lag_s, (s) => `${number(s, 1)} s`), some(link.gaps, String),
    some(link.lost_share, (share) => `${number(100 * share, 1)} %`), some(link.ppm, (ppm) => `${number(ppm)} ppm`),
    some(link.rssi_dbm, (dbm) => `${dbm} dBm`), some(link.battery_percent, (p) => `${Math.round(p)} %`), some(link.firmware, String),
  ]);
  const head = make("tr", "", ...heads.map((text) => Object.assign(make("th", "", text), { scope: "col" })));
  const body = rows.map((cells) => make("tr", "", ...cells.map((text, place) => cellOf(heads[place], text))));
  const table = make("table", "", make("caption", "visually-hidden", t("Beds of {name}", { name: box.node })), make("thead", "", head), make("tbody", "", ...body));
  const wide = make("div", "wide", table);
  wide.tabIndex = 0; // it scrolls by keyboard, too
  wide.setAttribute("role", "region");
  wide.setAttribute("aria-label", t("Beds of {name}", { name: box.node }));
  return wide;
}

function card(box, boxes, now) {
  const list = make("dl", "facts");
  for (const [name, text] of facts(box, boxes, now)) list.append(make("div", "", make("dt", "", name), make("dd", "", text)));
  const name = make("h2", "", `${box.node} `, make("small", "", box.site));
  const state = make("p", box.trouble ? "trouble" : "fine", box.trouble ? t("Unknown: {reason}", { reason: said(box.trouble) }) : t("There"));
  return make("section", "box", name, state, list, links(box));
}

// Who is told of alarms beside the page; nothing where nobody is.
function told(receivers, now) {
  if (!receivers.length) return [];
  const list = make("dl", "facts");
  for (const each of receivers) {
    const sent = each.sent_s === null ? t("none sent") : t("the last was sent {time} ago", { time: ago(now - each.sent_s) });
    list.append(make("div", "", make("dt", "", each.name), make("dd", "", each.trouble ? t("fails: check URLs and network; {last}", { last: sent }) : sent)));
  }
  const words = make("p", receivers.some((each) => each.trouble) ? "trouble" : "fine", t("No alarm channel: nobody may rely on it."));
  return [make("section", "box", make("h2", "", t("Notifications")), words, list)];
}

async function show() {
  try {
    const answer = await ask("/api/fleet");
    if (!answer.ok) throw new Error(answer.statusText);
    const { now_s: now, boxes, receivers } = await answer.json();
    $("#boxes").replaceChildren(...boxes.map((box) => card(box, boxes, now)), ...told(receivers, now));
    setText($("#state"), boxes.length ? t("{count} reported, {unknown} unknown", { count: boxes.length, unknown: boxes.filter((box) => box.trouble).length }) : t("No box has sent anything yet."));
  } catch {
    setText($("#state"), t("This screen has lost the board; what it shows is old."));
  }
  setTimeout(show, EVERY_MS);
}

await enter();
show();
