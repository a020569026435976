// One shape for each state, so that no state is told by colour alone: triangle patient, square equipment, diamond
// unknown, ring quiet. The more bars, the higher the priority.

import { svg } from "./dom.js";

const TRIANGLE = "M16 2.5 30.5 29h-29z";
const SQUARE = "M3 3h26v26H3z";
const BARS = {
  Phy: { Hi: ["M10.8 19.5v6", "M16 12v13.5", "M21.2 19.5v6"], Me: ["M13.2 15v10.5", "M18.8 15v10.5"], Lo: ["M16 12v13.5"] },
  Tec: { Hi: ["M9 9v14", "M16 9v14", "M23 9v14"], Me: ["M12 9v14", "M20 9v14"], Lo: ["M16 9v14"] },
};
const LINES = {
  unknown: ["M12 12.2c0-5.4 8.2-5.4 8.2-.4 0 3.4-4.2 3.2-4.2 6.8", "M16 22.8v.4"],
  waiting: ["M16 8v8l5 3"],
  seen: ["M8 16.5l5.5 6L24 10"],
  inactive: ["M11 9v14", "M21 9v14"],
  quiet: [],
};
const OUTLINES = { unknown: "M16 1 31 16 16 31 1 16z", quiet: "", waiting: "", seen: "", inactive: "" };

// The shape of a level; kind and priority matter for alarms alone.
export function shape(level, kind, priority) {
  const root = svg("svg", { viewBox: "0 0 32 32", "aria-hidden": "true", class: `shape shape-${level}` });
  const isAlarm = level === "alarm" || level === "latched";
  const outline = isAlarm ? (kind === "Phy" ? TRIANGLE : SQUARE) : OUTLINES[level];
  if (outline) root.append(svg("path", { d: outline, class: "outline" }));
  else root.append(svg("circle", { cx: 16, cy: 16, r: 13.5, class: "outline" }));
  for (const d of isAlarm ? BARS[kind][priority] : LINES[level]) root.append(svg("path", { d, class: "line" }));
  return root;
}
