// Speech in the motion of a mouth, and the words in long speech: unvoiced/streams/speech.py.
import { roundEven } from "./images.js";
import { median, quantile } from "./numbers.js";

/** Finds speech: segments in which a mouth moves more than at rest. */
export class SpeechSegmenter {
  /** @param {{speech_on: number, speech_off: number, quiet_s: number, least_s: number, around_s: number, smear_s: number}} settings */
  constructor(settings) {
    this.settings = settings;
  }

  /** Return the [first, stop] frames of speech in the motion; the last one may continue. */
  findSegments(motion, fps) {
    const { speech_on, quiet_s, least_s, smear_s } = this.settings, segments = [];
    for (const [first, stop] of this.findMoving(motion)) {
      if (Math.max(...motion.subarray(first, stop)) < speech_on) continue;
      const isSame = segments.length && first - segments.at(-1)[1] < quiet_s * fps;
      if (isSame) segments.at(-1)[1] = stop; else segments.push([first, stop]);
    }
    const smear = roundEven(smear_s * fps), minFrames = Math.max(1, least_s * fps - 1e-6);
    return segments.map(([first, stop]) => [first + smear, stop - smear]).filter(([first, stop]) => stop - first >= minFrames);
  }

  /** Return the [first, stop] frames of motion that is not rest. */
  findMoving(motion) {
    const runs = [];
    motion.forEach((value, n) => {
      if (!(value >= this.settings.speech_off)) return;
      if (runs.length && runs.at(-1)[1] === n) runs.at(-1)[1] = n + 1; else runs.push([n, n + 1]);
    });
    return runs;
  }
}

/** Picks words from overlapping windows of long speech, by the peaks of their probability. */
export class WordPeakPicker {
  /**
   * @param {number} apartS smallest distance between the centres of two words, seconds
   * @param {number} minProbability threshold for a word
   * @param {number} nextS centre of the window that is read next, seconds
   */
  constructor(apartS, minProbability, nextS) {
    this.apartS = apartS;
    this.minProbability = minProbability;
    this.nextS = nextS;
    this.undecided = [];
    this.lastS = -Infinity;
  }

  /**
   * Add the reading of the window at `nextS`, move on by `stepS`, and return new words.
   * @param {{label: string, probability: number}} reading
   * @param {number} stepS seconds until the next window
   * @param {Float64Array | null} [probabilities] of all words, which its word keeps
   */
  push({ label, probability }, stepS, probabilities = null) {
    const seconds = this.nextS;
    this.nextS += stepS;
    if (probability >= this.minProbability) this.undecided.push({ label, probability, seconds, probabilities });
    return this.decideWords(seconds - this.apartS);
  }

  /** Return the remaining words. */
  end() {
    return this.decideWords(Infinity);
  }

  /** Return the events of words whose windows are centred up to `untilS`. */
  decideWords(untilS) {
    const words = this.findPeaks().filter(({ seconds }) => seconds <= untilS);
    this.lastS = Math.max(this.lastS, ...words.map(({ seconds }) => seconds));
    this.undecided = this.undecided.filter(({ seconds }) => seconds > untilS);
    return words.flatMap((word) => ["started", "released"].map((kind) => ({ kind, ...word })));
  }

  /** Return the most probable windows, greedily, `apartS` from each other; in order. */
  findPeaks() {
    const peaks = [];
    for (const candidate of [...this.undecided].sort((a, b) => b.probability - a.probability)) {
      const times = [this.lastS, ...peaks.map(({ seconds }) => seconds)];
      if (times.every((seconds) => Math.abs(candidate.seconds - seconds) >= this.apartS - 1e-6)) peaks.push(candidate);
    }
    return peaks.sort((a, b) => a.seconds - b.seconds);
  }
}

/** The apparent motion of a mouth at rest: noise of the camera, and a swaying head. */
export class RestBaseline {
  /** @param {{memory_s: number, rest_share: number, max_motion: number}} settings */
  constructor(settings) {
    this.settings = settings;
    this.history = [];
    this.noise = [];
  }

  /** Return the motion beyond that of rest; its last `numNew` frames are new, and have this noise. */
  subtract(motion, numNew, fps, noise) {
    const { memory_s, rest_share, max_motion } = this.settings, limit = roundEven(memory_s * fps);
    this.history = keepLast([...this.history, ...motion.subarray(Math.max(0, motion.length - numNew))], limit);
    this.noise = keepLast([...this.noise, ...noise], limit);
    if (!this.history.length) return motion;
    const most = Math.max(max_motion, this.noise.length ? median(this.noise) : 0);
    const rest = Math.min(quantile(this.history, rest_share), most);
    return motion.map((value) => Math.sqrt(Math.max(value ** 2 - rest ** 2, 0)));
  }
}

/** Return the last `limit` values; all of them for 0, as a slice of Python does. */
function keepLast(values, limit) {
  return limit ? values.slice(-limit) : values;
}
