// The events of a bed as a list; each opens what is known of it. Pauses of breath stand among them, and open nothing:
// nobody can hear or label one. Rows stay where they are while they change, so that one that has the focus keeps it.

import { $, make, setText } from "./dom.js";
import { dateTimeOf, number, said, t } from "./language.js";
import { clockOf } from "./plot.js";
import { soundWords } from "./words.js";

export class EventList {
  #rows = new Map();

  // open: called with the id of an event.
  constructor(open) {
    this.open = open;
  }

  draw({ clips, rows, pauses }) {
    const dated = [...rows.map((row) => [row.event.time, this.#row(row)]), ...pauses.map((pause) => [pause.time, this.#pause(pause)])];
    const wanted = dated.sort(([one], [other]) => other - one).map(([, item]) => item);
    const list = $("#events");
    if (wanted.length !== list.children.length || wanted.some((element, index) => list.children[index] !== element)) {
      const focused = document.activeElement;
      list.replaceChildren(...wanted);
      if (focused !== document.activeElement && focused?.isConnected) focused.focus({ preventScroll: true });
    }
    const ids = new Set([...rows.map((row) => row.event.id), ...pauses.map((pause) => pause.id)]);
    for (const id of this.#rows.keys()) if (!ids.has(id)) this.#rows.delete(id);
    setText($("#events-words"), [wanted.length ? t("{count}, the latest first", { count: wanted.length }) : t("none received yet"), said(clips)].filter(Boolean).join(" · "));
  }

  // The parts of a row, the same as long as it is listed.
  #parts(id, tag) {
    if (!this.#rows.has(id)) {
      const box = make(tag);
      const parts = { box, item: make("li", "", box) };
      for (const name of ["when", "what", "badge", "more", "verdict"]) box.append((parts[name] = make("span", name)));
      this.#rows.set(id, parts);
    }
    return this.#rows.get(id);
  }

  #row(row) {
    const { event } = row;
    const parts = this.#parts(event.id, "button");
    parts.box.type = "button";
    parts.box.onclick = () => this.open(event.id);
    parts.box.className = `event ${row.is_open ? "is-open" : ""} ${row.said ? `said-${row.said.verdict}` : ""}`;
    setText(parts.when, clockOf(event.time));
    setText(parts.what, soundWords(event.label));
    setText(parts.badge, row.has_clip ? t("clip") : "");
    setText(parts.more, factsOf(row).join(" · "));
    setText(parts.verdict, row.said ? saidWords(row.said) : "");
    return parts.item;
  }

  #pause(pause) {
    const parts = this.#parts(pause.id, "div");
    parts.box.className = `event pause ${pause.is_open ? "is-open" : ""}`;
    setText(parts.when, clockOf(pause.time));
    setText(parts.what, said(pause.words));
    setText(parts.more, [lengthOf(pause), pause.is_test ? t("TEST") : ""].filter(Boolean).join(" · "));
    return parts.item;
  }
}

function lengthOf({ length_s: lengthS, is_open: isOpen, is_cut: isCut }) {
  if (lengthS === null) return isOpen ? t("begun, no end yet") : t("length not known");
  const length = `${number(lengthS, 1)} s`;
  return isCut ? t("at least {length}: no sound came then", { length }) : length;
}

export function factsOf({ event, is_open: isOpen, is_test: isTest }) {
  return [lengthOf({ length_s: event.length_s, is_open: isOpen }), t("score {peak}, threshold {threshold}", { peak: number(event.peak, 2), threshold: number(event.threshold, 2) }), isTest ? t("TEST") : ""].filter(Boolean);
}

export function saidWords({ verdict, sound, by, at }) {
  const what = { true: t("True"), false: t("False: no such sound"), other: t("It is: {sound}", { sound: soundWords(sound) }) }[verdict];
  return t("{what}, says {by}, {time}", { what, by, time: dateTimeOf(1000 * at) });
}
