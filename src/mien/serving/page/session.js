// One view at work: microphone, loudspeaker and connection together, from the tap that starts to whatever stops it.

import { hertz, looksWireless, openAudio, processingLeft, RATE_HZ } from "./audio.js";
import { announce, make, part, write } from "./dom.js";
import { clearFailure, Failure, showFailure } from "./failures.js";

const MAGIC = 0x6e65696d; // "mien", read as a little-endian number
const HEADER_BYTES = 16;
const SAMPLES_PER_FRAME = 960;
const GIVE_UP_S = 120;
const LEVEL_EVERY_S = 0.1;
/** These errors end what is running; others are told, and it goes on. */
const ENDING = new Set(["not-offered", "audio", "study", "storage", "model", "device"]);

export class Session {
  #connection;
  #run = null;
  #emissions = new Map();
  #sequence = 0; // rises as long as this page lives, as the server asks of every connection
  #capturedAt = 0;

  constructor(connection) {
    this.#connection = connection;
    document.getElementById("stop").addEventListener("click", () => this.stop());
    document.addEventListener("keydown", (event) => event.key === "Escape" && this.#run && this.stop());
    document.addEventListener("visibilitychange", () => document.hidden && this.#run && this.stop(new Failure("hidden")));
    window.addEventListener("pagehide", () => this.stop());
  }

  get view() {
    return this.#run?.view ?? null;
  }

  say(message) {
    return this.#connection.say(message);
  }

  /**
   * Start a view; call it in the handler of a tap.
   *
   * A view has name, request(audio) -> message, begun(started), hear(message), ended(failure); and, if it wants them, level(peak), paused(),
   * refused(), sent(nSamples), strict: it refuses processed sound.
   */
  async start(view) {
    this.stop();
    clearFailure();
    const run = { view, audio: null, sending: false, levelAt: 0, peak: 0, lostAt: 0, opener: document.activeElement, wake: null, waiting: null };
    this.#run = run;
    this.#showSound("Starting", "Allow the microphone if the browser asks");
    try {
      const most = this.#connection.welcome?.limits.samples_per_frame ?? SAMPLES_PER_FRAME;
      const audio = await openAudio({
        samplesPerFrame: Math.min(SAMPLES_PER_FRAME, most),
        onFrame: (samples, capturedAt) => this.#frame(run, samples, capturedAt),
        onEnded: (failure) => this.#run === run && this.stop(failure),
      });
      if (this.#run !== run) return void audio.close();
      run.audio = audio;
      showGranted(audio.granted);
      judge(audio.granted, view);
      navigator.wakeLock?.request("screen").then((wake) => (this.#run === run ? (run.wake = wake) : wake.release()), () => {});
      await this.#connection.ready();
      if (this.#run === run && !run.asked) this.#ask(run);
    } catch (error) {
      if (this.#run === run) this.stop(asFailure(error));
    }
  }

  /** Stop sound and microphone; `failure` says why, unless the person wanted it. */
  stop(failure = null) {
    const run = this.#run;
    if (!run) return;
    this.#run = null;
    run.sending = false;
    run.audio?.close();
    run.wake?.release().catch(() => {});
    if (run.asked) this.say({ type: "stop" });
    this.#hideSound(run);
    clearFailure("lost", "stopping");
    run.view.ended(failure);
    if (failure) showFailure(failure, failure.kind === "bad-version" || failure.kind === "fault" ? () => location.reload() : () => this.start(run.view));
    else announce("Stopped. No sound is played.", { now: true });
  }

  /** The server is there (again): ask for the view, or for it once more. */
  welcomed() {
    clearFailure("lost", "stopping", "closed");
    const run = this.#run;
    if (run?.audio && run.asked) this.#ask(run);
  }

  /** The server is gone. `again`: the connection tries by itself. */
  lost(failure, again) {
    const run = this.#run;
    if (!run) return false;
    if (!again) {
      this.stop(failure);
      return true;
    }
    run.sending = false;
    run.audio?.quiet();
    run.lostAt ||= performance.now();
    if (performance.now() - run.lostAt > 1000 * GIVE_UP_S) {
      this.stop(new Failure("gave-up"));
      return true;
    }
    this.#showSound("Sound is paused", "Connection lost, trying again", { paused: true });
    run.view.paused?.();
    return false;
  }

  /** A message for the view that runs. */
  hear(message) {
    const run = this.#run;
    if (!run) return;
    if (message.type === "started") this.#begin(run, message);
    else if (message.type === "error") this.#error(message);
    else if (run.waiting) run.waiting.push(message); // the sound is still being fetched
    else if (run.started && message.type !== "stopped") run.view.hear(message); // else it is of what ran before
  }

  #ask(run) {
    run.asked = true;
    run.started = false;
    run.waiting = null;
    this.say(run.view.request(run.audio.told));
  }

  async #begin(run, started) {
    run.waiting = [];
    run.started = true;
    try {
      if (started.emission.rate_hz !== RATE_HZ) throw new Failure("no-sound", `It is made for ${hertz(started.emission.rate_hz)}.`);
      const samples = await this.#emission(started.emission);
      if (this.#run !== run) return;
      run.audio.play(samples, started.emission);
      run.lostAt = 0;
      run.sending = true;
      this.#showSound("Sound is on", started.emission.description || "19 to 23 kHz, and the microphone listens");
      if (started.warnings.length && !document.querySelector("#failure > *")) showFailure(new Failure("warning", started.warnings.join(" ")));
      run.view.begun(started);
      const waiting = run.waiting;
      run.waiting = null;
      for (const message of waiting) this.hear(message);
    } catch (error) {
      if (this.#run === run) this.stop(error instanceof Failure ? error : new Failure("no-sound"));
    }
  }

  async #emission({ url }) {
    if (!this.#emissions.has(url)) {
      const answer = await fetch(new URL(url, location.href));
      if (!answer.ok) throw new Failure("no-sound", `The server answered ${answer.status}.`);
      this.#emissions.set(url, new Float32Array(await answer.arrayBuffer()));
    }
    return this.#emissions.get(url);
  }

  #error({ code, message }) {
    const failure = new Failure("server", message);
    if (ENDING.has(code)) this.stop(failure);
    else {
      showFailure(new Failure("warning", message));
      this.#run.view.refused?.();
    }
  }

  #frame(run, samples, capturedAt) {
    if (this.#run !== run || !run.sending) return;
    this.#capturedAt = Math.max(this.#capturedAt, capturedAt); // a new AudioContext may begin a little behind the last one
    const frame = new ArrayBuffer(HEADER_BYTES + 4 * samples.length);
    const header = new DataView(frame);
    header.setUint32(0, MAGIC, true);
    header.setUint32(4, this.#sequence, true);
    header.setFloat64(8, this.#capturedAt, true);
    new Float32Array(frame, HEADER_BYTES).set(samples); // every platform with a browser is little-endian
    this.#sequence = (this.#sequence + 1) % 2 ** 32;
    if (this.#connection.send(frame)) run.view.sent?.(samples.length);
    if (!run.view.level) return;
    for (const sample of samples) run.peak = Math.max(run.peak, Math.abs(sample));
    if (capturedAt - run.levelAt < LEVEL_EVERY_S) return;
    run.view.level(run.peak);
    run.levelAt = capturedAt;
    run.peak = 0;
  }

  #showSound(state, what, { paused = false } = {}) {
    write(document.getElementById("sound-state"), state);
    write(document.getElementById("sound-what"), what);
    const bar = document.getElementById("sound-bar");
    bar.dataset.paused = paused;
    bar.hidden = false;
    document.body.classList.add("sounding");
    announce(`${state}. ${what}. Escape stops it.`, { now: true });
  }

  /** Hide the bar; who had focus on its button goes back to where it started. */
  #hideSound(run) {
    const bar = document.getElementById("sound-bar");
    const hadFocus = bar.contains(document.activeElement);
    bar.hidden = true;
    document.body.classList.remove("sounding");
    if (hadFocus) queueMicrotask(() => (run.opener?.offsetParent ? run.opener : document.getElementById("main")).focus({ preventScroll: true }));
  }
}

function asFailure(error) {
  if (error instanceof Failure) return error;
  console.error(error);
  return new Failure("fault", error.message);
}

/** Refuse sound that cannot serve; warn of sound that may not. */
function judge(granted, view) {
  const { microphoneRate } = granted;
  if (microphoneRate && microphoneRate < RATE_HZ) throw new Failure("rate", `The microphone gives ${hertz(microphoneRate)}.`);
  const left = processingLeft(granted);
  if (left.length) {
    const failure = new Failure("processing", `Still on: ${left.join(", ")}.`);
    if (view.strict) throw failure;
    showFailure(failure);
  } else if (looksWireless(granted)) {
    showFailure(new Failure("bluetooth", `It calls itself “${granted.device}”.`));
  }
}

function showGranted(granted) {
  const section = document.getElementById("granted");
  const left = processingLeft(granted);
  const facts = [
    ["Microphone", granted.device || "not told", false],
    ["Rate of the page", hertz(granted.rate), false],
    ["Rate of the microphone", granted.microphoneRate ? hertz(granted.microphoneRate) : "not told", (granted.microphoneRate ?? RATE_HZ) < RATE_HZ],
    ...[
      ["Echo cancellation", granted.echoCancellation],
      ["Noise suppression", granted.noiseSuppression],
      ["Gain control", granted.gainControl],
      ["Voice isolation", granted.voiceIsolation],
    ].map(([name, on]) => [name, on === null ? "not told" : on ? "on, though asked to be off" : "off", on]),
  ];
  part(section, "facts").replaceChildren(...facts.map(([name, value, bad]) =>
    make("div", {}, make("dt", {}, name), make("dd", { class: bad ? "bad" : null }, value))));
  write(part(section, "summary"), left.length ? "not raw" : "raw sound");
  section.hidden = false;
}
