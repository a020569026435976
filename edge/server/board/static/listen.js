// Listening to a bed for a minute: what is asked first, the countdown, and why it is over. Everybody sees who listens.

import { $, setHidden, setText } from "./dom.js";
import { said, t } from "./language.js";
import { PcmPlayer } from "./pcm_player.js";
import { may, postStream, signedInAs } from "./session.js";
import { remember, who } from "./who.js";

export class Listening {
  #player = new PcmPlayer();
  #ending = null; // ends the request
  #untilMs = 0;
  #words = "";
  #isAsked = false; // whether this page has said what listening is
  #isAllowed = false;
  #heard = { pieces: 0, peak: 0, spoken: 0 };

  constructor(bed) {
    this.bed = bed;
    $("#hear").addEventListener("click", () => (this.isOn ? this.stop("") : this.#ask()));
    $("#hear-close").addEventListener("click", () => $("#hearing").close());
    $("#hear-form").addEventListener("submit", (event) => {
      event.preventDefault();
      if (!signedInAs()) remember($("#hear-name").value.trim());
      $("#hearing").close();
      this.#isAsked = true;
      this.#begin();
    });
    $("#volume").addEventListener("input", () => this.#loud());
    document.addEventListener("visibilitychange", () => document.hidden && this.isOn && this.stop(t("nobody saw this page")));
    window.addEventListener("pagehide", () => this.isOn && this.stop(""));
  }

  get isOn() {
    return this.#ending !== null;
  }

  // Called whenever the bed was told of: whether its box lets people listen.
  offer(isKnown, isAllowed) {
    this.#isAllowed = isAllowed;
    setHidden($("#live-sound"), !may("acknowledge") || !isKnown);
    setHidden($("#hear"), !isAllowed && !this.isOn);
    setHidden($("#loudness"), !isAllowed && !this.isOn);
    this.draw();
  }

  draw() {
    setText($("#hear"), this.isOn ? t("Stop listening") : t("Listen"));
    $("#hear").classList.toggle("is-on", this.isOn);
    const leftS = Math.max(0, Math.ceil((this.#untilMs - performance.now()) / 1000));
    setText($("#hear-left"), this.isOn ? t("{seconds} s left", { seconds: leftS }) : "");
    const off = t("Live sound is off: the settings of the box do not allow it at this bed");
    setText($("#hear-words"), this.isOn ? this.#saying() : this.#words || (this.#isAllowed ? "" : off));
  }

  #saying() {
    if (!this.#player.isPlaying) return t("Waiting for sound: it comes some seconds late, so that voices can be muted");
    return { speech: t("Muted: somebody speaks"), lost: t("Sound is missing here") }[this.#player.silence] ?? t("You hear this bed, some seconds late");
  }

  #ask() {
    if (this.#isAsked && who()) return this.#begin();
    setHidden($("#hear-who"), Boolean(signedInAs()));
    $("#hear-name").required = !signedInAs();
    $("#hear-name").value = who();
    $("#hearing").showModal();
  }

  async #begin() {
    if (this.isOn) return;
    this.#ending = new AbortController();
    const own = this.#ending;
    this.#untilMs = performance.now() + 60_000;
    this.#heard = { pieces: 0, peak: 0, spoken: 0 };
    delete $("#live-sound").dataset.heard;
    this.draw();
    if (!(await this.#player.allow())) return this.stop(t("this browser lets nothing be heard"));
    this.#loud();
    const answer = await postStream("/api/listen", { ...this.bed, by: who() }, own.signal);
    if (this.#ending !== own) return answer.body?.cancel();
    if (!answer.ok) return this.stop(said(answer.reason));
    try {
      for await (const [kind, told] of eventsOf(answer.body)) if (this.#ending === own) this.#take(kind, told);
    } catch {
      // the connection is gone, which is said below
    }
    if (this.#ending === own) this.stop(t("this screen has lost the board"));
  }

  #take(kind, told) {
    if (kind === "began") {
      this.#untilMs = performance.now() + 1000 * told.left_s;
      $("#live-sound").dataset.heard = JSON.stringify(this.#heard);
    } else if (kind === "over") this.stop(said(told.why));
    else if (kind === "sound") {
      const samples = this.#player.take(told);
      const heard = this.#heard;
      heard.pieces += 1;
      heard.peak = samples.reduce((most, each) => Math.max(most, Math.abs(each)), heard.peak);
      heard.spoken += told.silent.filter(({ why }) => why === "speech").reduce((sum, { from, to }) => sum + to - from, 0);
      $("#live-sound").dataset.heard = JSON.stringify(heard);
    }
    this.draw();
  }

  stop(words) {
    this.#ending?.abort();
    this.#ending = null;
    this.#player.stop();
    this.#words = words && t("Listening is over: {reason}", { reason: words });
    this.draw();
  }

  #loud() {
    const db = Number($("#volume").value);
    this.#player.volumeDb = db;
    $("#volume").setAttribute("aria-valuetext", t("{db} dB", { db }));
  }
}

// Server-sent events of an answer: [kind, what was told].
async function* eventsOf(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (text + value).split("\n\n");
    text = parts.pop();
    for (const part of parts) {
      const [, kind, told] = /^event: (\w+)\ndata: (.*)$/s.exec(part) ?? [];
      if (kind) yield [kind, JSON.parse(told)];
    }
  }
}
