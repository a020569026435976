// Numbers and times as people read them.

import { brief, number, said, t, timeOf } from "./language.js";

export function ago(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${String(minutes % 60).padStart(2, "0")}`;
  return t("{count} days", { count: Math.floor(hours / 24) });
}

export function timeOfDay(milliseconds) {
  return timeOf(milliseconds);
}

// The page of one bed.
export function pageOf({ site, node, stream }) {
  return `/bed?${new URLSearchParams({ site, node, bed: stream })}`;
}

// Seconds of sound in a minute; what is unknown is a question mark, never a zero.
export function burden(value) {
  if (value === null) return "?";
  return number(value, value < 9.95 ? 1 : 0);
}

// Breaths per minute with where they go; what is unknown is two dashes, never an old number.
export function breathWords({ per_min: perMin, change }) {
  return perMin === null ? "--" : [perMin, { rising: "↗", falling: "↘", steady: "→" }[change]].filter(Boolean).join(" ");
}

// A class of the model, as it is named on the wire, for a person.
export const soundWords = (name) => said(spelled(name));

// The same where there is little room.
export const soundBrief = (name) => brief(spelled(name));

function spelled(name) {
  const words = name.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

export function percent(share) {
  return share === null ? "?" : `${Math.floor(share * 100 + 1e-6)} %`;
}

// Who has acknowledged an alarm, and how long ago. `nowS` is the board's clock.
export function acknowledgedWords({ by, at_s: atS }, nowS) {
  return nowS - atS < 60 ? t("acknowledged just now by {by}", { by }) : t("acknowledged {time} ago by {by}", { time: ago(nowS - atS), by });
}

// Who listens to a bed now.
export function heardWords(people) {
  const names = people.map(({ by }) => by).join(", ");
  return people.length > 1 ? t("{names} listen", { names }) : people.length ? t("{names} listens", { names }) : "";
}

// The same of what a tile shows first; empty where nobody has.
export function seenWords({ level, alarms }, nowS) {
  const seen = level === "seen" ? alarms[0]?.seen_by : null; // the first of them is what it shows
  return seen ? acknowledgedWords(seen, nowS) : "";
}
