// Guided collection: who, consent, then one take after the other.

import { announce, counted, drawChips, make, part, write } from "./dom.js";
import { Stage } from "./stage.js";

const COUNTDOWN_S = 4; // from one take to the next, for a guess at how long it all takes

export class CollectView {
  name = "collect";
  strict = true; // processed sound would spoil the study

  constructor(root, session) {
    this.root = root;
    this.session = session;
    this.parts = Object.fromEntries(["before", "chips", "fields", "consent", "kept", "lead", "result"].map((name) => [name, part(root, name)]));
    this.stage = new Stage(part(root, "stage"), (message) => session.say(message), { finish: "Finish" });
    this.agree = root.querySelector("#agree");
    this.subject = null;
    this.parts.before.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.#valid()) session.start(this);
    });
    this.agree.addEventListener("change", () => this.agree.checked && this.#fault(this.agree, root.querySelector("#agree-fault"), false));
  }

  /** What the server collects; asked again after each reconnection. */
  describe(collection, going) {
    const described = JSON.stringify([collection, going]);
    if (described === this.described || this.session.view === this) return;
    this.described = described;
    const { study, protocol, expressions, n_takes: takes, duration_s: duration, masks, places, consent, keep_audible: audible } = collection;
    const varied = [masks.length > 1 ? "with and without a mask" : "", places.length > 1 ? `in ${places.length} places` : ""].filter(Boolean).join(", ");
    const minutes = Math.max(1, Math.round((takes * (duration + COUNTDOWN_S)) / 60));
    write(this.parts.lead, `For the study “${study}” (protocol ${protocol}): ${counted(takes, "take")} of ${counted(duration, "second")}${varied ? `, ${varied}` : ""}, about ${counted(minutes, "minute")} in all. Pause, redo or stop when you like: what is done stays done.`);
    drawChips(this.parts.chips, expressions);
    write(this.parts.consent, consent);
    write(this.parts.kept, audible ? "This study stores all sound of a take, speech too. Nothing is kept between takes." : "No speech is kept, and nothing between takes.");
    this.parts.fields.replaceChildren(this.#subjectField(going));
  }

  request(audio) {
    return { type: "start-collect", audio, consent: true, subject: (this.subject ?? this.root.querySelector("#collect-subject").value.trim()) || null };
  }

  begun({ subject }) {
    this.subject = subject; // after a lost connection the same person goes on
    this.parts.before.hidden = this.parts.result.hidden = true;
    if (this.stage.holder.hidden) this.stage.open();
  }

  sent(nSamples) { this.stage.sent(nSamples); }
  paused() { this.stage.lost(); }
  refused() { this.stage.refused(); }

  hear(message) {
    if (message.type === "prompt") this.stage.prompt(message);
    if (message.type === "take-done") this.stage.takeDone(message);
    if (message.type !== "collected") return;
    this.session.stop();
    this.#done(message);
  }

  ended() {
    this.stage.close();
    this.parts.before.hidden = false;
    const field = this.root.querySelector("#collect-subject");
    if (field && this.subject) field.value = this.subject; // start again and it goes on with them
    this.subject = null;
  }

  #done({ subject, progress }) {
    const next = make("button", { type: "button", class: "primary" }, "Next person");
    next.addEventListener("click", () => {
      this.root.querySelector("#collect-subject").value = "";
      this.agree.checked = false;
      this.parts.result.hidden = true;
      this.parts.before.hidden = false;
      this.root.querySelector("h1").focus();
    });
    const title = make("h2", { class: "verdict", tabindex: "-1" }, progress.n_done >= progress.n_prompts ? "All done. Thank you." : "Finished. Thank you.");
    const skipped = progress.n_skipped ? `, ${progress.n_skipped} left out` : "";
    this.parts.result.replaceChildren(
      make("p", { class: "pill", "data-state": "good" }, "Stored"), title,
      make("p", {}, `${progress.n_done} of ${progress.n_prompts} takes of person ${subject} are stored${skipped}. To remove them all: mien collect STUDY --forget ${subject}.`),
      make("div", { class: "actions" }, next));
    this.parts.before.hidden = true;
    this.parts.result.hidden = false;
    title.focus({ preventScroll: true });
    announce(title.textContent, { now: true });
  }

  #subjectField(going) {
    const input = make("input", { type: "text", id: "collect-subject", autocomplete: "off", autocapitalize: "off", spellcheck: "false", maxlength: "32",
      "aria-describedby": "collect-subject-hint collect-subject-fault", value: going ?? "" });
    const fault = make("p", { class: "fault", id: "collect-subject-fault", hidden: true }, "Letters and digits only, without spaces; no names.");
    input.addEventListener("input", () => this.#fault(input, fault, false));
    const hint = going ? `${going} is not finished: leave it to go on.` : "A code of letters and digits, not a name. Empty: the next free number. Whoever types the code of a person who is not finished goes on with them.";
    return make("div", {}, make("label", { for: "collect-subject" }, "Person", make("span", { class: "hint", id: "collect-subject-hint" }, hint)), input, fault);
  }

  #valid() {
    const subject = this.root.querySelector("#collect-subject");
    const wrong = !/^[A-Za-z0-9]{0,32}$/.test(subject.value.trim());
    this.#fault(subject, this.root.querySelector("#collect-subject-fault"), wrong);
    this.#fault(this.agree, this.root.querySelector("#agree-fault"), !this.agree.checked);
    (wrong ? subject : this.agree.checked ? null : this.agree)?.focus();
    return !wrong && this.agree.checked;
  }

  #fault(input, text, wrong) {
    input.setAttribute("aria-invalid", wrong);
    text.hidden = !wrong;
    if (wrong) announce(text.textContent, { now: true });
  }
}
