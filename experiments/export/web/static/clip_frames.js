// The images of a video file at an even rate, as unvoiced/vision/videos.py gives them.
import { takeImage } from "./snapshots.js";

const MAX_SIDE = 1280;  // pixels of the longer side, as in worker.js
const MAX_CLIP_S = 60;
const FAR_S = 1e7;
const MAX_LAG_S = 1, ROUNDING_S = 1e-3;  // of the time stamp of an image behind that of the seek
const MAX_SHOW_MS = 1000;  // from a seek to its image
const NOT_A_CLIP = "This file is not a video that the browser can open. Choose an MP4 or WebM video.";

/** Settle once an element fires an event, or an error. */
function waitFor(video, name) {
  return new Promise((resolve, reject) => {
    video.addEventListener(name, resolve, { once: true });
    video.addEventListener("error", () => reject(new Error(NOT_A_CLIP)), { once: true });
  });
}

/** Settle with the next image that the browser shows; a page out of sight shows none. */
function waitForImage(video) {
  if (document.hidden || !video.requestVideoFrameCallback) return Promise.resolve();
  return new Promise((resolve) => {
    video.requestVideoFrameCallback(resolve);
    setTimeout(resolve, MAX_SHOW_MS);
  });
}

/** Show the image at a time; a busy browser reports the seek as done before it has the image. */
async function seek(video, seconds) {
  const arrival = waitFor(video, "seeked"), image = waitForImage(video);
  video.currentTime = seconds;
  await arrival;
  await image;
}

/**
 * Open a video file.
 * @param {File} file
 * @returns {Promise<HTMLVideoElement>}
 * @throws {Error} with a sentence: no video, or too long
 */
export async function openClip(file) {
  const video = document.createElement("video"), opened = waitFor(video, "loadeddata");
  Object.assign(video, { muted: true, playsInline: true, preload: "auto", src: URL.createObjectURL(file) });
  try {
    await opened;
    if (video.duration === Infinity) await seek(video, FAR_S);  // a recording of a browser states none
    if (!(video.duration > 0 && video.videoWidth)) throw new Error(NOT_A_CLIP);
    if (video.duration > MAX_CLIP_S + 0.5) {
      throw new Error(`The clip lasts ${video.duration.toFixed(0)} seconds, and at most ${MAX_CLIP_S} are read here. Cut it.`);
    }
  } catch (error) {
    closeClip(video);
    throw error;
  }
  return video;
}

/** Release the file of a clip. */
export function closeClip(video) {
  URL.revokeObjectURL(video.src);
  video.removeAttribute("src");
  video.load();
}

/** Return when an image of a clip is shown first, by its own time stamp; browsers seek to one a little earlier. */
function findStart(image, video, evenS) {
  const stampS = image.timestamp / 1e6, lagS = video.currentTime - stampS;
  return lagS > -ROUNDING_S && lagS < MAX_LAG_S ? stampS : evenS;
}

/**
 * Give the images of a clip at `fps`, each one that is shown at the middle of its moment.
 * @param {HTMLVideoElement} video
 * @param {number} fps
 * @param {boolean} isEven every moment has an image; otherwise each image comes once, with its own time
 * @returns {AsyncGenerator<{image: VideoFrame | ImageBitmap, seconds: number}>}
 */
export async function* readClipFrames(video, fps, isEven) {
  const count = Math.max(1, Math.ceil(video.duration * fps - 0.5 - 1e-6));
  let lastS = -Infinity;
  for (let n = 0; n < count; n += 1) {
    await seek(video, Math.min((n + 0.5) / fps, video.duration));
    const image = await takeImage(video, MAX_SIDE), seconds = isEven ? n / fps : findStart(image, video, n / fps);
    if (seconds > lastS) yield { image, seconds }; else image.close();
    lastS = Math.max(lastS, seconds);
  }
}
