// Letters of the hand alphabet, read from a stream of images: unvoiced/streams/fingerspelling.py.
import { HoldDetector, PAUSE_LABEL, TOLERANCE_S } from "./decisions.js";
import { HandFinder, HandLandmarkerFactory, HandTracker } from "./hands.js";
import { HoldCapturer } from "./holds.js";
import { limitSide } from "./images.js";
import { NO_READING } from "./recognizer.js";
import { HAND_SIZE, drawHand, standardizeRatio, hasStandardRatio } from "./skeleton.js";
import { ShapeHistory } from "./stillness.js";

const OTHER_HANDS = "model/about.json states another number of hands than its model reads. Export the app again.";
const MAX_FRAMES = 1000;  // of one answer

/** Reads every frame; a letter counts when it is held, or drawn. */
export class FingerspellingStream {
  static writtenKinds = ["started", "held"];

  /** @param {import("./recognizer.js").Recognizer} recognizer predicts letters */
  constructor(recognizer) {
    const { app, input, frame } = recognizer.about;
    if (frame.shape.length !== 1 || frame.shape[0] !== HAND_SIZE * app.detector.num_hands) throw new Error(OTHER_HANDS);
    this.recognizer = recognizer;
    this.app = app;
    this.numFrames = input.frames;
    this.history = [];
    this.reading = NO_READING;
    this.detector = new HoldDetector(app.settings);
    this.minProbability = this.detector.settings.min_probability;
    this.shapes = new ShapeHistory(this.detector.settings.hold_s, app.settings.max_change ?? Infinity);
    this.staticLabels = new Set(app.settings.static_labels);  // which are shapes, not movements
    this.useStandardRatio = hasStandardRatio(recognizer.about.reader);
    this.listLabels();
  }

  /** List the labels of the probabilities: the classes of the model or profile, and a pause. */
  listLabels() {
    this.classes = this.recognizer.classes;
    this.labels = [...this.classes];
    if (!this.labels.includes(PAUSE_LABEL)) this.labels.push(PAUSE_LABEL);
  }

  /** Load the hand model, and read an empty image: the first one takes longest. */
  async load(parts) {
    this.factory = new HandLandmarkerFactory(parts, this.app.detector);
    await this.factory.load();
    const tracker = new HandTracker(this.factory);
    await tracker.load();
    tracker.push(new OffscreenCanvas(64, 64));
    this.tracker = tracker;
    this.finder = new HandFinder(this.factory);
    await this.recognizer.predictProbabilities(new Float32Array(this.numFrames * this.recognizer.about.frame.shape[0]));
  }

  /** Forget the hand and the letters so far. */
  restart() {
    this.detector = new HoldDetector(this.app.settings);
    this.listLabels();
    this.shapes.push(null, 0);
    this.history = [];  // landmarks and seconds of the time that the network takes
    this.reading = NO_READING;
    this.hand = this.landmarks = null;  // in the image, and as the model takes it
  }

  /** Return another stream of the same models, such as for a file. */
  async openAnother() {
    const stream = new FingerspellingStream(this.recognizer);
    stream.tracker = new HandTracker(this.factory);
    await stream.tracker.load();
    stream.restart();
    return stream;
  }

  /** Release the tracker. */
  close() {
    this.tracker.close();
  }

  /** Read an image and return the events. */
  async push(image, seconds, timer) {
    const events = this.followClasses(seconds);
    timer.measure("landmarks", () => this.track(image));
    const probabilities = await timer.measureLater("network", () => this.predict(seconds));
    this.shapes.push(this.landmarks, seconds);
    const canStart = (label) => !this.staticLabels.has(label) || this.shapes.isStill();
    const decide = () => this.detector.push(probabilities, this.labels, seconds, canStart);
    return [...events, ...timer.measure("decision", decide)];
  }

  /** Release the letter that is held where the recognizer has another profile now. */
  followClasses(seconds) {
    if (this.classes === this.recognizer.classes) return [];
    const events = this.detector.end(this.labels, seconds);
    this.detector.forget();
    this.listLabels();
    return events;
  }

  /** Return the events of the end of the stream: the release of the letter that is still held. */
  end(seconds) {
    return this.detector.end(this.labels, seconds);
  }

  /** Follow the hand into the next image; return its landmarks as the model takes them, null for none. */
  track(image) {
    this.hand = this.tracker.push(limitSide(image, this.app.detector.max_tracked_side));
    this.landmarks = this.hand && this.convert(this.hand, image);
    return this.landmarks;
  }

  /** Return the landmarks of a hand in an image as the model takes them. */
  convert({ landmarks }, { width, height }) {
    return this.useStandardRatio ? standardizeRatio(landmarks, width / height) : landmarks;
  }

  /** Return the capturer of a lesson's signs; it takes the results of track. */
  createCapturer() {
    return new HoldCapturer(this.numFrames);
  }

  /** Return the answer for a single image, the hand in it, and its landmarks as the model takes them. */
  async readImage(image) {
    const hand = await this.finder.find(image);
    if (!hand) return { reading: NO_READING, hand, landmarks: null };
    const landmarks = this.convert(hand, image), probabilities = await this.recognizer.predictProbabilities(landmarks);
    return { reading: this.recognizer.toReading(probabilities), hand, landmarks };
  }

  get hasFound() {
    return Boolean(this.hand);
  }

  /** Draw a hand, by default that of the last frame. */
  annotate(context, hand = this.hand) {
    if (hand) drawHand(context, hand.landmarks);
  }

  /** Return the probabilities of the labels, including one for a pause. */
  async predict(seconds) {
    if (!this.hand) {
      this.history = [];
      this.reading = NO_READING;
      return this.labels.map((label) => Number(label === PAUSE_LABEL));
    }
    const probabilities = await this.recognizer.predictProbabilities(this.collectLandmarks(this.landmarks, seconds));
    this.reading = this.recognizer.toReading(probabilities);
    return [...probabilities, ...Array(this.labels.length - probabilities.length).fill(0)];
  }

  /** Return the landmarks of the time that the network takes, whatever the camera's frame rate. */
  collectLandmarks(landmarks, seconds) {
    const earlier = this.history.filter((frame) => frame.seconds < seconds);  // the clock may stand still
    this.history = [...earlier, { landmarks, seconds }].slice(-MAX_FRAMES)
      .filter((frame) => seconds - frame.seconds <= this.app.settings.window_s + TOLERANCE_S);
    const frames = new Float32Array(landmarks.length * this.history.length);
    this.history.forEach((frame, n) => frames.set(frame.landmarks, n * landmarks.length));
    return frames;
  }
}
