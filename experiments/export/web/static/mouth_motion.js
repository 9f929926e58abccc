// The motion of a mouth: measure_motion and measure_noise of unvoiced/streams/speech.py.
import { convolve, padEdges } from "./numbers.js";
import { roundEven } from "./images.js";

const NUM_CAUSES = 5;  // of a change that is no motion: light, contrast, and movements of the head
const RIDGE = 1e-2;  // keeps a window of uniform grey solvable

/**
 * @typedef {{frames: Float32Array[], rows: number, columns: number}} Cells
 * @typedef {{lag_s: number, smoothing_s: number, noise_gain: number}} MotionSettings
 */

/**
 * Return the motion of each frame, in standard deviations per 0.1 s.
 * @param {Uint8Array[]} crops (height x width) each
 * @param {[number, number]} shape height and width
 * @param {number} fps
 * @param {MotionSettings} settings
 */
export function measureMotion(crops, shape, fps, { lag_s, smoothing_s }) {
  if (crops.length < 2) return new Float64Array(crops.length);
  const cells = averageCells(crops, shape), spread = measureSpread(cells);
  const last = crops.length - 1, half = (lag_s * fps) / 2;
  const motion = Float64Array.from(cells.frames, (_, time) => {
    const before = Math.max(time - half, 0), after = Math.min(time + half, last);
    const change = measureChange(interpolateFrame(cells, before), interpolateFrame(cells, after), cells);
    return (change * lag_s * fps) / Math.max(after - before, half) / spread;
  });
  const reach = Math.max(1, roundEven((smoothing_s / 2) * fps)), size = 2 * reach + 1;
  return convolve(padEdges(motion, reach), Array(size).fill(1 / size));
}

/** Return the motion of each frame but the ends that the camera's noise alone would give. */
export function measureNoise(crops, shape, { noise_gain }) {
  if (crops.length < 3) return new Float64Array(0);
  const cells = averageCells(crops, shape), spread = measureSpread(cells), { frames } = cells;
  return Float64Array.from(frames.slice(1, -1), (frame, n) => {
    const neighbours = frames[n].map((value, cell) => (value + frames[n + 2][cell]) / 2);
    return (noise_gain * measureChange(neighbours, frame, cells)) / spread;
  });
}

/** Return the means of 4 x 4 pixels, which average noise out; small windows keep their pixels. */
function averageCells(crops, [height, width]) {
  const cell = Math.min(height, width) >= 32 ? 4 : 1;
  const rows = Math.floor(height / cell), columns = Math.floor(width / cell);
  const frames = crops.map((crop) => {
    const means = new Float32Array(rows * columns);
    for (let y = 0; y < rows * cell; y += 1) {
      const row = Math.floor(y / cell) * columns;
      for (let x = 0; x < columns * cell; x += 1) means[row + Math.floor(x / cell)] += crop[y * width + x];
    }
    return means.map((sum) => sum / cell ** 2);
  });
  return { frames, rows, columns };
}

/** Call `visit` with the place of each cell in the centre of a window. */
function visitCentre({ rows, columns }, visit) {
  const top = Math.floor(rows / 4), left = Math.floor(columns / 6);
  for (let y = top; y < rows - top; y += 1) {
    for (let x = left; x < columns - left; x += 1) visit(y * columns + x);
  }
}

/** Return the standard deviation in the centre of all frames, plus 1. */
function measureSpread(cells) {
  let count = 0, sum = 0, squares = 0;
  for (const frame of cells.frames) visitCentre(cells, (n) => { count += 1; sum += frame[n]; });
  const mean = sum / count;
  for (const frame of cells.frames) visitCentre(cells, (n) => { squares += (frame[n] - mean) ** 2; });
  return Math.sqrt(squares / count) + 1;
}

/** Return the frame at a fractional place. */
function interpolateFrame({ frames }, place) {
  const low = Math.floor(place), share = place - low, next = frames[Math.min(low + 1, frames.length - 1)];
  return share ? frames[low].map((value, n) => value * (1 - share) + next[n] * share) : frames[low];
}

/** Return the root mean square, in the centre, of changes that neither light nor a moving head explain. */
function measureChange(earlier, later, cells) {
  const change = Float64Array.from(later, (value, n) => value - earlier[n]);
  const mean = Float64Array.from(later, (value, n) => (value + earlier[n]) / 2);
  const causes = listCauses(mean, cells), shares = fitShares(causes, change);
  let squares = 0, count = 0;
  visitCentre(cells, (n) => {
    let rest = change[n];
    for (let cause = 0; cause < NUM_CAUSES; cause += 1) rest -= causes[cause][n] * shares[cause];
    squares += rest ** 2;
    count += 1;
  });
  return Math.sqrt(squares / count);
}

/** Return light, contrast, and movements to the right, down and closer: their effect on each cell. */
function listCauses(mean, { rows, columns }) {
  const [right, down, closer] = [0, 1, 2].map(() => new Float64Array(mean.length));
  const slope = (low, high, step) => (mean[high] - mean[low]) / step;
  for (let y = 0; y < rows; y += 1) {
    const above = Math.max(y - 1, 0), below = Math.min(y + 1, rows - 1);
    for (let x = 0; x < columns; x += 1) {
      const n = y * columns + x, before = Math.max(x - 1, 0), after = Math.min(x + 1, columns - 1);
      right[n] = slope(y * columns + before, y * columns + after, after - before);
      down[n] = slope(above * columns + x, below * columns + x, below - above);
      closer[n] = right[n] * ((2 * x) / (columns - 1) - 1) + down[n] * ((2 * y) / (rows - 1) - 1);
    }
  }
  return [new Float64Array(mean.length).fill(1), mean, right, down, closer];
}

/** Return the least-squares shares of the causes in a change. */
function fitShares(causes, change) {
  const dot = (first, second) => first.reduce((sum, value, n) => sum + value * second[n], 0);
  const rows = causes.map((cause, n) => [
    ...causes.map((other, m) => dot(cause, other) + (n === m ? RIDGE : 0)), dot(cause, change)]);
  for (let n = 0; n < NUM_CAUSES; n += 1) {
    let pivot = n;
    for (let m = n + 1; m < NUM_CAUSES; m += 1) if (Math.abs(rows[m][n]) > Math.abs(rows[pivot][n])) pivot = m;
    [rows[n], rows[pivot]] = [rows[pivot], rows[n]];
    for (let m = 0; m < NUM_CAUSES; m += 1) {
      if (m === n) continue;
      const factor = rows[m][n] / rows[n][n];
      for (let column = n; column <= NUM_CAUSES; column += 1) rows[m][column] -= factor * rows[n][column];
    }
  }
  return rows.map((row, n) => row[NUM_CAUSES] / row[n]);
}
