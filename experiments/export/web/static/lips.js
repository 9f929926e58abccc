// Words, read from a stream of images of a face: unvoiced/streams/lips.py.
import { FaceDetector } from "./faces.js";
import { roundEven } from "./images.js";
import { measureMotion, measureNoise } from "./mouth_motion.js";
import { NO_READING } from "./recognizer.js";
import { RestBaseline, SpeechSegmenter, WordPeakPicker } from "./speech_segments.js";
import { MouthTracker } from "./trackers.js";
import { WordCapturer } from "./words.js";

const TOLERANCE_S = 1e-9;  // rounding of times

/** Reads speech between two rests as one word, and longer speech in overlapping windows. */
export class LipStream {
  static writtenKinds = ["released"];

  /**
   * @param {import("./recognizer.js").Recognizer} recognizer predicts words
   * @param {FaceDetector} [detector] that streams share
   */
  constructor(recognizer, detector = new FaceDetector(recognizer.about.app.detector)) {
    const { app, frame } = recognizer.about, { settings } = app;
    this.recognizer = recognizer;
    this.detector = detector;
    this.app = app;
    this.settings = settings;
    this.fps = frame.rate;
    this.shape = frame.shape;
    this.minProbability = settings.min_probability;
    this.restart();
  }

  /** Load the face model, and read empty images: the first ones take longest. */
  async load(parts) {
    await this.detector.load(parts);
    this.detector.read(new OffscreenCanvas(64, 64));
    const [height, width] = this.shape;
    await this.recognizer.predictProbabilities(new Uint8Array(this.recognizer.about.input.frames * height * width));
  }

  /** Forget the face and the words so far. */
  restart() {
    const { settings } = this, keepS = settings.window_s + 2 * settings.quiet_s + settings.hop_s;
    this.segmenter = new SpeechSegmenter(settings);
    this.baseline = new RestBaseline(settings);
    this.tracker = this.openTracker(keepS);
    this.reading = NO_READING;
    this.openWord = "";
    this.lastReadingS = this.doneS = -Infinity;
    this.speech = this.peaks = null;  // [start, end so far] in seconds; of speech longer than a word
  }

  /** Return another stream of the same models, such as for a file. */
  openAnother() {
    return new LipStream(this.recognizer, this.detector);
  }

  /** Return the image itself: a capturer has a stream of its own. */
  track(image) {
    return image;
  }

  /** Return the capturer of a lesson's words; it takes the results of track. */
  createCapturer() {
    return new WordCapturer(this.openAnother());
  }

  /** Release nothing: the models are shared. */
  close() {}

  openTracker(keepS) {
    return new MouthTracker(this.detector, this.fps, this.app.detector, keepS);
  }

  /** Read an image and return the events. */
  async push(image, seconds, timer) {
    timer.measure("landmarks", () => this.tracker.push(image, seconds));
    if (seconds - this.lastReadingS < this.settings.hop_s - TOLERANCE_S) return [];
    return this.readSpeech(seconds, timer, this.settings.quiet_s);
  }

  /** Return the events that the end of the stream completes. */
  async end(seconds, timer) {
    return [...(await this.readSpeech(seconds, timer, -Infinity)), ...this.withdrawWord(seconds)];
  }

  /** Begin a clip that is read as a whole, at `clipFps` images a second. */
  beginClip() {
    this.clipTracker = this.openTracker(Infinity);
    this.numClipImages = 0;
  }

  /** Add the next image of the clip. */
  pushClip(image) {
    this.clipTracker.push(image, this.numClipImages / this.fps);
    this.numClipImages += 1;
    this.tracker = this.clipTracker;  // which is drawn
  }

  /** Return the answer for the clip. */
  async readClip() {
    const crops = this.clipTracker.cropMouths();
    this.reading = crops.length ? await this.readCrops(crops) : NO_READING;
    return this.reading;
  }

  get hasFound() {
    return this.tracker.hasFace;
  }

  /** Draw the window on the mouth of the last image. */
  annotate(context) {
    this.tracker.annotate(context);
  }

  /** Read the speech in the latest crops; it has ended after `quietS` of rest. */
  async readSpeech(seconds, timer, quietS) {
    const { fps, settings } = this, crops = timer.measure("landmarks", () => this.tracker.cropMouths());
    const passedS = Math.min(seconds - this.lastReadingS, crops.length / fps);
    const startS = this.tracker.endS - (crops.length - 1) / fps;
    const segments = timer.measure("decision", () => this.findSegments(crops, passedS));
    this.lastReadingS = seconds;
    const events = [];
    for (const [first, stop] of segments) {
      const stopS = startS + stop / fps;
      if (stopS < seconds - passedS - settings.quiet_s - settings.settle_s) continue;  // decided earlier
      const sinceS = this.findSpeechStart(startS + first / fps);
      if (stopS - sinceS < settings.least_s - TOLERANCE_S) continue;
      this.speech = [sinceS, stopS];
      events.push(...(await this.readSegment(crops, startS, seconds - stopS >= quietS - 1 / fps, timer)));
    }
    return events;
  }

  findSegments(crops, passedS) {
    const numNew = roundEven(passedS * this.fps), { settings, shape, fps } = this;
    const motion = measureMotion(crops, shape, fps, settings);
    const noise = measureNoise(crops.slice(-numNew - 2), shape, settings);
    return this.segmenter.findSegments(this.baseline.subtract(motion, numNew, fps, noise), fps);
  }

  /** Return the start of the speech: maybe before the crops, never in earlier speech. */
  findSpeechStart(firstS) {
    if (this.speech && firstS <= this.speech[1]) return this.speech[0];
    this.peaks = null;
    return Math.max(firstS, this.doneS);
  }

  async readSegment(crops, startS, hasEnded, timer) {
    const [sinceS, stopS] = this.speech, { settings } = this, events = [];
    if (!this.peaks && stopS - sinceS > settings.window_s) {
      this.peaks = new WordPeakPicker(settings.clip_s / 2, this.minProbability, sinceS);
      events.push(...this.withdrawWord(sinceS));
    }
    if (this.peaks) {
      events.push(...(await this.readWindows(crops, startS, hasEnded, timer)));
    } else {
      const from = sinceS - settings.around_s - startS, to = stopS + settings.around_s - startS;
      await timer.measureLater("network", () => this.readSpan(crops, from, to));
      events.push(...this.decideWord(hasEnded, stopS));
    }
    if (hasEnded) Object.assign(this, { speech: null, peaks: null, doneS: stopS });
    return events;
  }

  /** Read the new windows of long speech, and return the events of the peaks. */
  async readWindows(crops, startS, hasEnded, timer) {
    const { peaks, fps } = this, { clip_s } = this.settings, events = [];
    const halfS = clip_s / 2, stepS = Math.max(clip_s / 8, 1 / fps);
    // The second half of a window must be complete.
    const lastS = hasEnded ? this.speech[1] : Math.min(this.speech[1], startS + crops.length / fps - halfS);
    while (peaks.nextS <= lastS) {
      const centreS = peaks.nextS - startS;
      await timer.measureLater("network", () => this.readSpan(crops, centreS - halfS, centreS + halfS));
      events.push(...peaks.push(this.reading, stepS, this.probabilities));
    }
    return hasEnded ? [...events, ...peaks.end()] : events;
  }

  /** Read the crops between two times after the first one. */
  async readSpan(crops, fromS, toS) {
    this.reading = await this.readCrops(this.cutSpan(crops, fromS, toS));
  }

  /** Return the crops between two times after the first one. */
  cutSpan(crops, fromS, toS) {
    const count = Math.max(1, roundEven((toS - fromS) * this.fps)), first = roundEven(fromS * this.fps);
    const last = crops.length - 1;
    return Array.from({ length: count }, (_, n) => crops[Math.min(Math.max(first + n, 0), last)]);
  }

  async readCrops(crops) {
    this.probabilities = await this.recognizer.predictProbabilities(this.joinCrops(crops));
    return this.recognizer.toReading(this.probabilities);
  }

  /** Return crops end to end, as the network takes them. */
  joinCrops(crops) {
    const [height, width] = this.shape, frames = new Uint8Array(crops.length * height * width);
    crops.forEach((crop, n) => frames.set(crop, n * height * width));
    return frames;
  }

  /** Return the events of the last reading: a word starts, is held, or is written. */
  decideWord(hasEnded, seconds) {
    const { label, probability } = this.reading, events = [];
    if (probability < this.minProbability) return hasEnded ? this.withdrawWord(seconds) : [];
    if (this.openWord !== label) {
      events.push(...this.withdrawWord(seconds), { kind: "started", label, probability, seconds });
    }
    this.openWord = hasEnded ? "" : label;
    if (hasEnded) return [...events, { kind: "released", label, probability, seconds, probabilities: this.probabilities }];
    return events.length ? events : [{ kind: "held", label, probability, seconds }];
  }

  /** Release the word that started with probability 0, so that it is not written. */
  withdrawWord(seconds) {
    const label = this.openWord;
    this.openWord = "";
    return label ? [{ kind: "released", label, probability: 0, seconds }] : [];
  }
}
