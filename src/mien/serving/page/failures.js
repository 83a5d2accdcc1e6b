// What can go wrong, each in plain words: what happened, and what to do. Everything that the person is told of a failure stands here.

import { make } from "./dom.js";

export class Failure extends Error {
  /** `kind` is a key of FAILURES; `told` is what the server or the browser adds in its own words. */
  constructor(kind, told = "") {
    super(`${kind} ${told}`.trim());
    this.kind = kind;
    this.told = told;
  }
}

/** title, text, what to do; `warn`: it goes on; `button`: what a tap on it does is up to who shows it. */
export const FAILURES = {
  insecure: {
    title: "This page was not opened over https",
    text: "Browsers give the microphone only to pages on https, or on this very computer (localhost).",
    todo: "Start the server with mien serve --https and open the https link that it prints, or scan its code.",
  },
  unsupported: {
    title: "This browser cannot record raw sound",
    text: "It has no microphone access or no AudioWorklet.",
    todo: "Open the link in a current Chrome, Edge, Firefox or Safari.",
  },
  refused: {
    title: "The microphone was refused",
    text: "Without it there is no echo to hear. Nothing was played.",
    todo: "Tap the lock or settings sign beside the address, allow the microphone, then try again. On an iPhone: Settings, Apps, Safari, Microphone.",
    button: "Try again",
  },
  "no-microphone": {
    title: "No microphone was found",
    text: "The browser sees no microphone on this device.",
    todo: "Plug one in or switch it on in the system's sound settings, then try again.",
    button: "Try again",
  },
  "microphone-busy": {
    title: "The microphone could not be opened",
    text: "Another program or tab may be using it.",
    todo: "Close calls and other programs that record, then try again.",
    button: "Try again",
  },
  "microphone-ended": {
    title: "The microphone went away",
    text: "It was unplugged, or the system gave it to another program. The sound was stopped.",
    todo: "Plug it in again, or close the other program, then start again.",
    button: "Start again",
  },
  rate: {
    title: "The sound does not run at 48,000 Hz",
    text: "Below that rate the sound mien plays at 19 to 23 kHz is cut off.",
    todo: "Disconnect Bluetooth, set the sound device to 48,000 Hz in the system's sound settings, load this page again. If it stays, use another browser.",
    button: "Try again",
  },
  processing: {
    title: "This browser changes the sound",
    text: "It was asked for the raw microphone and still processes it, which removes the echo.",
    todo: "On an iPhone or Mac: Control Centre, Mic Mode, Standard. Elsewhere: switch off sound effects for the microphone in the system's settings, or use another browser or microphone.",
    button: "Try again",
  },
  bluetooth: {
    title: "The microphone looks like Bluetooth",
    text: "Bluetooth carries nothing above 16 kHz or so: the echo would not arrive.",
    todo: "Switch Bluetooth off and use the device's own microphone and speaker.",
    warn: true,
  },
  hidden: {
    title: "The sound was stopped because this page was hidden",
    text: "mien plays and listens only while you can see it.",
    todo: "Start again when you are ready.",
    button: "Start again",
  },
  lost: {
    title: "The connection was lost",
    text: "The sound is paused. mien tries again by itself and goes on where it was.",
    todo: "Stay on the same network as the computer that runs mien, and see that it still runs.",
    warn: true,
    button: "Try now",
  },
  "gave-up": {
    title: "The server does not answer",
    text: "The sound was stopped.",
    todo: "See that mien serve still runs on its computer and that this device is on the same network, then try again.",
    button: "Try again",
  },
  full: {
    title: "The server is busy",
    text: "It already listens to as many people as it can.",
    todo: "Try again in a minute, or ask somebody to stop.",
    button: "Try again",
  },
  replaced: {
    title: "mien was opened in another tab",
    text: "One browser listens in one place at a time, and the other tab took over.",
    todo: "Go on there, or bring it back here.",
    button: "Use it here",
  },
  "no-token": {
    title: "This link is no longer valid",
    text: "The server does not know this browser.",
    todo: "Open the link, or scan the code, that mien serve shows in its terminal now.",
  },
  "session-over": {
    title: "Time is up for this session",
    text: "The server ends every session after a while, so that nobody listens by mistake.",
    todo: "Start again if you want to go on.",
    button: "Start again",
  },
  silence: {
    title: "The server closed the connection because nothing was heard",
    text: "",
    todo: "Start again when you are ready.",
    button: "Start again",
  },
  "bad-version": {
    title: "This page and the server do not match",
    text: "The server was updated since this page was loaded.",
    todo: "Load the page again.",
    button: "Load again",
  },
  stopping: {
    title: "The server was stopped",
    text: "",
    todo: "Start mien serve again on its computer; this page finds it by itself.",
    warn: true,
    button: "Try now",
  },
  closed: {
    title: "The server closed the connection",
    text: "",
    todo: "Try again. If it happens again, load the page again and look at what the server prints.",
    button: "Try again",
  },
  server: { title: "That did not work", text: "", todo: "", button: "Try again" },
  "not-forgotten": {
    title: "What was learnt of you is not forgotten yet",
    text: "",
    todo: "Try again, or ask who runs this server.",
    button: "Try again",
  },
  warning: { title: "Mind this", text: "", todo: "", warn: true },
  "no-sound": {
    title: "The sound to play could not be loaded",
    text: "",
    todo: "See that the server still runs, then try again.",
    button: "Try again",
  },
  fault: {
    title: "Something went wrong in this page",
    text: "",
    todo: "Load the page again; if it happens again, tell who runs the server.",
    button: "Load again",
  },
};

let shown = null;

/** Show a failure; `act` is what its button does. Only one is shown: the latest. */
export function showFailure(failure, act = null) {
  const { title, text, todo, warn = false, button = "" } = FAILURES[failure.kind] ?? FAILURES.fault;
  const card = make("div", { class: "failure", "data-kind": warn ? "warn" : "bad", "data-failure": failure.kind },
    make("h2", {}, title));
  for (const line of [failure.told, text]) if (line) card.append(make("p", {}, line));
  if (todo) card.append(make("p", {}, make("strong", {}, "What to do: "), todo));
  const actions = make("div", { class: "actions" });
  if (button && act) {
    const press = make("button", { type: "button" }, button);
    press.addEventListener("click", () => { clearFailure(); act(); });
    actions.append(press);
  }
  const close = make("button", { type: "button" }, "Close");
  close.addEventListener("click", () => clearFailure());
  actions.append(close);
  card.append(actions);
  document.getElementById("failure").replaceChildren(card);
  if (!warn) card.scrollIntoView({ block: "nearest" });
  shown = failure.kind;
}

/** Take the failure away: any, or only one of `kinds`. */
export function clearFailure(...kinds) {
  if (kinds.length && !kinds.includes(shown)) return;
  const place = document.getElementById("failure");
  const hadFocus = place.contains(document.activeElement);
  place.replaceChildren();
  shown = null;
  if (hadFocus) document.getElementById("main").focus({ preventScroll: true });
}
