// Whether a hand keeps its shape: unvoiced/streams/stillness.py.
import { TOLERANCE_S } from "./decisions.js";
import { measureChange } from "./holds.js";

const STILL_SHARE = 0.8;  // of the frames of a hold; the others may be faults of the detector
const MAX_FRAMES = 1000;  // that are remembered

/** The shapes of a hand in the last seconds. */
export class ShapeHistory {
  /**
   * @param {number} keepS seconds
   * @param {number} maxChange mean distance of the joints, in palm lengths, up to which shapes are the same
   */
  constructor(keepS, maxChange) {
    this.keepS = keepS;
    this.maxChange = maxChange;
    this.frames = [];
  }

  /** Add the landmarks (63 per hand) at a time of the stream; null: no hand, forget all. */
  push(landmarks, seconds) {
    const frames = landmarks ? [...this.frames, { seconds, landmarks }].slice(-MAX_FRAMES) : [];
    this.frames = frames.filter((frame) => seconds - frame.seconds <= this.keepS + TOLERANCE_S);
  }

  /** Return whether nearly all shapes are that of the last frame. */
  isStill() {
    const last = this.frames.at(-1)?.landmarks;
    const same = this.frames.filter(({ landmarks }) => measureChange(landmarks, last) <= this.maxChange);
    return same.length >= STILL_SHARE * this.frames.length;
  }
}
