// Live recognition: the answer, how probable each is, the last seconds, and the echo itself.

import { announce, capital, counted, drawFace, make, part, write } from "./dom.js";
import { Profile, Timeline } from "./charts.js";
import { qualityInWords } from "./stage.js";

const WORDS_EVERY_MS = 100;
const HOP_S = 0.05;
const FOREIGN = "This face or device is unlike those it was trained on: do not trust the answer";

export class LiveView {
  name = "live";

  constructor(root, session) {
    this.root = root;
    this.parts = Object.fromEntries(
      ["before", "running", "face", "word", "sure", "quality", "bars", "window"].map((name) => [name, part(root, name)]));
    this.timeline = new Timeline(part(root, "timeline"));
    this.profile = new Profile(part(root, "profile"));
    root.querySelector("[data-start]").addEventListener("click", () => session.start(this));
    this.bars = new Map();
    this.wroteAt = 0;
    this.told = "";
  }

  request(audio) {
    return { type: "start-live", audio, hop_s: HOP_S };
  }

  begun({ expressions, window_s: window, hop_s: hop, profile_m: distances, calibrated }) {
    this.root.classList.add("at-work");
    this.parts.before.hidden = true;
    this.parts.running.hidden = false;
    this.parts.running.scrollIntoView({ block: "nearest" });
    this.timeline.clear(hop ?? HOP_S);
    this.profile.scale(distances);
    this.#makeBars(expressions);
    this.#say("neutral", "Listening", `Waiting for the first echo${calibrated ? "; calibrated to you" : ""}`);
    this.told = "";
    const heard = window ? ` Each answer hears ${seconds(window)}${hop ? `, one every ${seconds(hop)}` : ""}.` : "";
    write(this.parts.window, `What returned of the last sound, by distance.${heard}`);
  }

  paused() {
    this.#quality("bad", "Connection lost");
  }

  hear(message) {
    if (message.type !== "prediction") return;
    this.timeline.add(message);
    this.profile.show(message.profile);
    if (performance.now() - this.wroteAt < WORDS_EVERY_MS) return; // faster than that nobody reads
    this.wroteAt = performance.now();
    this.#write(message);
  }

  ended() {
    this.root.classList.remove("at-work");
    this.parts.running.hidden = this.parts.word.textContent === "Listening"; // what was heard last stays to be looked at
    this.parts.before.hidden = false;
    this.#quality("", "Stopped");
  }

  #write({ expression, probabilities, confidence, quality, problem, is_foreign: foreign, n_dropped_windows: dropped }) {
    const sure = expression === "unsure"
      ? problem || (foreign ? FOREIGN : "Nothing stands out: better no answer than a wrong one")
      : `${percent(confidence)} sure`;
    this.#say(expression, capital(expression), sure);
    const [most] = Object.entries(probabilities).sort((a, b) => b[1] - a[1])[0] ?? [];
    for (const name of Object.keys(probabilities)) if (!this.bars.has(name)) this.#makeBars(Object.keys(probabilities));
    for (const [name, bar] of this.bars) {
      const share = probabilities[name] ?? 0;
      bar.fill.style.setProperty("--share", share.toFixed(3));
      write(bar.percent, percent(share));
      bar.row.classList.toggle("first", name === most);
    }
    const wrong = qualityInWords(quality);
    const lost = dropped ? `; ${counted(dropped, "window")} skipped` : "";
    this.#quality(wrong ? "warn" : "good", `${wrong ? capital(wrong) : "Good sound"}${lost}`);
    const said = `${capital(expression)}${wrong ? `, ${wrong}` : ""}`;
    if (said !== this.told) announce(said);
    this.told = said;
  }

  #say(expression, word, sure) {
    drawFace(this.parts.face, expression);
    write(this.parts.word, word);
    write(this.parts.sure, sure);
  }

  #quality(state, text) {
    this.parts.quality.dataset.state = state;
    write(this.parts.quality, text);
  }

  #makeBars(names) {
    this.bars.clear();
    this.parts.bars.replaceChildren(...names.map((name) => {
      const fill = make("span", { class: "fill" });
      const percent = make("span", { class: "percent" }, "0 %");
      const row = make("li", { "data-hue": name }, make("span", {}, capital(name)), make("span", { class: "track", "aria-hidden": "true" }, fill), percent);
      this.bars.set(name, { row, fill, percent });
      return row;
    }));
  }
}

const percent = (share) => `${Math.round(100 * share)} %`;
const seconds = (value) => (value < 0.1 ? `${Math.round(1000 * value)} ms` : `${Number(value.toPrecision(2))} s`);
