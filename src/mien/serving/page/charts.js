// Pictures on canvases, in the page's colours, sharp on every screen, redrawn when size or colours change.

const SPAN_S = 20;
const RIBBON = 16;
const KHZ_LABEL = 24; // so wide is the label of a band, with room beside it

class Chart {
  #asked = 0;
  #drawnAt = -Infinity;
  #still = matchMedia("(prefers-reduced-motion: reduce)");

  constructor(canvas) {
    this.canvas = canvas;
    new ResizeObserver(() => this.redraw(true)).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw(true));
  }

  /** Draw with the next frame; for who wants less motion, at most once a second. */
  redraw(now = false) {
    if (this.#asked) return;
    const wait = now || !this.#still.matches ? 0 : Math.max(0, 1000 - (performance.now() - this.#drawnAt));
    this.#asked = setTimeout(() => requestAnimationFrame(() => {
      this.#asked = 0;
      this.#drawnAt = performance.now();
      this.#draw();
    }), wait);
  }

  #draw() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (!width || !height) return;
    const scale = window.devicePixelRatio || 1;
    this.canvas.width = Math.round(width * scale);
    this.canvas.height = Math.round(height * scale);
    const pen = this.canvas.getContext("2d");
    pen.scale(scale, scale);
    const style = getComputedStyle(this.canvas);
    pen.font = `12px ${style.fontFamily}`;
    this.draw(pen, width, height, (name) => style.getPropertyValue(`--${name}`).trim() || style.color);
  }
}

function rule(pen, y, left, right, colour, dashes = []) {
  pen.strokeStyle = colour;
  pen.lineWidth = 1;
  pen.setLineDash(dashes);
  pen.beginPath();
  pen.moveTo(left, Math.round(y) + 0.5);
  pen.lineTo(right, Math.round(y) + 0.5);
  pen.stroke();
  pen.setLineDash([]);
}

function label(pen, text, x, y, colour, align = "left") {
  pen.fillStyle = colour;
  pen.textAlign = align;
  pen.textBaseline = "middle";
  pen.fillText(text, x, y);
}

/** Where the drawing begins, so that these labels of its lines have room before it. */
const besides = (pen, texts) => Math.ceil(Math.max(...texts.map((text) => pen.measureText(text).width))) + 8;

/** Probabilities over the last 20 seconds, and below them the answers as a ribbon; what was not answered stays empty in both. */
export class Timeline extends Chart {
  #rows = [];
  #hop = 0;
  #dropped = 0;

  /** Begin anew, with the seconds from one answer to the next. */
  clear(hop) {
    this.#rows = [];
    this.#hop = hop;
    this.#dropped = 0;
    this.redraw();
  }

  /** An answer holds for one hop; the one after dropped windows does not reach back over them. */
  add({ time_s: time, probabilities, expression, n_dropped_windows: dropped }) {
    const last = this.#rows.at(-1);
    const joined = last !== undefined && dropped === this.#dropped && time - last.time < 2 * this.#hop;
    this.#dropped = dropped;
    this.#rows.push({ from: joined ? last.time : time - this.#hop, time, joined, probabilities, expression });
    while (this.#rows[0].time < time - SPAN_S) this.#rows.shift();
    this.redraw();
  }

  draw(pen, width, height, colour) {
    const shares = [0, 0.5, 1].map((share) => [share, `${100 * share} %`]);
    const left = besides(pen, shares.map(([, text]) => text)), right = width - 4, top = 8, low = height - RIBBON - 30;
    const end = this.#rows.at(-1)?.time ?? 0;
    const x = (time) => right - ((end - time) / SPAN_S) * (right - left);
    const y = (share) => low - share * (low - top);
    for (const [share, text] of shares) {
      rule(pen, y(share), left, right, colour("line"));
      label(pen, text, left - 6, y(share), colour("muted"), "right");
    }
    for (const [text, place, align] of [["20 s ago", left, "left"], ["10 s", (left + right) / 2, "center"], ["now", right, "right"]]) {
      label(pen, text, place, height - 8, colour("muted"), align);
    }
    const names = Object.keys(this.#rows.at(-1)?.probabilities ?? {});
    const last = this.#rows.at(-1)?.probabilities ?? {};
    names.sort((a, b) => last[a] - last[b]); // the most probable on top
    pen.lineJoin = "round";
    for (const name of names) {
      pen.strokeStyle = colour(name);
      pen.lineWidth = name === names.at(-1) ? 3 : 1.5;
      pen.beginPath();
      for (const { from, time, joined, probabilities } of this.#rows) {
        const level = y(probabilities[name] ?? 0);
        if (!joined) pen.moveTo(Math.max(left, x(from)), level);
        pen.lineTo(x(time), level);
      }
      pen.stroke();
    }
    this.#ribbon(pen, x, left, right, height - RIBBON - 20, colour);
  }

  #ribbon(pen, x, left, right, top, colour) {
    pen.fillStyle = colour("soft");
    pen.fillRect(left, top, right - left, RIBBON);
    for (const row of this.#rows) {
      const from = Math.max(left, x(row.from)), to = x(row.time);
      pen.fillStyle = colour(row.expression);
      if (row.expression !== "unsure") pen.fillRect(from, top, to - from + 0.5, RIBBON);
      else for (let at = Math.ceil(from / 4) * 4; at < to; at += 4) pen.fillRect(at, top, 1.5, RIBBON);
    }
  }
}

/** The latest echo profile, near to far. */
export class Profile extends Chart {
  #values = [];
  #ends = [];

  /** Begin anew, with the distances of the first and the last value in metres, where they are known. */
  scale(ends) {
    this.#ends = ends;
    this.show([]);
  }

  show(values) {
    this.#values = values;
    this.redraw();
  }

  draw(pen, width, height, colour) {
    const left = 4, right = width - 4, top = 8, low = height - 24;
    rule(pen, low, left, right, colour("line"));
    const [near, far] = this.#ends.length === 2 ? this.#ends.map((metres) => `${Math.round(100 * metres)} cm`) : ["near", "far"];
    label(pen, near, left, height - 9, colour("muted"));
    label(pen, far, right, height - 9, colour("muted"), "right");
    const n = this.#values.length;
    if (n < 2) return;
    const x = (cell) => left + (cell / (n - 1)) * (right - left);
    const y = (value) => low - Math.min(1, Math.max(0, value)) * (low - top);
    pen.beginPath();
    pen.moveTo(left, low);
    this.#values.forEach((value, cell) => pen.lineTo(x(cell), y(value)));
    pen.lineTo(right, low);
    pen.closePath();
    pen.fillStyle = colour("tint");
    pen.fill();
    pen.beginPath();
    this.#values.forEach((value, cell) => pen[cell ? "lineTo" : "moveTo"](x(cell), y(value)));
    pen.strokeStyle = colour("accent");
    pen.lineWidth = 2;
    pen.lineJoin = "round";
    pen.stroke();
  }
}

/** Signal-to-noise of each kilohertz against what is needed; the band that mien uses stands on a tint. */
export class Bands extends Chart {
  #bands;
  #needed;
  #used;

  constructor(canvas, bands, { needed, used }) {
    super(canvas);
    this.#bands = bands;
    this.#needed = needed;
    this.#used = used;
  }

  draw(pen, width, height, colour) {
    const left = besides(pen, ["-20 dB", "100 dB"]), right = width - 10, top = 10, low = height - 40;
    const lowest = Math.min(0, ...this.#bands.map((band) => band.snr_db ?? 0));
    const most = Math.max(60, ...this.#bands.map((band) => band.snr_db ?? 0));
    const from = this.#bands[0].low_hz, to = this.#bands.at(-1).high_hz;
    const x = (hz) => left + ((hz - from) / (to - from)) * (right - left);
    const y = (db) => low - ((db - lowest) / (most - lowest)) * (low - top);
    pen.fillStyle = colour("tint");
    pen.fillRect(x(this.#used[0]), top, x(this.#used[1]) - x(this.#used[0]), low - top);
    for (let db = Math.ceil(lowest / 20) * 20; db <= most; db += 20) {
      rule(pen, y(db), left, right, colour("line"));
      label(pen, `${db} dB`, left - 6, y(db), colour("muted"), "right");
    }
    const bar = (right - left) / this.#bands.length;
    const every = Math.ceil(KHZ_LABEL / bar);
    [...this.#bands.map((band) => band.low_hz), to].forEach((hz, n) => {
      if (n % every === 0) label(pen, `${hz / 1000}`, x(hz), height - 28, colour("muted"), "center");
    });
    for (const band of this.#bands) {
      const middle = x((band.low_hz + band.high_hz) / 2);
      if (band.snr_db === null || band.snr_db === undefined) {
        label(pen, "?", middle, low - 10, colour("muted"), "center");
        continue;
      }
      pen.fillStyle = colour(band.snr_db >= this.#needed ? "accent" : "bad-line");
      pen.fillRect(middle - bar * 0.32, Math.min(y(band.snr_db), y(0)), bar * 0.64, Math.max(1.5, Math.abs(y(0) - y(band.snr_db))));
    }
    label(pen, "frequency, kHz", (left + right) / 2, height - 9, colour("muted"), "center");
    rule(pen, y(this.#needed), left, right, colour("ink"), [5, 4]);
  }
}

/** How strongly speaker and microphone together pass each frequency, relative to 1-4 kHz. */
export class Response extends Chart {
  #points;
  #used;

  constructor(canvas, { frequency_hz: frequencies, response_db: levels }, used) {
    super(canvas);
    this.#points = frequencies.map((hz, n) => [hz, levels[n]]).filter(([, db]) => Number.isFinite(db));
    this.#used = used;
  }

  draw(pen, width, height, colour) {
    const left = besides(pen, ["-60 dB"]), right = width - 24, top = 8, low = height - 26;
    const [most, least] = [10, -60];
    const x = (hz) => left + (hz / 24_000) * (right - left);
    const y = (db) => low - ((Math.min(most, Math.max(least, db)) - least) / (most - least)) * (low - top);
    pen.fillStyle = colour("tint");
    pen.fillRect(x(this.#used[0]), top, x(this.#used[1]) - x(this.#used[0]), low - top);
    for (const db of [0, -20, -40, -60]) {
      rule(pen, y(db), left, right, colour("line"));
      label(pen, `${db} dB`, left - 6, y(db), colour("muted"), "right");
    }
    for (const khz of [0, 6, 12, 18, 24]) label(pen, `${khz} kHz`, x(1000 * khz), height - 9, colour("muted"), "center");
    pen.beginPath();
    this.#points.forEach(([hz, db], n) => pen[n ? "lineTo" : "moveTo"](x(hz), y(db)));
    pen.strokeStyle = colour("accent");
    pen.lineWidth = 1.75;
    pen.stroke();
  }
}
