// The WebSocket to the server: greets, reconnects with growing pauses, and says in plain words why it cannot.

import { Failure } from "./failures.js";

const VERSION = 1;
const PAUSES_S = [0.4, 1, 2, 4, 8];
const GREETING_S = 8;
const MOST_BUFFERED_BYTES = 192_000; // a second of sound: what is older would only come late
const FAULTS_BEFORE_GIVING_UP = 3;
const STEADY_S = 20;

const BY_CODE = {
  1001: "stopping", 1012: "stopping", 1009: "too-large", 1011: "fault", 4001: "bad-version", 4002: "bad-message", 4003: "bad-audio", 4005: "too-fast",
  4006: "silence", 4007: "session-over", 4008: "stalled", 4009: "replaced", 4010: "no-token", 4011: "full",
};
/** After these it is for the person to decide. */
const FINAL = new Set(["bad-version", "replaced", "no-token", "full", "session-over", "silence"]);
const OWN_WORDS = new Set([...FINAL, "stopping"]);

export class Connection {
  #socket = null;
  #closing = null;
  #attempt = 0;
  #faults = 0;
  #retry = 0;
  #greeting = 0;
  #steady = 0;
  #waiting = [];

  /** `told` has onWelcome(welcome), onMessage(message), onLost(failure, again): the sound has nowhere to go; again: it tries by itself; onState(state). */
  constructor(told) {
    this.told = told;
    this.welcome = null;
    window.addEventListener("online", () => this.#socket || this.#final || this.open());
    document.addEventListener("visibilitychange", () => document.hidden || this.#socket || this.#final || this.open());
  }

  #final = false;

  /** Connect now, whatever pause was left. */
  open() {
    clearTimeout(this.#retry);
    this.#final = false;
    if (this.#socket) return;
    this.told.onState("connecting");
    const address = new URL("ws", location.href);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    address.search = address.hash = "";
    const socket = new WebSocket(address);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    this.#closing = null;
    this.#greeting = setTimeout(() => this.#lost(socket, 0), 1000 * GREETING_S);
    socket.addEventListener("open", () => this.say({ type: "hello", version: VERSION, client: navigator.userAgent.slice(0, 200) }));
    socket.addEventListener("message", ({ data }) => this.#socket === socket && this.#hear(JSON.parse(data)));
    socket.addEventListener("close", ({ code }) => this.#lost(socket, code));
  }

  /** Wait for the server's welcome, connecting if need be. */
  ready() {
    if (this.welcome) return Promise.resolve(this.welcome);
    const promise = new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
    this.open();
    return promise;
  }

  say(message) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  /** Send a sound frame, unless the network is a second behind: then it is left out, and its number shows the gap. */
  send(frame) {
    if (this.#socket?.readyState !== WebSocket.OPEN || this.#socket.bufferedAmount > MOST_BUFFERED_BYTES) return false;
    this.#socket.send(frame);
    return true;
  }

  #hear(message) {
    if (message.type === "closing") {
      this.#closing = message;
      return;
    }
    if (message.type !== "welcome") {
      this.told.onMessage(message);
      return;
    }
    clearTimeout(this.#greeting);
    this.#attempt = 0;
    this.#steady = setTimeout(() => { this.#faults = 0; }, 1000 * STEADY_S);
    this.welcome = message;
    this.told.onState("connected");
    this.told.onWelcome(message);
    for (const { resolve } of this.#waiting.splice(0)) resolve(message);
  }

  #lost(socket, code) {
    if (this.#socket !== socket) return;
    clearTimeout(this.#greeting);
    clearTimeout(this.#steady);
    this.#socket = null;
    this.welcome = null;
    socket.close();
    const reason = this.#closing?.reason ?? BY_CODE[code] ?? null;
    const kind = reason === null ? "lost" : OWN_WORDS.has(reason) ? reason : "closed";
    if (kind === "closed") this.#faults += 1;
    this.#final = FINAL.has(reason) || this.#faults >= FAULTS_BEFORE_GIVING_UP;
    const again = !this.#final;
    this.told.onState(again ? "lost" : "closed");
    const failure = new Failure(kind, kind === "lost" ? "" : (this.#closing?.message ?? ""));
    this.told.onLost(failure, again);
    if (!again) for (const { reject } of this.#waiting.splice(0)) reject(failure);
    if (!again || document.hidden) return;
    const pause = PAUSES_S[Math.min(this.#attempt, PAUSES_S.length - 1)];
    this.#attempt += 1;
    this.#retry = setTimeout(() => this.open(), 1000 * pause * (1 + 0.25 * Math.random()));
  }
}
