// What a page says above everything else: that what it shows does not count, since when, what to do, and what still works.

import { $, make, setHidden } from "./dom.js";
import { t } from "./language.js";
import { timeOfDay } from "./words.js";

let shown = "";

// When that was which the board's clock calls `atS`, as the hour of this screen.
const hourOf = (atS, nowS) => timeOfDay(Date.now() - 1000 * (nowS - atS));

// The screen hears nothing of the board; `heardS`: of the last word, on the board's clock, as `nowS`.
export const lostBoard = (heardS, nowS) => [
  t("This screen has lost the board since {time}: nothing on it counts.", { time: hourOf(heardS, nowS) }),
  t("Look at the patients and at the devices beside them. The boxes go on listening; this screen comes back by itself."),
];

// The board hears nothing of the broker.
export const lostBroker = (lostS, nowS) => [
  t("The board has lost the broker since {time}: no bed is known here, and no alarm reaches this screen.", { time: hourOf(lostS, nowS) }),
  t("Look at the patients and at the devices beside them. Nothing can be acknowledged from here. The boxes go on listening, and send later what they keep; Shift shows what was heard before."),
];

// Lines, each [what is wrong, what that means]; none: nothing is wrong.
export function drawBanner(lines) {
  const text = JSON.stringify(lines);
  if (text === shown) return; // or it would be read aloud every second
  shown = text;
  $("#banner").replaceChildren(...lines.map(([what, means]) => make("p", "", make("strong", "", what), ...(means ? [make("span", "means", means)] : []))));
  setHidden($("#banner"), !lines.length);
}
