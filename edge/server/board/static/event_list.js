// The events of a bed as a list; each opens what is known of it. Rows stay where they are while they change, so that
// one that has the focus keeps it.

import { $, make, setText } from "./dom.js";
import { clockOf } from "./plot.js";
import { dateAndTime, soundWords } from "./words.js";

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
    setText($("#events-words"), [rows.length ? `${rows.length}, the latest first` : "none heard of yet", clips].filter(Boolean).join(" · "));
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
    setText(parts.badge, row.has_clip ? "clip" : "");
    setText(parts.more, factsOf(row).join(" · "));
    setText(parts.verdict, row.said ? saidWords(row.said) : "");
    return parts.item;
  }
}

export function factsOf({ event, is_open: isOpen, is_test: isTest }) {
  const length = event.length_s === null ? (isOpen ? "begun, no end yet" : "length not known") : `${event.length_s.toFixed(1)} s`;
  return [length, `score ${event.peak.toFixed(2)}, threshold ${event.threshold.toFixed(2)}`, isTest ? "TEST" : ""].filter(Boolean);
}

export function saidWords({ verdict, sound, by, at }) {
  const what = { true: "True", false: "False: no such sound", other: `It is: ${soundWords(sound)}` }[verdict];
  return `${what}, says ${by}, ${dateAndTime(1000 * at)}`;
}
