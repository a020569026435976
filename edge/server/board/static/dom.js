// Elements and text. Whatever comes from the wire goes through `textContent`: it is text and nothing else.

export const $ = (selector) => document.querySelector(selector);

// An element with a class and children (strings become text).
export function make(tag, className = "", ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function setHidden(element, isHidden) {
  if (element.hidden !== isHidden) element.hidden = isHidden;
}

// An SVG element with attributes.
export function svg(tag, attributes = {}) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

const measuring = document.createElement("canvas").getContext("2d");
const widths = new Map();

// How wide text is, in letters' heights (em): it is as large as its place lets it be, and not cut.
export function widthOf(text, weight = 700) {
  const key = `${weight} ${text}`;
  if (!widths.has(key)) {
    if (widths.size > 2000) widths.clear();
    measuring.font = `${weight} 100px ${getComputedStyle(document.documentElement).fontFamily}`;
    widths.set(key, Math.max(0.5, measuring.measureText(text).width / 100));
  }
  return widths.get(key);
}
