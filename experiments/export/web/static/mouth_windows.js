// Windows on the mouth that are stable over time: unvoiced/vision/mouth_windows.py.
import { roundEven } from "./images.js";
import { convolve, interpolate, median, padEdges, reflectEnds, unwrapAngles } from "./numbers.js";

const MAX_SAMPLES = 8;  // of a pixel of a window, along each axis

/**
 * @typedef {{data: Uint8Array, width: number, height: number}} GreyImage
 * @typedef {{height: number, width: number, zoom: number, max_gap_s: number, window_width: number,
 *   centre_above_mouth: number, head_smoothing_s: number, shape_smoothing_s: number, median_frames: number}} WindowSettings
 */

/** A window on one image. */
export class MouthWindow {
  /**
   * @param {number[][]} matrix (2, 3), maps a position (x, y, 1) in the window to one in the image,
   *   both in pixels with (0, 0) at the centre of the first
   */
  constructor(matrix, height, width) {
    this.matrix = matrix;
    this.height = height;
    this.width = width;
  }

  /** Image pixels per window pixel. */
  get scale() {
    return Math.hypot(this.matrix[0][0], this.matrix[1][0]);
  }

  /** [x, y] in image pixels, clockwise from the top left. */
  get corners() {
    const right = this.width - 0.5, bottom = this.height - 0.5;
    const positions = [[-0.5, -0.5], [right, -0.5], [right, bottom], [-0.5, bottom]];
    return positions.map(([x, y]) => this.matrix.map(([a, b, c]) => a * x + b * y + c));
  }

  /**
   * Cut the window out of a grey image, at the window's own size. Beyond the image, its edge is repeated.
   * @param {GreyImage} image
   * @returns {Uint8Array} (height x width)
   */
  cropImage(image) {
    const samples = Math.min(Math.max(1, Math.ceil(this.scale - 0.2)), MAX_SAMPLES);
    const step = 1 / samples, first = 0.5 / samples - 0.5, { width, height } = this;
    const [[a, b, c], [d, e, f]] = this.matrix.map(([x, y, offset]) => [x * step, y * step, (x + y) * first + offset]);
    const sums = new Uint32Array(width * height);
    for (let y = 0; y < height * samples; y += 1) {
      const row = Math.floor(y / samples) * width;
      for (let x = 0; x < width * samples; x += 1) {
        sums[row + Math.floor(x / samples)] += sampleImage(image, a * x + b * y + c, d * x + e * y + f);
      }
    }
    return Uint8Array.from(sums, (sum) => averageSum(sum, samples));
  }
}

const clampPlace = (place, count) => (place < 0 ? 0 : place >= count ? count - 1 : place);

/** Return the grey level between pixels, rounded as OpenCV does. */
function sampleImage({ data, width, height }, x, y) {
  const left = Math.floor(x), top = Math.floor(y), across = x - left, down = y - top;
  const west = clampPlace(left, width), east = clampPlace(left + 1, width);
  const north = clampPlace(top, height) * width, south = clampPlace(top + 1, height) * width;
  const upper = data[north + west] * (1 - across) + data[north + east] * across;
  const lower = data[south + west] * (1 - across) + data[south + east] * across;
  return roundEven(upper * (1 - down) + lower * down);
}

/** Return the mean of samples x samples grey levels, rounded as OpenCV does: of 2 x 2, halves up. */
function averageSum(sum, samples) {
  return samples === 2 ? (sum + 2) >> 2 : roundEven(sum / samples ** 2);
}

/**
 * Return a window for every frame; null in gaps without a face longer than `max_gap_s`.
 * @param {(number[][] | null)[]} points of each frame: left eye, right eye and mouth, [x, y] in pixels; null without a face
 * @param {number} fps
 * @param {WindowSettings} settings
 * @returns {(MouthWindow | null)[]}
 */
export function findMouthWindows(points, fps, settings) {
  if (!points.some(Boolean)) return points.map(() => null);
  const usable = fillShortGaps(points.map(Boolean), settings.max_gap_s * fps);
  return fitMouthWindows(points, fps, settings).map((window, n) => (usable[n] ? window : null));
}

/** Return flags that are true for frames with a face and in gaps of at most `maxFrames`. */
export function fillShortGaps(hasFace, maxFrames) {
  const usable = [...hasFace];
  for (let start = 0; start < hasFace.length; start += 1) {
    if (hasFace[start]) continue;
    let stop = start;
    while (stop < hasFace.length && !hasFace[stop]) stop += 1;
    usable.fill(stop - start <= maxFrames, start, stop);
    start = stop;
  }
  return usable;
}

/** Return a window for every frame, with or without a face; at least one has a face. */
export function fitMouthWindows(points, fps, settings) {
  const { height, width, zoom } = settings;
  const headSigma = settings.head_smoothing_s * fps, shapeSigma = settings.shape_smoothing_s * fps;  // frames
  const smoothShape = (values) => smoothCurve(values, shapeSigma, settings.median_frames);
  const faces = interpolateGaps(points).map(measureFace);
  const unit = smoothShape(faces.map((face) => Math.max(face.unit, 1e-3)));
  const tilt = smoothShape(unwrapAngles(faces.map((face) => face.tilt)));
  // The mouth in the head's coordinates, turned upright and scaled.
  const offsets = faces.map(({ below: [x, y] }, n) => {
    const cos = Math.cos(tilt[n]) / unit[n], sin = Math.sin(tilt[n]) / unit[n];
    return [x * cos + y * sin, y * cos - x * sin];
  });
  const offsetX = smoothShape(offsets.map(([x]) => x)), offsetY = smoothShape(offsets.map(([, y]) => y));
  const [headX, headY] = [0, 1].map((axis) =>
    smoothCurve(faces.map((face) => face.eyes[axis]), headSigma, settings.median_frames, true));
  return faces.map((_, n) => {
    const cos = Math.cos(tilt[n]) * unit[n], sin = Math.sin(tilt[n]) * unit[n];
    const x = offsetX[n], y = offsetY[n] - settings.centre_above_mouth / zoom;
    const centre = [headX[n] + x * cos - y * sin, headY[n] + x * sin + y * cos];
    const share = settings.window_width / (zoom * width);
    return buildWindow(centre, [cos * share, sin * share], height, width);
  });
}

/** Return the middle of the eyes, the way from it to the mouth, the face's unit and its tilt. */
function measureFace([left, right, mouth]) {
  const eyes = [(left[0] + right[0]) / 2, (left[1] + right[1]) / 2];
  const across = [right[0] - left[0], right[1] - left[1]], below = [mouth[0] - eyes[0], mouth[1] - eyes[1]];
  return { eyes, below, unit: (Math.hypot(...across) + Math.hypot(...below)) / 2, tilt: Math.atan2(across[1], across[0]) };
}

/** Return the window about a centre; `step` is a window pixel to the right. */
function buildWindow(centre, [x, y], height, width) {
  const right = (width - 1) / 2, down = (height - 1) / 2;
  const first = [centre[0] - x * right + y * down, centre[1] - y * right - x * down];
  return new MouthWindow([[x, -y, first[0]], [y, x, first[1]]], height, width);
}

/** Return points for every frame: linear over gaps, the nearest ones at the ends. */
function interpolateGaps(points) {
  const found = [...points.keys()].filter((n) => points[n]);
  const lines = [0, 1, 2].map((point) => [0, 1].map((axis) =>
    interpolate(points.length, found, found.map((n) => points[n][point][axis]))));
  return points.map((_, n) => lines.map((line) => line.map((values) => values[n])));
}

/** Smooth a curve with a median of a few frames, then a Gaussian of `sigma` frames. */
function smoothCurve(values, sigma, medianFrames, isOdd = false) {
  const padded = padEdges(values, Math.floor(medianFrames / 2));
  const medians = Float64Array.from(values, (_, n) => median(padded.subarray(n, n + medianFrames)));
  if (medians.length === 1) return medians;
  const reach = Math.max(1, Math.ceil(3 * sigma));
  const weights = Array.from({ length: 2 * reach + 1 }, (_, n) => Math.exp(-0.5 * ((n - reach) / Math.max(sigma, 1e-3)) ** 2));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return convolve(reflectEnds(medians, reach, isOdd), weights.map((weight) => weight / sum));
}
