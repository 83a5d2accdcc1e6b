// Calibration: a neutral face and a take of each expression, and the model knows this person.

import { announce, drawChips, make, part } from "./dom.js";
import { Stage } from "./stage.js";

export class CalibrateView {
  name = "calibrate";

  constructor(root, session) {
    this.root = root;
    this.session = session;
    this.parts = Object.fromEntries(["before", "chips", "result"].map((name) => [name, part(root, name)]));
    this.stage = new Stage(part(root, "stage"), (message) => session.say(message), { finish: "Learn from these" });
    root.querySelector("[data-start]").addEventListener("click", () => session.start(this));
  }

  /** The model that will learn, and whether it already knows this person. */
  describe(model, calibrated) {
    const asked = ["neutral", ...model.expressions.filter((name) => name !== "neutral")];
    drawChips(this.parts.chips, asked);
    if (calibrated && this.parts.result.hidden && this.session.view !== this) this.#known("The model knows you", "It was calibrated in this session.");
  }

  request(audio) {
    return { type: "start-calibrate", audio };
  }

  begun() {
    this.parts.before.hidden = this.parts.result.hidden = true;
    if (this.stage.holder.hidden) this.stage.open();
  }

  sent(nSamples) { this.stage.sent(nSamples); }
  paused() { this.stage.lost(); }
  refused() { this.stage.refused(); }

  hear(message) {
    if (message.type === "prompt") this.stage.prompt(message);
    if (message.type === "take-done") this.stage.takeDone(message);
    if (message.type === "calibrating") this.#learning();
    if (message.type !== "calibrated") return;
    this.session.stop();
    const { n_takes: takes, n_neutral: neutral } = message;
    this.parts.before.hidden = true;
    this.#known("The model knows you", `It learnt from ${takes} takes and ${neutral} neutral ${neutral === 1 ? "one" : "ones"}, and forgets them when the session ends.`);
    this.parts.result.querySelector("h2").focus({ preventScroll: true });
    announce("The model knows you.", { now: true });
  }

  ended() {
    this.stage.close();
    this.parts.result.hidden = true;
    this.parts.before.hidden = false;
  }

  #learning() {
    this.stage.close();
    this.parts.result.replaceChildren(
      make("h2", {}, "Learning how you look"), make("p", {}, "This takes some seconds."), make("progress", { "aria-label": "Learning" }));
    this.parts.result.hidden = false;
    announce("Learning.", { now: true });
  }

  #known(title, text) {
    const forget = make("button", { type: "button" }, "Forget me");
    forget.addEventListener("click", () => {
      this.session.say({ type: "forget" });
      this.parts.result.hidden = true;
      this.parts.before.hidden = false;
      this.root.querySelector("h1").focus({ preventScroll: true });
      announce("Forgotten. The model is as it was loaded.", { now: true });
    });
    this.parts.result.replaceChildren(
      make("p", { class: "pill", "data-state": "good" }, "Calibrated"),
      make("h2", { class: "verdict", tabindex: "-1" }, title), make("p", {}, text),
      make("div", { class: "actions" }, make("a", { class: "button", href: "#live" }, "See it live"), forget));
    this.parts.result.hidden = false;
  }
}
