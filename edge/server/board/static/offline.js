// The page where the board cannot be reached: since when, and back as soon as it can.

import { heardMs } from "./reached.js";
import { dateAndTime, timeOfDay } from "./words.js";

const RETRY_MS = 5000;
const heard = new Date(heardMs());
const isToday = heard.toDateString() === new Date().toDateString();
const when = isToday ? timeOfDay(heard) : dateAndTime(heard);

document.querySelector("#since").textContent = heardMs() ? `This screen has heard nothing of the board since ${when}.` : "This screen has not heard of the board yet.";
setInterval(() => fetch("/api/me").then(() => location.reload(), () => {}), RETRY_MS);
