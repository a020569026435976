// One event: its clip with the spectrogram, and what a person says it is.

import { $, setHidden, setText } from "./dom.js";
import { factsOf, saidWords } from "./event_list.js";
import { dateTimeOf, number, said, t } from "./language.js";
import { Picture } from "./picture.js";
import { clockOf } from "./plot.js";
import { ask, may, post, signedInAs } from "./session.js";
import { remember, who } from "./who.js";
import { soundWords } from "./words.js";

export class EventDialog {
  #bed;
  #row = null;
  #clip = null; // of the picture that is shown
  #url = "";
  #picture;

  // bed: site, node, stream; onSaid: called when a label was kept.
  constructor(bed, onSaid) {
    this.#bed = bed;
    this.onSaid = onSaid;
    this.#picture = new Picture($("#clip-picture"), null);
    $("#sound-close").addEventListener("click", () => $("#sound").close());
    $("#sound").addEventListener("close", () => this.#forget());
    $("#listen").addEventListener("click", () => this.#listen());
    $("#say-true").addEventListener("click", () => this.#say("true"));
    $("#say-false").addEventListener("click", () => this.#say("false"));
    $("#say-other").addEventListener("click", () => this.#say("other", $("#other").value));
    for (const kind of ["timeupdate", "play", "seeked"]) $("#audio").addEventListener(kind, () => this.#moveHead());
    new ResizeObserver(() => this.#picture.draw()).observe($("#clip-picture"));
  }

  get shown() {
    return this.#row?.event.id ?? null;
  }

  open(row) {
    this.draw(row);
    $("#who").value = who();
    $("#who").readOnly = Boolean(signedInAs());
    $("#label-part").disabled = !may("acknowledge");
    setText($("#answer"), "");
    $("#sound").showModal();
    (who() ? $("#say-true") : $("#who")).focus();
    this.#showClip();
  }

  draw(row) {
    this.#row = row;
    const { event } = row;
    setText($("#sound-title"), `${soundWords(event.label)}, ${clockOf(event.time)}`);
    setText($("#sound-facts"), [dateTimeOf(1000 * event.time), ...factsOf(row)].join(" · "));
    setText($("#said"), row.said ? saidWords(row.said) : t("Nobody has said yet."));
    setText($("#say-true"), t("True: {sound}", { sound: soundWords(event.label) }));
    setHidden($("#listen"), !row.has_clip || !may("acknowledge") || Boolean(this.#url));
    if (!row.has_clip) setText($("#clip-words"), t("No clip: {reason}.", { reason: said(row.clip_words) }));
  }

  async #showClip() {
    const { event, has_clip: hasClip } = this.#row;
    setHidden($("#clip-stage"), !hasClip);
    if (!hasClip) return;
    setText($("#clip-words"), t("The picture of the clip is made …"));
    const answer = await told(ask(`/api/clip?${new URLSearchParams({ id: event.clip })}`), "json");
    if (this.shown !== event.id) return; // another one was opened meanwhile
    if (!answer.ok) return setText($("#clip-words"), t("No picture: {reason}.", { reason: said(answer.reason) }));
    const { events, ...tile } = answer.content;
    this.#clip = tile;
    this.#picture.clear();
    this.#picture.chosen = event.id;
    this.#picture.take(tile);
    this.#picture.mark(events.map((each) => ({ ...each, boot_id: tile.boot_id })));
    setText($("#clip-words"), [t("{seconds} s, times of the box", { seconds: number(tile.end_s - tile.begin_s) }), tile.speech ? t("speech may be in it") : ""].filter(Boolean).join(" · "));
  }

  // Sound leaves the board only here; the board's audit log says so.
  async #listen() {
    const { event } = this.#row;
    const answer = await told(ask(`/api/clip/sound?${new URLSearchParams({ id: event.clip, by: $("#who").value.trim() })}`), "blob");
    if (this.shown !== event.id) return; // nobody shall label an event by the sound of another
    if (!answer.ok) return setText($("#answer"), t("Not played: {reason}.", { reason: said(answer.reason) }));
    this.#url = URL.createObjectURL(answer.content);
    $("#audio").src = this.#url;
    setHidden($("#audio"), false);
    setHidden($("#listen"), true);
    $("#audio").focus();
    $("#audio").play().catch(() => setText($("#answer"), t("This browser does not play it.")));
  }

  #moveHead() {
    if (!this.#clip || !this.#picture.shown) return;
    setHidden($("#playhead"), false);
    $("#playhead").style.setProperty("--at", `${Math.round(this.#picture.xOf(this.#clip.begin_s + $("#audio").currentTime))}px`);
  }

  async #say(verdict, sound = "") {
    const by = $("#who").value.trim();
    if (!by) {
      setText($("#answer"), t("Say who you are."));
      return $("#who").focus();
    }
    remember(by);
    setText($("#answer"), t("Sent …"));
    const { event } = this.#row;
    const answer = await post("/api/labels", { ...this.#bed, event: event.id, verdict, sound, by });
    if (answer.ok) await this.onSaid();
    if (this.shown !== event.id) return;
    setText($("#answer"), answer.ok ? t("Kept.") : t("Not kept: {reason}", { reason: said(answer.reason) }));
  }

  #forget() {
    $("#audio").pause();
    $("#audio").removeAttribute("src");
    if (this.#url) URL.revokeObjectURL(this.#url);
    [this.#url, this.#row, this.#clip] = ["", null, null];
    this.#picture.clear();
    for (const hidden of ["#audio", "#playhead", "#clip-stage"]) setHidden($(hidden), true);
  }
}

// What an answer holds, all of it as `form`, or why there is none.
async function told(asked, form) {
  try {
    const answer = await asked;
    return answer.ok ? { ok: true, content: await answer[form]() } : { ok: false, reason: (await answer.json()).reason };
  } catch {
    return { ok: false, reason: t("this screen does not reach the board") };
  }
}
