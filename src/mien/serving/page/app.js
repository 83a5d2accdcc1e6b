// The page: which view is shown, what the server offers, and who hears which message.

import { announce, make, part, write } from "./dom.js";
import { Connection } from "./connection.js";
import { Failure, showFailure } from "./failures.js";
import { Session } from "./session.js";
import { CalibrateView } from "./view-calibrate.js";
import { CheckView } from "./view-check.js";
import { CollectView } from "./view-collect.js";
import { LiveView } from "./view-live.js";

const TITLES = { check: "Check", collect: "Collect", live: "Live", calibrate: "Calibrate" };
const NOT_OFFERED = {
  check: "This server was started without the device check.",
  collect: "This server collects no study. To collect, start it with the study to write to: mien serve --collect STUDY.",
  live: "This server has no model to recognise with. To recognise, start it with one: mien serve builtin.",
  calibrate: "This server has no model that can learn a person. Start it with one that can: mien serve builtin.",
};
const SIMULATED = "This model has learnt from simulated people only. How well it reads real faces is not known: take its answers as a demonstration.";
const LINK = {
  connecting: ["", "Connecting"],
  connected: ["good", "Connected"],
  lost: ["warn", "Connection lost"],
  closed: ["bad", "Not connected"],
};

const connection = new Connection({
  onState: (state) => {
    const link = document.getElementById("link");
    link.dataset.state = LINK[state][0];
    write(link, LINK[state][1]);
  },
  onWelcome: welcomed,
  onMessage: (message) => {
    if (["calibrated", "forgotten"].includes(message.type)) believe(connection.welcome.model, message.type === "calibrated");
    if (!views.calibrate.answered(message)) session.hear(message);
  },
  onLost: (failure, again) => {
    const told = session.lost(failure, again);
    if (!told) showFailure(failure, failure.kind === "bad-version" ? () => location.reload() : () => connection.open());
  },
});
const session = new Session(connection);
const views = {
  check: new CheckView(document.getElementById("check"), session),
  collect: new CollectView(document.getElementById("collect"), session),
  live: new LiveView(document.getElementById("live"), session),
  calibrate: new CalibrateView(document.getElementById("calibrate"), session),
};

function welcomed(welcome) {
  const { views: offered, model, collection, collecting, calibrated, server } = welcome;
  for (const name of Object.keys(views)) offer(name, offered.includes(name));
  if (collection) views.collect.describe(collection, collecting);
  if (model) views.calibrate.describe(model, welcome);
  believe(model, calibrated);
  write(part(document.querySelector("footer"), "server"), model ? `${server}, model ${model.name} (${model.method}).` : server);
  session.welcomed();
}

/** What to believe of the answers: from the first moment, and nothing softer when the server has not spoken yet. */
function believe(model, calibrated = false) {
  const text = !model || model.simulated ? SIMULATED : model.note;
  for (const banner of document.querySelectorAll('[data-part="belief"]')) {
    const lines = [text, calibrated && banner.closest("#live") ? "It is calibrated to you." : ""];
    banner.hidden = !text;
    banner.replaceChildren(...lines.filter(Boolean).map((line) => make("p", {}, line)));
  }
}

function offer(name, offered) {
  const { root } = views[name];
  root.querySelector('[data-part="absent"]')?.remove();
  const start = root.querySelector("[data-start]");
  start.disabled = !offered;
  root.dataset.offered = offered;
  if (!offered) root.querySelector("h1").after(make("p", { class: "banner", "data-part": "absent" }, NOT_OFFERED[name]));
}

/** Show the view that the address names; sound of another view stops. */
function route({ first = false } = {}) {
  const asked = location.hash.slice(1);
  if (asked === "main") return; // the link that skips to the content
  const name = asked in views ? asked : "check";
  if (session.view && session.view.name !== name) session.stop();
  for (const [other, view] of Object.entries(views)) view.root.hidden = other !== name;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${TITLES[name]} · mien`;
  document.querySelector("#granted details").open = name === "check";
  if (first) return;
  window.scrollTo(0, 0);
  views[name].root.querySelector("h1").focus({ preventScroll: true });
}

believe(null);
window.addEventListener("hashchange", () => route());
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  document.getElementById("main").focus();
});
window.addEventListener("unhandledrejection", ({ reason }) => {
  if (reason instanceof Failure) return;
  session.stop(new Failure("fault", reason?.message ?? ""));
});
route({ first: true });
if (!window.isSecureContext) showFailure(new Failure("insecure"));
connection.open();
announce("");
