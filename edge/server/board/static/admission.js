// Another patient at a bed: asked once more before anything is forgotten.

import { $, setHidden, setText } from "./dom.js";
import { said, t } from "./language.js";
import { may, order } from "./session.js";

const COUNTED = ["days", "weeks", "months", "years"];

// An age of the wire, as "8 months", as this page says it.
export function ageWords(age) {
  const [count, unit] = age.split(" ");
  return unit ? `${count} ${t(unit.endsWith("s") ? unit : `${unit}s`)}` : t(age);
}

export class Admission {
  // bed: site, node, stream.
  constructor(bed) {
    $("#patient").addEventListener("click", () => this.#open());
    $("#admission-close").addEventListener("click", () => $("#admission").close());
    $("#age-unit").addEventListener("change", () => this.#draw());
    $("#admit").addEventListener("click", () => this.#admit(bed));
  }

  // Whether the button is there: for whoever may, at a bed that is known to the board.
  offer(isKnown) {
    setHidden($("#patient"), !isKnown || !may("admit"));
  }

  #open() {
    $("#age-number").value = $("#age-unit").value = "";
    setText($("#admission-answer"), "");
    $("#admit").disabled = false;
    this.#draw();
    $("#admission").showModal();
    $("#age-unit").focus();
  }

  #draw() {
    setHidden($("#age-number"), !COUNTED.includes($("#age-unit").value));
  }

  async #admit(bed) {
    const unit = $("#age-unit").value;
    const number = $("#age-number").valueAsNumber;
    if (COUNTED.includes(unit) && !(Number.isInteger(number) && number >= 0)) {
      setText($("#admission-answer"), t("Give the age as a whole number."));
      $("#age-number").focus();
      return;
    }
    $("#admit").disabled = true; // one press, one patient
    setText($("#admission-answer"), t("Sent …"));
    const age = COUNTED.includes(unit) ? `${number} ${unit}` : unit || null;
    const answer = await order(bed, "patient", { age });
    $("#admit").disabled = answer.ok;
    setText($("#admission-answer"), answer.ok ? t("Done: the bed begins anew.") : t("Not done: {reason}", { reason: said(answer.reason) }));
  }
}
