// From the images of a stream to mouths as in training: the mouth's part of unvoiced/streams/trackers.py.
import { FaceFollower } from "./face_following.js";
import { limitSide, roundEven, toGrey } from "./images.js";
import { findMouthWindows } from "./mouth_windows.js";

/**
 * @typedef {{seconds: number, grey: import("./mouth_windows.js").GreyImage, points: number[][] | null}} TimedFrame the
 *   points of a frame in which no face was searched are moved by the next detection
 */

/** The frames of the last seconds. */
export class FrameBuffer {
  /**
   * @param {number} keepS seconds; older frames are dropped
   * @param {number} maxFps frames that follow faster replace the one before
   */
  constructor(keepS, maxFps) {
    this.keepS = keepS;
    this.maxFps = maxFps;
    this.frames = [];
  }

  /** Add the newest frame. */
  add(frame) {
    const { frames } = this;
    if (frames.length > 1 && frame.seconds - frames.at(-2).seconds < 1 / this.maxFps) frames.pop();
    frames.push(frame);
    while (frame.seconds - frames[0].seconds > this.keepS) frames.shift();
  }

  /** Return the nearest frame to each moment of an even frame rate. */
  resample(fps) {
    const { frames } = this;
    if (!frames.length) return [];
    const startS = frames[0].seconds, count = roundEven((frames.at(-1).seconds - startS) * fps) + 1;
    let after = 0;
    return Array.from({ length: count }, (_, n) => {
      const moment = startS + n / fps;
      while (after < frames.length && frames[after].seconds < moment) after += 1;
      const next = Math.min(Math.max(after, 1), Math.max(1, frames.length - 1)), before = frames[next - 1];
      const later = frames[Math.min(next, frames.length - 1)];
      return moment - before.seconds <= later.seconds - moment ? before : later;
    });
  }
}

/** Return the largest distance of the windows' corners, in window pixels. */
function measureShift(first, second) {
  const others = second.corners;
  const distances = first.corners.flatMap((corner, n) => corner.map((value, axis) => Math.abs(value - others[n][axis])));
  return Math.max(...distances) / first.scale;
}

/** Return the first and the stop place of the last run of windows without a gap. */
function findLastRun(windows) {
  let stop = windows.length;
  while (stop && !windows[stop - 1]) stop -= 1;
  let first = stop;
  while (first && windows[first - 1]) first -= 1;
  return [first, stop];
}

/** Follows a face, and crops the mouth out of the last frames as in training. */
export class MouthTracker {
  /**
   * @param {import("./faces.js").FaceDetector} detector
   * @param {number} fps frames per second of the crops
   * @param {any} settings of windows, and of the buffer
   * @param {number} keepS seconds of frames that are kept
   */
  constructor(detector, fps, settings, keepS) {
    this.fps = fps;
    this.settings = settings;
    this.endS = 0;
    this.face = null;
    this.image = null;
    this.window = null;
    this.hasFace = false;
    this.follower = new FaceFollower(detector, settings, fps);
    this.buffer = new FrameBuffer(keepS, settings.max_buffer_fps);
    this.crops = new Map();  // by frame
  }

  /** Add an image; return whether it shows a face. */
  push(image, seconds) {
    this.image = limitSide(image, this.settings.max_tracked_side);
    const face = this.face = this.follower.push(this.image, seconds);
    this.buffer.add({ seconds, grey: toGrey(this.image), points: face && face.points });
    this.hasFace = Boolean(face);
    return this.hasFace;
  }

  /** Return the mouths, (height x width) each, at `fps`, since the face last appeared. */
  cropMouths() {
    this.follower.detectLatest();
    const frames = this.buffer.resample(this.fps);
    const windows = findMouthWindows(frames.map(({ points }) => points), this.fps, this.settings);
    const [first, stop] = findLastRun(windows), previous = this.crops;
    this.window = windows.at(-1) ?? null;
    this.crops = new Map();
    if (stop) this.endS = frames[0].seconds + (stop - 1) / this.fps;
    return frames.slice(first, stop).map((frame, n) => this.cropMouth(frame, windows[first + n], previous.get(frame)));
  }

  /** Return the crop of a frame; a previous crop at nearly the same position is reused. */
  cropMouth(frame, window, previous) {
    const isReused = previous && measureShift(previous.window, window) < this.settings.max_shift;
    const kept = isReused ? previous : { window, crop: window.cropImage(frame.grey) };
    this.crops.set(frame, kept);
    return kept.crop;
  }

  /** Draw the window's edge on an image of another size. */
  annotate(context) {
    if (!this.window || !this.image) return;
    const scale = context.canvas.width / this.image.width;
    context.strokeStyle = "rgb(0, 255, 0)";
    context.lineWidth = Math.max(1, Math.floor(Math.min(context.canvas.width, context.canvas.height) / 200));
    context.beginPath();
    for (const [x, y] of this.window.corners) context.lineTo((x + 0.5) * scale, (y + 0.5) * scale);
    context.closePath();
    context.stroke();
  }
}
