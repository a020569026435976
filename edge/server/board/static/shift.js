// What a shift hands over: burden and coverage of each bed over the last hours, as a table to print and a strip each.

import { $, make, setText, svg } from "./dom.js";
import { ask, enter } from "./session.js";
import { burden, percent } from "./words.js";

const FULL_SCALE = 12; // s/min at the top of a strip, unless a bed had more

// A bar for each quarter of an hour: how much was measured behind, the highest burden of any group before it.
function strip(bed) {
  const root = svg("svg", { viewBox: `0 0 ${bed.slots.length} 20`, preserveAspectRatio: "none", class: "strip", "aria-hidden": "true" });
  const highest = bed.slots.map((slot) => Math.max(0, ...Object.values(slot.s_per_min).map((value) => value ?? 0)));
  const top = Math.max(FULL_SCALE, ...highest);
  bed.slots.forEach((slot, index) => {
    const bar = (height, name) => root.append(svg("rect", { x: index + 0.05, y: 20 - height, width: 0.9, height, class: name }));
    bar(20 * slot.coverage, "measured");
    if (highest[index]) bar((20 * highest[index]) / top, "burden");
  });
  root.append(svg("path", { d: `M0 19.9H${bed.slots.length}`, class: "back" }));
  return root;
}

const figures = (values) => Object.entries(values).map(([name, value]) => `${name} ${burden(value)}`).join(", ") || "?";

function row(bed) {
  const name = Object.assign(make("th", "", bed.name), { scope: "row" });
  return make("tr", "", name, make("td", "", bed.now), make("td", "", figures(bed.burden)), make("td", "", figures(bed.highest)),
    make("td", "", percent(bed.coverage)), make("td", "strip-cell", strip(bed)));
}

async function show() {
  const hours = $("#hours").value;
  $("#csv").href = `/api/shift.csv?hours=${hours}`;
  try {
    const answer = await ask(`/api/shift?hours=${hours}`);
    if (!answer.ok) throw new Error(answer.statusText);
    const { title, beds } = await answer.json();
    const heads = ["Bed", "Now", "Mean, s/min", "Highest minute, s/min", "Measured", "Quarters of an hour: burden before what was measured"];
    const head = make("tr", "", ...heads.map((text) => Object.assign(make("th", "", text), { scope: "col" })));
    $("#beds").replaceChildren(make("table", "shift", make("thead", "", head), make("tbody", "", ...beds.map(row))));
    setText($("#state"), `${title}, ${new Date().toLocaleString()}, last ${hours} hours`);
  } catch {
    setText($("#state"), "This screen does not reach the board.");
  }
}

$("#hours").addEventListener("change", show);
$("#print").addEventListener("click", () => print());
await enter();
show();
