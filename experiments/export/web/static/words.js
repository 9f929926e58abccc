// Captures words that a mouth forms before a camera: unvoiced/teaching/words.py.
import { roundEven } from "./images.js";

const STRIP_IMAGES = 6;  // mouths of a word that are shown

/** Captures speech between two rests, cut as a live stream cuts it. */
export class WordCapturer {
  /** @param {import("./lips.js").LipStream} stream of this capturer alone; it reads no words */
  constructor(stream) {
    this.stream = stream;
    this.timer = { measure: (_, compute) => compute() };
    stream.readSegment = async (crops, startS, hasEnded) => this.keepSegment(crops, startS, hasEnded);
    this.restart();
  }

  /** Drop the word that has begun. */
  restart() {
    /** @type {Uint8Array[] | null} */
    this.crops = null;  // of the last word
  }

  get isVisible() {
    return this.stream.hasFound;
  }

  /**
   * Read an image.
   * @returns {Promise<import("./holds.js").Capture | null>} the word that it completes
   */
  async push(image, seconds) {
    this.restart();
    await this.stream.push(image, seconds, this.timer);
    return this.crops && { clips: [this.stream.joinCrops(this.crops)], image: drawStrip(this.crops, this.stream.shape) };
  }

  /** Keep the crops of a word that has ended; longer speech is no word. */
  keepSegment(crops, startS, hasEnded) {
    if (!hasEnded) return [];
    const { stream } = this, [sinceS, stopS] = stream.speech, { around_s, window_s } = stream.settings;
    if (stopS - sinceS <= window_s) this.crops = stream.cutSpan(crops, sinceS - around_s - startS, stopS + around_s - startS);
    Object.assign(stream, { speech: null, doneS: stopS });
    return [];
  }
}

/** Return mouths of a word side by side. */
function drawStrip(crops, [height, width]) {
  const count = Math.min(crops.length, STRIP_IMAGES), canvas = new OffscreenCanvas(count * width, height);
  const context = canvas.getContext("2d", { alpha: false });
  for (let n = 0; n < count; n += 1) {
    const crop = crops[count > 1 ? roundEven((n * (crops.length - 1)) / (count - 1)) : 0];
    const pixels = new ImageData(width, height);
    crop.forEach((grey, place) => pixels.data.set([grey, grey, grey, 255], 4 * place));
    context.putImageData(pixels, n * width, 0);
  }
  return canvas;
}
