// Who sits at this screen, and whatever changes something at the board.

import { $ } from "./dom.js";

import { said, t } from "./language.js";
import { keepOffline } from "./reached.js";

let session = null;
let token = ""; // of a screen that came with one: it enters with it again when its session is over
let entering = null;

const ROLES = ["view", "acknowledge", "admit", "configure"];

// Whether it has that role or a higher one.
export const may = (role) => ROLES.indexOf(session?.role ?? "view") >= ROLES.indexOf(role);
export const signedInAs = () => session?.name ?? "";

// Ask for a change. Where the session is over, or the board has begun anew, enter first and ask once more.
export async function post(path, body) {
  const answer = await send(path, body);
  if (!answer.enter) return answer;
  await enter();
  return send(path, body);
}

// The same for what changes nothing; the answer as `fetch` gives it.
export async function ask(path) {
  const answer = await fetch(path);
  if (answer.status !== 401) return answer;
  await enter();
  return fetch(path);
}

// The same where the answer goes on: {ok, body} with its stream, or {ok, reason}.
export async function postStream(path, body, signal) {
  for (let tries = 0; ; tries += 1) {
    const headers = { "content-type": "application/json", "x-csrf-token": session?.csrf ?? "" };
    try {
      const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body), signal });
      if (answer.headers.get("content-type")?.startsWith("text/event-stream")) return { ok: true, body: answer.body };
      const told = await answer.json();
      if (!told.enter || tries) return told;
    } catch {
      return { ok: false, reason: t("this screen does not reach the board") };
    }
    await enter();
  }
}

async function send(path, body) {
  const headers = { "content-type": "application/json", "x-csrf-token": session?.csrf ?? "" };
  try {
    const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
    return { status: answer.status, ...(await answer.json()) };
  } catch {
    return { ok: false, reason: t("this screen does not reach the board") };
  }
}

// Carry on as whoever this browser is; asks for a name and a password where the board wants them.
export function enter() {
  entering ??= begin().finally(() => (entering = null));
  return entering;
}

async function begin() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    history.replaceState(null, "", location.pathname + location.search);
    token = given;
  }
  let found = given ? await withToken() : null;
  while (!found) {
    try {
      const answer = await fetch("/api/me");
      if (answer.ok) found = await answer.json();
      else if (answer.status === 401) found = token ? await withToken() : await signIn();
      if (found) break;
    } catch {
      // the board is away: the page says so, and asks again
    }
    await new Promise((done) => setTimeout(done, 2000));
  }
  session = found;
  keepOffline();
  const out = $("#signout");
  if (out) out.hidden = session.open;
}

// The session of this screen's token; null where there is none now. One that counts no more is forgotten.
async function withToken() {
  const answer = await send("/api/login", { token });
  if (answer.status === 403 || answer.status === 400) token = "";
  return answer.csrf ? answer : null;
}

function signIn() {
  const dialog = $("#login");
  document.body.classList.add("is-signing-in");
  dialog.showModal();
  dialog.onclose = () => dialog.showModal(); // there is nothing behind it
  return new Promise((done) => {
    $("#login-form").onsubmit = async (event) => {
      event.preventDefault();
      const answer = await send("/api/login", { name: $("#login-name").value, password: $("#login-password").value });
      $("#login-password").value = "";
      $("#login-answer").textContent = said(answer.reason ?? "");
      if (!answer.csrf) return;
      document.body.classList.remove("is-signing-in");
      dialog.onclose = null;
      dialog.close();
      done(answer);
    };
  });
}

export async function signOut() {
  await send("/api/logout", {});
  location.reload();
}

// Give a command to a bed; {ok, reason}.
export function order(tile, verb, fields) {
  return post("/api/orders", { site: tile.site, node: tile.node, stream: tile.stream, verb, fields });
}
