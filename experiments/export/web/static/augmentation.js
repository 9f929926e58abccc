// Copies of a recording, shifted in time and spoken faster or slower: unvoiced/augmentation.py.
import { roundEven } from "./images.js";

/**
 * Return which frame each frame of a copy is; the ends are padded with mirrored frames.
 * @param {number} length of the recording, frames
 * @param {number} shift to later frames, as a share of the length
 * @param {number} speed 1 keeps it; above 1 is faster
 */
export function listIndices(length, shift, speed) {
  const last = length - 1;
  return Array.from({ length }, (_, n) => {
    const time = (n - last / 2) * speed + last / 2 + shift * length;
    return Math.min(Math.max(roundEven(last - Math.abs(last - Math.abs(time))), 0), last);
  });
}

/**
 * Return a copy of a recording.
 * @template {Uint8Array | Float32Array} Frames
 * @param {Frames} frames (T, size), flat
 * @param {number} size of a frame
 * @param {number[]} warp shift and speed
 * @returns {Frames}
 */
export function warpFrames(frames, size, [shift, speed]) {
  const copy = frames.slice();
  listIndices(frames.length / size, shift, speed).forEach((place, n) => {
    copy.set(frames.subarray(place * size, (place + 1) * size), n * size);
  });
  return /** @type {Frames} */ (copy);
}
