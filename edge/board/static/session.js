// Who sits at this screen, and whatever changes something at the board.

import { $ } from "./dom.js";

let session = null;

export const role = () => session?.role ?? "view";
export const signedInAs = () => session?.name ?? "";

export async function post(path, body) {
  const headers = { "content-type": "application/json", "x-csrf-token": session?.csrf ?? "" };
  try {
    const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
    return { status: answer.status, ...(await answer.json()) };
  } catch {
    return { ok: false, reason: "this screen does not reach the board" };
  }
}

// Carry on as whoever this browser is; asks for a name and a password where the board wants them.
export async function enter() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (token) {
    history.replaceState(null, "", location.pathname + location.search);
    const answer = await post("/api/login", { token });
    if (answer.csrf) session = answer;
  }
  for (;;) {
    try {
      const answer = await fetch("/api/me");
      if (answer.ok) session = await answer.json();
      else if (answer.status === 401) await signIn();
      if (session) break;
    } catch {
      // the board is away: the page says so, and asks again
    }
    await new Promise((done) => setTimeout(done, 2000));
  }
  const out = $("#signout");
  if (out) out.hidden = session.open;
}

function signIn() {
  const dialog = $("#login");
  dialog.showModal();
  return new Promise((done) => {
    $("#login-form").onsubmit = async (event) => {
      event.preventDefault();
      const answer = await post("/api/login", { name: $("#login-name").value, password: $("#login-password").value });
      $("#login-password").value = "";
      $("#login-answer").textContent = answer.reason ?? "";
      if (!answer.csrf) return;
      session = answer;
      dialog.close();
      done();
    };
  });
}

export async function signOut() {
  await post("/api/logout", {});
  location.reload();
}

// Give a command to a bed; {ok, reason}.
export function order(tile, verb, fields) {
  return post("/api/orders", { site: tile.site, node: tile.node, stream: tile.stream, verb, fields });
}
