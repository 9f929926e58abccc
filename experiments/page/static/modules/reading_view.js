// The answer to a frame: bars, the letter, the marked image, the status, and how long answers take.

import { element } from "./dom.js";

const MAX_TIMINGS = 60, STATUS_DELAY_MS = 700;
const NEUTRAL_STATUS = "What the model sees";

/** @param {[string, number]} answer */
function makeBar([label, probability]) {
  const row = document.createElement("li"), name = document.createElement("span");
  const bar = document.createElement("span"), fill = document.createElement("i");
  const number = document.createElement("span"), percent = Math.round(100 * probability);
  name.className = "uv-name";
  name.textContent = label;
  bar.className = "uv-bar";
  bar.setAttribute("aria-hidden", "true");
  fill.style.width = percent + "%";
  bar.append(fill);
  number.textContent = percent + " %";
  row.append(name, bar, number);
  return row;
}

/**
 * Show the likeliest labels.
 * @param {HTMLElement} list
 * @param {[string, number][]} top
 */
export function showBars(list, top) {
  list.replaceChildren(...top.map(makeBar));
}

/**
 * Show an image; a bitmap is drawn into a canvas next to it.
 * @param {HTMLImageElement} view
 * @param {string | ImageBitmap | null} image
 */
export function showImage(view, image) {
  const isBitmap = Boolean(image) && typeof image !== "string";
  let canvas = /** @type {HTMLCanvasElement | null} */ (view.parentElement.querySelector("canvas"));
  if (isBitmap && !canvas) {
    canvas = document.createElement("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", view.alt);
    canvas.className = view.className;
    view.after(canvas);
  }
  view.hidden = isBitmap || !image;
  if (canvas) canvas.hidden = !isBitmap;
  if (typeof image === "string" && image) view.src = image; else view.removeAttribute("src");
  if (!isBitmap) return;
  const bitmap = /** @type {ImageBitmap} */ (image);
  canvas.className = view.className;
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  bitmap.close();
}

/**
 * Show the answer to a frame, without its text.
 * @param {{top: [string, number][], seen: any, found: boolean, sure?: boolean}} reading
 */
export function showReading({ top, seen, found, sure }) {
  const letter = element("letter"), { notFound, notSure } = element("camera").dataset;
  showImage(element("seen"), seen);
  letter.textContent = sure ? top[0][0] : "–";
  letter.classList.toggle("uv-long", Boolean(sure) && top[0][0].length > 3);
  showBars(element("top"), top);
  showStatus(!found ? notFound : sure ? NEUTRAL_STATUS : notSure);
}

/** Show that the camera is off. */
export function clearReading() {
  clearTimeout(statusTimeout);
  statusTimeout = undefined;
  element("status").textContent = NEUTRAL_STATUS;
  showImage(element("seen"), null);
  element("letter").textContent = "–";
  element("letter").classList.remove("uv-long");
  showBars(element("top"), []);
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let statusTimeout;

/**
 * Show a status after a delay, since a screen reader reads every change.
 * @param {string} text
 */
export function showStatus(text) {
  const status = element("status");
  if (status.textContent === text) {
    clearTimeout(statusTimeout);
    statusTimeout = undefined;
  }
  if (statusTimeout || status.textContent === text) return;
  statusTimeout = setTimeout(() => {
    statusTimeout = undefined;
    status.textContent = text;
  }, STATUS_DELAY_MS);
}

/** How long answers take, and how many frames are skipped. */
export class Pace {
  constructor() {
    this.startedAt = performance.now();
    /** @type {number[]} */
    this.timings = [];
    this.numRead = this.numSkipped = 0;
  }

  /**
   * Note an answer.
   * @param {number} takenAt when its frame was taken, ms
   * @param {number} numPresented frames of the camera so far
   */
  add(takenAt, numPresented) {
    this.numRead += 1;
    this.numSkipped = Math.max(0, numPresented - this.numRead);
    this.timings = [...this.timings, performance.now() - takenAt].slice(-MAX_TIMINGS);
  }

  /** @param {number} modelMs duration of the last answer in the model */
  show(modelMs) {
    if (this.numRead % 10 !== 1) return;
    const sorted = [...this.timings].sort((a, b) => a - b), output = element("pace");
    const quantile = (/** @type {number} */ share) =>
      sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))].toFixed(0);
    const fps = (1000 * this.numRead / (performance.now() - this.startedAt)).toFixed(0);
    output.textContent = `From the camera to the answer: ${quantile(0.5)} ms (95 of 100 within ${quantile(0.95)} ms), ` +
      `of which the model ${Math.round(modelMs)} ms. ${fps} frames a second, ${this.numSkipped} skipped.`;
    output.dataset.p50 = quantile(0.5);
    output.dataset.p95 = quantile(0.95);
  }
}
