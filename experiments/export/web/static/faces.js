// Faces in images, found with MediaPipe: unvoiced/vision/faces.py.
import { cropAround, cropCentres, roundEven } from "./images.js";
import { loadMediaPipe, openTask } from "./mediapipe_tasks.js";

const MODEL = "model/face_detection_short_range.tflite";
const NO_CORNER = [0, 0];
const USED_KEYPOINTS = [0, 1, 3];  // both eyes and the mouth

/**
 * @typedef {{points: number[][], size: number, numFaces: number}} Face the largest face of an image: both
 *   eyes and the middle of the mouth, [x, y] in pixels, and its width in pixels
 * @typedef {{min_confidence: number, small_face_share: number, crop_face_sizes: number, crop_share: number,
 *   detect_every: number, max_move: number, max_jump: number, max_pause_s: number}} FaceSettings
 */

/** Return the mean of a face's points, [x, y] in pixels. */
export function findCentre({ points }) {
  return [0, 1].map((axis) => points.reduce((sum, point) => sum + point[axis], 0) / points.length);
}

function measureDistance(face, other) {
  const [[x, y], [otherX, otherY]] = [findCentre(face), findCentre(other)];
  return Math.hypot(x - otherX, y - otherY);
}

/** Return whether the faces are less than half the size of `other` apart. */
export const isNear = (face, other) => measureDistance(face, other) < other.size / 2;

function toFace(detection, image, corner) {
  const points = USED_KEYPOINTS.map((n) => {
    const { x, y } = detection.keypoints[n];
    return [Math.fround(x * image.width + corner[0]), Math.fround(y * image.height + corner[1])];
  });
  return { points, size: detection.boundingBox.width, numFaces: 1 };
}

/** Return the best of `items` by a number, the first of equal ones. */
function findBest(items, rank) {
  return items.reduce((best, item) => (rank(item) > rank(best) ? item : best));
}

/** Finds the largest face. */
export class FaceDetector {
  /** @param {FaceSettings} settings */
  constructor(settings) {
    this.settings = settings;
  }

  /** Load the library and the model. */
  async load(parts) {
    const [{ library, files }, model] = await Promise.all([loadMediaPipe(parts), parts.read(MODEL)]);
    const options = {
      baseOptions: { modelAssetBuffer: new Uint8Array(model), delegate: "CPU" },
      runningMode: "IMAGE",
      minDetectionConfidence: this.settings.min_confidence,
    };
    this.task = await openTask(library.FaceDetector, files, options, MODEL);
  }

  /**
   * Return the largest face in an image; null for none.
   * @param {import("./images.js").Image} image
   * @param {Face | null} previous the face of the previous frame, kept unless another one is clearly larger
   * @returns {Face | null}
   */
  read(image, previous = null) {
    let faces = this.detect(image);
    if (!faces.length) faces = this.searchCrops(image, previous);
    if (!faces.length) return null;
    const loyalty = (face) => (previous && isNear(face, previous) ? 1.3 : 1);
    const face = { ...findBest(faces, (one) => one.size * loyalty(one)), numFaces: faces.length };
    const isSmall = face.size < this.settings.small_face_share * Math.max(image.width, image.height);
    return isSmall ? this.refine(image, face) : face;
  }

  detect(image, corner = NO_CORNER) {
    return this.task.detect(image).detections.map((detection) => toFace(detection, image, corner));
  }

  detectAround(image, centre, side) {
    const { crop, corner } = cropAround(image, centre, side);
    return this.detect(crop, corner);
  }

  /** Return the same face with more exact points, from a crop around it. */
  refine(image, face) {
    const faces = this.detectAround(image, findCentre(face), this.settings.crop_face_sizes * face.size);
    if (!faces.length) return face;
    const nearest = findBest(faces, (near) => -measureDistance(near, face));
    return isNear(nearest, face) ? { ...nearest, numFaces: face.numFaces } : face;
  }

  /** Return small faces: near the previous one, else anywhere. */
  searchCrops(image, previous) {
    const { crop_face_sizes, crop_share } = this.settings;
    if (previous) return this.detectAround(image, findCentre(previous), crop_face_sizes * previous.size);
    const faces = [], side = roundEven(crop_share * Math.min(image.width, image.height));
    for (const centre of cropCentres(image, side)) {
      for (const face of this.detectAround(image, centre, side)) {
        if (!faces.some((known) => isNear(known, face))) faces.push(face);
      }
    }
    return faces;
  }
}
