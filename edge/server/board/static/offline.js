// The page where the board cannot be reached: since when, and back as soon as it can.

import { dateTimeOf, t, timeOf } from "./language.js";
import { heardMs } from "./reached.js";

const RETRY_MS = 5000;
const heard = new Date(heardMs());
const isToday = heard.toDateString() === new Date().toDateString();
const when = isToday ? timeOf(heardMs()) : dateTimeOf(heardMs());

document.querySelector("#since").textContent = heardMs() ? t("This screen has received nothing of the board since {time}.", { time: when }) : t("This screen has received nothing of the board yet.");
setInterval(() => fetch("/api/me").then(() => location.reload(), () => {}), RETRY_MS);
