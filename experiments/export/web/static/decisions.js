// From probabilities per moment to letters that are written once: unvoiced/streams/decisions.py.
// All times are seconds of the stream; no function reads a clock.

const MAX_CHARACTERS = 100_000;  // of a text; its beginning is dropped
export const PAUSE_LABEL = "nothing";  // a class that is never written
const KEY_LABELS = new Map([["space", " "], ["del", ""]]);  // classes that stand for a key
export const TOLERANCE_S = 1e-9;  // rounding of times

/** @typedef {{kind: "started" | "held" | "released", label: string, probability: number, seconds: number,
 *   probabilities?: Float64Array}} Event with the mean probabilities of the labels during a hold */

/** The letters or words written so far. */
export class TextBuffer {
  /** @param {boolean} isJoined labels are letters; otherwise words, with a space between them */
  constructor(isJoined = true) {
    this.text = "";
    this.isJoined = isJoined;
  }

  /** Write a label; "space" and "del" act as keys, "nothing" is ignored. */
  add(label) {
    if (label === "del") {
      this.text = [...this.text].slice(0, -1).join("");
    } else if (label !== PAUSE_LABEL) {
      const separator = this.isJoined || !this.text ? "" : " ";
      this.text = [...this.text + separator + (KEY_LABELS.get(label) ?? label)].slice(-MAX_CHARACTERS).join("");
    }
  }
}

/** Return the index of the largest number, the first of equal ones. */
export function findLargest(values) {
  let best = 0;
  for (let n = 1; n < values.length; n += 1) if (values[n] > values[best]) best = n;
  return best;
}

/** Detects signs that are held: each counts once, and again after it was released. */
export class HoldDetector {
  /**
   * @param {{smooth_s?: number, hold_s?: number, release_s?: number, repeat_s?: number | null,
   *   min_probability?: number, keep_probability?: number}} settings seconds and shares
   */
  constructor(settings = {}) {
    const defaults = { smooth_s: 0.15, hold_s: 0.5, release_s: 0.2, repeat_s: 3.0, min_probability: 0.5, keep_probability: 0.3 };
    this.settings = { ...defaults, ...settings };
    this.lastS = -Infinity;
    this.countedS = 0;
    this.forget();
  }

  /**
   * Return the events of the probabilities of the labels at a time of the stream.
   *
   * @param {(label: string) => boolean} canStart whether a label that was held for long enough may count
   */
  push(probabilities, labels, seconds, canStart = () => true) {
    const { min_probability, repeat_s, hold_s } = this.settings;
    const mean = this.updateMean(probabilities, seconds), best = findLargest(mean);
    const events = this.detectRelease(mean, best, labels, seconds);
    const isPresent = mean[best] >= min_probability;
    if (this.candidate !== best || !isPresent) {
      this.candidate = isPresent ? best : -1;
      this.candidateSinceS = seconds;
      this.forgetHold();
    }
    this.holdCount += 1;
    this.holdSum = this.holdSum?.map((sum, n) => sum + probabilities[n]) ?? Float64Array.from(probabilities);
    if (labels[best] === PAUSE_LABEL || !isPresent) return events;
    if (best === this.current) {
      if (repeat_s !== null && seconds - this.countedS >= repeat_s - TOLERANCE_S) {
        this.countedS = seconds;
        events.push(this.countHold("held", best, labels, seconds));
      }
    } else if (this.current < 0 && seconds - this.candidateSinceS >= hold_s - TOLERANCE_S && canStart(labels[best])) {
      this.current = best;
      this.countedS = seconds;
      this.absentSinceS = null;
      events.push(this.countHold("started", best, labels, seconds));
    }
    return events;
  }

  /** Return the release of the sign that is held at the end of the stream. */
  end(labels, seconds) {
    return this.current < 0 ? [] : [this.release(this.mean, labels, seconds)];
  }

  /** Forget all probabilities so far, such as when the classes are others. */
  forget() {
    this.mean = null;
    this.candidate = this.current = -1;
    this.candidateSinceS = 0;
    this.absentSinceS = null;
    this.forgetHold();
  }

  /** Forget the probabilities since the candidate appeared, or since it counted last. */
  forgetHold() {
    this.holdSum = null;
    this.holdCount = 0;
  }

  countHold(kind, best, labels, seconds) {
    const probabilities = this.holdSum.map((sum) => sum / this.holdCount);
    this.forgetHold();
    return { kind, label: labels[best], probability: this.mean[best], seconds, probabilities };
  }

  updateMean(probabilities, seconds) {
    const passedS = seconds - this.lastS, { smooth_s } = this.settings;
    this.lastS = seconds;
    const weight = smooth_s ? 1 - Math.exp(-Math.max(passedS, 0) / smooth_s) : 1;
    const start = this.mean ?? Float64Array.from(probabilities);
    this.mean = start.map((value, n) => value + (this.mean ? weight : 1) * (probabilities[n] - value));
    return this.mean;
  }

  detectRelease(mean, best, labels, seconds) {
    if (this.current < 0) return [];
    const { min_probability, keep_probability, release_s } = this.settings;
    const isReplaced = best !== this.current && mean[best] >= min_probability;
    if (mean[this.current] >= keep_probability && !isReplaced) {
      this.absentSinceS = null;
      return [];
    }
    this.absentSinceS ??= seconds;
    if (seconds - this.absentSinceS < release_s - TOLERANCE_S) return [];
    return [this.release(mean, labels, seconds)];
  }

  release(mean, labels, seconds) {
    const released = this.current;
    this.current = -1;
    this.absentSinceS = null;
    return { kind: "released", label: labels[released], probability: mean[released], seconds };
  }
}
