// The device check: play, listen, and say what this device can do.

import { announce, capital, make, part, write } from "./dom.js";
import { Bands, Response } from "./charts.js";

const NEEDED_SNR_DB = 20;
const NEEDED_RESPONSE_DB = -30;
const PROBE_HZ = [19_000, 23_000];

const STATES = {
  ready: ["good", "Ready"],
  mend: ["warn", "Usable, with something to mend"],
  unusable: ["bad", "Not usable as it is"],
};
const NOT_HEARD = { word: "no-sweep", name: "the sound", found: true, said: "it was not heard at all" };

export class CheckView {
  name = "check";

  constructor(root, session) {
    this.root = root;
    this.parts = Object.fromEntries(["before", "running", "result", "time", "progress"].map((name) => [name, part(root, name)]));
    this.meter = root.querySelector("meter");
    this.button = root.querySelector("[data-start]");
    this.button.addEventListener("click", () => session.start(this));
    this.session = session;
  }

  request(audio) {
    return { type: "start-check", audio };
  }

  begun({ duration_s: duration }) {
    this.parts.before.hidden = this.parts.result.hidden = true;
    this.parts.running.hidden = false;
    this.#progress(0, duration ?? 20);
  }

  level(peak) {
    this.meter.value = Math.min(1, peak);
  }

  hear(message) {
    if (message.type === "check-progress") this.#progress(message.heard_s, message.duration_s);
    if (message.type !== "check-result") return;
    this.session.stop();
    this.#show(message);
  }

  ended() {
    this.parts.running.hidden = true;
    this.parts.before.hidden = false;
  }

  #progress(heard, duration) {
    const left = Math.max(0, Math.ceil(duration - heard));
    this.parts.progress.max = duration;
    this.parts.progress.value = heard;
    write(this.parts.time, left ? `${left} s left` : "One moment");
    if (left && left % 5 === 0) announce(`${left} seconds left`);
  }

  #show({ state: fit, verdict, lines, problems, report }) {
    const [state, word] = STATES[fit];
    const title = make("h2", { class: "verdict", tabindex: "-1" }, `${capital(verdict)}.`);
    const parts = [make("div", { class: "card" }, make("p", { class: "pill", "data-state": state }, word), title, findings(report, problems))];
    const channel = report.channels?.[report.channel ?? 0];
    if (channel?.bands?.length) parts.push(this.#picture(channel, report));
    const words = make("details", {}, make("summary", {}, "The whole report in words"), make("ul", {}, ...lines.map((line) => make("li", {}, line))));
    const again = make("button", { type: "button", class: "primary" }, "Check again");
    again.addEventListener("click", () => this.session.start(this));
    const file = make("a", { class: "button", href: "results/check.json", download: "mien-check.json" }, "Save as JSON");
    parts.push(make("div", { class: "card" }, words, make("div", { class: "actions" }, again, file)));
    this.parts.before.hidden = true;
    this.parts.result.replaceChildren(...parts);
    this.parts.result.hidden = false;
    title.focus({ preventScroll: true });
    announce(`${word}. ${verdict}`, { now: true });
  }

  #picture({ bands }, { recommended, response }) {
    const used = recommended ? [recommended.low_hz, recommended.high_hz] : PROBE_HZ;
    const canvas = make("canvas", { role: "img", "aria-label": "Signal-to-noise ratio of each kilohertz; the table below has the numbers." });
    const rows = bands.map(({ low_hz: low, high_hz: high, response_db: response, snr_db: snr }) =>
      make("tr", {}, make("th", { scope: "row" }, `${low / 1000}–${high / 1000}`), cell(response, NEEDED_RESPONSE_DB), cell(snr, NEEDED_SNR_DB)));
    const table = make("table", {},
      make("thead", {}, make("tr", {}, ...["kHz", "Response, dB", "Signal to noise, dB"].map((text) => make("th", { scope: "col" }, text)))),
      make("tbody", {}, ...rows));
    const place = recommended ? "the band to use" : "the band mien uses by default";
    const figure = make("figure", { class: "card" }, make("h2", {}, "How clearly each band is heard"), canvas,
      make("figcaption", {}, `Signal to noise by frequency. Dashed: what is needed. Tinted: ${place}, ${used[0] / 1000} to ${used[1] / 1000} kHz.`),
      make("details", {}, make("summary", {}, "The numbers"), make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Response and signal to noise" }, table)));
    new Bands(canvas, bands, { needed: NEEDED_SNR_DB, used });
    if (response?.frequency_hz?.length) {
      const curve = make("canvas", { class: "low", role: "img", "aria-label": "Response by frequency, from 0 to 24 kHz." });
      canvas.after(curve);
      new Response(curve, response, used);
    }
    return figure;
  }
}

/** What was checked, what is wrong first. */
function findings({ checks = [] }, problems) {
  const all = problems.includes("no-sweep") ? [NOT_HEARD, ...checks] : checks;
  const order = (check) => [true, null, false].indexOf(check.found);
  return make("ul", { class: "findings" }, ...[...all].sort((a, b) => order(a) - order(b)).map(finding));
}

function finding({ name, found, said, remedy }) {
  const [state, sign, word] = found ? ["bad", "!", "Problem: "] : found === null ? ["unknown", "?", "Not known: "] : ["good", "✓", "Good: "];
  return make("li", {}, make("span", { class: "mark", "data-state": state, "aria-hidden": "true" }, sign),
    make("strong", {}, make("span", { class: "unseen" }, word), capital(name)),
    make("span", { class: "detail" }, capital(said), remedy ? make("b", {}, ` What to do: ${remedy}.`) : null));
}

function cell(value, needed) {
  const known = value !== null && value !== undefined;
  return make("td", { class: known && value < needed ? "bad" : null }, known ? value.toFixed(1) : "not told");
}
