// Dark or light: as the system has it, until somebody chooses; the choice stays in this browser.

import { t } from "./language.js";

const KEY = "laennec-theme";

function current() {
  return document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark");
}

function show() {
  document.querySelector("#theme").textContent = current() === "light" ? t("Dark") : t("Light");
}

const kept = localStorage.getItem(KEY);
if (kept) document.documentElement.dataset.theme = kept;
show();
document.querySelector("#theme").addEventListener("click", () => {
  document.documentElement.dataset.theme = current() === "light" ? "dark" : "light";
  localStorage.setItem(KEY, document.documentElement.dataset.theme);
  show();
});
