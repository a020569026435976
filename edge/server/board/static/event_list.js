// The events of a bed as a list; each opens what is known of it. Rows stay where they are while they change, so that
// one that has the focus keeps it.

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

  draw({ clips, rows }) {
    const wanted = rows.map((row) => this.#row(row));
    const list = $("#events");
    if (wanted.length !== list.children.length || wanted.some((element, index) => list.children[index] !== element)) {
      const focused = document.activeElement;
      list.replaceChildren(...wanted);
      if (focused !== document.activeElement && focused?.isConnected) focused.focus({ preventScroll: true });
    }
    const ids = new Set(rows.map((row) => row.event.id));
    for (const id of this.#rows.keys()) if (!ids.has(id)) this.#rows.delete(id);
    setText($("#events-words"), [rows.length ? t("{count}, the latest first", { count: rows.length }) : t("none heard of yet"), said(clips)].filter(Boolean).join(" · "));
  }

  #row(row) {
    const { event } = row;
    let parts = this.#rows.get(event.id);
    if (!parts) {
      const button = make("button");
      button.type = "button";
      button.addEventListener("click", () => this.open(event.id));
      parts = { button, item: make("li", "", button) };
      for (const name of ["when", "what", "badge", "more", "verdict"]) button.append((parts[name] = make("span", name)));
      this.#rows.set(event.id, parts);
    }
    parts.button.className = `event ${row.is_open ? "is-open" : ""} ${row.said ? `said-${row.said.verdict}` : ""}`;
    setText(parts.when, clockOf(event.time));
    setText(parts.what, soundWords(event.label));
    setText(parts.badge, row.has_clip ? t("clip") : "");
    setText(parts.more, factsOf(row).join(" · "));
    setText(parts.verdict, row.said ? saidWords(row.said) : "");
    return parts.item;
  }
}

export function factsOf({ event, is_open: isOpen, is_test: isTest }) {
  const length = event.length_s === null ? (isOpen ? t("begun, no end yet") : t("length not known")) : `${number(event.length_s, 1)} s`;
  return [length, t("score {peak}, threshold {threshold}", { peak: number(event.peak, 2), threshold: number(event.threshold, 2) }), isTest ? t("TEST") : ""].filter(Boolean);
}

export function saidWords({ verdict, sound, by, at }) {
  const what = { true: t("True"), false: t("False: no such sound"), other: t("It is: {sound}", { sound: soundWords(sound) }) }[verdict];
  return t("{what}, says {by}, {time}", { what, by, time: dateTimeOf(1000 * at) });
}
