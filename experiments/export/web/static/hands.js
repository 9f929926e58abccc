// Hands in images, found with MediaPipe: unvoiced/vision/hands.py.
import { HAND_SIZE } from "./skeleton.js";
import { addBorder, cropAround, cropCentres, isGrey, limitSide, toSkinTones } from "./images.js";
import { loadMediaPipe, openTask } from "./mediapipe_tasks.js";

const MODEL = "model/hand_landmarker.task";

/**
 * @typedef {{landmarks: Float32Array, handedness: string, score: number}} Hand landmarks of 21 points
 *   x (x, y, z), wrist first; of a pair of hands the left one, then the right one, zeros for none
 * @typedef {{min_confidence: number, num_hands: number, search_attempts: number[][],
 *   close_up_attempts: number[][], close_up_side: number, video_borders: number[],
 *   video_step_ms: number, max_searched_side: number, min_crop_side: number}} HandSettings
 */

/** Return the number of hands in sight. */
export function countHands(hand) {
  let count = 0;
  for (let start = 0; start < hand.landmarks.length; start += HAND_SIZE) {
    if (hand.landmarks.subarray(start, start + HAND_SIZE).some((value) => value !== 0)) count += 1;
  }
  return count;
}

/** Opens MediaPipe's hand landmarkers, which share the library and the model. */
export class HandLandmarkerFactory {
  /**
   * @param {{locate: (path: string) => string, read: (path: string) => Promise<ArrayBuffer>}} parts
   * @param {HandSettings} settings
   */
  constructor(parts, settings) {
    this.parts = parts;
    this.settings = settings;
  }

  /** Load the library and the model. */
  async load() {
    const [{ library, files }, model] = await Promise.all([loadMediaPipe(this.parts), this.parts.read(MODEL)]);
    this.library = library;
    this.files = files;
    this.model = new Uint8Array(model);
  }

  /** Return one graph of MediaPipe. */
  async open(isVideo, factor = 1) {
    const { min_confidence, num_hands } = this.settings;
    const options = {
      baseOptions: { modelAssetBuffer: this.model.slice(), delegate: "CPU" },
      runningMode: isVideo ? "VIDEO" : "IMAGE",
      numHands: num_hands,
      minHandDetectionConfidence: min_confidence * factor,
      minHandPresenceConfidence: min_confidence,
      minTrackingConfidence: min_confidence,
    };
    return openTask(this.library.HandLandmarker, this.files, options, MODEL);
  }
}

/** Return the hand of MediaPipe's result; null for none. */
function toHand(result, numHands) {
  const hands = result.landmarks.map((points, n) => ({
    landmarks: Float32Array.from(points.flatMap(({ x, y, z }) => [x, y, z])),
    handedness: result.handedness[n][0].categoryName,
    score: result.handedness[n][0].score,
  }));
  if (!hands.length) return null;
  return numHands === 1 ? hands[0] : pairHands(hands);
}

/** Return one or two hands as a pair: the left hand, then the right one. */
export function pairHands(hands) {
  const surest = hands.reduce((best, hand) => (hand.score > best.score ? hand : best));
  let sides = hands.map((hand) => Number(hand.handedness === "Right"));
  if (hands.length === 2 && sides[0] === sides[1]) {
    sides = hands[0].landmarks[0] <= hands[1].landmarks[0] ? [0, 1] : [1, 0];
  }
  const landmarks = new Float32Array(2 * HAND_SIZE);
  hands.forEach((hand, n) => landmarks.set(hand.landmarks, sides[n] * HAND_SIZE));
  return { ...surest, landmarks };
}

/** Return the hand with landmarks times `scale` plus `offset`, three numbers each. */
function rescale(hand, scale, offset) {
  const { landmarks } = hand, moved = new Float32Array(landmarks.length);
  for (let start = 0; start < landmarks.length; start += HAND_SIZE) {
    const part = landmarks.subarray(start, start + HAND_SIZE);
    if (part.every((value) => value === 0)) continue;
    moved.set(part.map((value, n) => value * scale[n % 3] + offset[n % 3]), start);
  }
  return { ...hand, landmarks: moved };
}

function removeBorder(hand, border) {
  const scale = 1 + 2 * border;
  return rescale(hand, [scale, scale, scale], [-border, -border, 0]);
}

/** Follows a hand, or two, through the frames of a video, as a tracker of Python does. */
export class HandTracker {
  constructor(factory) {
    this.factory = factory;
    this.numMissed = this.timeMs = 0;
  }

  async load() {
    this.task = await this.factory.open(true);
  }

  /** Return the hand in the next frame; null for none. */
  push(image) {
    const { video_borders, video_step_ms, num_hands } = this.factory.settings;
    const border = video_borders[this.numMissed % video_borders.length];
    this.timeMs += video_step_ms;
    const hand = toHand(this.task.detectForVideo(addBorder(image, border), this.timeMs), num_hands);
    if (!hand) this.numMissed += 1;
    return hand && removeBorder(hand, border);
  }

  close() {
    this.task.close();
  }
}

/** Finds the hand in single images: with borders, in crops, and in grey images too. */
export class HandFinder {
  constructor(factory) {
    this.factory = factory;
    this.tasks = new Map();  // by factor on the confidence
  }

  /** Return the hand in an image; null for none. */
  async find(image) {
    const limited = limitSide(image, this.factory.settings.max_searched_side);
    const hand = await this.findWithBorders(limited);
    return hand ?? (isGrey(limited) ? this.findWithBorders(toSkinTones(limited)) : null);
  }

  async detect(image, factor = 1) {
    if (!this.tasks.has(factor)) this.tasks.set(factor, await this.factory.open(false, factor));
    return toHand(this.tasks.get(factor).detect(image), this.factory.settings.num_hands);
  }

  async findWithBorders(image) {
    const { search_attempts, close_up_attempts, close_up_side, num_hands } = this.factory.settings;
    const isCloseUp = Math.max(image.width, image.height) <= close_up_side;
    let best = null;
    for (const [border, factor] of isCloseUp ? close_up_attempts : search_attempts) {
      if (best && (countHands(best) === num_hands || factor < 1)) break;
      const hand = await this.detect(addBorder(image, border), factor);
      if (hand && (!best || countHands(hand) > countHands(best))) best = removeBorder(hand, border);
    }
    return best ?? this.searchCrops(image);
  }

  /** Return a small hand, found in crops of a large image. */
  async searchCrops(image) {
    for (const share of [0.5, 0.25]) {
      const side = Math.round(share * Math.min(image.width, image.height));
      if (side < this.factory.settings.min_crop_side) break;
      for (const centre of cropCentres(image, side)) {
        const hand = await this.findInCrop(image, centre, side);
        const closer = hand && (await this.refine(image, hand));
        if (closer) return closer;
      }
    }
    return null;
  }

  /** Return the hand as closer crops show it; null for a face that was taken for a hand. */
  async refine(image, hand) {
    const size = [image.width, image.height], points = [[], []];
    hand.landmarks.forEach((value, n) => {
      const start = n - (n % 3), isSeen = hand.landmarks[start] !== 0 || hand.landmarks[start + 1] !== 0;
      if (n % 3 < 2 && isSeen) points[n % 3].push(value * size[n % 3]);
    });
    const [low, high] = [points.map((part) => Math.min(...part)), points.map((part) => Math.max(...part))];
    const extent = Math.max(high[0] - low[0], high[1] - low[1]);
    for (const factor of [2, 3]) {
      const found = await this.findInCrop(image, [(low[0] + high[0]) / 2, (low[1] + high[1]) / 2], factor * extent);
      if (found) return found;
    }
    return null;
  }

  async findInCrop(image, centre, side) {
    const { crop, corner } = cropAround(image, centre, side);
    const hand = await this.detect(crop);
    if (!hand) return null;
    const [width, height] = [crop.width / image.width, crop.height / image.height];
    return rescale(hand, [width, height, width], [corner[0] / image.width, corner[1] / image.height, 0]);
  }
}
