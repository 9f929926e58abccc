// Faces in the frames of a video, detected in every n-th frame: unvoiced/vision/face_following.py.

/** Follows the largest face through the frames of a video or a camera. */
export class FaceFollower {
  /**
   * @param {import("./faces.js").FaceDetector} detector
   * @param {import("./faces.js").FaceSettings} settings
   * @param {number} fps frames per second that `detect_every` counts
   */
  constructor(detector, settings, fps) {
    this.detector = detector;
    this.settings = settings;
    this.face = null;
    this.detectedS = -Infinity;
    this.isSteady = false;
    this.skipped = [];
    this.image = null;
    const { detect_every: every, max_pause_s: longestS } = settings;
    this.pauseS = every > 1 ? Math.min((every - 0.5) / fps, longestS) : 0;
  }

  /**
   * Return the face in the next image; null for none. The points of a frame that is skipped are first those of the
   * detection before; the next one moves them, in the same array.
   */
  push(image, seconds) {
    const passedS = seconds - this.detectedS;
    if (!(this.isSteady && passedS >= 0 && passedS < this.pauseS)) return this.detect(image, seconds);
    const face = { ...this.face, points: this.face.points.map((point) => [...point]) };
    this.skipped.push([seconds, face]);
    this.image = image;
    return face;
  }

  /** Detect the face in the latest frame if it was skipped, so that its points are exact. */
  detectLatest() {
    if (!this.image) return;
    const [seconds, skipped] = this.skipped.pop();
    const face = this.detect(this.image, seconds);
    if (face) movePoints(skipped, face.points);
  }

  detect(image, seconds) {
    const { face: previous, settings } = this, face = this.detector.read(image, previous);
    const move = measureMove(previous, face);
    if (face && move <= settings.max_jump) this.interpolate(face, seconds);
    this.isSteady = move <= settings.max_move;
    this.face = face ?? previous;
    this.detectedS = seconds;
    this.skipped = [];
    this.image = null;
    return face;
  }

  /** Move the points of the skipped frames to the line from the detection before. */
  interpolate(face, seconds) {
    const { face: { points: start }, detectedS } = this;
    for (const [skippedS, skipped] of this.skipped) {
      const share = Math.fround((skippedS - detectedS) / (seconds - detectedS));
      movePoints(skipped, start.map((point, n) => point.map((value, axis) =>
        Math.fround(value + Math.fround(Math.fround(face.points[n][axis] - value) * share)))));
    }
  }
}

function movePoints(face, points) {
  face.points.forEach((point, n) => point.splice(0, 2, ...points[n]));
}

/** Return the largest distance of the faces' points in widths of `face`; Infinity without two. */
function measureMove(previous, face) {
  if (!previous || !face) return Infinity;
  const moves = face.points.map(([x, y], n) => Math.hypot(x - previous.points[n][0], y - previous.points[n][1]));
  return Math.max(...moves) / face.size;
}
