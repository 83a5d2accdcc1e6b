// A guided take: rest, countdown, neutral, expression; then what the server says of it. Shared by collect and calibrate.

import { announce, capital, drawFace, HOW, make, part, write } from "./dom.js";
import { RATE_HZ } from "./audio.js";

const TICK_MS = 100;
const MASKS = { open: "No mask", mask: "With a mask" };
const FOCUSED = "Keep the device where it is and look at the screen.";
const QUALITY = {
  clipped: "too loud",
  dropout: "sound was lost",
  "low-snr": "the echo is faint",
  drift: "the clocks drift",
  "no-probe": "the sound was not heard",
  resampled: "the sound was resampled",
  "other-band": "the device carries less of the sound than the model knows",
};

/** Say in words what is wrong with a take or window; empty where all is well. */
export const qualityInWords = (words) => words.map((word) => QUALITY[word] ?? word).join(", ");

export class Stage {
  #say;
  #prompt = null;
  #phase = "waiting"; // waiting, asking, rest, ready, record, paused
  #until = 0;
  #sent = 0;
  #timer = 0;
  #paused = false;
  #told = false; // the word of this take is shown

  /** `holder` is filled when the first prompt comes; `say(message)` tells the server. */
  constructor(holder, say, { finish }) {
    this.#say = say;
    this.holder = holder;
    this.root = document.getElementById("stage-template").content.cloneNode(true).firstElementChild;
    this.buttons = Object.fromEntries([...this.root.querySelectorAll("[data-say]")].map((button) => [button.dataset.say, button]));
    write(this.buttons.finish, finish);
    for (const [type, button] of Object.entries(this.buttons)) {
      button.addEventListener("click", () => button.getAttribute("aria-disabled") !== "true" && this.#leave(type));
    }
    this.pauseButton = part(this.root, "pause");
    this.pauseButton.addEventListener("click", () => this.#togglePause());
    this.readyButton = part(this.root, "ready");
    this.readyButton.addEventListener("click", () => {
      this.readyButton.hidden = true;
      this.pauseButton.focus({ preventScroll: true });
      this.#enter(this.#prompt.rest_s > 0 ? "rest" : "ready");
    });
  }

  open() {
    this.holder.replaceChildren(this.root);
    this.holder.hidden = false;
    this.holder.closest(".view").classList.add("at-work");
    this.holder.scrollIntoView({ block: "start" });
    this.#wait("Waiting for the first take");
  }

  close() {
    clearInterval(this.#timer);
    this.#prompt = null;
    this.#paused = false;
    this.#phase = "waiting";
    this.holder.hidden = true;
    this.holder.closest(".view").classList.remove("at-work");
  }

  /** The next take, or the same one again. What has to be put on or left first waits for the person. */
  prompt(prompt) {
    this.#prompt = prompt;
    const { progress, mask, place, changes } = prompt;
    write(part(this.root, "which"), `Take ${Math.min(progress.n_done + progress.n_skipped + 1, progress.n_prompts)} of ${progress.n_prompts}`);
    write(part(this.root, "left"), `${progress.n_done} done${progress.n_skipped ? `, ${progress.n_skipped} skipped` : ""}`);
    const done = part(this.root, "done");
    done.max = progress.n_prompts;
    done.value = progress.n_done + progress.n_skipped;
    const conditions = [mask ? MASKS[mask] ?? mask : null, place ? `Place: ${place}` : null];
    part(this.root, "conditions").replaceChildren(...conditions.filter(Boolean).map((text) => make("li", {}, text)));
    this.#before();
    if (this.#paused) this.#showPaused();
    else if (changes.length) this.#askFor(changes);
    else this.#enter(prompt.rest_s > 0 ? "rest" : "ready");
  }

  /** So many samples of the take have gone to the server. */
  sent(nSamples) {
    if (this.#phase === "record") this.#sent += nSamples;
  }

  takeDone({ expression, kept, quality, advice }) {
    const wrong = advice || qualityInWords(quality);
    const text = !kept ? `Once more, please: ${wrong}.` : wrong ? `${capital(expression)} is kept, but ${wrong}. You may redo it.` : `${capital(expression)}: good.`;
    write(part(this.root, "last"), text);
    part(this.root, "last").dataset.state = kept && !wrong ? "good" : "warn";
    announce(kept && !wrong ? "Done." : text, { now: true });
    this.#wait("Got it");
  }

  /** The connection is gone: the take is lost, the same prompt will come again. */
  lost() {
    this.#wait("Waiting for the connection");
  }

  /** The server could not do what was asked of it: go on with the take that stands. */
  refused() {
    if (this.#phase === "waiting" && this.#prompt) this.#enter("ready");
  }

  #leave(type) {
    this.#paused = false;
    this.#showPause();
    if (this.#phase === "record") this.#say({ type: "take-cancel" });
    this.#say({ type });
    this.#wait("One moment");
  }

  #togglePause() {
    this.#paused = !this.#paused;
    this.#showPause();
    if (this.#paused) {
      if (this.#phase === "record") this.#say({ type: "take-cancel" });
      this.#showPaused();
    } else if (this.#prompt) {
      this.#enter("ready");
    }
  }

  #showPause() {
    write(this.pauseButton, this.#paused ? "Go on" : "Pause");
    this.pauseButton.setAttribute("aria-pressed", this.#paused);
  }

  #showPaused() {
    this.#wait("Paused");
    announce("Paused. The sound still plays; Stop ends it.", { now: true });
  }

  #wait(text, phase = "waiting") {
    clearInterval(this.#timer);
    this.readyButton.hidden = true;
    this.#phase = this.#paused ? "paused" : phase;
    this.#show(text, "");
    this.#allow();
  }

  /** Redo and skip make no sense while a take runs; Pause cancels it. */
  #allow() {
    const running = this.#phase === "record" || !this.#prompt;
    for (const type of ["redo", "skip"]) {
      this.buttons[type].setAttribute("aria-disabled", running || (type === "redo" && !this.#prompt.can_redo));
    }
  }

  /** Before the take: the face it begins with. Where it begins neutral, the word is shown only then, so that nobody is early. */
  #before() {
    const { neutral_s: neutral, expression } = this.#prompt;
    this.#face(neutral > 0 ? "neutral" : expression);
    if (neutral > 0) write(part(this.root, "word"), "Neutral first");
    if (neutral > 0) write(part(this.root, "how"), `Rest your face. ${FOCUSED}`);
  }

  #askFor(changes) {
    const { mask, place } = this.#prompt;
    const todo = { mask: mask === "mask" ? "Put the mask on" : "Take the mask off", place: `Go to this place: ${place}` };
    const text = changes.map((change) => todo[change]).filter(Boolean).join(". ");
    this.#wait(text, "asking");
    this.readyButton.hidden = false;
    this.readyButton.focus({ preventScroll: true });
    announce(`${text}. Then press I am ready.`, { now: true });
  }

  #enter(phase) {
    const { rest_s: rest, countdown_s: countdown, duration_s: duration, neutral_s: neutral, expression, number } = this.#prompt;
    this.#phase = phase;
    this.#until = performance.now() + 1000 * { rest, ready: countdown, record: duration }[phase];
    this.readyButton.hidden = true;
    if (phase === "rest") announce(`Rest for ${Math.round(rest)} seconds.`, { now: true });
    if (phase === "ready") announce(neutral > 0 ? "Get ready, neutral face first." : `Get ready. ${capital(expression)}. ${HOW[expression] ?? ""}`, { now: true });
    if (phase === "record") {
      this.#sent = 0;
      this.#told = false;
      this.#say({ type: "take-begin", number });
      if (neutral === 0) announce("Now.", { now: true });
    }
    this.#before();
    this.#allow();
    clearInterval(this.#timer);
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    this.#tick();
  }

  #tick() {
    if (this.#phase === "record") return this.#tickTake();
    const left = (this.#until - performance.now()) / 1000;
    if (left > 0) this.#show(this.#phase === "rest" ? "Rest" : "Get ready", Math.ceil(left));
    else this.#enter(this.#phase === "rest" ? "ready" : "record");
  }

  /** The server counts samples, so the bar does, too. */
  #tickTake() {
    const { neutral_s: neutral, duration_s: duration, expression } = this.#prompt;
    const heard = Math.min(this.#sent / RATE_HZ, duration);
    const resting = heard < neutral;
    if (!resting && !this.#told) {
      this.#face(expression);
      if (neutral > 0) announce(`Now: ${expression}.`, { now: true });
    }
    this.#told = !resting;
    this.#show(resting ? "Neutral face" : expression === "neutral" ? "Stay neutral" : "Make it and hold it", "", heard / duration);
  }

  #face(expression) {
    drawFace(part(this.root, "face"), expression, { mask: this.#prompt?.mask === "mask" });
    write(part(this.root, "word"), capital(expression));
    write(part(this.root, "how"), HOW[expression] ?? "Make it and hold it.");
  }

  #show(text, count, share = null) {
    part(this.root, "clock").dataset.phase = this.#phase;
    write(part(this.root, "phase"), text);
    const number = part(this.root, "count");
    write(number, `${count}`);
    number.hidden = count === "";
    const take = part(this.root, "take");
    take.hidden = share === null;
    take.value = share ?? 0;
  }
}
