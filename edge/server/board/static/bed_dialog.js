// Answering one bed: acknowledge, pause the sound, switch off for a while, another limit; always with who, and why.

import { acknowledge } from "./answering.js";
import { $, make, setHidden, setText } from "./dom.js";
import { said, t } from "./language.js";
import { may, order, signedInAs } from "./session.js";
import { shape } from "./shapes.js";
import { answerable } from "./tile.js";
import { remember, who } from "./who.js";
import { acknowledgedWords, ago, burden, pageOf, timeOfDay } from "./words.js";

const LEVELS = { On: "alarm", Latch: "latched", Ack: "seen", Off: "quiet" }; // what an alarm would make of its bed alone
const OF_PAUSES = ["breath-pause", "no-breath"]; // what they wait for stands in the settings of the node
const OF_RATES = ["rate-high", "rate-low"];

let shown = null; // key of the bed in the dialog

export class BedDialog {
  #stream;
  #removing = null;

  constructor(stream) {
    this.#stream = stream;
    $("#bed-close").addEventListener("click", () => $("#bed").close());
    $("#bed").addEventListener("close", () => (shown = this.#removing = null));
    $("#do-acknowledge").addEventListener("click", () => this.#do((tile) => acknowledge(tile)));
    $("#do-pause").addEventListener("click", () => this.#do((tile) => order(tile, "pause", { by: who(), duration_s: 120 })));
    $("#do-remove").addEventListener("click", () => this.#remove());
    $("#do-off").addEventListener("click", () => this.#inactivate(Number($("#off-time").value)));
    $("#do-on").addEventListener("click", () => this.#inactivate(0));
    $("#do-limit").addEventListener("click", () => this.#limit($("#limit-value").valueAsNumber));
    $("#do-unlimit").addEventListener("click", () => this.#limit(null));
    $("#limit-which").addEventListener("change", () => this.#unit());
  }

  open(key, why = "") {
    shown = key;
    for (const field of ["#off-why", "#limit-why", "#limit-value"]) $(field).value = "";
    this.#choices();
    $("#who").value = who();
    $("#who").readOnly = Boolean(signedInAs());
    this.#may();
    setText($("#answer"), why);
    this.draw();
    $("#bed").showModal();
    (who() ? $("#do-acknowledge") : $("#who")).focus();
  }

  // The bed as it is now.
  draw() {
    const tile = this.#stream.tiles.get(shown);
    if (!shown || !tile) return;
    const now = this.#stream.nowS;
    setText($("#bed-title"), tile.name);
    setHidden($("#bed-page"), !tile.stream);
    if (tile.stream) $("#bed-page").href = pageOf(tile);
    setText($("#bed-state"), [said(tile.words), said(tile.also), said(tile.detail), t("box {name}", { name: tile.node }), t("site {name}", { name: tile.site })].filter(Boolean).join(" · "));
    $("#bed-alarms").replaceChildren(...tile.alarms.map((line) => make("li", `signal-${line.signal} priority-${line.priority}`, shape(LEVELS[line.signal], line.kind, line.priority), make("span", "", alarmText(line, now)))));
    setHidden($("#do-remove"), !tile.is_gone || !may("admit"));
    $("#do-acknowledge").disabled = !answerable(tile).length || !may("acknowledge");
  }

  #may() {
    $("#do-pause").disabled = !may("acknowledge");
    $("#off-part").disabled = $("#limit-part").disabled = !may("configure");
  }

  #choices() {
    const { alarms } = this.#stream.tiles.get(shown);
    const choice = (line) => Object.assign(make("option", "", said(line.words)), { value: line.condition });
    $("#off-which").replaceChildren(Object.assign(make("option", "", t("all alarms")), { value: "" }), ...alarms.map(choice));
    $("#limit-which").replaceChildren(...alarms.filter((line) => hasLimit(line)).map(choice));
    this.#unit();
  }

  // A rate has a limit in breaths per minute, a burden in seconds.
  #unit() {
    const isRate = OF_RATES.includes($("#limit-which").value);
    setText($("label[for=limit-value]"), isRate ? t("Breaths per minute") : t("Seconds in a minute"));
    Object.assign($("#limit-value"), isRate ? { min: 4, max: 90, step: 1 } : { min: 0.1, max: 60, step: 0.1 });
  }

  // Asked once more: whoever removes a bed by mistake sees it again when it is heard.
  #remove() {
    if (this.#removing !== shown) {
      this.#removing = shown;
      setText($("#answer"), t("Press again: the bed leaves this board until it sends again."));
    } else this.#do((tile) => order(tile, "remove", { by: who() }));
  }

  #inactivate(seconds) {
    const condition = $("#off-which").value || null;
    this.#do((tile) => order(tile, "inactivate", { by: who(), condition, duration_s: seconds, why: $("#off-why").value.trim() }), $("#off-why"));
  }

  #limit(value) {
    const isRate = OF_RATES.includes($("#limit-which").value);
    if (Number.isNaN(value)) {
      setText($("#answer"), isRate ? t("Give the breaths per minute, 4 to 90.") : t("Give the seconds in a minute, 0.1 to 60."));
      $("#limit-value").focus();
      return;
    }
    const fields = { condition: $("#limit-which").value, [isRate ? "limit_per_min" : "limit_s_per_min"]: value, why: $("#limit-why").value.trim() };
    this.#do((tile) => order(tile, "limit", { by: who(), ...fields }), $("#limit-why"));
  }

  // Carry out what needs a name, and where `why` is given a reason; say what came of it.
  async #do(action, why = null) {
    const name = $("#who").value.trim();
    if (!name || (why && why.value.trim().length < 3)) {
      setText($("#answer"), name ? t("Say why, in at least three letters.") : t("Say who you are."));
      (name ? why : $("#who")).focus();
      return;
    }
    remember(name);
    setText($("#answer"), t("Sent …"));
    const answer = await action(this.#stream.tiles.get(shown));
    setText($("#answer"), answer.ok ? t("Done.") : t("Not done: {reason}", { reason: said(answer.reason) }));
  }
}

function hasLimit(line) {
  return line.kind === "Phy" && !OF_PAUSES.includes(line.condition);
}

function alarmText(line, now) {
  const seen = line.seen_by ? acknowledgedWords(line.seen_by, now) : t("acknowledged");
  const parts = [said(line.words), { On: t("signalled"), Latch: t("over, nobody has seen it"), Ack: seen, Off: t("not signalled") }[line.signal]];
  if (line.signal !== "Off" && line.since_s !== null) parts.push(t("for {time}", { time: ago(now - line.since_s) }));
  if (hasLimit(line)) {
    const value = line.limit === null ? "" : burden(line.limit);
    const inUnit = OF_RATES.includes(line.condition) ? t("limit {value} breaths/min", { value }) : t("limit {value} s/min", { value });
    parts.push(line.limit === null ? t("no limit") : inUnit);
  }
  if (line.limit_by) parts.push(t("set by {by}: {why}", line.limit_by));
  if (line.off_by) parts.push(t("off until {time} by {by}: {why}", { ...line.off_by, time: timeOfDay(Date.now() + 1000 * ((line.off_by.until_s ?? now) - now)) }));
  if (!line.is_known) parts.push(t("not measured now"));
  return parts.join(" · ");
}
