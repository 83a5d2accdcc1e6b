// Small hands for the document: finding, making, announcing, and the drawn faces.

export const part = (root, name) => root.querySelector(`[data-part="${name}"]`);

/** Make an element: attributes by name, then children (elements or text). */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Write only what changed, so that a screen reader is not told the same thing again. */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Say how many there are of something: "1 take", "2 takes". */
export const counted = (n, thing) => `${n} ${thing}${n === 1 ? "" : "s"}`;

export const capital = (word) => word.charAt(0).toUpperCase() + word.slice(1);

const QUIET_MS = 3000;
let lastSaid = 0;
let waiting = 0;

/** Tell a screen reader, politely and at most once in three seconds; the latest wins. `now` is for the moment to act. */
export function announce(text, { now = false } = {}) {
  const say = () => {
    lastSaid = performance.now();
    write(document.getElementById("announcer"), text);
  };
  clearTimeout(waiting);
  const wait = now ? 0 : Math.max(0, lastSaid + QUIET_MS - performance.now());
  if (wait) waiting = setTimeout(say, wait);
  else say();
}

const DRAWN = new Set(["neutral", "anger", "disgust", "fear", "happiness", "sadness", "surprise", "unsure", "mask"]);
const drawings = new Map();

function drawing(name) {
  if (!drawings.has(name)) {
    const loading = fetch(new URL(`faces/${name}.svg`, import.meta.url))
      .then((answer) => (answer.ok ? answer.text() : Promise.reject(new Error(answer.statusText))))
      .then((text) => new DOMParser().parseFromString(text, "image/svg+xml").documentElement);
    loading.catch(() => drawings.delete(name));
    drawings.set(name, loading);
  }
  return drawings.get(name);
}

/** Draw an expression into `holder`, behind a mask where asked. The word beside it says the same, so it is hidden from readers. */
export async function drawFace(holder, expression, { mask = false } = {}) {
  const asked = `${expression} ${mask}`;
  if (holder.dataset.drawn === asked) return;
  holder.dataset.drawn = asked;
  holder.setAttribute("aria-hidden", "true");
  const names = [DRAWN.has(expression) ? expression : "neutral", ...(mask ? ["mask"] : [])];
  try {
    const layers = await Promise.all(names.map(drawing));
    if (holder.dataset.drawn === asked) holder.replaceChildren(...layers.map((layer) => document.importNode(layer, true)));
  } catch {
    holder.dataset.drawn = ""; // the word still says it
  }
}

/** Show what will be asked for: a small face and how to make it. */
export function drawChips(list, names) {
  list.replaceChildren(...names.map((name) => {
    const face = make("div", { class: "face" });
    drawFace(face, name);
    return make("li", {}, face, make("div", {}, make("strong", {}, capital(name)), make("span", {}, HOW[name] ?? "")));
  }));
}

/** What to do with the face, in one line. */
export const HOW = {
  neutral: "Rest your face. Lips closed, look ahead.",
  anger: "Pull your brows down and together, press your lips.",
  disgust: "Wrinkle your nose, raise your upper lip.",
  fear: "Raise your brows and pull them together, open your eyes wide, stretch your lips.",
  happiness: "Smile wide, let your cheeks rise.",
  sadness: "Raise your inner brows, pull the corners of your mouth down.",
  surprise: "Raise your brows high, let your jaw drop.",
};
