// Calibration: a neutral face and a take of each expression, and the model knows this person.

import { announce, counted, drawChips, make, part } from "./dom.js";
import { clearFailure, Failure, showFailure } from "./failures.js";
import { Stage } from "./stage.js";

export class CalibrateView {
  name = "calibrate";

  constructor(root, session) {
    this.root = root;
    this.session = session;
    this.parts = Object.fromEntries(["before", "chips", "keeping", "result", "unless"].map((name) => [name, part(root, name)]));
    this.stage = new Stage(part(root, "stage"), (message) => session.say(message), { finish: "Learn from these" });
    this.keep = root.querySelector("#keep");
    this.forgetting = false;
    root.querySelector("[data-start]").addEventListener("click", () => session.start(this));
  }

  /** The model that will learn; whether it already knows this person, and whether the server keeps, or could keep, what it learnt. */
  describe(model, { calibrated, calibration_kept: kept, keeps_calibrations: keeps }) {
    const asked = ["neutral", ...model.expressions.filter((name) => name !== "neutral")];
    drawChips(this.parts.chips, asked);
    this.parts.keeping.hidden = this.parts.unless.hidden = !keeps;
    this.forgetting = false;
    if (this.session.view === this) return;
    if (!calibrated && !kept) this.#unknown();
    else if (this.parts.result.hidden) this.#known(calibrated ? "The model knows you" : "What was learnt of you is still kept", `It was calibrated in this session. ${whereKept(kept)}`);
  }

  request(audio) {
    const keep = !this.parts.keeping.hidden && this.keep.checked;
    return { type: "start-calibrate", audio, ...(keep ? { keep } : {}) };
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
    const { n_takes: takes, n_neutral: neutral, kept, problem } = message;
    this.parts.before.hidden = true;
    const still = neutral ? ` and ${neutral} neutral ${neutral === 1 ? "one" : "ones"}` : "";
    const learnt = `It learnt from ${counted(takes, "take")}${still}.`;
    this.#known("The model knows you", [learnt, whereKept(kept), problem].filter(Boolean).join(" "));
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

  /** The server's answer to Forget me, if this is one: only then is it said. */
  answered({ type, message }) {
    if (!this.forgetting || !["forgotten", "error"].includes(type)) return false;
    this.forgetting = false;
    if (type === "error") {
      this.#notForgotten(message);
      return true;
    }
    this.keep.checked = false;
    this.#unknown();
    this.root.querySelector("h1").focus({ preventScroll: true });
    announce("Forgotten. The model is as it was loaded.", { now: true });
    return true;
  }

  #forget() {
    clearFailure("not-forgotten");
    this.forgetting = this.session.say({ type: "forget" });
    if (!this.forgetting) this.#notForgotten("The server is not connected.");
  }

  #notForgotten(why) {
    showFailure(new Failure("not-forgotten", why), () => this.#forget());
  }

  #unknown() {
    this.parts.result.hidden = true;
    this.parts.before.hidden = false;
  }

  #known(title, text) {
    const forget = make("button", { type: "button" }, "Forget me");
    forget.addEventListener("click", () => this.#forget());
    this.parts.result.replaceChildren(
      make("p", { class: "pill", "data-state": "good" }, "Calibrated"),
      make("h2", { class: "verdict", tabindex: "-1" }, title), make("p", {}, text),
      make("div", { class: "actions" }, make("a", { class: "button", href: "#live" }, "See it live"), forget));
    this.parts.result.hidden = false;
  }
}

const whereKept = (kept) => kept
  ? "What it learnt is kept on this server's disk, also after this session; “Forget me” deletes it while the session lasts."
  : "What it learnt is not stored: it is forgotten when the session ends.";
