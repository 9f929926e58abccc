// A lesson: a model asks for one sign or word after the other, and captures each a few times: unvoiced/teaching/lesson.py.
import { StreamClock } from "./clock.js";

const MAX_LABELS = 300, MAX_SHOTS = 10, READY_S = 1.5, PAUSE_S = 0.25, USUAL_S = 0.8;

/** Asks for classes, and keeps their recordings. */
export class Lesson {
  /**
   * @param {string[]} labels the classes in order; the model need not know them
   * @param {number} shots recordings per class
   * @param {import("./support.js").SupportSet} support gets the recordings
   * @param {{push: Function, restart: Function, isVisible: boolean}} capturer
   */
  constructor(labels, shots, support, capturer) {
    const isCount = Number.isInteger(shots) && shots >= 1 && shots <= MAX_SHOTS;
    if (!labels.length || labels.length > MAX_LABELS || !isCount) {
      throw new Error(`A lesson of ${labels.length} classes, ${shots} times each; expected 1 to ${MAX_LABELS} classes, 1 to ${MAX_SHOTS} times.`);
    }
    support.requireRoom(labels, shots);
    this.labels = labels;
    this.shots = shots;
    this.support = support;
    this.capturer = capturer;
    this.index = 0;
    this.shot = 0;
    this.captureS = 0;
    this.captured = this.begunS = null;
    this.clock = new StreamClock();
    this.counts = labels.map(() => 0);  // recordings of each class in this lesson
    this.durations = [];  // of the classes so far, seconds
  }

  /** Capture an image; return whether it completes a recording. */
  async push(seen, seconds) {
    const nowS = this.clock.advance(seconds);
    if (this.isDone) return false;
    if (this.begunS === null) {
      this.begunS = nowS;
      this.captureS = nowS + READY_S;
      this.capturer.restart(this.captured?.label !== this.labels[this.index]);
    }
    const capture = await this.capturer.push(seen, nowS);
    if (nowS < this.captureS) {
      this.capturer.restart();
      return false;
    }
    if (!capture) return false;
    await this.keep(this.labels[this.index], capture, nowS);
    return true;
  }

  async keep(label, capture, nowS) {
    const reading = await this.support.add(label, capture.clips);
    this.captured = { label, reading, image: capture.image };
    this.counts[this.index] += 1;
    this.shot += 1;
    this.captureS = nowS + PAUSE_S;
    if (this.shot < this.shots) return;
    this.durations.push(nowS - this.begunS);
    this.goTo(this.index + 1);
  }

  /** Ask again for this class, or for the one before if this one has no recording yet. */
  redo() {
    const index = this.shot ? this.index : Math.max(0, this.index - 1);
    this.support.removeLast(this.labels[index], this.counts[index]);
    this.counts[index] = 0;
    this.goTo(index);
  }

  /** Ask for the next class; recordings of this one are kept. */
  skip() {
    if (!this.isDone) this.goTo(this.index + 1);
  }

  /** End the lesson; its recordings are kept. */
  stop() {
    this.goTo(this.labels.length);
  }

  get isDone() {
    return this.index >= this.labels.length;
  }

  /** The current prompt. */
  get progress() {
    const countdownS = this.begunS === null ? READY_S : Math.max(0, this.captureS - (this.clock.nowS ?? 0));
    const isReady = this.shot === 0 && countdownS > 0;
    return {
      phase: this.isDone ? "done" : isReady ? "ready" : "capture", label: this.isDone ? "" : this.labels[this.index],
      index: this.index, total: this.labels.length, shot: this.shot, shots: this.shots,
      countdown_s: countdownS, remaining_s: this.estimateSeconds(), is_visible: this.capturer.isVisible,
    };
  }

  goTo(index) {
    this.index = index;
    this.shot = 0;
    this.begunS = null;
  }

  estimateSeconds() {
    const sorted = [...this.durations].sort((a, b) => a - b), middle = (sorted.length - 1) / 2;
    const usualS = READY_S + this.shots * USUAL_S;
    const medianS = sorted.length ? (sorted[Math.floor(middle)] + sorted[Math.ceil(middle)]) / 2 : usualS;
    return medianS * (this.labels.length - this.index - this.shot / this.shots);
  }
}
