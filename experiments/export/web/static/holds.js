// Captures signs that are held before a camera: unvoiced/teaching/holds.py.
import { roundEven } from "./images.js";
import { HAND_SIZE, drawLandmarks } from "./skeleton.js";

const HOLD_S = 0.35, MIN_FRAMES = 3, MAX_CLIPS = 6;  // of one recording
const MAX_CHANGE = 0.12, SAME_SHAPE = 0.08;  // mean distances of the joints, in palm lengths
const PATIENCE_S = 3;  // after which a hand that keeps moving is taken as it is
const KNUCKLES = [5, 9, 13, 17];

/**
 * @typedef {{seconds: number, landmarks: Float32Array}} Frame
 * @typedef {{clips: (Float32Array | Uint8Array)[], image: OffscreenCanvas}} Capture clips (T, landmarks), flat
 */

/** Captures a hand that keeps its shape for a moment, wherever it is. */
export class HoldCapturer {
  /** @param {number} numFrames that the model reads */
  constructor(numFrames) {
    this.numFrames = numFrames;
    this.isVisible = false;
    this.lastLandmarks = this.previousLandmarks = null;  // of the last recording, and of the class before
    this.restart();
  }

  /** Drop the hand until now; of a new class, the hand must leave the sign of the class before. */
  restart(isNewClass = false) {
    /** @type {Frame[]} */
    this.frames = [];
    this.sinceS = null;
    if (isNewClass) this.previousLandmarks = this.lastLandmarks;
  }

  /**
   * Add the landmarks of an image.
   * @param {Float32Array | null} landmarks
   * @param {number} seconds
   * @returns {Capture | null} the hold that they complete
   */
  push(landmarks, seconds) {
    this.isVisible = landmarks !== null;
    if (!landmarks) {
      this.restart();
      return null;
    }
    this.sinceS ??= seconds;
    const isPatient = seconds - this.sinceS < PATIENCE_S;
    if (isPatient && this.previousLandmarks && measureChange(this.previousLandmarks, landmarks) < SAME_SHAPE) {
      this.frames = [];
      return null;
    }
    const recent = this.frames.filter((frame) => seconds - frame.seconds <= 2 * HOLD_S);
    this.frames = [...recent.slice(-2 * MIN_FRAMES * MAX_CLIPS), { seconds, landmarks }];
    const hold = isPatient ? findStillPart(this.frames) : this.frames;
    if (hold.length < MIN_FRAMES || seconds - hold[0].seconds < HOLD_S) return null;
    this.restart();
    this.lastLandmarks = landmarks;
    this.previousLandmarks = null;
    return { clips: this.cutClips(hold), image: drawLandmarks(landmarks) };
  }

  /** Return up to MAX_CLIPS clips that end at frames of the hold. */
  cutClips(hold) {
    const places = Array.from({ length: MAX_CLIPS }, (_, n) => roundEven((n * (hold.length - 1)) / (MAX_CLIPS - 1)));
    return [...new Set(places)].map((place) => {
      const frames = hold.slice(Math.max(0, place + 1 - this.numFrames), place + 1);
      return Float32Array.from(frames.flatMap(({ landmarks }) => [...landmarks]));
    });
  }
}

/** Return the last frames in which the hand has the same shape. */
export function findStillPart(frames) {
  const last = frames[frames.length - 1].landmarks;
  for (let n = frames.length - 1; n >= 0; n -= 1) {
    if (measureChange(frames[n].landmarks, last) > MAX_CHANGE) return frames.slice(n + 1);
  }
  return frames;
}

/** Return the mean distance of the joints of one or two hands from those of others, in palm lengths. */
export function measureChange(first, second) {
  const [a, b] = [normalizeShape(first), normalizeShape(second)];
  let sum = 0;
  for (let n = 0; n < a.length; n += 2) sum += Math.hypot(a[n] - b[n], a[n + 1] - b[n + 1]);
  return sum / (a.length / 2);
}

/** Return the image points of each hand from its wrist, in palm lengths. */
function normalizeShape(landmarks) {
  const shape = [];
  for (let start = 0; start < landmarks.length; start += HAND_SIZE) {
    const x = (joint) => landmarks[start + 3 * joint] - landmarks[start];
    const y = (joint) => landmarks[start + 3 * joint + 1] - landmarks[start + 1];
    const palm = Math.max(KNUCKLES.reduce((sum, joint) => sum + Math.hypot(x(joint), y(joint)), 0) / KNUCKLES.length, 1e-6);
    for (let joint = 0; joint < HAND_SIZE / 3; joint += 1) shape.push(x(joint) / palm, y(joint) / palm);
  }
  return shape;
}
