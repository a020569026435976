// The texts of the page in the reader's language, by the English ones, and numbers and times in the reader's own form.

import { templates, texts } from "/static/texts.js";

const LANGUAGE = document.documentElement.lang;
// With the reader's country, where the browser tells one.
export const LOCALE = navigator.languages.find((each) => each.split("-")[0] === LANGUAGE.split("-")[0]) ?? LANGUAGE;

const plurals = new Intl.PluralRules(LANGUAGE);
const patterns = templates.map((text) => ({ text, names: [...text.matchAll(/\{(\w+)\}/g)].map((found) => found[1]), form: formOf(text) }));

// A text of the page; `values` for what stands in braces, `count` chooses the plural.
export function t(text, values = {}) {
  const found = texts[text] ?? text;
  const form = typeof found === "string" ? found : (found[plurals.select(values.count)] ?? found.other);
  return form.replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
}

// A text that the board has made, or several with a point between; what is not known, as a bed's name, as it came.
export function said(text) {
  if (!text || text in texts) return t(text);
  const parts = text.split(" · ");
  if (parts.length > 1) return parts.map(said).join(" · ");
  for (const { text: template, names, form } of patterns) {
    const found = form.exec(text);
    if (found) return t(template, Object.fromEntries(names.map((name, index) => [name, name === "words" ? said(found[index + 1]) : found[index + 1]])));
  }
  return text;
}

// A word of alarms without the English one beside it, where there is no room: the same page shows that elsewhere.
export const brief = (text) => said(text).replace(` (${text})`, "");

function formOf(template) {
  const parts = template.split(/\{\w+\}/).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join("(.+?)")}$`, "s");
}

const formats = new Map();

// A number with so many digits after its point.
export function number(value, digits = 0) {
  if (!formats.has(digits)) formats.set(digits, new Intl.NumberFormat(LOCALE, { minimumFractionDigits: digits, maximumFractionDigits: digits, useGrouping: false }));
  return formats.get(digits).format(value);
}

const clocks = [false, true].map((hasSeconds) => new Intl.DateTimeFormat(LOCALE, { hour: "2-digit", minute: "2-digit", ...(hasSeconds ? { second: "2-digit" } : {}), hourCycle: "h23" }));

// The time of day of milliseconds since 1970, by 24 hours.
export const timeOf = (milliseconds, hasSeconds = false) => clocks[Number(hasSeconds)].format(milliseconds);

const days = new Intl.DateTimeFormat(LOCALE, { dateStyle: "medium" });

export const dateTimeOf = (milliseconds) => `${days.format(milliseconds)}, ${timeOf(milliseconds)}`;
