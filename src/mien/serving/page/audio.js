// The microphone as raw as the browser gives it, and the sound that is played: one AudioContext at 48 kHz for both.

import { Failure } from "./failures.js";

export const RATE_HZ = 48_000;

const STOP_FADE_S = 0.03;
const WIRELESS = /bluetooth|airpods|hands-?free|headset earpiece|\bhfp\b|wireless/i;

const ASKED = {
  echoCancellation: false,
  noiseSuppression: false,
  autoGainControl: false,
  voiceIsolation: false,
};

const REFUSALS = {
  NotAllowedError: "refused",
  PermissionDeniedError: "refused",
  SecurityError: "refused",
  NotFoundError: "no-microphone",
  DevicesNotFoundError: "no-microphone",
  NotReadableError: "microphone-busy",
  AbortError: "microphone-busy",
  OverconstrainedError: "microphone-busy",
};

/**
 * Open microphone and loudspeaker; call it in the handler of a tap, before anything is awaited.
 *
 * `onFrame(samples, capturedAt)` gets Float32Array frames and when their last sample was captured, in seconds of performance.now()'s clock;
 * `onEnded(failure)` is told when the microphone goes away.
 */
export async function openAudio({ samplesPerFrame, onFrame, onEnded }) {
  if (!window.isSecureContext) throw new Failure("insecure");
  if (!navigator.mediaDevices?.getUserMedia || !window.AudioWorkletNode) throw new Failure("unsupported");
  const context = openContext();
  let stream = null;
  try {
    if (context.sampleRate !== RATE_HZ) throw new Failure("rate", `It runs at ${hertz(context.sampleRate)}.`);
    const resumed = context.resume();
    stream = await askForMicrophone();
    await resumed;
    const [track] = stream.getAudioTracks();
    const granted = readBack(track, context);
    await context.audioWorklet.addModule(new URL("worklet.js", import.meta.url));
    return new Audio(context, stream, granted, { samplesPerFrame, onFrame, onEnded });
  } catch (error) {
    stream?.getTracks().forEach((track) => track.stop());
    context.close().catch(() => {});
    throw error;
  }
}

export const hertz = (rate) => `${Math.round(rate).toLocaleString("en")} Hz`;

function openContext() {
  try {
    return new AudioContext({ sampleRate: RATE_HZ, latencyHint: "balanced" });
  } catch (error) {
    throw new Failure("rate", error.message);
  }
}

async function askForMicrophone() {
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: ASKED });
  } catch (error) {
    throw new Failure(REFUSALS[error.name] ?? "microphone-busy");
  }
}

/** What the browser really gave: true, false, or null where it does not tell. Newer browsers answer with words: only false is off. */
function readBack(track, context) {
  const settings = track.getSettings?.() ?? {};
  const state = (value) => (value === undefined || value === null ? null : value !== false);
  return {
    rate: context.sampleRate,
    microphoneRate: settings.sampleRate ?? null,
    echoCancellation: state(settings.echoCancellation),
    noiseSuppression: state(settings.noiseSuppression),
    gainControl: state(settings.autoGainControl),
    voiceIsolation: state(settings.voiceIsolation),
    device: (track.label ?? "").replace(/[\u0000-\u001f\u007f]/g, " ").slice(0, 200),
  };
}

/** Name in words what is still on. */
export function processingLeft(granted) {
  return [
    ["echo cancellation", granted.echoCancellation],
    ["noise suppression", granted.noiseSuppression],
    ["automatic gain control", granted.gainControl],
    ["voice isolation", granted.voiceIsolation],
  ].filter(([, on]) => on).map(([name]) => name);
}

export const looksWireless = (granted) => WIRELESS.test(granted.device);

class Audio {
  #context;
  #stream;
  #node;
  #playing = null;

  constructor(context, stream, granted, { samplesPerFrame, onFrame, onEnded }) {
    this.#context = context;
    this.#stream = stream;
    this.granted = granted;
    // Frames are stamped by the audio clock, moved once onto performance.now()'s: no jitter between them.
    const offset = performance.now() / 1000 - context.currentTime;
    this.#node = new AudioWorkletNode(context, "capture", {
      numberOfInputs: 1,
      numberOfOutputs: 1, // silent; connected, because some browsers do not run a node that leads nowhere
      channelCount: 1,
      channelCountMode: "explicit",
      channelInterpretation: "discrete", // the first microphone, not a mixture of two
      processorOptions: { samplesPerFrame },
    });
    this.#node.port.onmessage = ({ data }) => onFrame(data.samples, offset + data.endedAt);
    context.createMediaStreamSource(stream).connect(this.#node).connect(context.destination);
    const ended = () => this.#context.state !== "closed" && onEnded(new Failure("microphone-ended"));
    stream.getAudioTracks()[0].addEventListener("ended", ended);
    context.addEventListener("statechange", () => (context.state === "interrupted" || context.state === "suspended") && ended());
  }

  /** What the server is told of this audio. */
  get told() {
    const { rate, echoCancellation, noiseSuppression, gainControl, device } = this.granted;
    return {
      rate_hz: rate,
      echo_cancellation: echoCancellation,
      noise_suppression: noiseSuppression,
      gain_control: gainControl,
      device,
    };
  }

  /** Play float32 samples, faded in, and faded out at their end unless they loop. */
  play(samples, { loop, fade_s: fade }) {
    this.quiet();
    const context = this.#context;
    const buffer = context.createBuffer(1, samples.length, RATE_HZ);
    buffer.copyToChannel(samples, 0);
    const source = new AudioBufferSourceNode(context, { buffer, loop });
    const gain = new GainNode(context, { gain: 0 });
    const begin = context.currentTime + 0.02;
    gain.gain.setValueAtTime(0, begin);
    gain.gain.linearRampToValueAtTime(1, begin + fade);
    if (!loop) {
      gain.gain.setValueAtTime(1, begin + Math.max(fade, buffer.duration - fade));
      gain.gain.linearRampToValueAtTime(0, begin + buffer.duration);
    }
    source.connect(gain).connect(context.destination);
    source.start(begin);
    this.#playing = { source, gain };
  }

  /** Stop playing, by a fade short enough for who wants silence now. */
  quiet() {
    if (!this.#playing) return;
    const { source, gain } = this.#playing;
    this.#playing = null;
    const now = this.#context.currentTime;
    gain.gain.cancelScheduledValues(now);
    gain.gain.setTargetAtTime(0, now, STOP_FADE_S / 4);
    source.stop(now + STOP_FADE_S);
  }

  /** Let go of the microphone at once, and of the loudspeaker after the fade. */
  close() {
    this.quiet();
    this.#node.port.onmessage = null;
    this.#node.port.postMessage("stop");
    this.#stream.getTracks().forEach((track) => track.stop());
    const context = this.#context;
    setTimeout(() => context.close().catch(() => {}), 1000 * STOP_FADE_S + 20);
  }
}
